"""The audit log: one line for every change by an operator."""

from typing import Any, Final

import structlog
from quart import request

from orch.access.actors import actor_of
from orch.telemetry.logs import AUDIT

#: Characters of a value that the log shows.
SHOWN: Final = 500

_log = structlog.get_logger(AUDIT)


def log_change(change: str, **what: Any) -> None:
    """Log a change made by the current request; the caller has masked the values."""
    actor = actor_of(request.scope)
    shown = {name: _short(value) for name, value in what.items()}
    _log.info("changed", change=change, via=actor.via, address=actor.address, **shown)


def _short(value: Any) -> Any:
    text = str(value)
    return value if len(text) <= SHOWN else f"{text[:SHOWN]}…"

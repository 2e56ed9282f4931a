"""The settings: every value in force with its source, and changing some while the service runs."""

from typing import Any

from msgspec import Struct
from quart import Blueprint, Response
from quart_schema import document_request, document_response

from orch.cluster.runtime_settings import WorkerChanged
from orch.configuration import ConfigurationStatistics
from orch.parts import Parts
from orch.problems import ProblemError
from orch.settings import SettingsError
from orch.settings.kinds import masked, why_fixed
from orch.web.answers import answer, read_json
from orch.web.audit import log_change


class Patch(Struct, frozen=True, forbid_unknown_fields=True):
    """Values by dotted path (``orchestration.gateway.timeout``); null takes an earlier change back."""

    values: dict[str, Any]


class Applied(Struct, frozen=True, kw_only=True):
    """What was changed, what waits for a restart, and all values as they are now.

    ``workers``: what became of it on the others, where there are several.
    """

    applied: tuple[str, ...]
    waiting: tuple[str, ...]
    workers: tuple[WorkerChanged, ...]
    config: ConfigurationStatistics


def blueprint(parts: Parts) -> Blueprint:
    """Return the routes."""
    api = Blueprint("config", __name__, url_prefix="/api/config")

    @api.get("")
    @document_response(ConfigurationStatistics)
    async def config() -> Response:
        """Return every value in force with its source, and what waits for a restart. Secrets are masked."""
        return answer(parts.settings.statistics())

    @api.patch("")
    @document_request(Patch)
    @document_response(Applied)
    async def change() -> Response:
        """Change values while the service runs, on all workers; the file is left alone.

        One process forgets them when it ends. Several workers keep them in their store until they are taken
        back, so that each that is started later has them too.
        """
        wanted = (await read_json(Patch)).values
        given = [path for path, value in wanted.items() if value is not None]
        fixed = {path: why for path in given if (why := why_fixed(path)) is not None}
        for path, why in fixed.items():
            raise ProblemError(
                "invalid_settings",
                f"{path[:200]} cannot be changed while the service runs. It {why}.",
                faults=[{"path": each, "expected": reason} for each, reason in fixed.items()],
            )
        try:
            changed = await parts.runtime.change(wanted)
        except SettingsError as error:
            faults = [{"path": fault.path, "expected": fault.expected} for fault in error.faults]
            raise ProblemError("invalid_settings", str(error.faults[0]), faults=faults) from None
        for each in changed.changes:
            old, new = masked(each.path, each.old), masked(each.path, each.new)
            log_change("setting", path=each.path, old=old, new=new, waits=each.reason is not None)
        return answer(
            Applied(
                applied=tuple(change.path for change in changed.changes if change.reason is None),
                waiting=tuple(change.path for change in changed.changes if change.reason is not None),
                workers=changed.workers,
                config=parts.settings.statistics(),
            )
        )

    return api

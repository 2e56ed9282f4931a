"""Gives sessions new epochs on a server that may have lost messages."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import structlog

from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.connection import Link, LinkLostError, error_text
from orch.stores.redis.diagnosis import explain, may_have_lost
from orch.stores.redis.keys import SERVER_RUN

#: Milliseconds after which another worker takes over if one did not finish giving new epochs.
RENEWAL_MS: Final = 60_000
#: Sessions that are given new epochs with one command.
STEP: Final = 500

_log = structlog.get_logger("orch.stores.redis.store")


async def adopt_server(
    link: Link, commands: SessionCommands, info: Mapping[str, str], *, url: str, is_known: bool
) -> None:
    """Handle a server that was restarted or replaced since we last used it.

    One worker does it, the others wait: renewing an epoch twice would disconnect clients that joined in
    between.
    """
    (sessions,) = require(await link.exchange(commands.count().commands))
    if sessions and (not is_known or may_have_lost(info)):
        token = secrets.token_hex(8)
        (taken,) = require(await link.exchange(commands.renewal(token, RENEWAL_MS).commands))
        if taken is None:
            raise LinkLostError("Another worker is giving the sessions new epochs. This takes a moment.")
        renewed = await _renew_epochs(link, commands)
        if renewed:
            _log.warning(
                "sessions renewed",
                url=url,
                count=renewed,
                reason="The server was restarted or replaced and may have lost acknowledged messages: "
                "it has no append-only file, or was a replica until now.",
            )
    require(await link.exchange([(b"SET", SERVER_RUN, info.get("run_id", "")), *commands.renewed().commands]))


async def _renew_epochs(link: Link, commands: SessionCommands) -> int:
    renewed = 0
    while True:
        (names,) = require(await link.exchange(commands.between(renewed, renewed + STEP - 1).commands))
        if not names:
            return renewed
        require(await link.exchange([commands.renew(name.decode(), secrets.token_hex(8)) for name in names]))
        renewed += len(names)


def require(answers: list[Any]) -> list[Any]:
    """Return the replies. Raises LinkLostError if one of them is an error."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise LinkLostError(explain(error_text(answer)))
    return answers

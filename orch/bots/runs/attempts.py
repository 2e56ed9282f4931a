"""One browser after another: each is a stay in the meeting, and what its failure means is decided here."""

from typing import TYPE_CHECKING, Final

import structlog
import trio

from orch.bots.ends import EndReason
from orch.bots.runs.failures import failure_of
from orch.bots.runs.journal import OwnerLostError
from orch.bots.runs.reachability import UnreachableError
from orch.bots.states import State

if TYPE_CHECKING:
    from orch.bots.runs.run import BotRun

REACHED_EVERY: Final = 2.0
PAUSES: Final = (0.0, 2.0, 5.0, 10.0)
"""Seconds before each attempt of one recovery."""

_log = structlog.get_logger(__name__)


class Attempts:
    """The browsers of one bot. The mutable state is the attempts since it was in the call."""

    def __init__(self, run: "BotRun") -> None:
        self._run = run
        self._tries = 0

    def succeeded(self) -> None:
        """Note that it is in the call: the next recovery begins without a pause."""
        self._tries = 0

    async def run(self) -> None:
        """Stay in the meeting until the bot is over."""
        run = self._run
        while not run.is_over:
            if run.journal.state is State.RECOVERING:
                await self._until_reachable()
            await self._attempt()

    async def _attempt(self) -> None:
        """Stay in the meeting with one browser; decide what its failure means."""
        run = self._run
        error: BaseException | None = None
        try:
            await run.parts.stay(run)
        except* Exception as group:  # noqa: BLE001 - decided by failure_of, and logged
            error = group
        run.forget_page()
        if error is None or run.is_over:
            return
        lost = error.split(OwnerLostError)[0] if isinstance(error, BaseExceptionGroup) else None
        if lost is not None:
            raise OwnerLostError(run.bot_id)
        failure = failure_of(error, has_joined=run.journal.stored.admitted_at is not None)
        if failure.reason is EndReason.INTERNAL_ERROR:
            _log.error("bot failed", bot=run.bot_id, exc_info=error)
        else:
            _log.warning("a bot's browser failed", bot=run.bot_id, reason=failure.reason, why=failure.detail)
        if failure.is_loss:
            await run.lose(failure.reason, failure.detail)
        else:
            await run.end(failure.reason, failure.detail)

    async def _until_reachable(self) -> None:
        """Wait until the meeting can be reached again, a little longer before each further attempt."""
        await trio.sleep(PAUSES[min(self._tries, len(PAUSES) - 1)])
        self._tries += 1
        while True:
            try:
                await self._run.parts.reachable(self._run.url)
            except UnreachableError:
                await trio.sleep(REACHED_EVERY)
                continue
            return

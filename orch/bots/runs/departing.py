"""Ends one bot's waits and its stay: deadlines, rules, leaving the page, evidence."""

from typing import TYPE_CHECKING, Final

import structlog
import trio

from orch.bots.ends import ENDS, EndReason
from orch.bots.lifecycle import deadline
from orch.bots.runs.parts import CommandFailedError, Presence
from orch.bots.states import Event, State

if TYPE_CHECKING:
    from orch.bots.runs.run import BotRun

LEFT_WITHIN: Final = 15.0
"""Seconds that leaving the page may take; then the browser is closed."""

EVIDENCE_WITHIN: Final = 10.0
LOOKED_AGAIN: Final = 3600.0

_log = structlog.get_logger(__name__)


class Departing:
    """How one bot's stay ends.

    The mutable state is the page whose evidence was collected last, and whether any is stored.
    """

    def __init__(self, run: "BotRun") -> None:
        self._run = run
        self._collected: Presence | None = None
        self._collecting = trio.Lock()
        self.has_evidence = False

    async def keep_deadlines(self) -> None:
        """End each wait that lasts too long, and leave by the rules, until the bot ends."""
        run = self._run
        while not run.is_ending:
            changed = run.changed
            now = run.parts.wall()
            limit = deadline(run.journal.life, run.parts.limits)
            leaves = run.departure
            ends = [each.at for each in (limit, leaves) if each is not None]
            if limit is not None and limit.at <= now:
                if limit.event is Event.LEAVE:
                    await run.leave(limit.reason)
                else:
                    await run.end(limit.reason)
            elif leaves is not None and leaves.at <= now:
                await run.leave(leaves.reason)
            else:
                with trio.move_on_after(min(ends, default=now + LOOKED_AGAIN) - now):
                    await changed.wait()

    async def leave(self) -> None:
        """Leave the page once that is decided, then end the bot."""
        run = self._run
        while run.journal.state is not State.LEAVING:
            await run.changed.wait()
        reason = run.journal.life.reason or EndReason.LEFT_ON_REQUEST
        if ENDS[reason].has_evidence:
            await self.store_evidence()
        await self.leave_page()
        await run.end(reason)

    async def leave_page(self, within: float = LEFT_WITHIN) -> None:
        """Leave the meeting as a person would, if the page can be operated."""
        presence = self._run.presence
        if presence is None or not presence.is_operable:
            return
        with trio.move_on_after(within):
            try:
                await presence.leave()
            except CommandFailedError as error:
                _log.warning("a bot's page was closed without leaving", bot=self._run.bot_id, why=str(error))

    async def store_evidence(self) -> None:
        """Store what the page shows, once for each page; return when it is stored."""
        run, presence = self._run, self._run.presence
        if presence is None:
            return
        async with self._collecting:
            if self._collected is presence:
                return
            self._collected = presence
            with trio.move_on_after(EVIDENCE_WITHIN):
                evidence = await presence.evidence(run.parts.wall())
                for record in await run.parts.store_evidence(run.journal.stored.session_id, evidence):
                    await run.parts.put(record)
                    self.has_evidence = True

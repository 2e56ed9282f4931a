"""Reads missed messages of followed sessions from the store."""

from collections.abc import Callable
from typing import Final, Never

import trio

from orch.problems import ProblemError
from orch.stores.history import is_whole
from orch.stores.records import SessionRecord
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.connection import LinkLostError
from orch.stores.redis.feed_events import (
    Event,
    HeadRead,
    HistoryRead,
    LookDue,
    LookFailed,
    RaiseOffset,
    ReadHead,
    ReadHistory,
    Request,
)
from orch.stores.redis.keys import appended
from orch.stores.redis.survey import Execute
from orch.telemetry.boundaries import Boundary

#: Sessions whose heads are read with one command.
STEP: Final = 500


class CatchUp:
    """Checks sessions when they are due: reads the head, then the history if the head is newer.

    ``apply`` applies an event to a session's feed and returns what to read or write for it. The mutable state
    is when each session is due, and ``count``, the number of histories read.
    """

    def __init__(
        self,
        commands: SessionCommands,
        *,
        execute: Execute,
        apply: Callable[[str, Event], list[Request]],
        boundary: Boundary,
    ) -> None:
        self.count = 0
        self.boundary = boundary
        self._commands = commands
        self._execute = execute
        self._apply = apply
        self._due: dict[str, float] = {}
        self._is_due = trio.lowlevel.ParkingLot()

    def schedule(self, session_id: str, at: float) -> None:
        """Schedule a check of a session; an earlier one stays."""
        self._due[session_id] = at
        self._is_due.unpark()

    def cancel(self, session_id: str) -> None:
        """Cancel the check of a session."""
        self._due.pop(session_id, None)

    async def run(self) -> Never:
        """Check the sessions that are due, until cancelled or LinkLostError."""
        while True:
            while not self._due:
                await self._is_due.park()
            await trio.sleep_until(min(self._due.values()))
            asked = self._take_due(trio.current_time())
            if not asked:
                continue
            heads: dict[str, SessionRecord | None] | None = None
            with self.boundary.item(LinkLostError, step="catch up"):
                try:
                    heads = await self._execute(self._commands.heads(list(asked)))
                except ProblemError:
                    heads = None  # the reply came too late
            async with trio.open_nursery() as nursery:
                for session_id, read in asked.items():
                    if heads is None:
                        self._apply(session_id, LookFailed())
                    elif session_id in heads:
                        nursery.start_soon(self._look, session_id, heads[session_id], read)

    def _take_due(self, now: float) -> dict[str, ReadHead]:
        """Return the reads for the sessions that are due."""
        asked: dict[str, ReadHead] = {}
        for session_id in [each for each, at in self._due.items() if at <= now][:STEP]:
            del self._due[session_id]
            for request in self._apply(session_id, LookDue()):
                if isinstance(request, ReadHead):
                    asked[session_id] = request
        return asked

    async def _look(self, session_id: str, head: SessionRecord | None, asked: ReadHead) -> None:
        is_done = False
        with self.boundary.item(LinkLostError, session=session_id):
            try:
                for request in self._apply(session_id, HeadRead(head, asked)):
                    if isinstance(request, RaiseOffset):
                        call = self._commands.raise_offset(session_id, request.epoch, request.offset)
                        await self._execute(call)
                    elif isinstance(request, ReadHistory):
                        await self._read_history(session_id, request.after, request.until)
                is_done = True
            except ProblemError:
                is_done = False  # the store did not reply in time
        if not is_done:
            self._apply(session_id, LookFailed())

    async def _read_history(self, session_id: str, after: int, until: int) -> None:
        entries = await self._execute(self._commands.entries(session_id, after, until))
        found = [appended(session_id, offset, header, data) for offset, header, data in entries]
        dropped = 0
        if not is_whole([each.offset for each in found], after=after, last=until):
            # Read after the messages: those missing had been dropped by then.
            losses = await self._execute(self._commands.losses(session_id))
            dropped = until if losses is None else losses.captions
        self.count += 1
        self._apply(session_id, HistoryRead(found, until, dropped))

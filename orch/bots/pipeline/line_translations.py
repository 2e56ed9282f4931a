"""Translates finals that no stream translates: shortened ones, and captions without sound."""

from typing import Final, Never

import structlog
import trio

from orch.protocol.messages import Transcript
from orch.speech.output import CaptionOutput
from orch.speech.service import SpeechService
from orch.telemetry.boundaries import Boundary

MOST_TRANSLATING: Final = 32
"""Finals at a time; others stay as spoken."""

_log = structlog.get_logger("bots")


class LineTranslations:
    """The translations of one bot. The mutable state is how many are being made."""

    def __init__(self, speech: SpeechService, session_id: str, boundary: Boundary) -> None:
        self._speech = speech
        self._session_id = session_id
        self._boundary = boundary
        self._nursery: trio.Nursery | None = None
        self._count = 0
        self._done = trio.lowlevel.ParkingLot()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Translate until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def translate(self, final: Transcript, output: CaptionOutput) -> None:
        """Begin to translate a final; one that is too many stays as spoken."""
        if self._nursery is None or self._count >= MOST_TRANSLATING:
            _log.warning("line not translated", session_id=self._session_id)
            return
        self._count += 1
        self._nursery.start_soon(self._translate, final, output)

    async def _translate(self, final: Transcript, output: CaptionOutput) -> None:
        try:
            with self._boundary.item(session_id=self._session_id):
                await self._speech.translate_line(final, output)
        finally:
            self._count -= 1
            self._done.unpark_all()

    async def drain(self) -> None:
        """Wait until what was begun is translated."""
        while self._count:
            await self._done.park()

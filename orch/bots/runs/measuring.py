"""What one bot's browser uses: memory and processor of all its processes."""

from typing import TYPE_CHECKING, Final

import trio
from msgspec.structs import replace

from orch.bots.chromium.usage import Usage, usage
from orch.bots.shown import MediaShown
from orch.stores.bot_writer import Offload

if TYPE_CHECKING:
    from orch.bots.runs.run import BotRun

EVERY: Final = 10.0
"""Seconds between two measurements; one takes some milliseconds."""


class Measuring:
    """Measures a bot's browser. The mutable state is the last measurement and the one before it."""

    def __init__(self, run: "BotRun", offload: Offload) -> None:
        self._run = run
        self._offload = offload
        self._process = 0
        self._last: tuple[float, Usage] | None = None
        self._processor: float | None = None

    async def run(self) -> None:
        """Measure until cancelled; a browser that is not ours has no figures."""
        while True:
            presence = self._run.presence
            await self._measure(0 if presence is None else presence.process)
            await trio.sleep(EVERY)

    async def _measure(self, process: int) -> None:
        if process != self._process or not process:
            self._process, self._last, self._processor = process, None, None
        if not process:
            return
        found, now = await self._offload(usage, process), trio.current_time()
        if self._last is not None and found.processes:
            before, last = self._last
            self._processor = max(found.cpu - last.cpu, 0.0) / max(now - before, 1.0)
        self._last = (now, found)

    @property
    def memory(self) -> int:
        """Bytes that the browser used when it was measured last; 0 without one."""
        return 0 if self._last is None else self._last[1].memory

    def added_to(self, media: MediaShown) -> MediaShown:
        """Return the figures with memory in bytes and processor in cores, as measured last."""
        if self._last is None or not self._last[1].processes:
            return media
        processor = None if self._processor is None else round(self._processor, 3)
        return replace(media, memory=self._last[1].memory, processor=processor)

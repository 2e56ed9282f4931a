"""Viewers of bots' cameras: MJPEG streams, of which there are few, each as fast as its viewer reads.

A frame is requested when the viewer has accepted the one before it, so a slow viewer gets fewer frames and
nothing is queued for it. One that vanished is found at once, or by the frame that is repeated every
:data:`REPEAT_SECONDS`. One that reads nothing is disconnected by the front once the kernel's buffers are
full, which takes some minutes where the picture changes little.
"""

import weakref
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import trio
from quart.wrappers.response import ResponseBody

from orch.bots.control import CameraFrame
from orch.bots.webcam.preview import mjpeg_file_part, mjpeg_start
from orch.problems import ProblemError

MOST: Final = 32
"""Viewers, per worker."""
MOST_OF_BOT: Final = 8
"""Viewers of one camera, per worker."""
REPEAT_SECONDS: Final = 5.0
"""Seconds after which a frame that has not changed is sent again."""
LEAST_PAUSE: Final = 0.1
"""Seconds between frames: a preview of ten frames a second costs a tenth of the camera."""
LONGEST_SECONDS: Final = 3_600.0

Next = Callable[[int], Awaitable[CameraFrame]]
"""Returns the frame whose number is not the given one."""


class CameraViewers:
    """The viewers of one worker. The mutable state is their number, by bot."""

    def __init__(self) -> None:
        self._viewers: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._viewers.total()

    def enter(self, bot_id: str) -> Callable[[], None]:
        """Take a place; the returned function gives it back. ProblemError ``too_many_viewers``."""
        if self._viewers.total() >= MOST or self._viewers[bot_id] >= MOST_OF_BOT:
            raise ProblemError(
                "too_many_viewers",
                f"{MOST_OF_BOT} can see one camera at a time, and {MOST} all of them. Close another one, or "
                "request webcam.png now and then.",
                headers={"Retry-After": "5"},
            )
        self._viewers[bot_id] += 1
        has_left = False

        def leave() -> None:
            nonlocal has_left
            if not has_left:
                has_left = True
                self._viewers[bot_id] -= 1
                self._viewers += Counter()  # without those of none

        return leave


class CameraBody(ResponseBody):
    """The body of an MJPEG stream: the first frame, then each that differs, until there is no camera.

    Resource handling: the place is given back when the stream ends or its viewer is gone; where sending never
    began, when the response is forgotten.
    """

    def __init__(self, first: CameraFrame, next_frame: Next, leave: Callable[[], None]) -> None:
        self._first = first
        self._next = next_frame
        self._leave = weakref.finalize(self, leave)
        self._parts: AsyncGenerator[bytes, None] | None = None

    async def __aenter__(self) -> Self:
        self._parts = self._frames()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._parts is not None:
                await self._parts.aclose()
        finally:
            self._leave()

    def __aiter__(self) -> AsyncIterator[bytes]:
        assert self._parts is not None  # noqa: S101 - entered before it is iterated
        return self._parts

    async def _frames(self) -> AsyncGenerator[bytes, None]:
        yield mjpeg_start()
        frame = self._first
        while True:
            yield mjpeg_file_part(frame.file)
            await trio.sleep(LEAST_PAUSE)
            with trio.move_on_after(REPEAT_SECONDS):
                try:
                    frame = await self._next(frame.number)
                except ProblemError:
                    return  # the camera is off, or the bot has left

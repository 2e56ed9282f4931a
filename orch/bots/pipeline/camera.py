"""The bot's camera: draws captions as they change, and sends what differs to the page.

Drawing takes 1 to 15 ms of a core, so it is done in a thread; one thread draws for all bots of a process,
because fonts are shared and are not for several threads. What changes while a frame is drawn or sent is in
the next one: nothing queues.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Literal

import structlog
import trio
from PIL import Image

from orch.bots.pipeline.ports import CameraSink
from orch.bots.pipeline.segments import Segment
from orch.bots.webcam import picture as pictures
from orch.bots.webcam.appearance import Appearance
from orch.bots.webcam.canvas import Canvas, Patch
from orch.bots.webcam.fonts import Fonts
from orch.bots.webcam.picture import Caption, Line, Picture
from orch.bots.webcam.preview import jpeg, mjpeg_part, mjpeg_start, png
from orch.speech.languages import closest, is_near
from orch.stores.bot_writer import Offload

FASTEST: Final = 1 / 15
"""Seconds between two frames: more than 15 a second show nothing more of a text."""
PREVIEW: Final = 0.25
"""Seconds between two frames of a preview."""

WHOLE: Final = "whole"
CHANGED: Final = "changed"

_log = structlog.get_logger("bots")


class Camera:
    """The mutable state is the picture, the canvas with what is drawn of it, and where frames go."""

    def __init__(
        self,
        fonts: Fonts,
        *,
        drawing: Offload,
        appearance: Appearance,
        clock: Callable[[], float],
        language: str | None,
    ) -> None:
        """Set up a camera that shows nothing.

        ``drawing``: runs what draws, one at a time. ``language``: what captions are translated into; None:
        they are shown as they are spoken.
        """
        self._canvas = Canvas(fonts)
        self._drawing = drawing
        self._clock = clock
        self._picture = Picture(appearance=appearance)
        self._sink: CameraSink | None = None
        self._is_new_sink = False
        self._changed = trio.Event()
        self._drawn = trio.Event()
        self._files: dict[str, tuple[int, bytes]] = {}
        self.language = language

    def __repr__(self) -> str:
        return f"<Camera {self._canvas!r}>"

    @property
    def frame(self) -> int:
        """The number of the frame."""
        return self._canvas.frame

    @property
    def lines(self) -> tuple[Line, ...]:
        """What it shows, the oldest first."""
        return self._picture.lines

    @property
    def appearance(self) -> Appearance:
        """How it looks."""
        return self._picture.appearance

    def look(self, appearance: Appearance) -> None:
        """Change how it looks."""
        self._show(pictures.restyle(self._picture, appearance, self._clock()))

    def translate(self, language: str | None) -> None:
        """Change the language; what is shown in the former one goes."""
        if language != self.language:
            self.language = language
            self._show(pictures.clear(self._picture))

    def clear(self) -> None:
        """Show no caption."""
        self._show(pictures.clear(self._picture))

    def show_in(self, sink: CameraSink | None) -> None:
        """Send frames to another page, or to none; it receives the whole frame first."""
        self._sink = sink
        self._is_new_sink = sink is not None
        self._changed.set()

    def show(self, segment: Segment) -> None:
        """Show a segment as it is now."""
        text, language, is_final = camera_text(segment, self.language)
        name = segment.speaker.name
        caption = Caption(
            key=segment.segment_id,
            text=text,
            speaker="" if name is None else name.name,
            speaker_key="" if name is None else name.participant_id or name.name,
            language=language or "",
            is_final=is_final,
            confidence=segment.confidence,
        )
        self._show(pictures.show(self._picture, caption, self._clock()))

    def _show(self, picture: Picture) -> None:
        if picture is not self._picture:
            self._picture = picture
            self._changed.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Draw what changes until cancelled."""
        task_status.started()
        while True:
            await self._draw()
            next_at = trio.current_time() + FASTEST
            expiry = pictures.next_expiry(self._picture)
            wait = float("inf") if expiry is None else max(0.0, expiry - self._clock())
            with trio.move_on_after(wait):
                await self._changed.wait()
            await trio.sleep_until(next_at)
            self._picture = pictures.expire(self._picture, self._clock())

    async def _draw(self) -> None:
        self._changed = trio.Event()
        is_new, self._is_new_sink = self._is_new_sink, False
        before = self._canvas.frame
        patches = await self._drawing(_drawn, self._canvas, self._picture, WHOLE if is_new else CHANGED)
        if self._canvas.frame != before:
            self._drawn.set()
            self._drawn = trio.Event()
        if patches:
            await self._send(patches)

    async def _send(self, patches: Sequence[Patch]) -> None:
        sink = self._sink
        if sink is None:
            return
        try:
            await sink(patches)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            _log.info("camera without a page")
            if self._sink is sink:
                self._sink = None

    async def file(self, kind: Literal["png", "jpeg"], *, after: int = -1) -> tuple[int, bytes]:
        """Return the frame's number and the frame in a format, once the number is not ``after``."""
        while True:
            drawn = self._drawn
            await self._encode(kind, png if kind == "png" else jpeg)
            number, file = self._files[kind]
            if number != after:
                return number, file
            await drawn.wait()

    async def picture(self) -> bytes:
        """Return the frame as PNG."""
        return await self._encode("png", png)

    async def frames(self, every: float = PREVIEW) -> AsyncIterator[bytes]:
        """Yield the parts of an MJPEG stream: the frame now, and each that differs, one in ``every`` s.

        Frames in between are left out. It never ends by itself.
        """
        yield mjpeg_start()
        while True:
            drawn = self._drawn
            yield await self._encode("mjpeg", mjpeg_part)
            await trio.sleep(every)
            await drawn.wait()

    async def _encode(self, kind: str, encode: Callable[[Image.Image], bytes]) -> bytes:
        return await self._drawing(self._encoded, kind, encode)

    def _encoded(self, kind: str, encode: Callable[[Image.Image], bytes]) -> bytes:
        """Return the frame in a format; it is encoded once for all viewers."""
        if not self._canvas.frame:
            self._canvas.draw(self._picture)
        frame, encoded = self._files.get(kind, (0, b""))
        if frame != self._canvas.frame:
            encoded = encode(self._canvas.image)
            self._files[kind] = (self._canvas.frame, encoded)
        return encoded


def _drawn(canvas: Canvas, picture: Picture, wants: str, /) -> Sequence[Patch]:
    patches = canvas.draw(picture)
    return [canvas.whole()] if wants == WHOLE else patches


def camera_text(segment: Segment, language: str | None) -> tuple[str, str | None, bool]:
    """Return what the camera shows of a segment, in which language, and whether that is final.

    Nothing before it is translated; the words as they were spoken where no translation will come.
    """
    spoken = segment.language
    if not segment.text:
        return "", spoken, True
    if language is None or (spoken is not None and is_near(spoken, language)):
        return segment.text, spoken, segment.is_final
    found = closest(language, tuple(segment.translations))
    if found is not None:
        return segment.translations[found], found, found in segment.translated
    if segment.is_final and language in segment.untranslated:
        return segment.text, spoken, True
    return "", language, False

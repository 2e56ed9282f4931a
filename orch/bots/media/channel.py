"""The media of one bot: sound from its page, camera and speech to it."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Never

import trio
import trio_websocket
from msgspec import Struct, structs

from orch.bots.media.errors import NoPageError, SpeechCutError
from orch.bots.media.frames import (
    RATE,
    Began,
    Drawn,
    Ended,
    Hello,
    Opened,
    PageText,
    Played,
    ProtocolError,
    Silenced,
    decode_frames,
    decode_text,
    encode_hush,
    encode_picture,
    encode_speech,
)
from orch.bots.media.page_sound import OLDEST, PageSound
from orch.bots.media.picture_store import PictureStore
from orch.bots.media.sound_queue import SoundQueue
from orch.bots.observations import SoundObservation
from orch.bots.webcam.canvas import Patch

GRACE: Final = 3.0
"""Seconds that a page may be away before its tracks have ended."""

HELLO: Final = 5.0
"""Seconds until the first text of a connection."""

UPDATES: Final = 2
"""Updates of the picture that the page has not drawn yet; meanwhile others are drawn together here."""

PART: Final = RATE // 10
"""Samples of a speech in one message."""

AHEAD: Final = RATE
"""Samples of a speech that the page has and has not played."""

CLOSING: Final = 2.0
"""Seconds that a page may take to answer the end of its connection."""

LATE: Final = 30.0
"""Seconds that the page may need for a speech beyond its length; a page that plays no sound is given up."""

HUSHING: Final = 1.0
"""Seconds that the end of a speech may take to be sent."""

DISPLACED: Final = 4001
"""Close code: another page of the bot has connected."""

OVER: Final = 4002
"""Close code: the bot is no more."""

VIOLATION: Final = 4003
"""Close code: the page has sent what it may not."""


class MediaStatistics(Struct, frozen=True, kw_only=True):
    """What went over a channel. Samples are of 16 kHz.

    ``lost``: samples that never arrived; ``dropped``: those that arrived and were not read in time. Both are
    marked. ``violations``: connections that were closed for what they sent. ``pictures``: updates sent,
    ``drawn``: those on the camera.
    """

    is_connected: bool
    connections: int
    violations: int
    tracks: int
    samples: int
    lost: int
    dropped: int
    has_camera: bool
    has_microphone: bool
    is_silenced: bool
    pictures: int
    drawn: int
    spoken: int


class _Connection:
    """One connection of a page. The mutable state: what the page has opened, drawn and played."""

    def __init__(self, socket: trio_websocket.WebSocketConnection) -> None:
        self.socket = socket
        self.scope = trio.CancelScope()
        self.code = OVER
        self.has_camera = False
        self.has_microphone = False
        self.is_silenced = False
        self.sent = 0
        self.drawn = 0
        self.played: dict[int, int] = {}
        self.is_over = False

    def close(self, code: int) -> None:
        """End it, with a close code."""
        self.code = code
        self.is_over = True
        self.scope.cancel()


class Channel:
    """The media of one bot, over the pages that it has one after the other.

    The newest connection counts and displaces an earlier one: a page that is loaded again connects before
    the end of its former connection is known. The mutable state is the connection, the sound's numbers, the
    queue of unread observations, and the camera's frame.
    """

    def __init__(
        self, bot_id: str, scripts: tuple[str, ...], *, now: Callable[[], float] = time.time
    ) -> None:
        """``now``: seconds since the epoch, as the page's clock has them."""
        self.bot_id = bot_id
        self._now = now
        self.scripts = scripts
        """For :class:`~orch.bots.chromium.page_messages.PageOptions`. They contain the channel's secret."""
        self._sound = PageSound()
        self._queue = SoundQueue()
        self._picture = PictureStore()
        self._connection: _Connection | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self._speaking = trio.Lock()
        self._speeches = 0
        self._left_at: float | None = None
        self._is_read = False
        self._connections = 0
        self._violations = 0
        self._pictures = 0
        self._drawn = 0
        self._spoken = 0

    def __repr__(self) -> str:
        state = "connected" if self._connection else "no page"
        return f"<Channel {self.bot_id}, {state}, {self._sound!r}, {self._picture!r}>"

    def statistics(self) -> MediaStatistics:
        """Return what went over the channel."""
        connection = self._connection
        return MediaStatistics(
            is_connected=connection is not None,
            connections=self._connections,
            violations=self._violations,
            tracks=self._sound.tracks,
            samples=self._sound.samples,
            lost=self._sound.lost,
            dropped=self._queue.dropped,
            has_camera=connection is not None and connection.has_camera,
            has_microphone=connection is not None and connection.has_microphone,
            is_silenced=connection is not None and connection.is_silenced,
            pictures=self._pictures,
            drawn=self._drawn,
            spoken=self._spoken,
        )

    async def receive(
        self, observed: Callable[[SoundObservation], Awaitable[None]], clock: Callable[[], float]
    ) -> Never:
        """Pass on the sound, in order, for ever. Only one task at a time may do so.

        ``clock``: the bot's, in seconds. The time of a sound is when its last sample was captured, not when
        it arrived. A reader that waits longer than the queue lasts loses sound, which is marked.
        """
        if self._is_read:
            raise RuntimeError("The channel is read already.")
        self._is_read = True
        try:
            while True:
                observation = await self._next()
                age = min(max(self._now() - observation.at, 0.0), OLDEST)
                await observed(structs.replace(observation, at=clock() - age))
        finally:
            self._is_read = False

    async def _next(self) -> SoundObservation:
        while not self._queue:
            if self._left_at is None:
                await self._changed.park()
                continue
            with trio.move_on_at(self._left_at + GRACE) as scope:
                await self._changed.park()
            if scope.cancelled_caught and self._left_at is not None:
                self._left_at = None
                self._put(self._sound.end_all(self._now()))
        await trio.lowlevel.checkpoint()
        return self._queue.get()

    def own(self, track: str, participant_id: str | None) -> None:
        """Note that the page shows a track as a participant's, or (None) no longer: see OwnerSeen."""
        self._put(self._sound.own(track, self._now(), is_owned=participant_id is not None))

    async def show(self, patches: Sequence[Patch]) -> None:
        """Show changed rectangles on the camera.

        Returns at once: a page that is slow skips what is drawn over, and one that connects later is sent
        the whole frame. ValueError for patches outside of the frame.
        """
        self._picture.put(patches)
        self._changed.unpark_all()
        await trio.lowlevel.checkpoint()

    async def speak(self, pcm: bytes) -> None:
        """Say 16-bit mono of 16 kHz into the meeting; return when it has been played.

        Several are played one after the other; a cancel ends it at once. NoPageError; SpeechCutError.
        """
        async with self._speaking:
            connection = self._connection
            if connection is None:
                raise NoPageError("No page of the bot is connected.")
            if not connection.has_microphone:
                raise NoPageError("The meeting has not opened the bot's microphone.")
            self._speeches += 1
            number = self._speeches
            connection.played[number] = 0
            is_whole = False
            try:
                with trio.move_on_after(len(pcm) / 2 / RATE + LATE) as limit:
                    await self._speak(connection, number, pcm[: len(pcm) // 2 * 2])
                if limit.cancelled_caught:
                    raise SpeechCutError(connection.played[number], "The page does not play it.")
                is_whole = True
            except trio_websocket.ConnectionClosed:
                raise SpeechCutError(connection.played[number]) from None
            finally:
                self._spoken += connection.played.pop(number)
                if not is_whole:
                    with trio.move_on_after(HUSHING, shield=True):
                        await _hush(connection, number)

    async def _speak(self, connection: _Connection, number: int, pcm: bytes) -> None:
        total = len(pcm) // 2
        sent = 0
        while connection.played[number] < total:
            if connection.is_over:
                raise SpeechCutError(connection.played[number])
            if sent < total and sent - connection.played[number] < AHEAD:
                part = pcm[2 * sent : 2 * (sent + PART)]
                await connection.socket.send_message(encode_speech(number, part))
                sent += len(part) // 2
            else:
                await self._changed.park()

    async def serve(self, socket: trio_websocket.WebSocketConnection) -> None:
        """Attend to a connection whose secret was right, until it ends.

        Error handling: whatever the page sends or does ends the connection alone.
        """
        connection = _Connection(socket)
        try:
            with connection.scope:
                await self._attend(connection)
        except* ProtocolError:
            self._violations += 1
            connection.code = VIOLATION
        except* trio_websocket.ConnectionClosed:
            pass  # the page has gone, or its browser
        finally:
            connection.is_over = True
            if self._connection is connection:
                self._connection = None
                self._left_at = trio.current_time()
            self._changed.unpark_all()
        with trio.move_on_after(CLOSING):
            await socket.aclose(connection.code)

    async def _attend(self, connection: _Connection) -> None:
        hello: PageText | None = None
        with trio.move_on_after(HELLO):
            hello = _decoded(await connection.socket.get_message())
        if not isinstance(hello, Hello):
            raise ProtocolError("the first message is no hello")
        found = self._sound.connect(hello.page, hello.tracks, self._now())
        if self._connection is not None:
            self._connection.close(DISPLACED)
        self._connection = connection
        self._connections += 1
        self._left_at = None
        connection.has_camera, connection.has_microphone = hello.camera, hello.microphone
        connection.is_silenced = hello.is_silenced
        self._picture.forget()
        self._put(found)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_pictures, connection)
            while True:
                self._apply(connection, await connection.socket.get_message())

    def _apply(self, connection: _Connection, message: str | bytes) -> None:
        """Apply a message of the page. It never waits, so that the page is never made to."""
        if isinstance(message, bytes):
            self._put(self._sound.receive(decode_frames(message), self._now()))
            return
        self._apply_text(connection, decode_text(message))
        self._changed.unpark_all()

    def _apply_text(self, connection: _Connection, text: PageText) -> None:
        match text:
            case Began(track=track):
                self._sound.begin(track, self._now())
            case Ended(number=number):
                self._put(self._sound.end(number, self._now()))
            case Opened(device=device):
                connection.has_camera |= device == "camera"
                connection.has_microphone |= device == "microphone"
            case Drawn(number=number):
                if not connection.drawn < number <= connection.sent:
                    raise ProtocolError("a picture is drawn that was not sent")
                self._drawn += number - connection.drawn
                connection.drawn = number
            case Played(number=number, samples=samples):
                if number in connection.played:
                    connection.played[number] = max(connection.played[number], samples)
            case Silenced(is_silenced=is_silenced):
                connection.is_silenced = is_silenced
            case Hello():
                raise ProtocolError("a second hello")

    async def _send_pictures(self, connection: _Connection) -> Never:
        """Send what the page lacks of the camera's frame, once the meeting has opened the camera."""
        while True:
            is_free = connection.sent - connection.drawn < UPDATES
            if not (connection.has_camera and is_free and self._picture.is_lacking):
                await self._changed.park()
                continue
            connection.sent += 1
            self._pictures += 1
            width, height = self._picture.width, self._picture.height
            await connection.socket.send_message(
                encode_picture(connection.sent, width, height, self._picture.take())
            )

    def _put(self, observations: Sequence[SoundObservation]) -> None:
        for each in observations:
            self._queue.put(each)
        if observations:
            self._changed.unpark_all()

    def end(self) -> None:
        """Disconnect the page for good: the bot is no more."""
        if self._connection is not None:
            self._connection.close(OVER)


def _decoded(message: str | bytes) -> PageText:
    if isinstance(message, bytes):
        raise ProtocolError("the first message is no text")
    return decode_text(message)


async def _hush(connection: _Connection, number: int) -> None:
    """Have the page end a speech; a page that has gone plays nothing."""
    try:
        await connection.socket.send_message(encode_hush(number))
    except trio_websocket.ConnectionClosed:
        return

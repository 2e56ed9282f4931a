"""The local server of media against programs that are not a bot's page, and against pages that misbehave."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
import trio.testing
import trio_websocket

from orch.bots.media import channel as channel_module
from orch.bots.media import server as server_module
from orch.bots.media.channel import DISPLACED, OVER, VIOLATION, Channel
from orch.bots.media.errors import NoPageError, SpeechCutError
from orch.bots.media.frames import LARGEST, Frame, encode_frames
from orch.bots.media.server import MediaServer
from orch.bots.observations import Sound, SoundLost, SoundObservation, TrackBegan, TrackEnded
from orch.bots.webcam.canvas import Patch
from tests.fakes.patience import PATIENCE

pytestmark = pytest.mark.real_time

BLOCK = 640


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[MediaServer, Channel]]:
    """Run a server with one channel."""
    async with trio.open_nursery() as nursery:
        server = MediaServer()
        await nursery.start(server.run)
        with server.channel("bot") as channel:
            yield server, channel
        nursery.cancel_scope.cancel()


def address(channel: Channel) -> str:
    """Return the address in a channel's script."""
    script = channel.scripts[0]
    begin = script.index("ws://127.0.0.1:")
    return script[begin : script.index('"', begin)]


class Page:
    """A page's end of a channel, as its script behaves, or not."""

    def __init__(self, socket: trio_websocket.WebSocketConnection) -> None:
        self.socket = socket
        self.sent = 0

    async def text(self, **message: Any) -> None:
        await self.socket.send_message(json.dumps(message))

    async def hello(self, page: str = "1", **more: Any) -> None:
        track = {"number": 1, "id": "a"}
        await self.text(type="hello", page=page, tracks=[track], **more)

    async def sound(self, *blocks: int) -> None:
        frames = [Frame(1, each * BLOCK, BLOCK, time.time(), bytes([each]) * 2 * BLOCK) for each in blocks]
        await self.socket.send_message(encode_frames(self.sent, frames))
        self.sent += 1

    async def closed(self) -> int:
        """Wait for the end; return its close code."""
        with trio.fail_after(PATIENCE):
            with suppress(trio_websocket.ConnectionClosed):
                while True:
                    await self.socket.get_message()
        assert self.socket.closed is not None
        return int(self.socket.closed.code)

    async def read(self) -> bytes:
        with trio.fail_after(PATIENCE):
            found = await self.socket.get_message()
        assert isinstance(found, bytes)
        return found


@asynccontextmanager
async def page_of(channel: Channel) -> AsyncIterator[Page]:
    host, path = address(channel).removeprefix("ws://").split("/", 1)
    name, port = host.split(":")
    stream = await trio.open_tcp_stream(name, int(port))
    async with stream, trio.open_nursery() as nursery:
        socket = await trio_websocket.wrap_client_stream(
            nursery, stream, host, f"/{path}", max_message_size=2**26
        )
        try:
            yield Page(socket)
        finally:
            with trio.move_on_after(1):
                await socket.aclose()
            nursery.cancel_scope.cancel()


async def status(url: str) -> int:
    """Return the status of the response to a handshake."""
    host, path = url.removeprefix("ws://").split("/", 1)
    request = (
        f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    async with await trio.open_tcp_stream("127.0.0.1", int(host.split(":")[1])) as stream:
        await stream.send_all(request.encode())
        return int((await stream.receive_some()).split()[1])


@asynccontextmanager
async def reading(channel: Channel) -> AsyncIterator[Callable[[type], Awaitable[SoundObservation]]]:
    """Read a channel; the block is given a function that waits for the next observation of a type."""
    send, receive = trio.open_memory_channel[SoundObservation](10_000)

    async def next_of(kind: type) -> SoundObservation:
        with trio.fail_after(PATIENCE):
            async for each in receive:
                if isinstance(each, kind):
                    return each
        raise AssertionError

    async with trio.open_nursery() as nursery:
        nursery.start_soon(channel.receive, send.send, time.time)
        yield next_of
        nursery.cancel_scope.cancel()


async def connected(channel: Channel, number: int = 1) -> None:
    """Wait until so many pages have connected."""
    with trio.fail_after(PATIENCE):
        while channel.statistics().connections < number:  # noqa: ASYNC110 - numbers have nothing to wait on
            await trio.sleep(0.005)


async def test_sound_arrives_with_its_gaps() -> None:
    """In order, on the bot's clock."""
    async with serving() as (_, channel), page_of(channel) as page, reading(channel) as next_of:
        await page.hello()
        await page.sound(0, 1)
        await page.sound(4)
        began, first = await next_of(TrackBegan), await next_of(Sound)
        assert isinstance(began, TrackBegan)
        assert isinstance(first, Sound)
        assert (began.track, began.layout, first.first) == ("a", "mixed", 0)
        assert abs(first.at - time.time()) < PATIENCE
        lost = await next_of(SoundLost)
        assert isinstance(lost, SoundLost)
        assert (lost.first, lost.samples) == (2 * BLOCK, 2 * BLOCK)


@pytest.mark.parametrize("path", ["/media/", "/media/guessed", "/", "/media/%00", "/media/" + "a" * 5_000])
async def test_without_the_secret_there_is_nothing(path: str) -> None:
    """Neither a guess nor none; the bot's page does not notice."""
    async with serving() as (server, channel), page_of(channel) as page:
        await page.hello()
        await connected(channel)
        url = address(channel).partition("/media/")[0] + path
        assert await status(url) == 403
        assert server.statistics().refused == 1
        assert channel.statistics().is_connected


async def test_what_is_no_websocket_ends_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other protocols, half a request, and nothing at all."""
    monkeypatch.setattr(server_module, "HANDSHAKE", 0.1)
    async with serving() as (server, channel), page_of(channel) as page:
        await page.hello()
        port = int(address(channel).split(":")[2].split("/")[0])
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00" * 50, b"GET " + b"x" * 100_000):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                with trio.fail_after(PATIENCE):
                    await stream.send_all(data)
                    await end_of(stream)
        assert server.boundary.failures == 0
        await connected(channel)
        with trio.fail_after(PATIENCE):
            while server.statistics().strangers:  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)
        assert channel.statistics().is_connected


async def end_of(stream: trio.SocketStream) -> None:
    """Read to the end, which may be a reset."""
    try:
        while await stream.receive_some():
            pass
    except trio.BrokenResourceError:
        return


async def test_strangers_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that show nothing are closed at once beyond a number; those that were there time out."""
    monkeypatch.setattr(server_module, "HANDSHAKE", 0.3)
    monkeypatch.setattr(server_module, "MOST_STRANGERS", 4)
    async with serving() as (server, channel):
        port = int(address(channel).split(":")[2].split("/")[0])
        streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(8)]
        with trio.fail_after(PATIENCE):
            for stream in streams:
                await end_of(stream)
                await stream.aclose()
        assert server.statistics().refused == 8
        async with page_of(channel) as page:
            await page.hello()
            await connected(channel)


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        b"\0\0\0\0",
        json.dumps({"type": "began", "track": {"number": 1, "id": ""}}),
        json.dumps({"type": "hello", "page": ""}),
    ],
)
async def test_a_connection_begins_with_a_hello(message: str | bytes) -> None:
    """Anything else ends it before it displaces the bot's page."""
    async with serving() as (_, channel), page_of(channel) as page, page_of(channel) as other:
        await page.hello()
        await connected(channel)
        await other.socket.send_message(message)
        assert await other.closed() == VIOLATION
        assert channel.statistics().is_connected
        assert (channel.statistics().connections, channel.statistics().violations) == (1, 1)


async def test_a_connection_that_does_not_begin_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its secret and says nothing."""
    monkeypatch.setattr(channel_module, "HELLO", 0.05)
    async with serving() as (server, channel), page_of(channel) as page:
        assert await page.closed() == VIOLATION
        assert server.boundary.failures == 0


@pytest.mark.parametrize(
    "messages",
    [
        [json.dumps({"type": "hello", "page": "1"})],
        [json.dumps({"type": "drawn", "number": 1})],
        [json.dumps({"type": "began", "track": {"number": 1, "id": "again"}})],
        [encode_frames(1, [])],
        [encode_frames(0, []), encode_frames(0, [])],
        [encode_frames(0, [Frame(1, 0, 16_000, 0, None)] * 2)],
        [encode_frames(number, [Frame(1, number * 16_000, 16_000, 0, None)]) for number in range(20)],
        [b"\0" * 100],
    ],
    ids=["hello", "drawn", "began", "order", "twice", "overlap", "too-fast", "garbage"],
)
async def test_a_page_that_forges_is_disconnected(messages: list[str | bytes]) -> None:
    """And what was right before stays; the page that connects again goes on."""
    async with serving() as (server, channel), page_of(channel) as page:
        await page.hello()
        with suppress(trio_websocket.ConnectionClosed):
            for each in messages:
                await page.socket.send_message(each)
        assert await page.closed() == VIOLATION
        assert channel.statistics().violations == 1
        assert server.boundary.failures == 0
        async with page_of(channel) as again:
            await again.hello()
            await connected(channel, 2)


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    """Before it is in memory."""
    async with serving() as (server, channel), page_of(channel) as page:
        await page.hello()
        await connected(channel)
        with suppress(trio_websocket.ConnectionClosed):
            await page.socket.send_message(bytes(4 * LARGEST))
        assert await page.closed() in (1006, 1009)
        assert server.boundary.failures == 0


async def test_of_two_pages_the_newer_one_counts() -> None:
    """The former one is closed for good, with its tracks."""
    async with serving() as (_, channel), reading(channel) as next_of, page_of(channel) as page:
        await page.hello("old")
        await page.sound(0)
        await next_of(Sound)
        async with page_of(channel) as other:
            await other.hello("new")
            assert await page.closed() == DISPLACED
            await next_of(TrackEnded)
            await other.sound(0)
            began = await next_of(TrackBegan)
            assert isinstance(began, TrackBegan)
            assert channel.statistics().is_connected


async def test_the_end_of_the_bot_is_the_end_of_its_page() -> None:
    """Its secret is worth nothing afterwards."""
    async with trio.open_nursery() as nursery:
        server = MediaServer()
        await nursery.start(server.run)
        with server.channel("bot") as channel, server.channel("other") as other:
            pass
        with server.channel("bot") as channel:
            entered = page_of(channel)
            page = await entered.__aenter__()
            await page.hello()
            await connected(channel)
        assert await page.closed() == OVER
        await entered.__aexit__(None, None, None)
        for each in (channel, other):
            assert await status(address(each)) == 403
        nursery.cancel_scope.cancel()


async def test_a_page_that_goes_away_ends_its_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, in which it may connect again."""
    monkeypatch.setattr(channel_module, "GRACE", 0.05)
    async with serving() as (_, channel), reading(channel) as next_of:
        async with page_of(channel) as page:
            await page.hello()
            await page.sound(0)
            await next_of(Sound)
        ended = await next_of(TrackEnded)
        assert isinstance(ended, TrackEnded)
        assert ended.track == "a"


async def test_a_reader_that_stalls_makes_nobody_wait() -> None:
    """The page goes on sending; what there was no room for is marked."""
    async with serving() as (_, channel), page_of(channel) as page:
        await page.hello()
        track = channel._sound
        blocks = 4 * 1024 * 1024 // (2 * BLOCK + 256) + 100
        with trio.fail_after(PATIENCE):
            await connected(channel)
            track._tracks[1].since -= 600
            for begin in range(0, blocks, 100):
                count = min(100, blocks - begin)
                frames = [
                    Frame(1, (begin + each) * BLOCK, BLOCK, time.time(), bytes(2 * BLOCK))
                    for each in range(count)
                ]
                await page.socket.send_message(encode_frames(page.sent, frames))
                page.sent += 1
            while channel.statistics().samples < blocks * BLOCK:  # noqa: ASYNC110
                await trio.sleep(0.005)
        dropped = channel.statistics().dropped
        assert 90 * BLOCK < dropped < 200 * BLOCK
        async with reading(channel) as next_of:
            await next_of(Sound)
            await page.text(type="ended", number=1)
            lost = await next_of(SoundLost)
            assert isinstance(lost, SoundLost)
            assert lost.samples == dropped
            await next_of(TrackEnded)


def filled(x: int, y: int, width: int, height: int) -> Patch:
    return Patch(x, y, width, height, bytes(4 * width * height))


async def test_a_page_that_draws_slowly_skips_what_was_drawn_over() -> None:
    """Two updates are under way at most; the camera is sent only once the meeting has opened it."""
    async with serving() as (_, channel), page_of(channel) as page:
        await page.hello()
        await connected(channel)
        await channel.show([filled(0, 0, 1280, 720)])
        await page.text(type="opened", device="camera")
        assert len(await page.read()) == 12 + 8 + 4 * 1280 * 720
        await channel.show([filled(0, 0, 10, 10)])
        assert len(await page.read()) == 12 + 8 + 400
        for _ in range(50):
            await channel.show([filled(0, 0, 10, 10)])
            await channel.show([filled(100, 0, 5, 5)])
        assert channel.statistics().pictures == 2
        await page.text(type="drawn", number=2)
        assert len(await page.read()) == 12 + 16 + 400 + 100
        assert (channel.statistics().pictures, channel.statistics().drawn) == (3, 2)


async def test_a_page_that_connects_again_gets_the_whole_frame() -> None:
    """Whatever it had."""
    async with serving() as (_, channel):
        await channel.show([filled(0, 0, 1280, 720)])
        for _ in range(2):
            async with page_of(channel) as page:
                await page.hello(camera=True)
                assert len(await page.read()) == 12 + 8 + 4 * 1280 * 720


async def test_speech_goes_a_second_ahead_and_ends_when_it_was_played() -> None:
    """The page decides how fast; a second speech waits for the first."""
    async with serving() as (_, channel), page_of(channel) as page:
        with pytest.raises(NoPageError):
            await channel.speak(bytes(2))
        await page.hello()
        await connected(channel)
        with pytest.raises(NoPageError, match="microphone"):
            await channel.speak(bytes(2))
        await page.text(type="opened", device="microphone")
        async with trio.open_nursery() as nursery:
            with trio.fail_after(PATIENCE):
                while not channel.statistics().has_microphone:  # noqa: ASYNC110
                    await trio.sleep(0.005)
            nursery.start_soon(channel.speak, bytes(2 * 24_000 + 1))
            assert [len(await page.read()) for _ in range(10)] == [8 + 3_200] * 10
            nursery.start_soon(channel.speak, bytes(2 * 100))
            with trio.move_on_after(0.05) as scope:
                await page.socket.get_message()
            assert scope.cancelled_caught, "a second ahead is enough"
            await page.text(type="played", number=1, samples=8_000)
            assert [len(await page.read()) for _ in range(5)] == [8 + 3_200] * 5
            await page.text(type="played", number=1, samples=24_000)
            assert len(await page.read()) == 8 + 200
            await page.text(type="played", number=2, samples=100)
        assert channel.statistics().spoken == 24_100


async def test_a_cancel_ends_a_speech_in_the_page() -> None:
    """What it has already been sent would go on for a second."""
    async with serving() as (_, channel), page_of(channel) as page:
        await page.hello(microphone=True)
        await connected(channel)
        with trio.move_on_after(0.05):
            await channel.speak(bytes(64_000))
        with trio.fail_after(PATIENCE):
            while isinstance(found := await page.socket.get_message(), bytes):
                pass
        assert json.loads(found) == {"type": "hush", "number": 1}


async def test_a_speech_ends_with_its_page() -> None:
    """The caller learns how much was played."""
    async with serving() as (_, channel):
        async with trio.open_nursery() as nursery, page_of(channel) as page:
            await page.hello(microphone=True)
            await connected(channel)

            async def speak() -> None:
                with pytest.raises(SpeechCutError) as caught:
                    await channel.speak(bytes(64_000))
                assert caught.value.played == 1_000

            nursery.start_soon(speak)
            await page.read()
            await page.text(type="played", number=1, samples=1_000)
            await page.text(type="opened", device="camera")
            await page.read()
        assert channel.statistics().spoken == 1_000


async def test_a_speech_that_the_page_does_not_play_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is there and plays nothing; the next speech has its turn."""
    monkeypatch.setattr("orch.bots.media.channel.LATE", 0.0)
    async with serving() as (_, channel), page_of(channel) as page:
        await page.hello(microphone=True)
        await connected(channel)
        for number in (1, 2):
            with trio.fail_after(PATIENCE), pytest.raises(SpeechCutError, match="does not play") as caught:
                await channel.speak(bytes(3_200))
            assert caught.value.played == 0
            with trio.fail_after(PATIENCE):
                while isinstance(found := await page.socket.get_message(), bytes):
                    pass
            assert json.loads(found) == {"type": "hush", "number": number}


async def test_only_one_reads() -> None:
    """Two readers would each miss what the other one gets."""

    async def observed(_observation: SoundObservation) -> None:
        raise AssertionError

    async with serving() as (_, channel), reading(channel):
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="read already"):
            await channel.receive(observed, time.time)


def test_a_channel_needs_the_server() -> None:
    """Its address would be wrong."""
    with pytest.raises(RuntimeError, match="does not run"), MediaServer().channel("bot"):
        pass

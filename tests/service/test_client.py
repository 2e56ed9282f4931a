"""The Python client against the real service: cut connections, kill -9, speech."""

import random
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
import trio

import orch.client
from orch.client import Backoff, Client, ConnectionLostError, Lost, RefusedError, StateChanged, StoppedError
from orch.protocol.messages import SessionMessage, Transcript, Update
from tests.fakes.client import clip
from tests.fakes.cutting import relay
from tests.fakes.service import UNHURRIED, service

pytestmark = pytest.mark.real_time

SETTINGS = """\
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
"""


LAST = 9999


def quick() -> Backoff:
    """Reconnect without long waits."""
    return Backoff(base=0.05, cap=0.2, floor=0.01)


async def numbers(client: Client, until: int) -> list[int]:
    """Return the numbers sent in the session, until one of them is ``until``; a loss fails the test."""
    found: list[int] = []
    async for event in client:
        assert not isinstance(event, Lost), event
        if isinstance(event, SessionMessage):
            found.append(msgspec.json.decode(event.data)["n"])
            if found[-1] == until:
                break
    return found


async def test_a_stream_over_a_connection_that_is_cut_again_and_again_comes_whole(tmp_path: Path) -> None:
    """Cut in the middle of a frame or between two: every number once, in order."""
    draw = random.Random(7)
    with service("serve", tmp_path, settings=SETTINGS) as s:
        async with (
            relay(s.port) as wire,
            orch.client.connect(s.url) as speaker,
            orch.client.connect(f"http://127.0.0.1:{wire.port}", backoff=quick()) as reader,
            trio.open_nursery() as nursery,
        ):
            await speaker.create("s")
            await reader.join("s")
            found: list[int] = []

            async def read() -> None:
                found.extend(await numbers(reader, 999))

            nursery.start_soon(read)
            for number in range(1000):
                if number % 100 == 50:
                    wire.allowance = draw.randrange(1, 4000)
                if number % 100 == 90:
                    wire.cut()
                await speaker.broadcast("s", {"n": number})
        assert found == list(range(1000))
        assert wire.accepted > 5


async def test_after_kill_9_and_a_new_start_the_client_goes_on_where_it_was(tmp_path: Path) -> None:
    """Same port, same state: both clients reconnect, and no stored message is missing."""
    with service("serve", tmp_path, settings=SETTINGS) as first, ExitStack() as later:

        def start_again() -> None:
            first.kill()
            later.enter_context(service("serve", tmp_path, settings=SETTINGS, port=first.port))

        async with (
            orch.client.connect(first.url, backoff=quick()) as speaker,
            orch.client.connect(first.url, backoff=quick()) as reader,
            trio.open_nursery() as nursery,
        ):
            await speaker.create("s")
            await reader.join("s")
            await reader.subscribe("tree")
            said: list[int] = []
            found: list[int] = []
            halfway = trio.Event()

            async def speak() -> None:
                for number in range(400):
                    try:
                        await speaker.broadcast("s", {"n": number})
                        said.append(number)
                    except ConnectionLostError:
                        pass  # kept or not: the reader will tell
                    if number == 200:
                        halfway.set()
                await speaker.broadcast("s", {"n": LAST})

            async def read() -> None:
                found.extend(await numbers(reader, LAST))

            nursery.start_soon(speak)
            nursery.start_soon(read)
            await halfway.wait()
            await trio.to_thread.run_sync(start_again)
        assert found == sorted(set(found))
        assert set(said) < set(found)
        assert reader.statistics().connections == 2
        assert reader.statistics().topics == ("tree",)


async def test_a_service_that_stops_in_order_is_waited_for(tmp_path: Path) -> None:
    """It sends when to reconnect; the client reports that, and loses nothing."""
    with service("serve", tmp_path, settings=SETTINGS) as s:
        async with orch.client.connect(s.url) as client:
            await client.create("s")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, s.stop)
                assert (await waiting(client)).reason.startswith("The service is stopping.")


async def test_errors_and_topics_of_the_real_service(tmp_path: Path) -> None:
    """Typed replies, typed errors, updates."""
    with service("serve", tmp_path, settings=SETTINGS) as s:
        async with orch.client.connect(s.url) as client:
            with pytest.raises(RefusedError) as refused:
                await client.join("nobody-made-this")
            assert refused.value.code == "unknown_session"
            with pytest.raises(RefusedError) as refused:
                await client.ask_service("no-such-service", "status")
            assert refused.value.code == "unknown_service"
            began = trio.current_time()
            assert 0 < await client.ping() <= trio.current_time() - began
            await client.subscribe("connections")
            async for event in client:
                if isinstance(event, Update):
                    assert msgspec.json.decode(event.data)["active"] == 1
                    break
            made = await client.create("s", name="Ann")
            assert made.participants[0].name == "Ann"
            kept = await client.broadcast("s", [1, 2])
            assert kept.offset == made.offset + 1
            named = await client.name_speaker("s", "1-a", "Mia")
            assert (named.name, named.offset) == ("Mia", kept.offset + 1)
            titled = await client.title_session("s", "Plans")
            assert (titled.title, titled.participant_id) == ("Plans", made.participant_id)
            token, epoch = client.credentials("s") or ("", "")
        async with orch.client.connect(s.url) as client:
            client.resume("s", token=token, epoch=epoch, offset=made.offset)
            async for event in client:
                if isinstance(event, SessionMessage):
                    assert event.offset == kept.offset
                    break
        async with orch.client.connect(s.url + "/nowhere") as client:
            with pytest.raises(StoppedError, match="HTTP 40"):
                await client.live()


@pytest.mark.sandbox
async def test_speech_becomes_captions_over_a_cut_connection(tmp_path: Path) -> None:
    """Speech before and after the cut is transcribed."""
    pcm = clip("austen-0890") + bytes(64_000)
    with service("demo", tmp_path, environ=UNHURRIED) as s:
        async with (
            relay(s.port) as wire,
            orch.client.connect(f"http://127.0.0.1:{wire.port}", backoff=quick()) as client,
        ):
            await client.create("s")
            async with client.speak("s", sample_rate=16_000, source_language="en") as speech:
                await speech.send(pcm)
                await speech.carried()
                first = await caption(client)
                wire.cut()
                await waiting(client)
                await speech.send(pcm)
            assert speech.ended is not None
            second = await caption(client)
            (stream_id,) = speech.stream_ids
            assert first.segment_id.startswith(stream_id)
            assert second.segment_id.startswith(stream_id)
            assert first.text == second.text
            assert second.start - first.start == pytest.approx(len(pcm) / 32_000, abs=0.3)


async def waiting(client: Client) -> StateChanged:
    """Return the event of the lost connection."""
    async for event in client:
        if isinstance(event, StateChanged) and event.state == "waiting":
            return event
    raise AssertionError


async def caption(client: Client) -> Transcript:
    """Return the next final caption that has words."""
    async for event in client:
        if isinstance(event, Transcript):
            assert event.error is None or not event.error.final, event
            if event.final and event.text:
                return event
    raise AssertionError

"""The Python client speaks while the network is away: no word is lost, and times stay right.

Real time. ``OUTAGE`` (seconds, 12 unless set) says for how long; ``make outages`` tries 50, too.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

import orch.client
from orch.client import Backoff
from tests.fakes import numbered_words
from tests.fakes.cutting import relay
from tests.fakes.numbered_words import RATE
from tests.fakes.ports import free_ports
from tests.fakes.redis import redis_server
from tests.fakes.service import RunningService, service
from tests.service.test_several_workers import TwoWorkers

pytestmark = pytest.mark.real_time

OUTAGE = float(os.environ.get("OUTAGE", "12"))
BEFORE = 5.0
AFTER = 6.0
BLOCK = 0.04


async def spoken(speech: orch.client.SpeechStream, pcm: bytes) -> None:
    """Speak as fast as one speaks, whatever becomes of the network."""
    began = trio.current_time()
    size = round(BLOCK * RATE) * 2
    for number, begin in enumerate(range(0, len(pcm), size), start=1):
        await trio.sleep_until(began + number * BLOCK)
        speech.push(pcm[begin : begin + size])


def lines(running: RunningService) -> list[dict[str, Any]]:
    """Return the lines of the service's own export."""
    found: list[dict[str, Any]] = running.get("/api/sessions/s/transcript?format=json").json()["lines"]
    return found


@pytest.mark.parametrize("network", ["frozen", "reset"])
async def test_no_word_is_lost_while_the_network_is_away(tmp_path: Path, network: str) -> None:
    """Neither where it takes everything and passes nothing on, nor where connections are reset."""
    words = numbered_words.until(BEFORE + OUTAGE + AFTER)
    with (
        numbered_words.numbered_words_service() as url,
        service("serve", tmp_path, settings=numbered_words.settings(url)) as s,
    ):
        backoff = Backoff(draw=lambda: 1.0)
        async with (
            relay(s.port) as wire,
            orch.client.connect(f"http://127.0.0.1:{wire.port}", backoff=backoff) as client,
        ):
            await client.create("s")

            async def outage() -> None:
                await trio.sleep(BEFORE)
                if network == "reset":
                    wire.is_open = False
                    wire.cut()
                wire.freeze()
                await trio.sleep(OUTAGE)
                wire.is_open = True
                wire.thaw()

            async with trio.open_nursery() as nursery:
                async with client.speak("s", sample_rate=RATE, source_language="en") as speech:
                    nursery.start_soon(outage)
                    await spoken(speech, numbered_words.sound(words))
                    await speech.carried()
                assert speech.lost_seconds == 0
                assert speech.ended is not None
                assert speech.ended.lost_seconds == 0
                assert len(speech.stream_ids) == 1
        faults, worst = numbered_words.judged(lines(s), words)
    assert faults == []
    assert worst <= 0.5, "a word and its gap are 0.6 s"
    sys.stdout.write(f"{network}, {OUTAGE:g} s: {words} words, none lost, worst time {worst:.3f} s off\n")


WORKERS = """
  frontend: {{workers: 2, worker_ports: {ports}}}
session_management: {{persistence: redis, redis_url: "{redis}"}}
"""


async def test_no_word_is_lost_from_worker_to_worker(tmp_path: Path) -> None:
    """A connection is reset, the network freezes, a worker is killed: each time another worker goes on."""
    words = numbered_words.until(30)
    ports = free_ports(2)
    with (
        numbered_words.numbered_words_service() as url,
        redis_server(tmp_path / "redis") as redis,
    ):
        frontend, persistence = WORKERS.format(ports=ports, redis=redis.url).strip("\n").splitlines()
        settings = numbered_words.settings(url).replace("orchestration:", f"orchestration:\n{frontend}", 1)
        with service("serve", tmp_path, settings=f"{settings}{persistence}\n") as s:
            s.wait_for_line("workers ready")
            both = TwoWorkers(s, ports)

            backoff = Backoff(draw=lambda: 1.0)
            async with (
                relay(ports) as wire,
                orch.client.connect(f"http://127.0.0.1:{wire.port}", backoff=backoff) as client,
            ):
                await client.create("s")

                async def trouble() -> None:
                    await trio.sleep(4.4)
                    wire.lead_to(ports + 1)
                    wire.cut()
                    await trio.sleep(8)
                    wire.freeze()
                    wire.lead_to(ports)
                    await trio.sleep(7)
                    wire.thaw()
                    await trio.sleep(5)
                    wire.lead_to(ports + 1)
                    os.kill(both.pids()[0], signal.SIGKILL)

                async with trio.open_nursery() as nursery:
                    async with client.speak("s", sample_rate=RATE, source_language="en") as speech:
                        nursery.start_soon(trouble)
                        await spoken(speech, numbered_words.sound(words))
                        await speech.carried()
                    assert speech.lost_seconds == 0
                    assert len(speech.stream_ids) == 4
            faults, worst = numbered_words.judged(lines(s), words)
    assert faults == []
    assert worst <= 0.5, "a word and its gap are 0.6 s"
    sys.stdout.write(f"from worker to worker: {words} words, none lost, worst time {worst:.3f} s off\n")

"""The Python client speaks while the network is away: no word is lost, and times stay right.

Real time. ``OUTAGE`` (seconds, 20 unless set) says for how long; ``make outages`` tries 50, too.
"""

import os
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
from tests.fakes.running import run
from tests.fakes.service import RunningService, service

OUTAGE = float(os.environ.get("OUTAGE", "20"))
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
def test_no_word_is_lost_while_the_network_is_away(tmp_path: Path, network: str) -> None:
    """Neither where it takes everything and passes nothing on, nor where connections are reset."""
    words = numbered_words.until(BEFORE + OUTAGE + AFTER)
    with (
        numbered_words.numbered_words_service() as url,
        service("serve", tmp_path, settings=numbered_words.settings(url)) as s,
    ):

        async def main() -> None:
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

        run(main, virtual=False, limit=60 + 2 * OUTAGE)
        faults, worst = numbered_words.judged(lines(s), words)
    assert faults == []
    assert worst <= 0.3
    sys.stdout.write(f"{network}, {OUTAGE:g} s: {words} words, none lost, worst time {worst:.3f} s off\n")

"""What Prometheus reads of bots: of the service with a real store, and of the pure counts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from orch.bots.bot_counters import BotCounters
from orch.bots.correlation.correlator import Correlator
from orch.bots.correlation.events import Segment
from orch.bots.correlation.tally import AttributionTally
from orch.bots.ends import EndReason
from orch.bots.observations import Place, Sound
from orch.bots.runs.browsers import Browsers
from orch.bots.states import Stage, State
from orch.protocol.messages import Word
from orch.stores.bot_records import Life
from orch.telemetry.names import bots as names
from orch.telemetry.names.metric import Name
from tests.fakes.bot_service import Scene, running
from tests.fakes.readings import values


def read(scene: Scene, name: Name) -> dict[tuple[str, ...], Any]:
    """Return the values of a metric that are not 0."""
    return {labels: value for labels, value in values(scene.service.readings(), name).items() if value}


async def test_a_bot_is_counted_from_its_start_to_its_end(tmp_path: Path) -> None:
    """Its states, how long it took to join, who is there, and why and where it ended."""
    async with running(tmp_path) as scene:
        assert read(scene, names.BOTS) == {}
        assert read(scene, names.BOTS_LIMIT) == {(): 5}
        bot = await scene.create()
        meeting = await scene.meeting()
        await meeting.show(Place.LOBBY)
        assert read(scene, names.BOTS_STARTED) == {(): 1}
        await trio.sleep(9)
        assert read(scene, names.BOTS) == {("waiting_in_lobby",): 1}
        ((_, longest),) = read(scene, names.BOT_STATE_SECONDS).items()
        assert 9 <= longest < 12
        await meeting.admit("Ana", "Ben")
        await scene.until(bot.bot_id, State.CAPTURING)
        assert read(scene, names.BOTS) == {("capturing",): 1}
        assert read(scene, names.BOT_PARTICIPANTS) == {(): 2}
        count, seconds = values(scene.service.readings(), names.BOT_JOIN_SECONDS)[()]
        assert count == 1
        assert 10 <= seconds < 14
        await scene.service.leave(bot.bot_id)
        await scene.until(bot.bot_id, State.ENDED)
        assert read(scene, names.BOT_ENDS) == {("left_on_request", "meeting"): 1}
        assert read(scene, names.BOTS) == {("ended",): 1}
        assert read(scene, names.BOT_PARTICIPANTS) == {}


async def test_bots_that_wait_that_are_cancelled_and_that_fail(tmp_path: Path) -> None:
    """The queue is that of all workers; an end before the start counts where it was asked for."""
    async with running(tmp_path) as scene:
        scene.set(max_bots=1)
        first, second = await scene.create(), await scene.create()
        meeting = await scene.meeting()
        await trio.sleep(3)
        assert read(scene, names.BOTS_QUEUED) == {(): 1}
        await scene.service.leave(second.bot_id)
        await trio.sleep(3)
        assert read(scene, names.BOTS_QUEUED) == {}
        assert read(scene, names.BOT_ENDS) == {("cancelled", "before_start"): 1}
        meeting.end(EndReason.PAGE_CHANGED)
        await scene.until(first.bot_id, State.FAILED)
        assert read(scene, names.BOT_ENDS) == {
            ("cancelled", "before_start"): 1,
            ("page_changed", "join"): 1,
        }
        assert read(scene, names.BOTS) == {("ended",): 1, ("failed",): 1}
        assert read(scene, names.BOTS_STARTED) == {(): 1}


async def test_a_crashed_browser_that_is_replaced_counts(tmp_path: Path) -> None:
    """Each time; a lost network is no crash."""
    async with running(tmp_path) as scene:
        bot = await scene.create()
        meeting = await scene.meeting()
        await meeting.admit("Ana")
        await scene.until(bot.bot_id, State.CAPTURING)
        meeting.crash()
        again = await scene.meeting(1)
        assert read(scene, names.BOT_BROWSER_RESTARTS) == {(): 1}
        await again.admit("Ana")
        await scene.until(bot.bot_id, State.CAPTURING)
        await again.connection(is_up=False)
        await trio.sleep(1)
        assert read(scene, names.BOT_BROWSER_RESTARTS) == {(): 1}


@pytest.mark.limit(600)
async def test_a_bot_that_hears_nothing_although_others_are_there_is_silent(tmp_path: Path) -> None:
    """After two minutes, until a sound arrives; one that is alone differs. Silence is not always zeros."""
    async with running(tmp_path) as scene:
        scene.set(leaving={"everyone_left": 900, "silence": 3000})
        bot = await scene.create()
        meeting = await scene.meeting()
        await meeting.admit("Ana")
        await scene.until(bot.bot_id, State.CAPTURING)
        channel = scene.channels[bot.bot_id]

        async def sound(pcm: bytes) -> None:
            await channel.send.send(Sound(at=0.0, track="t", first=0, pcm=pcm))

        await sound(bytes(1598) + b"\0\1")
        await trio.sleep(100)
        await sound(bytes(1600))
        await sound(b"\1\0\xff\xff" * 400)
        assert read(scene, names.BOT_SILENT) == {}
        await trio.sleep(30)
        assert read(scene, names.BOT_SILENT) == {(): 1}
        await sound(bytes(1598) + b"\0\1")
        await trio.sleep(1)
        assert read(scene, names.BOT_SILENT) == {}
        await trio.sleep(130)
        assert read(scene, names.BOT_SILENT) == {(): 1}
        await meeting.people()
        assert read(scene, names.BOT_SILENT) == {}


def life(state: State, **fields: Any) -> Life:
    """Return a stored life."""
    return Life(bot_id="b", session_id="s", state=state.value, since=0.0, requested_at=0.0, **fields)


def test_every_reason_has_a_series_in_every_stage_from_the_start() -> None:
    """Prometheus sees the first end for a reason; other labels there are none."""
    counts = values(BotCounters().readings(), names.BOT_ENDS)
    assert counts == {(reason.value, stage.value): 0 for reason in EndReason for stage in Stage}


def test_a_change_that_is_none_counts_nothing() -> None:
    """Other settings, the same state, and the deletion of what was captured."""
    counters = BotCounters()
    before = life(State.CAPTURING, admitted_at=5.0)
    counters.changed(before, replace(before, revision=9, settings={"name": "x"}))
    ended = life(State.ENDED, reason="removed", stage="meeting")
    counters.changed(ended, replace(ended, state="data_deleted"))
    found = {reading.name.name for reading in counters.readings() if getattr(reading, "value", 0)}
    assert found == set()


def test_clocks_that_jump_give_no_negative_times() -> None:
    """Admitted before it was placed, by the clock."""
    counters = BotCounters()
    counters.changed(
        life(State.JOINING, placed_at=100.0),
        life(State.IN_CALL_NOT_RECORDING, placed_at=100.0, admitted_at=40.0),
    )
    assert values(counters.readings(), names.BOT_JOIN_SECONDS) == {(): (1, 0.0)}


@pytest.mark.process
def test_a_browser_counts_as_long_as_the_system_has_it() -> None:
    """Whatever is believed of its bot; a zombie, and what was never there, are none."""
    browsers = Browsers()
    browsers.note(0)
    browsers.note(2**22 + 1)
    assert browsers.count() == 0
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        browsers.note(process.pid)
        assert browsers.count() == 1
        browsers._started[process.pid] = "1"
        assert browsers.count() == 0, "another process has its number now"
        browsers.note(process.pid)
        assert browsers.count() == 1
        process.kill()
        process.wait()
        assert browsers.count() == 0


def test_words_of_several_meetings_are_counted_together() -> None:
    """Settled words only; what nobody could name is unknown."""
    tally = AttributionTally()
    for _ in range(2):
        bot = Correlator(tally)
        words = tuple(Word(text="again", start=1.0 + each, end=1.5 + each) for each in range(3))
        bot.feed(Segment(at=6, segment_id="s", channel="c", words=words))
        assert (tally.named, tally.unknown % 3) == (0, 0)
        bot.finish()
    assert (tally.named, tally.unknown) == (0, 6)

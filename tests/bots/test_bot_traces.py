"""What is recorded of bots: their stages, how they ended, and the webhooks about them."""

from pathlib import Path

import trio

from orch.bots.bot_traces import REMEMBERED, BotTraces
from orch.bots.ends import EndReason
from orch.bots.observations import Place
from orch.bots.runs.journal import Journal
from orch.bots.states import State
from orch.stores.bot_records import Life
from tests.fakes.bot_service import running
from tests.fakes.traces import SpansKept


async def test_a_bots_stages_are_spans_of_one_trace(tmp_path: Path) -> None:
    """From the start of its browser to its end, with the reason; capturing is an event of the meeting."""
    spans = SpansKept()
    async with running(tmp_path, traces=BotTraces(spans.tracer)) as scene:
        bot = await scene.create(name="Captions", metadata={"ticket": 17})
        meeting = await scene.meeting()
        await meeting.show(Place.LOBBY)
        await trio.sleep(5)
        await meeting.admit("Ana")
        await scene.until(bot.bot_id, State.CAPTURING)
        await scene.service.pause(bot.bot_id)
        await scene.service.leave(bot.bot_id)
        await scene.until(bot.bot_id, State.ENDED)
    assert spans.tree() == [
        "bot.session",
        *(f"  bot.{name}" for name in ("start", "join", "lobby", "meeting", "leave")),
    ]
    session, lobby, stay = (spans.one(f"bot.{name}") for name in ("session", "lobby", "meeting"))
    assert lobby.ended is not None
    assert lobby.ended - lobby.began >= 5
    assert [each.name for each in stay.events] == ["in_call_not_recording", "capturing", "paused"]
    assert session.failure is None
    assert session.attributes["orch.bot_id"] == bot.bot_id
    assert session.attributes["orch.bot.end_reason"] == EndReason.LEFT_ON_REQUEST
    assert session.attributes["orch.bot.outcome"] == "ended"
    assert session.attributes["orch.bot.end_stage"] == "meeting"
    assert scene.pipelines[bot.bot_id].session.traceparent == session.traceparent
    for private in ("Ana", "abc-defg-hij", "Captions", "17"):
        assert private not in spans.texts().replace(bot.bot_id, "").replace(bot.session_id, "")


async def test_a_lost_browser_and_a_failure_are_marked(tmp_path: Path) -> None:
    spans = SpansKept()
    async with running(tmp_path, traces=BotTraces(spans.tracer)) as scene:
        bot, meeting = await scene.capturing()
        meeting.crash()
        second = await scene.meeting(1)
        await second.admit("Ana")
        await scene.until(bot.bot_id, State.CAPTURING)
        second.end(EndReason.PAGE_CHANGED)
        await scene.until(bot.bot_id, State.FAILED)
    first, again = spans.named("bot.meeting")
    assert (first.failure, again.failure) == ("browser_crashed", None)
    assert len(spans.named("bot.recovery")) == 1
    assert len(spans.named("bot.join")) == 2
    session = spans.one("bot.session")
    assert (session.failure, session.attributes["orch.bot.outcome"]) == ("page_changed", "failed")


async def test_a_bot_that_another_worker_goes_on_with_is_released(tmp_path: Path) -> None:
    """The next worker's part is a trace of its own, with the same bot."""
    spans = SpansKept()
    traces = BotTraces(spans.tracer)
    async with running(tmp_path, traces=traces) as scene:
        bot, _ = await scene.capturing()
        assert traces.parent_of(bot.bot_id)
    session = spans.one("bot.session")
    assert session.attributes["orch.bot.outcome"] == "released"
    assert session.failure is None
    async with running(tmp_path, traces=traces) as scene:
        await scene.until(bot.bot_id, State.RECOVERING, State.JOINING)
        await scene.service.leave(bot.bot_id)
        await scene.until(bot.bot_id, State.ENDED)
    first, second = spans.named("bot.session")
    assert first.trace_id != second.trace_id
    assert first.attributes["orch.bot_id"] == second.attributes["orch.bot_id"]
    assert all(each.ended is not None for each in spans.ended)


async def test_nothing_is_recorded_of_bots_while_traces_are_off(tmp_path: Path) -> None:
    async with running(tmp_path) as scene:
        bot, _ = await scene.capturing()
        assert scene.pipelines[bot.bot_id].session.traceparent == ""


async def test_bots_that_have_ended_are_remembered_for_a_while_and_no_longer() -> None:
    """Webhooks about the end are sent after it; of thousands of bots the first are forgotten."""
    spans = SpansKept()
    traces = BotTraces(spans.tracer)
    for number in range(1_000):
        with traces.open(_journal(f"bot-{number}"), "demo"):
            assert traces.parent_of(f"bot-{number}")
    assert not traces.parent_of(f"bot-{999 - REMEMBERED}")
    assert traces.parent_of("bot-999")
    assert traces.parent_of(None) == ""
    assert repr(traces) == f"<BotTraces of 0 bots, {REMEMBERED} that ended>"


def _journal(bot_id: str) -> Journal:
    life = Life(bot_id=bot_id, session_id="s", state="starting", since=0.0, requested_at=0.0)
    return Journal(
        None,  # type: ignore[arg-type]  # nothing is stored
        life,
        owner="w",
        wall=lambda: 0.0,
        webhooks=lambda *_: (),
        on_change=lambda: None,
    )

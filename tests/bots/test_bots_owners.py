"""Owners of bots: workers that stop, die, are slow, or lose the store; consent; deletion."""

from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from orch.bots.ends import EndReason
from orch.bots.host import LEASE
from orch.bots.observations import Place
from orch.bots.requests import Consent, Rules
from orch.bots.states import State
from orch.problems import ProblemError
from orch.stores.bot_scripts.lives import Change
from tests.fakes.bot_service import Scene, running
from tests.fakes.bot_sessions import one_of_each, utterance
from tests.fakes.hub import wall

MARKER = "quokka-7731"


async def test_a_service_that_stops_leaves_its_pages_and_its_next_start_goes_on(tmp_path: Path) -> None:
    """The same session, one recovery more; no end is stored that is none."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana")
        scene.stopping.set()
        await trio.sleep(3)
        assert meeting.calls == ["leave"]
        life = await scene.store.life(bot.bot_id)
        assert life is not None
        assert life.state == "capturing"
    async with running(tmp_path) as scene:
        await (await scene.meeting()).admit("Ana")
        again = await scene.until(bot.bot_id, State.CAPTURING)
        assert (again.session_id, again.recoveries) == (bot.session_id, 1)


async def test_a_branch_that_is_started_again_goes_on_with_its_bots(tmp_path: Path) -> None:
    """Its first attempt leaves the pages; the bots that wait are started as well."""
    async with running(tmp_path) as scene, trio.open_nursery() as nursery:
        bot, meeting = await scene.capturing("Ana")
        await scene.stop()
        assert meeting.calls == ["leave"]
        waiting = await scene.create()
        await scene.start(nursery)
        for _ in range(2):
            await scene.meeting(2)
        for each in scene.meetings[1:]:
            await each.admit("Ana")
        for one in (bot, waiting):
            await scene.until(one.bot_id, State.CAPTURING)
        assert (await scene.service.get(bot.bot_id)).bot.recoveries == 1
        await scene.stop()


async def test_bots_of_an_owner_that_died_long_ago_have_ended(tmp_path: Path) -> None:
    """For what is true: one was lost, one was leaving, one was asked to leave. Nothing is started."""
    async with running(tmp_path) as scene:
        bots = [(await scene.capturing("Ana"))[0] for _ in range(3)]
        await scene.kill()
        life = await scene.store.life(bots[1].bot_id)
        assert life is not None
        await scene.store.advance(
            Change(replace(life, state="leaving", reason="removed", stage="meeting")), owner=life.owner
        )
        await scene.store.request_leave(bots[2].bot_id, now=wall())
    await trio.sleep(LEASE + 30)
    async with running(tmp_path) as scene:
        scene.set(limits={"recovery": 20})
        ends = [(await scene.until(bot.bot_id, State.FAILED, State.ENDED)).end for bot in bots]
        assert [each.reason for each in ends if each is not None] == [
            EndReason.OWNER_LOST,
            EndReason.REMOVED,
            EndReason.LEFT_ON_REQUEST,
        ]
        assert scene.meetings == []


async def test_nothing_is_taken_over_where_bots_are_switched_off(tmp_path: Path) -> None:
    """A bot of the process before has ended; its reason is that its owner is lost."""
    async with running(tmp_path) as scene:
        bot, _ = await scene.capturing("Ana")
        await scene.kill()
    async with running(tmp_path, enabled=False) as scene:
        ended = await scene.until(bot.bot_id, State.FAILED)
        assert ended.end is not None
        assert ended.end.reason is EndReason.OWNER_LOST
        assert scene.meetings == []


async def test_another_worker_takes_over_once_the_lease_has_expired(tmp_path: Path) -> None:
    """Not before. A worker that was only slow stops its bot when it learns of it, and stores no end."""
    async with running(tmp_path) as scene, trio.open_nursery() as nursery:
        bot, first = await scene.capturing("Ana")
        other = Scene(tmp_path, scene.store, worker="other", is_alone=False)
        other.writer = scene.writer
        await other.start(nursery)
        await trio.sleep(LEASE + 5)
        assert other.meetings == []
        renew = scene.stop_renewing()
        await (await other.meeting()).admit("Ana")
        await other.until(bot.bot_id, State.CAPTURING)
        renew()
        with trio.fail_after(10):
            while scene.service.statistics().running:  # noqa: ASYNC110 - virtual time
                await trio.sleep(0.1)
        assert not first.over.is_set()
        assert (await other.service.get(bot.bot_id)).bot.state is State.CAPTURING
        assert (await other.service.get(bot.bot_id)).is_here
        shown = await scene.service.get(bot.bot_id)
        assert (shown.is_here, shown.bot.state) == (False, State.CAPTURING)
        with pytest.raises(ProblemError, match="another worker"):
            await scene.service.pause(bot.bot_id)
        await scene.service.leave(bot.bot_id)  # at the worker that does not run it
        ended = await other.until(bot.bot_id, State.ENDED, within=15)
        assert ended.end is not None
        assert ended.end.reason is EndReason.LEFT_ON_REQUEST
        await other.stop()


async def test_nothing_is_done_before_it_is_stored(tmp_path: Path) -> None:
    """While the store is away, a bot that was admitted captures nothing; when it is back, it goes on."""
    async with running(tmp_path) as scene:
        bot = await scene.create()
        meeting = await scene.meeting()
        await meeting.show(Place.LOBBY)
        advance = scene.store.advance

        async def away(*_: Any, **__: Any) -> None:
            await trio.lowlevel.checkpoint()
            raise ProblemError("store_unavailable", "It is away.")

        scene.store.advance = away  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(meeting.admit, "Ana")
            await trio.sleep(20)
            assert bot.bot_id not in scene.pipelines
            assert meeting.chats == []
            scene.store.advance = advance  # type: ignore[method-assign]
        await scene.until(bot.bot_id, State.CAPTURING)


async def test_an_end_that_cannot_be_stored_closes_the_browser_and_is_stored_later(tmp_path: Path) -> None:
    """The meeting is not kept waiting for the store."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana")
        advance = scene.store.advance

        async def away(*_: Any, **__: Any) -> None:
            await trio.lowlevel.checkpoint()
            raise ProblemError("store_unavailable", "It is away.")

        scene.store.advance = away  # type: ignore[method-assign]
        meeting.end(EndReason.MEETING_ENDED)
        await trio.sleep(30)
        assert scene.pipelines[bot.bot_id].finished == 1
        assert (await scene.service.get(bot.bot_id)).bot.state is State.CAPTURING
        scene.store.advance = advance  # type: ignore[method-assign]
        ended = await scene.until(bot.bot_id, State.ENDED, within=10)
        assert ended.end is not None
        assert ended.end.reason is EndReason.MEETING_ENDED


async def test_a_bot_can_leave_while_the_store_is_away(tmp_path: Path) -> None:
    """Within seconds; that it was asked to is stored when the store is back."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana")
        advance = scene.store.advance

        async def away(*_: Any, **__: Any) -> None:
            await trio.lowlevel.checkpoint()
            raise ProblemError("store_unavailable", "It is away.")

        scene.store.advance = away  # type: ignore[method-assign]
        began = trio.current_time()
        await scene.service.leave(bot.bot_id)
        assert meeting.calls == ["leave"]
        assert trio.current_time() - began < 15
        scene.store.advance = advance  # type: ignore[method-assign]
        ended = await scene.until(bot.bot_id, State.ENDED, within=10)
        assert ended.end is not None
        assert ended.end.reason is EndReason.LEFT_ON_REQUEST


async def test_a_transition_whose_reply_is_lost_is_stored_once(tmp_path: Path) -> None:
    """The store has it, and the bot goes on from there: no second event, no owner that is lost."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana")
        advance = scene.store.advance

        async def silent(change: Any, *, owner: str | None) -> None:
            await advance(change, owner=owner)
            await trio.sleep_forever()

        scene.store.advance = silent  # type: ignore[method-assign]
        meeting.end(EndReason.MEETING_ENDED)
        await trio.sleep(4)
        scene.store.advance = advance  # type: ignore[method-assign]
        with trio.fail_after(20):
            while await scene.store.statistics(bot.session_id) is None:  # noqa: ASYNC110 - virtual time
                await trio.sleep(0.1)
        found = await scene.until(bot.bot_id, State.ENDED)
        assert found.end is not None
        assert found.end.reason is EndReason.MEETING_ENDED
        events = [each.event_subtype for each in await scene.store.events(bot.session_id)]
        assert events.count("ended") == 1


async def test_a_pipeline_waits_for_the_store_of_the_hub(tmp_path: Path) -> None:
    """A bot that was admitted meanwhile is not lost."""
    async with running(tmp_path) as scene:
        scene.pipeline_problems = [ProblemError("store_unavailable", "It is away.")] * 3
        await scene.capturing("Ana")
        assert scene.pipeline_problems == []
        scene.pipeline_problems = [ProblemError("store_full", "It is full.")]
        bot = await scene.create()
        meeting = await scene.meeting(1)
        with pytest.raises(ExceptionGroup) as caught:
            await meeting.admit("Ana")
        meeting.fail(caught.value)
        ended = await scene.until(bot.bot_id, State.FAILED)
        assert ended.end is not None
        assert ended.end.reason is EndReason.INTERNAL_ERROR


# Consent.


async def test_the_host_is_asked_and_nothing_is_captured_before(tmp_path: Path) -> None:
    """Allowed, withdrawn, allowed again: each is in the log of consent."""
    async with running(tmp_path) as scene:
        bot = await scene.create(consent=Consent(require="host"), rules=Rules(recording_refused=20))
        meeting = await scene.meeting()
        await meeting.admit("Ana")
        await trio.sleep(5)
        assert meeting.calls == ["ask"]
        assert (await scene.service.get(bot.bot_id)).bot.state is State.IN_CALL_NOT_RECORDING
        await meeting.answered(is_allowed=True)
        await scene.until(bot.bot_id, State.CAPTURING)
        await trio.sleep(1)
        await meeting.answered(is_allowed=False)
        await scene.until(bot.bot_id, State.IN_CALL_NOT_RECORDING)
        await trio.sleep(1)
        assert scene.pipelines[bot.bot_id].captures[-1] is False
        await meeting.answered(is_allowed=True)
        await scene.until(bot.bot_id, State.CAPTURING)
        await trio.sleep(25)
        assert (await scene.service.get(bot.bot_id)).bot.state is State.CAPTURING
        await scene.writer.flush()
        actions = [each.action for each in await scene.store.consents(bot.session_id)]
        assert actions == ["announced", "granted", "withdrawn", "granted"]


async def test_a_refusal_makes_it_leave(tmp_path: Path) -> None:
    """After half a minute, without anything captured."""
    async with running(tmp_path) as scene:
        bot = await scene.create(consent=Consent(require="host"))
        meeting = await scene.meeting()
        await meeting.admit("Ana")
        await meeting.answered(is_allowed=False)
        ended = await scene.until(bot.bot_id, State.ENDED, within=40)
        assert ended.end is not None
        assert ended.end.reason is EndReason.RECORDING_REFUSED
        assert True not in scene.pipelines[bot.bot_id].captures


@pytest.mark.parametrize("text", ["opt out", "Opt-out!", "“OPT OUT”"])
async def test_a_participant_opts_out(tmp_path: Path, text: str) -> None:
    """Capturing stops at once, for everybody; the bot leaves; who it was is in the log of consent."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana", "Bo")
        await meeting.written("I will not opt out, thanks")
        await meeting.written(meeting.chats[0], sender="Live captions (bot)")
        await meeting.written(text, sender="Live captions (bot)", is_own=True)
        assert (await scene.service.get(bot.bot_id)).recording_allowed is True
        await meeting.written(text)
        live = await scene.service.get(bot.bot_id)
        assert (live.bot.state, live.recording_allowed) == (State.IN_CALL_NOT_RECORDING, False)
        assert scene.pipelines[bot.bot_id].captures[-1] is False
        ended = await scene.until(bot.bot_id, State.ENDED, within=40)
        assert ended.end is not None
        assert ended.end.reason is EndReason.RECORDING_REFUSED
        await scene.writer.flush()
        found = {each.action: each for each in await scene.store.consents(bot.session_id)}
        assert (found["opted_out"].participant_name, found["opted_out"].statement) == ("Ana", text)


async def test_an_opt_out_outlives_the_worker(tmp_path: Path) -> None:
    """The next owner does not join again to capture."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana")
        await meeting.written("opt out")
        await scene.writer.flush()
        await scene.kill()
    async with running(tmp_path) as scene:
        ended = await scene.until(bot.bot_id, State.ENDED)
        assert ended.end is not None
        assert ended.end.reason is EndReason.RECORDING_REFUSED
        assert scene.meetings == []


async def test_an_announcement_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    """Nothing is captured meanwhile; a bot that cannot announce itself leaves, and says why."""
    async with running(tmp_path) as scene:
        bot = await scene.create()
        meeting = await scene.meeting()
        meeting.chat_fails = True
        await meeting.admit("Ana")
        await trio.sleep(6)
        meeting.chat_fails = False
        await scene.until(bot.bot_id, State.CAPTURING)
        other = await scene.create()
        second = await scene.meeting(1)
        second.chat_fails = True
        await second.admit("Ana")
        ended = await scene.until(other.bot_id, State.FAILED, within=90)
        assert ended.end is not None
        assert ended.end.reason is EndReason.PAGE_CHANGED
        assert True not in scene.pipelines[other.bot_id].captures
        await scene.writer.flush()
        events = await scene.store.events(other.session_id)
        assert sum(each.event_subtype == "announcement_failed" for each in events) == 6


async def test_a_bot_that_is_told_to_announces_nothing(tmp_path: Path) -> None:
    """It captures at once; the log of consent has nothing that did not happen."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana", consent=Consent(announce=False))
        assert meeting.chats == []
        await scene.writer.flush()
        assert await scene.store.consents(bot.session_id) == ()


# Deletion.


async def test_deleted_data_leaves_no_trace_and_nothing_comes_later(tmp_path: Path) -> None:
    """In no table, spool, file or list; it can be asked for twice; the bot's end stays."""
    async with running(tmp_path) as scene:
        deleted: list[str] = []

        async def forget(session_id: str) -> None:
            await trio.lowlevel.checkpoint()
            deleted.append(session_id)

        scene.service.on_deleted = forget
        bot = await scene.create(name=MARKER, metadata={"a": MARKER})
        meeting = await scene.meeting()
        await meeting.show(Place.LOBBY)
        meeting.end(EndReason.ADMISSION_DENIED)
        await scene.until(bot.bot_id, State.FAILED)
        for record in one_of_each(MARKER, bot.session_id):
            await scene.writer.put(record)
        await scene.writer.flush()
        folder = scene.evidence / bot.session_id
        assert len(list(folder.iterdir())) == 3
        found = await scene.service.delete_data(bot.bot_id)
        assert (found.state, found.name, found.metadata) == (State.DATA_DELETED, "", {})
        assert found.end is not None
        assert found.end.reason is EndReason.ADMISSION_DENIED
        assert not folder.exists()
        assert deleted == [bot.session_id]
        await scene.writer.put(utterance(9, MARKER, session_id=bot.session_id))
        await scene.writer.flush()
        assert await scene.store.utterances(bot.session_id, "whisper_service") == ()
        assert (await scene.service.delete_data(bot.bot_id)).state is State.DATA_DELETED
        listed = scene.service.listed()
        assert MARKER not in str(listed)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or MARKER.encode() not in path.read_bytes(), path


async def test_topics_show_bots_here_and_of_the_store(tmp_path: Path) -> None:
    """A bot that is not known yet is null, and there the next time."""
    async with running(tmp_path) as scene:
        bot, _ = await scene.capturing("Ana")
        await trio.sleep(1)
        assert [(each.bot_id, each.people) for each in scene.service.listed().bots] == [(bot.bot_id, 1)]
        live = scene.service.live(bot.bot_id)
        assert live is not None
        assert live.is_here
        await scene.service.leave(bot.bot_id)
        await scene.until(bot.bot_id, State.ENDED)
        await trio.sleep(2)
        scene.service.live(bot.bot_id)
        assert scene.service.live("0" * 16) is None
        await trio.sleep(5)
        live = scene.service.live(bot.bot_id)
        assert live is not None
        assert (live.is_here, live.bot.state) == (False, State.ENDED)
        assert scene.service.live("0" * 16) is None
        assert f"bots/{bot.bot_id}" in scene.touched
        assert "bots" in scene.touched

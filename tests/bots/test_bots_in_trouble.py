"""Bots whose parts fail, are slow, or are asked for too much at once: nothing else is affected."""

from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from orch.bots.chromium.evidence import Evidence
from orch.bots.ends import EndReason
from orch.bots.host import RENEWED_EVERY
from orch.bots.requests import Consent, LanguagesChange
from orch.bots.runs.commands import SPEECHES
from orch.bots.runs.consenting import ASKED_AGAIN
from orch.bots.runs.parts import CommandFailedError
from orch.bots.states import State
from orch.problems import ProblemError
from orch.stores.bot_records import Life
from orch.stores.bot_scripts.lives import Change
from tests.fakes.bot_service import running
from tests.fakes.bot_sessions import life, session
from tests.fakes.hub import wall


async def test_a_deadline_that_passes_while_a_bot_ends_holds_up_nothing(tmp_path: Path) -> None:
    """Evidence may take seconds; whoever else comes to end the bot meanwhile waits for that end."""
    async with running(tmp_path) as scene:
        scene.set(limits={"join": 30})
        bot = await scene.create()
        meeting = await scene.meeting()

        async def slow(now: float) -> Evidence:
            await trio.sleep(8)
            return Evidence(taken_at=now, lines=("line",))

        meeting.evidence = slow  # type: ignore[method-assign]
        await trio.sleep(26)
        meeting.end(EndReason.PAGE_CHANGED)
        ended = await scene.until(bot.bot_id, State.FAILED, State.ENDED)
        assert ended.end is not None
        assert ended.end.reason is EndReason.PAGE_CHANGED


async def test_a_stay_that_is_over_meanwhile_leaves_the_page_to_the_evidence(tmp_path: Path) -> None:
    """The page is closed after it was photographed, although it shows meanwhile that the stay is over."""
    async with running(tmp_path) as scene:
        scene.set(limits={"join": 30})
        bot = await scene.create()
        meeting = await scene.meeting()
        run = scene.service._host_runs()[bot.bot_id]
        pages: list[bool] = []

        async def slow(now: float) -> Evidence:
            await trio.sleep(8)
            pages.append(run.presence is meeting)
            return Evidence(taken_at=now, lines=("line",))

        meeting.evidence = slow  # type: ignore[method-assign]
        await trio.sleep(32)
        meeting.end(EndReason.BLOCKED)
        ended = await scene.until(bot.bot_id, State.FAILED, within=20)
        assert ended.end is not None
        assert (ended.end.reason, ended.end.has_evidence) == (EndReason.PAGE_CHANGED, True)
        assert pages == [True]


async def test_what_showed_a_loss_is_kept_for_an_end_without_a_page(tmp_path: Path) -> None:
    """The page is closed for the next attempt, which never succeeds; it is photographed once, and whole."""
    async with running(tmp_path) as scene:
        scene.set(limits={"recovery": 5})
        bot, meeting = await scene.capturing("Ana")
        taken: list[float] = []

        async def slow(now: float) -> Evidence:
            taken.append(now)
            await trio.sleep(8)  # the recovery's time is over meanwhile
            return Evidence(taken_at=now, lines=("line",))

        meeting.evidence = slow  # type: ignore[method-assign]
        meeting.end(EndReason.NETWORK_LOST)
        ended = await scene.until(bot.bot_id, State.FAILED, within=30)
        assert ended.end is not None
        assert (ended.end.reason, ended.end.has_evidence) == (EndReason.NETWORK_LOST, True)
        assert len(taken) == 1


async def test_an_end_whose_request_is_cancelled_closes_the_browser_all_the_same(tmp_path: Path) -> None:
    """The client of a request may go away while the store is."""
    async with running(tmp_path) as scene:
        bot, _ = await scene.capturing("Ana")
        advance = scene.store.advance

        async def away(*_: object, **__: object) -> None:
            await trio.lowlevel.checkpoint()
            raise ProblemError("store_unavailable", "It is away.")

        scene.store.advance = away  # type: ignore[method-assign]
        run = scene.service._host_runs()[bot.bot_id]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.end, EndReason.LEFT_ON_REQUEST)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        scene.store.advance = advance  # type: ignore[method-assign]
        ended = await scene.until(bot.bot_id, State.ENDED, within=10)
        assert ended.end is not None
        assert ended.end.reason is EndReason.LEFT_ON_REQUEST


async def test_a_leave_that_fails_ends_no_other_bot(tmp_path: Path) -> None:
    """Asked for through another worker; the failure is counted."""
    async with running(tmp_path) as scene:
        bot, _ = await scene.capturing("Ana")
        other, _ = await scene.capturing("Ana")
        assert scene.service._parts is not None
        host = scene.service._parts.host

        async def broken(*_: object) -> bool:
            await trio.lowlevel.checkpoint()
            raise ValueError("broken")

        host.runs[bot.bot_id].leave = broken  # type: ignore[method-assign, assignment]
        await scene.store.request_leave(bot.bot_id, now=wall())
        await trio.sleep(20)
        assert host.boundary.failures > 0
        assert (await scene.service.get(other.bot_id)).bot.state is State.CAPTURING
        assert len(scene.meetings) == 2


async def test_no_more_speeches_wait_than_may_however_many_are_asked_for_at_once(tmp_path: Path) -> None:
    """They are counted before the page has switched the microphone on."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana")
        refused: list[str] = []

        async def speak() -> None:
            try:
                await scene.service.speak(bot.bot_id, b"\0" * 32_000)
            except ProblemError as problem:
                refused.append(problem.code)

        async def slow(*, is_on: bool) -> None:
            await trio.sleep(1)
            if is_on and len(meeting.calls) == 99:
                raise CommandFailedError("No microphone.")

        meeting.microphone = slow  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            for _ in range(SPEECHES + 3):
                nursery.start_soon(speak)
        assert refused == ["overloaded"] * 3
        await trio.sleep(30)
        spoken = scene.channels[bot.bot_id].spoken
        assert len(spoken) == SPEECHES
        meeting.calls = ["x"] * 99
        for _ in range(SPEECHES + 1):
            await speak()
        assert refused[3:] == ["bot_silent"] * (SPEECHES + 1)  # those that failed do not count


async def test_a_speech_for_a_bot_that_has_just_left_is_refused(tmp_path: Path) -> None:
    """The microphone was switched on, and the meeting ended meanwhile."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana")

        async def ends(*, is_on: bool) -> None:
            assert is_on
            meeting.end(EndReason.MEETING_ENDED)
            await scene.until(bot.bot_id, State.ENDED)

        meeting.microphone = ends  # type: ignore[method-assign]
        with pytest.raises(ProblemError) as caught:
            await scene.service.speak(bot.bot_id, b"\0" * 32_000)
        assert caught.value.code == "wrong_bot_state"


async def test_languages_change_while_there_is_no_page(tmp_path: Path) -> None:
    """The next page joins with them; a command that needs a page is refused in words."""
    async with running(tmp_path) as scene:
        bot, _ = await scene.capturing("Ana")
        run = scene.service._host_runs()[bot.bot_id]
        run.presence = None  # until the loss of the browser is stored
        shown = await scene.service.change_languages(bot.bot_id, LanguagesChange(captions="fr"))
        assert shown.languages.captions == "fr"
        with pytest.raises(ProblemError, match="needs one of") as caught:
            await scene.service.chat(bot.bot_id, "Hello")
        assert caught.value.code == "wrong_bot_state"


async def test_a_host_that_cannot_be_asked_is_asked_again_a_minute_later(tmp_path: Path) -> None:
    """However much happens in the meeting meanwhile."""
    async with running(tmp_path) as scene:
        bot = await scene.create(consent=Consent(require="host", announce=False))
        meeting = await scene.meeting()

        async def fails() -> None:
            await trio.lowlevel.checkpoint()
            meeting.calls.append("ask")
            raise CommandFailedError("There is no such button.")

        meeting.ask_recording = fails  # type: ignore[method-assign]
        await meeting.admit("Ana")
        for number in range(40):
            await trio.sleep(1)
            await meeting.people("Ana", *(["Ben"] * (number % 2)))
        assert meeting.calls == ["ask"]
        await trio.sleep(ASKED_AGAIN)
        assert meeting.calls == ["ask", "ask"]
        await meeting.answered(is_allowed=True)
        await scene.until(bot.bot_id, State.CAPTURING, within=2)


async def test_a_bot_whose_request_cannot_be_read_ends_and_holds_up_no_other(tmp_path: Path) -> None:
    """As one that another version has stored: waiting for a place, or of an owner that has died."""
    unreadable = {"meeting_url": "https://meet.google.com/abc-defg-hij", "camera": "no such thing"}
    async with running(tmp_path) as scene:
        scene.set(max_bots=1)
        died, _ = await scene.capturing("Ana")
        waits = await scene.create()
        good = await scene.create()
        await scene.kill()
        for bot_id in (died.bot_id, waits.bot_id):
            stored = await scene.store.life(bot_id)
            assert stored is not None
            await scene.store.advance(Change(replace(stored, settings=unreadable)), owner=stored.owner)
    async with running(tmp_path) as scene:
        for bot in (died, waits):
            ended = await scene.until(bot.bot_id, State.FAILED)
            assert ended.end is not None
            assert ended.end.reason is EndReason.INTERNAL_ERROR
        await (await scene.meeting()).admit("Ana")
        await scene.until(good.bot_id, State.CAPTURING)


async def test_bots_of_a_dead_worker_are_found_behind_a_thousand_that_wait(tmp_path: Path) -> None:
    """They are the oldest of all."""
    async with running(tmp_path) as scene:
        bot, _ = await scene.capturing("Ana")
        await scene.kill()
        for number in range(1_001):
            waiting = life(number, state="scheduled", queued_at=None, due_at=wall() + 9e6)
            later = replace(waiting, requested_at=wall() + number, since=wall())
            await scene.store.request(Change(later), session(number))
    async with running(tmp_path) as scene:
        await (await scene.meeting()).admit("Ana")
        again = await scene.until(bot.bot_id, State.CAPTURING)
        assert again.recoveries == 1
        await trio.sleep(3)
        assert scene.service._others(again.meeting_url, "another") == {again.name}


async def test_a_renewal_while_a_service_stops_starts_no_bot_again(tmp_path: Path) -> None:
    """One has left its page already, and is this worker's until all have."""
    async with running(tmp_path) as scene:
        bots = [(await scene.capturing("Ana"))[0] for _ in range(2)]
        renewed = trio.Event()
        renew = scene.store.renew

        async def seen(owner: str, *, until: float) -> tuple[Life, ...]:
            renewed.set()
            return await renew(owner, until=until)

        async def slow() -> None:
            await trio.sleep(1.9)

        scene.store.renew = seen  # type: ignore[method-assign]
        await renewed.wait()
        await trio.sleep(RENEWED_EVERY - 1)
        scene.pipelines[bots[1].bot_id].finish = slow  # type: ignore[method-assign]
        scene.stopping.set()
        await trio.sleep(3)
        assert len(scene.meetings) == 2
        assert scene.service.statistics().running == 0

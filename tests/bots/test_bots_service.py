"""The service of bots: the queue, the limit, the life of a bot, and what is stored of it."""

from pathlib import Path
from typing import Any

import pytest
import trio

from orch.bots.chromium.errors import BrowserMissingError, BrowserNotStartedError, NavigationError
from orch.bots.ends import EndReason
from orch.bots.observations import Place
from orch.bots.requests import BotRequest, Consent, Languages, LanguagesChange, Rules, WebcamChange
from orch.bots.service import BotsService
from orch.bots.shown import BotShown
from orch.bots.states import State
from orch.problems import ProblemError
from tests.fakes.bot_service import URL, Scene, running
from tests.fakes.hub import EPOCH, wall
from tests.stores.bots.test_bot_file import Given


async def states(scene: Scene, bot: BotShown) -> list[str]:
    """Return the states that were stored of a bot, in order."""
    events = await scene.store.events(bot.session_id)
    ordered = sorted(events, key=lambda each: int(each.event_id.rpartition("/")[2]))
    return [each.event_subtype or "" for each in ordered if each.event_type == "state"]


async def test_a_bot_joins_captures_leaves_and_each_state_is_stored(tmp_path: Path) -> None:
    """The whole life; the announcement comes before anything is captured."""
    async with running(tmp_path) as scene:
        bot = await scene.create(name="Captions", metadata={"ticket": 17})
        assert (bot.state, bot.metadata) == (State.REQUESTED, {"ticket": 17})
        meeting = await scene.meeting()
        await meeting.show(Place.LOBBY)
        assert (await scene.service.get(bot.bot_id)).bot.state is State.WAITING_IN_LOBBY
        await meeting.admit("Ana")
        captured = await scene.until(bot.bot_id, State.CAPTURING)
        assert len(meeting.chats) == 1
        assert "opt out" in meeting.chats[0]
        assert captured.people == 1
        assert scene.pipelines[bot.bot_id].captures == [True]
        assert "pause" in captured.can
        await scene.service.leave(bot.bot_id)
        ended = await scene.until(bot.bot_id, State.ENDED)
        assert ended.end is not None
        assert (ended.end.reason, ended.end.stage) == (EndReason.LEFT_ON_REQUEST, "meeting")
        assert meeting.calls == ["leave"]
        await scene.writer.flush()
        assert await states(scene, bot) == [
            *("requested", "starting", "joining", "waiting_in_lobby", "in_call_not_recording"),
            *("capturing", "leaving", "ended"),
        ]
        consents = await scene.store.consents(bot.session_id)
        assert [(each.action, each.language_code) for each in consents] == [("announced", "en")]
        session = await scene.store.session(bot.session_id)
        assert session is not None
        assert (session.status, session.end_reason) == ("ended", "left_on_request")
        with trio.fail_after(20):
            while await scene.store.statistics(bot.session_id) is None:  # noqa: ASYNC110
                await trio.sleep(0.1)


async def test_fifty_requests_at_once_start_five(tmp_path: Path) -> None:
    """The others wait, each with its position; one that ends makes room for the one that waited longest."""
    async with running(tmp_path) as scene:
        bots: list[BotShown] = []

        async def ask() -> None:
            bots.append(await scene.create())

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(ask)
        await scene.meeting(4)
        await trio.sleep(20)
        assert len(scene.meetings) == 5
        counted = await scene.service.count()
        assert (counted.running, counted.waiting, counted.last_failed) == (5, 45, None)
        assert scene.service.running == 5
        listed = await scene.service.list(active=True, before=None, limit=50)
        assert sorted(each.position for each in listed.bots if each.position) == list(range(1, 46))
        next_one = next(each.bot_id for each in listed.bots if each.position == 1)
        await scene.service.leave(scene.meetings[0].visit.bot_id)
        assert (await scene.until(next_one, State.JOINING)).position is None
        await trio.sleep(20)
        assert (await scene.service.count()).waiting == 44
        assert len(scene.meetings) == 6


async def test_a_full_queue_and_bad_requests_are_refused_before_anything_is_stored(tmp_path: Path) -> None:
    """Each with its own problem; nothing starts."""
    async with running(tmp_path) as scene:

        async def refused(code: str, **fields: object) -> ProblemError:
            with pytest.raises(ProblemError) as caught:
                await scene.create(**fields)
            assert caught.value.code == code
            return caught.value

        await refused("bad_meeting_url", meeting_url="https://zoom.us/j/1")
        await refused("invalid_request", metadata={"a": "x" * 20_000})
        await refused("invalid_request", start_at=wall() + 400 * 86_400)
        scene.unreachable = "meet.google.com cannot be reached."
        assert "cannot be reached" in (await refused("meeting_unreachable")).detail
        scene.unreachable = ""
        scene.missing = BrowserMissingError("Install it, or set bots.chromium.")
        assert "bots.chromium" in (await refused("browser_missing")).detail
        assert scene.service.unavailable() == "Install it, or set bots.chromium."
        scene.missing = None
        scene.set(enabled=False)
        await refused("bots_off")
        scene.set(enabled=True, max_bots=1, max_queued=1)
        await scene.create()
        await scene.create()
        await refused("too_many_bots")
        assert (await scene.service.count()).states.keys() <= {"requested", "starting", "joining"}
        assert len(await scene.store.lives()) == 2


async def test_where_bots_cannot_be_stored_there_are_none_and_the_reason_is_said() -> None:
    """The Overview and the list of bots show it; a single bot, or a new one, is refused for it."""
    without = BotsService(
        None,
        settings=Given(""),
        wall=wall,
        touch=lambda _: None,
        worker="w1",
        stopping=trio.Event,
        without="Set bots.postgres_url.",
    )
    counted = await without.count()
    assert (counted.states, counted.running, counted.last_failed) == ({}, 0, None)
    assert counted.unavailable == "Set bots.postgres_url."
    found = await without.list(active=None, before=None, limit=10)
    assert (found.bots, found.unavailable) == ((), "Set bots.postgres_url.")
    for refused in (without.get("b1"), without.leave("b1"), without.create(request())):
        with pytest.raises(ProblemError) as caught:
            await refused
        assert (caught.value.code, caught.value.detail) == ("bots_off", "Set bots.postgres_url.")


async def test_an_idempotency_key_returns_the_first_bot(tmp_path: Path) -> None:
    """Also while the meeting cannot be reached; another request with the key is refused."""
    async with running(tmp_path) as scene:
        first, is_new = await scene.service.create(request(idempotency_key="k", name="A"))
        assert is_new
        scene.unreachable = "It cannot be reached."
        again, is_new = await scene.service.create(request(idempotency_key="k", name="A"))
        assert (again.bot_id, is_new) == (first.bot_id, False)
        with pytest.raises(ProblemError) as caught:
            await scene.service.create(
                request(idempotency_key="k", name="B", consent=Consent(announce=False))
            )
        assert caught.value.code == "idempotency_key_reused"


async def test_a_bot_that_waits_or_is_scheduled_is_cancelled(tmp_path: Path) -> None:
    """Nothing was started for it."""
    async with running(tmp_path) as scene:
        scene.set(max_bots=1)
        await scene.create()
        await scene.meeting()
        waiting, later = await scene.create(), await scene.create(start_at=wall() + 60)
        assert later.state is State.SCHEDULED
        for bot in (waiting, later):
            left = await scene.service.leave(bot.bot_id)
            assert left.end is not None
            assert (left.state, left.end.reason) == (State.ENDED, EndReason.CANCELLED)
            assert (await scene.service.leave(bot.bot_id)).state is State.ENDED
        await trio.sleep(70)
        assert len(scene.meetings) == 1


async def test_a_scheduled_bot_starts_at_its_time(tmp_path: Path) -> None:
    """Not before, and within seconds after; its address is checked by its start only."""
    async with running(tmp_path) as scene:
        scene.unreachable = "not yet"
        bot = await scene.create(start_at=EPOCH + 40)
        scene.unreachable = ""
        await trio.sleep(39 - trio.current_time())
        assert (await scene.service.get(bot.bot_id)).bot.state is State.SCHEDULED
        await scene.until(bot.bot_id, State.STARTING, State.JOINING, within=4)
        assert trio.current_time() >= 40


async def test_leaving_converges_whatever_the_page_does(tmp_path: Path) -> None:
    """A page that hangs while it leaves is closed; a minute is the most it takes."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing()
        meeting.hangs = True
        began = trio.current_time()
        await scene.service.leave(bot.bot_id)
        ended = await scene.until(bot.bot_id, State.ENDED, within=60)
        assert trio.current_time() - began <= 60
        assert ended.end is not None
        assert ended.end.reason is EndReason.LEFT_ON_REQUEST


@pytest.mark.parametrize("place", [None, Place.DOOR, Place.LOBBY])
async def test_a_stop_while_joining_prevents_the_join(tmp_path: Path, place: Place | None) -> None:
    """Before the browser is ready, at the door and in the lobby."""
    async with running(tmp_path) as scene:
        if place is None:
            scene.ready_after = 1000
        bot = await scene.create()
        if place is not None:
            await (await scene.meeting()).show(place)
        await scene.until(bot.bot_id, State.STARTING, State.JOINING, State.WAITING_IN_LOBBY)
        await scene.service.leave(bot.bot_id)
        await scene.until(bot.bot_id, State.ENDED, within=20)
        assert "in_call_not_recording" not in await states(scene, bot)


async def test_a_crashed_browser_joins_again_three_times(tmp_path: Path) -> None:
    """With the same session; the fourth crash ends it. Paused before, it is paused again."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing()
        await scene.service.pause(bot.bot_id)
        for number in range(1, 4):
            meeting.crash()
            await scene.until(bot.bot_id, State.RECOVERING, State.JOINING)
            meeting = await scene.meeting(number)
            await meeting.admit("Ana")
            again = await scene.until(bot.bot_id, State.PAUSED)
            assert (again.recoveries, again.session_id) == (number, bot.session_id)
            assert len(meeting.chats) == 1
        assert len(scene.pipelines) == 1
        meeting.crash()
        ended = await scene.until(bot.bot_id, State.FAILED)
        assert ended.end is not None
        assert ended.end.reason is EndReason.BROWSER_CRASHED


async def test_a_page_that_reconnects_by_itself_goes_on(tmp_path: Path) -> None:
    """It does not count as a recovery, and is not announced again; one that does not is lost."""
    async with running(tmp_path) as scene:
        scene.set(limits={"recovery": 20})
        bot, meeting = await scene.capturing()
        await meeting.connection(is_up=False)
        lost = await scene.until(bot.bot_id, State.RECOVERING)
        assert lost.lost_to is EndReason.NETWORK_LOST
        assert scene.pipelines[bot.bot_id].captures == [True, False]
        await meeting.connection(is_up=True)
        again = await scene.until(bot.bot_id, State.CAPTURING)
        assert (again.recoveries, len(meeting.chats)) == (0, 1)
        await meeting.connection(is_up=False)
        ended = await scene.until(bot.bot_id, State.FAILED, within=40)
        assert ended.end is not None
        assert (ended.end.reason, ended.end.has_evidence) == (EndReason.NETWORK_LOST, True)


async def test_a_lost_network_joins_again_once_the_meeting_can_be_reached(tmp_path: Path) -> None:
    """No browser is started before."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing()
        scene.unreachable = "The network is down."
        meeting.end(EndReason.NETWORK_LOST)
        await scene.until(bot.bot_id, State.RECOVERING)
        await trio.sleep(30)
        assert len(scene.meetings) == 1
        scene.unreachable = ""
        await (await scene.meeting(1)).admit("Ana")
        assert (await scene.until(bot.bot_id, State.CAPTURING)).recoveries == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BrowserNotStartedError("No space."), EndReason.BROWSER_MISSING),
        (NavigationError("It cannot be opened.", "net::ERR"), EndReason.UNREACHABLE),
        (ValueError("a bug"), EndReason.INTERNAL_ERROR),
    ],
)
async def test_errors_end_a_bot_for_what_they_are(
    tmp_path: Path, error: Exception, reason: EndReason
) -> None:
    """And others go on: the next one starts."""
    async with running(tmp_path) as scene:
        scene.start_error = error if isinstance(error, BrowserNotStartedError) else None
        bot = await scene.create()
        if scene.start_error is None:
            (await scene.meeting()).fail(error)
        ended = await scene.until(bot.bot_id, State.FAILED)
        scene.start_error = None
        assert ended.end is not None
        assert ended.end.reason is reason
        assert (await scene.service.count()).last_failed == ended
        await scene.capturing()


async def test_a_pipeline_that_fails_ends_its_bot_alone(tmp_path: Path) -> None:
    """With the reason internal_error; its browser is closed."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing()
        scene.pipelines[bot.bot_id].failure = ValueError("a bug")
        scene.pipelines[bot.bot_id].observations.clear()
        with pytest.raises(ValueError, match="a bug"):
            await meeting.speaks()
        meeting.fail(ValueError("a bug"))
        ended = await scene.until(bot.bot_id, State.FAILED)
        assert ended.end is not None
        assert ended.end.reason is EndReason.INTERNAL_ERROR


async def test_ends_that_the_page_shows_have_evidence(tmp_path: Path) -> None:
    """A screenshot, the page and the log, readable for nobody else, and stored before the end."""
    async with running(tmp_path) as scene:
        bot = await scene.create()
        meeting = await scene.meeting()
        await meeting.show(Place.LOBBY)
        meeting.end(EndReason.ADMISSION_DENIED)
        ended = await scene.until(bot.bot_id, State.FAILED)
        assert ended.end is not None
        assert (ended.end.reason, ended.end.stage) == (EndReason.ADMISSION_DENIED, "lobby")
        await scene.writer.flush()
        await trio.sleep(1)
        assert (await scene.service.get(bot.bot_id)).bot.end == ended.end
        files = await scene.store.evidence_files(bot.session_id)
        assert {each.kind for each in files} == {"screenshot", "dom", "log"}
        for each in files:
            path = Path(each.file_path)
            assert path.stat().st_mode & 0o077 == 0
            assert path.stat().st_size == each.file_size


@pytest.mark.parametrize(
    ("rules", "others", "reason", "within"),
    [
        (Rules(nobody_came=30), (), EndReason.NOBODY_CAME, 40),
        (Rules(silence=30, silence_after=10), ("Ana",), EndReason.SILENCE, 50),
        (Rules(longest=50), ("Ana",), EndReason.MAX_DURATION, 60),
    ],
)
async def test_it_leaves_by_its_rules(
    tmp_path: Path, rules: Rules, others: tuple[str, ...], reason: EndReason, within: float
) -> None:
    """Those of the request replace the settings'."""
    async with running(tmp_path) as scene:
        bot = await scene.create(rules=rules)
        meeting = await scene.meeting()
        await meeting.admit(*others)
        ended = await scene.until(bot.bot_id, State.ENDED, within=within)
        assert ended.end is not None
        assert ended.end.reason is reason
        assert meeting.calls == ["leave"]


async def test_it_leaves_when_it_is_alone_or_with_bots(tmp_path: Path) -> None:
    """Our own bots in the same meeting count by their names; a list that cannot be read changes nothing."""
    async with running(tmp_path) as scene:
        alone, first = await scene.capturing("Ana")
        await first.people()
        ended = await scene.until(alone.bot_id, State.ENDED, within=5)
        assert ended.end is not None
        assert ended.end.reason is EndReason.ALONE
        one, second = await scene.capturing("Ana", name="Live captions (bot) 1")
        two, third = await scene.capturing("Ana", name="Live captions (bot) 2")
        await trio.sleep(5)
        await second.people("Live captions (bot) 2")
        await third.people("Live captions (bot) 1")
        for bot in (one, two):
            ended = await scene.until(bot.bot_id, State.ENDED, within=70)
            assert ended.end is not None
            assert ended.end.reason is EndReason.ONLY_BOTS


async def test_no_sound_although_participants_speak_ends_it(tmp_path: Path) -> None:
    """After a minute; silence alone does not."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana")
        await trio.sleep(30)
        for _ in range(3):
            await meeting.speaks()
        ended = await scene.until(bot.bot_id, State.FAILED, within=70)
        assert ended.end is not None
        assert ended.end.reason is EndReason.NO_AUDIO


async def test_nobody_admits_it(tmp_path: Path) -> None:
    """A time-out is no denial, and has evidence."""
    async with running(tmp_path) as scene:
        bot = await scene.create(rules=Rules(lobby=30))
        await (await scene.meeting()).show(Place.LOBBY)
        ended = await scene.until(bot.bot_id, State.FAILED, within=50)
        assert ended.end is not None
        assert (ended.end.reason, ended.end.has_evidence) == (EndReason.NEVER_ADMITTED, True)


async def test_commands_need_their_state(tmp_path: Path) -> None:
    """409 with the state and those that are expected."""
    async with running(tmp_path) as scene:
        bot = await scene.create()
        await (await scene.meeting()).show(Place.LOBBY)
        with pytest.raises(ProblemError) as caught:
            await scene.service.pause(bot.bot_id)
        assert caught.value.code == "wrong_bot_state"
        assert caught.value.extra == {
            "command": "pause",
            "state": "waiting_in_lobby",
            "expected": ["capturing"],
        }
        with pytest.raises(ProblemError, match="resume needs one of: paused"):
            await scene.service.resume(bot.bot_id)
        with pytest.raises(ProblemError, match="No bot has the id") as unknown:
            await scene.service.chat("0" * 16, "hello")
        assert unknown.value.code == "unknown_bot"
        with pytest.raises(ProblemError) as early:
            await scene.service.delete_data(bot.bot_id)
        assert early.value.code == "wrong_bot_state"


async def test_commands_in_the_call(tmp_path: Path) -> None:
    """Pause and resume, chat, speech with the microphone on meanwhile, languages, camera."""
    async with running(tmp_path) as scene:
        bot, meeting = await scene.capturing("Ana", languages=Languages(targets=("es",)))
        pipeline = scene.pipelines[bot.bot_id]
        assert (await scene.service.pause(bot.bot_id)).state is State.PAUSED
        assert (await scene.service.resume(bot.bot_id)).state is State.CAPTURING
        assert pipeline.captures == [True, False, True]
        await scene.service.chat(bot.bot_id, "Hello")
        assert meeting.chats[-1] == "Hello"
        await scene.service.speak(bot.bot_id, b"\0" * 64_000)
        await trio.sleep(5)
        assert scene.channels[bot.bot_id].spoken == [b"\0" * 64_000]
        assert meeting.calls == ["microphone on", "microphone off"]
        shown = await scene.service.change_languages(bot.bot_id, LanguagesChange(captions="fr"))
        assert shown.languages == Languages(captions="fr", targets=("es",))
        assert meeting.calls[-1] == "captions fr"
        assert pipeline.languages == [shown.languages]
        shown = await scene.service.change_webcam(bot.bot_id, WebcamChange(on=False))
        assert (shown.camera, pipeline.cameras) == (None, [None])
        with pytest.raises(ProblemError) as off:
            await scene.service.camera(bot.bot_id, "png")
        assert off.value.code == "camera_off"
        await scene.service.change_webcam(bot.bot_id, WebcamChange(on=True))
        assert (await scene.service.camera(bot.bot_id, "png", after=4)).number == 5
        with pytest.raises(ProblemError, match="lines can be shown"):
            await scene.service.change_webcam(bot.bot_id, WebcamChange(lines=9))
        stored = await scene.store.life(bot.bot_id)
        assert stored is not None
        assert stored.settings["languages"]["captions"] == "fr"


async def test_languages_change_before_it_starts(tmp_path: Path) -> None:
    """They are those of the bot when it joins."""
    async with running(tmp_path) as scene:
        bot = await scene.create(start_at=EPOCH + 30)
        await scene.service.change_languages(bot.bot_id, LanguagesChange(spoken="de"))
        meeting = await scene.meeting()
        assert meeting.visit.request.languages.spoken == "de"
        await meeting.admit("Ana")
        await scene.until(bot.bot_id, State.CAPTURING)
        assert "ohne mich" in meeting.chats[0]


def request(**fields: Any) -> BotRequest:
    return BotRequest(**{"meeting_url": URL} | fields)

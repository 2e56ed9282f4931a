"""Bots that another worker runs: commands, live state and pictures from any worker; workers that are gone."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import trio

from orch.bots.control import CameraFrame
from orch.bots.forwarding import (
    AT_A_TIME,
    CAMERA_WITHIN,
    LARGEST_PICTURE,
    LIVE_WITHIN,
    ORDER_WITHIN,
    PICTURE_PAUSE,
    SLACK,
)
from orch.bots.observations import Place
from orch.bots.requests import Languages, LanguagesChange, WebcamChange
from orch.bots.runs.commands import CARRIED_OUT_WITHIN
from orch.bots.service import BotsService
from orch.bots.states import State
from orch.problems import ProblemError
from tests.fakes.bot_service import Scene, running
from tests.fakes.hub import EPOCH
from tests.fakes.survey import Wire

MINUTES_OF_SPEECH = b"\x01\x02" * (120 * 16_000)


@dataclass
class Pair:
    """Two workers: ``owner`` runs bots; requests reach ``other``, which starts none."""

    wire: Wire
    owner: Scene
    other: Scene


@asynccontextmanager
async def two_workers(folder: Path) -> AsyncIterator[Pair]:
    """Run two services on one store, with a wire between them."""
    wire = Wire()
    first, second = wire.worker("a", 0), wire.worker("b", 1)
    async with running(folder, is_alone=False, survey=first) as owner, trio.open_nursery() as nursery:
        await nursery.start(first.run)
        await nursery.start(second.run)
        other = Scene(folder, owner.store, worker="b", is_alone=False, survey=second)
        other.set(enabled=False)
        await other.start(nursery)
        yield Pair(wire, owner, other)
        nursery.cancel_scope.cancel()


async def raised(request: Awaitable[object]) -> ProblemError:
    """Return what a request raises."""
    with pytest.raises(ProblemError) as caught:
        await request
    return caught.value


async def test_every_command_reaches_the_worker_that_runs_the_bot(tmp_path: Path) -> None:
    """What it returns is the bot as its owner shows it then."""
    async with two_workers(tmp_path) as pair:
        bot, meeting = await pair.owner.capturing("Ana", "Bo", languages=Languages(targets=("es",)))
        pipeline = pair.owner.pipelines[bot.bot_id]
        service = pair.other.service
        paused = await service.pause(bot.bot_id)
        assert (paused.state, paused.people) == (State.PAUSED, 2)
        assert (await service.resume(bot.bot_id)).state is State.CAPTURING
        assert pipeline.captures == [True, False, True]
        await service.chat(bot.bot_id, "Grüße\n👋")
        assert meeting.chats[-1] == "Grüße\n👋"
        speech = MINUTES_OF_SPEECH[:64_000]
        await service.speak(bot.bot_id, speech)
        await trio.sleep(5)
        assert pair.owner.channels[bot.bot_id].spoken == [speech]
        shown = await service.change_languages(bot.bot_id, LanguagesChange(captions="fr"))
        assert shown.languages == Languages(captions="fr", targets=("es",))  # what is left out stays
        assert (await service.change_languages(bot.bot_id, LanguagesChange(captions=None))).languages == (
            Languages(targets=("es",))
        )
        assert (await service.change_webcam(bot.bot_id, WebcamChange(on=False))).camera is None
        assert pipeline.cameras == [None]
        assert set(pair.wire.asked) == {"roll", "bot_order"}


async def test_the_live_state_is_that_of_the_owner(tmp_path: Path) -> None:
    """By request, and every few seconds as a topic while somebody looks; else nobody is asked."""
    async with two_workers(tmp_path) as pair:
        bot, meeting = await pair.owner.capturing("Ana")
        assert await pair.other.service.get(bot.bot_id) == await pair.owner.service.get(bot.bot_id)
        pair.other.service.live(bot.bot_id)
        await meeting.people("Ana", "Bo")
        await trio.sleep(4)
        live = pair.other.service.live(bot.bot_id)
        assert live == pair.owner.service.live(bot.bot_id)
        assert live is not None
        assert (live.is_here, live.bot.people) == (True, 2)
        assert f"bots/{bot.bot_id}" in pair.other.touched
        await trio.sleep(20)
        pair.wire.asked.clear()
        await trio.sleep(20)
        assert set(pair.wire.asked) == {"roll"}


async def test_pictures_are_those_of_the_owner(tmp_path: Path) -> None:
    """One that differs is waited for; each viewer gets one a second, and none that is too large."""
    async with two_workers(tmp_path) as pair:
        bot, _ = await pair.owner.capturing("Ana")
        pipeline = pair.owner.pipelines[bot.bot_id]
        camera = partial(pair.other.service.camera, bot.bot_id)
        assert await camera("png") == CameraFrame(number=0, file=b"png")
        began = trio.current_time()
        assert await camera("jpeg", after=6) == CameraFrame(number=7, file=b"jpeg")
        assert trio.current_time() - began == PICTURE_PAUSE
        pipeline.frame_after = CAMERA_WITHIN + 1
        with trio.move_on_after(3 * CAMERA_WITHIN):
            await camera("png", after=7)
        assert pair.wire.asked.count("bot_camera") > 3
        pipeline.frame_after = 0
        pipeline.frame_size = LARGEST_PICTURE // 3 + 1
        large = await raised(camera("png"))
        assert (large.code, large.status) == ("picture_too_large", 503)
        pipeline.frame_size = LARGEST_PICTURE // 3
        assert len((await camera("png")).file) > LARGEST_PICTURE - 3
        await pair.other.service.change_webcam(bot.bot_id, WebcamChange(on=False))
        await pair.other.service.leave(bot.bot_id)
        await pair.owner.until(bot.bot_id, State.ENDED)
        assert (await raised(camera("png"))).code == "camera_off"


async def test_problems_of_the_owner_are_returned_unchanged(tmp_path: Path) -> None:
    """Also those that only it can know: the page fails, or takes too long; values out of their range."""
    async with two_workers(tmp_path) as pair:
        bot, meeting = await pair.owner.capturing("Ana")
        one, other = pair.owner.service, pair.other.service

        async def same(command: Callable[[BotsService], Awaitable[object]]) -> ProblemError:
            here, there = await raised(command(one)), await raised(command(other))
            assert here.body() == there.body()
            assert here.headers == there.headers
            return there

        assert (await same(lambda service: service.resume(bot.bot_id))).extra["expected"] == ["paused"]
        lines = await same(lambda service: service.change_webcam(bot.bot_id, WebcamChange(lines=9)))
        assert lines.code == "invalid_request"
        meeting.chat_fails = True
        assert (await same(lambda service: service.chat(bot.bot_id, "x"))).status == 504
        meeting.hangs = True
        late = await same(lambda service: service.chat(bot.bot_id, "x"))
        assert late.detail == f"The meeting's page did not carry it out within {CARRIED_OUT_WITHIN:g} s."
        meeting.hangs = False
        for _ in range(4):
            await other.speak(bot.bot_id, MINUTES_OF_SPEECH)
        assert (await same(lambda service: service.speak(bot.bot_id, b"\0\0"))).code == "overloaded"
        waiting = await pair.owner.create()
        await (await pair.owner.meeting(1)).show(Place.LOBBY)
        await same(lambda service: service.pause(waiting.bot_id))
        await same(lambda service: service.pause("0" * 16))


async def test_a_worker_that_has_vanished_or_hangs(tmp_path: Path) -> None:
    """The problem says which; nothing waits longer than a command may take; what is stored is shown."""
    async with two_workers(tmp_path) as pair:
        bot, _ = await pair.owner.capturing("Ana")
        service = pair.other.service
        pair.wire.silent = {"a"}
        began = trio.current_time()
        hung = await raised(service.pause(bot.bot_id))
        assert (hung.code, trio.current_time() - began) == ("worker_silent", ORDER_WITHIN + SLACK)
        assert "It is unknown whether" in hung.detail
        began = trio.current_time()
        live = await service.get(bot.bot_id)
        assert (live.is_here, live.bot.state, trio.current_time() - began) == (
            False,
            State.CAPTURING,
            LIVE_WITHIN,
        )
        pair.wire.silent.clear()
        vanished = pair.wire.stores.pop("a")
        for request in (service.pause(bot.bot_id), service.camera(bot.bot_id, "png")):
            gone = await raised(request)
            assert (gone.code, "has ended. Another one continues" in gone.detail) == ("bot_silent", True)
        assert not (await service.get(bot.bot_id)).is_here
        pair.wire.stores["a"] = vanished
        pair.wire.is_away = True
        assert (await raised(service.pause(bot.bot_id))).code == "store_unavailable"
        assert not (await service.get(bot.bot_id)).is_here


async def test_a_worker_that_stops_meanwhile(tmp_path: Path) -> None:
    """Its reply is that the command may be carried out or not; then, that nobody runs the bot here."""
    async with two_workers(tmp_path) as pair:
        bot, meeting = await pair.owner.capturing("Ana")
        meeting.hangs = True
        await pair.owner.kill()
        moved = await raised(pair.other.service.pause(bot.bot_id))
        assert (moved.code, "is taking the bot over" in moved.detail) == ("bot_silent", True)
        here = await raised(pair.owner.service.pause(bot.bot_id))
        assert "This worker is taking the bot over" in here.detail


async def test_requests_of_other_workers_are_few_at_a_time(tmp_path: Path) -> None:
    """Viewers of pictures take no place of commands; speeches that wait for their replies are limited."""
    async with two_workers(tmp_path) as pair:
        bot, meeting = await pair.owner.capturing("Ana")
        pair.owner.pipelines[bot.bot_id].frame_after = 1_000
        codes: list[str] = []

        async def look() -> None:
            try:
                await pair.other.service.camera(bot.bot_id, "png")
            except ProblemError as problem:
                codes.append(problem.code)

        async def speak() -> None:
            try:
                await pair.other.service.speak(bot.bot_id, MINUTES_OF_SPEECH)
            except ProblemError as problem:
                codes.append(problem.code)

        async with trio.open_nursery() as nursery:
            for _ in range(AT_A_TIME + 2):
                nursery.start_soon(look)
            await trio.sleep(1)
            assert codes == ["overloaded"] * 2
            await pair.other.service.chat(bot.bot_id, "still")
            assert meeting.chats[-1] == "still"
            pair.wire.silent = {"a"}
            codes.clear()
            for _ in range(4):
                nursery.start_soon(speak)
            await trio.sleep(1)
            assert codes == ["overloaded"]
            nursery.cancel_scope.cancel()
        pair.wire.silent = set()
        await pair.other.service.pause(bot.bot_id)


async def test_a_bot_that_waits_is_changed_by_any_worker(tmp_path: Path) -> None:
    """Nobody runs it: what is stored is changed, and no other worker is asked."""
    async with two_workers(tmp_path) as pair:
        pair.owner.set(enabled=False)
        pair.other.set(enabled=True, max_bots=5)
        pair.other.stopping.set()
        bot = await pair.other.create(start_at=EPOCH + 3600)
        shown = await pair.other.service.change_languages(bot.bot_id, LanguagesChange(spoken="de"))
        assert shown.languages.spoken == "de"
        off = await pair.other.service.change_webcam(bot.bot_id, WebcamChange(on=False))
        assert (off.camera, off.languages.spoken) == (None, "de")
        assert (await raised(pair.other.service.pause(bot.bot_id))).code == "wrong_bot_state"
        assert (await raised(pair.other.service.camera(bot.bot_id, "png"))).code == "camera_off"
        assert set(pair.wire.asked) == {"roll"}

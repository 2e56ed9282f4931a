"""Viewers of a bot's camera: few, each as fast as it reads."""

import gc
from pathlib import Path

import pytest
import trio

from orch.bots.control import CameraFrame
from orch.bots.states import State
from orch.problems import ProblemError
from orch.web import camera_viewers
from orch.web.camera_viewers import CameraBody, CameraViewers
from tests.fakes.bots_api import FakeBots, bots_api


async def frames(body: CameraBody, count: int) -> list[bytes]:
    """Read so many pieces, then close the body as a viewer that vanishes does."""
    found: list[bytes] = []
    async with body as parts:
        iterator = aiter(parts)
        while len(found) < count:
            try:
                found.append(await anext(iterator))
            except StopAsyncIteration:
                break
    return found


def viewer(bots: FakeBots, viewers: CameraViewers) -> CameraBody:
    leave = viewers.enter("b1")
    first = CameraFrame(number=bots.frame, file=b"jpeg 1")
    return CameraBody(first, lambda number: bots.camera("b1", "jpeg", after=number), leave)


async def test_each_frame_that_differs_is_sent_once() -> None:
    """At the pace of the viewer: what it did not wait for is left out."""
    bots, viewers = FakeBots(), CameraViewers()
    bots.add("b1")
    async with viewer(bots, viewers) as parts:
        iterator = aiter(parts)
        assert await anext(iterator) == b"--frame\r\n"
        assert b"jpeg 1" in await anext(iterator)
        for frame in (2, 3, 4):
            bots.draw(frame)
        assert b"jpeg 4" in await anext(iterator)
    assert (len(viewers), bots.watching) == (0, 0)


async def test_a_picture_that_does_not_change_is_repeated_now_and_then() -> None:
    """So that a viewer that has vanished is found."""
    bots, viewers = FakeBots(), CameraViewers()
    bots.add("b1")
    began = trio.current_time()
    sent = await frames(viewer(bots, viewers), 4)
    assert [b"jpeg 1" in part for part in sent] == [False, True, True, True]
    assert trio.current_time() - began >= 2 * camera_viewers.REPEAT_SECONDS
    assert len(viewers) == 0


async def test_the_stream_ends_with_the_camera() -> None:
    """Orderly: an image element keeps the last frame."""
    bots, viewers = FakeBots(), CameraViewers()
    bots.add("b1")
    body = viewer(bots, viewers)
    bots.draw(0)
    assert len(await frames(body, 9)) == 2
    assert (len(viewers), bots.watching) == (0, 0)


async def test_a_viewer_that_stalls_costs_its_place_alone() -> None:
    """No frame is made for it, and nothing is queued."""
    bots, viewers = FakeBots(), CameraViewers()
    bots.add("b1")
    async with viewer(bots, viewers) as parts:
        iterator = aiter(parts)
        await anext(iterator)
        await anext(iterator)
        for frame in range(2, 500):
            bots.draw(frame)
            await trio.sleep(0.03)
        assert (bots.watching, len(viewers)) == (0, 1)
    assert len(viewers) == 0


async def test_viewers_are_limited_by_bot_and_in_all() -> None:
    """A place is free again when its viewer has gone, or was never served."""
    viewers = CameraViewers()
    leaving = [viewers.enter("b1") for _ in range(camera_viewers.MOST_OF_BOT)]
    with pytest.raises(ProblemError) as caught:
        viewers.enter("b1")
    assert (caught.value.code, caught.value.headers["Retry-After"]) == ("too_many_viewers", "5")
    leaving[0]()
    leaving[0]()
    leaving.append(viewers.enter("b1"))
    for number in range(2, 5):
        leaving += [viewers.enter(f"b{number}") for _ in range(camera_viewers.MOST_OF_BOT)]
    with pytest.raises(ProblemError):
        viewers.enter("b9")
    for leave in leaving:
        leave()
    assert len(viewers) == 0
    bots = FakeBots()
    bots.add("b1")
    viewer(bots, viewers)
    gc.collect()
    assert len(viewers) == 0


@pytest.mark.real_time
async def test_the_camera_is_a_picture_and_a_stream(tmp_path: Path) -> None:
    """Over HTTP, with their types; a stream ends when its viewer is gone."""
    async with bots_api(tmp_path) as (api, bots, _):
        bots.add("b1")
        bots.add("b2", State.ENDED)
        picture = await api.ask("GET", "/api/bots/b1/webcam.png")
        assert (picture.headers["Content-Type"], picture.headers["X-Camera-Frame"]) == ("image/png", "1")
        assert await picture.get_data(as_text=False) == b"png 1"
        status, problem = await api.json("GET", "/api/bots/b2/webcam.mjpg")
        assert (status, problem["code"]) == (409, "camera_off")
        status, problem = await api.json("GET", "/api/bots/b2/webcam.png")
        assert (status, problem["code"]) == (409, "camera_off")
        left = await api.ask("GET", "/api/bots/b2/webcam.png?frame=7")
        assert (left.status_code, await left.get_data(as_text=False)) == (204, b"")
        status, problem = await api.json("GET", "/api/bots/b9/webcam.png?frame=7")
        assert (status, problem["code"]) == (404, "unknown_bot")
        head = await api.ask("HEAD", "/api/bots/b1/webcam.mjpg")
        assert head.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        async with api.stream("GET", "/api/bots/b1/webcam.mjpg") as received:
            assert (await received.receive())["status"] == 200
            assert (await received.receive())["body"] == b"--frame\r\n"
            assert b"jpeg 1" in (await received.receive())["body"]
            bots.draw(2)
            assert b"jpeg 2" in (await received.receive())["body"]
        assert bots.watching == 0

"""What an instance has in progress, and whether it gets on."""

import trio

from orch.gateway.work import LATELY, WorkInProgress
from orch.telemetry.work import IDLE, Work
from tests.fakes.gateway import gateway_rig, ok, read_request

AUDIO, A = "audio-service", "http://a:1"


def test_a_request_younger_than_the_longest_of_the_last_hour_gets_on() -> None:
    """An engine is silent until it is done; what took 40 s once may take 40 s again, for an hour."""
    work = WorkInProgress()
    work.end(work.begin(0.0, 60.0), 40.0, succeeded=True)
    work.end(work.begin(50.0, 60.0), 52.0, succeeded=True)
    assert not work.makes_progress(100.0), "nothing is in progress"
    task = work.begin(100.0, 60.0)
    assert work.makes_progress(139.0)
    assert not work.makes_progress(140.0)
    work.end(task, 140.0, succeeded=False)
    work.end(work.begin(3700.0, 60.0), 3702.0, succeeded=True)
    work.begin(3800.0, 60.0)
    assert work.makes_progress(3801.0)
    assert not work.makes_progress(3803.0), "the 40 s are more than an hour ago"


def test_before_the_first_success_the_time_limit_counts() -> None:
    """What failed shows nothing about how long success takes."""
    work = WorkInProgress()
    work.end(work.begin(0.0, 30.0), 29.0, succeeded=False)
    work.begin(30.0, 30.0)
    assert work.makes_progress(59.0)
    assert not work.makes_progress(60.0)


def test_a_response_that_arrives_is_progress() -> None:
    """However long it takes in all; one that has stopped is none."""
    work = WorkInProgress()
    work.end(work.begin(0.0, 30.0), 1.0, succeeded=True)
    task = work.begin(10.0, 30.0)
    task.moved_at = 100.0
    assert work.makes_progress(100.0 + LATELY - 1)
    assert not work.makes_progress(100.0 + LATELY)


async def test_the_gateway_knows_what_an_instance_has_to_do() -> None:
    """From the moment it is sent until its response has arrived, for both flows; nothing of strangers."""
    go = trio.Event()

    async def slow(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await go.wait()
        await stream.send_all(ok())

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = slow
        assert rig.gateway.work_of(AUDIO, A) == IDLE
        assert rig.gateway.work_of(AUDIO, "http://stranger") == rig.gateway.work_of("x", A) == IDLE
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.gateway.fetch, AUDIO, "POST", "/x")
            await trio.sleep(3)
            nursery.start_soon(rig.gateway.fetch, AUDIO, "POST", "/x")
            await trio.sleep(4)
            assert rig.gateway.work_of(AUDIO, A) == Work(2, 7.0, makes_progress=True)
            await trio.sleep(20)
            go.set()
        assert rig.gateway.work_of(AUDIO, A) == IDLE

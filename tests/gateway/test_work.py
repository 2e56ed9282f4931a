"""What an instance has in progress, and whether it gets on."""

import trio

from orch.gateway.flows import Flow
from orch.gateway.refusal_row import RefusalRow
from orch.gateway.work import LATELY, WorkInProgress
from orch.telemetry.work import IDLE, Work
from tests.fakes.gateway import answering, gateway_rig, ok, read_request

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


def test_requests_that_never_get_done_are_stuck() -> None:
    """None has succeeded since the oldest began, which takes over three times as long as usual."""
    work = WorkInProgress()
    for _ in range(4):
        work.end(work.begin(0.0, 60.0), 5.0, succeeded=True)
    assert work.usual(10.0) == 5.0
    assert not work.is_stuck(1_000.0), "nothing is in progress"
    first, second = work.begin(100.0, 60.0), work.begin(101.0, 60.0)
    assert not work.is_stuck(115.0)
    assert work.is_stuck(115.5)
    first.moved_at = 114.0
    assert not work.is_stuck(115.5), "a part of a response has come"
    first.moved_at = None
    work.end(second, 116.0, succeeded=False)
    assert work.is_stuck(116.0), "a failure is nothing done"
    work.end(work.begin(116.0, 60.0), 117.0, succeeded=True)
    assert not work.is_stuck(118.0), "others get done beside a long one"


def test_fast_requests_have_some_time_and_before_the_first_success_the_limit_counts() -> None:
    """Three times 20 ms shows nothing; without a usual time nothing is known before the limit."""
    work = WorkInProgress()
    work.begin(0.0, 30.0)
    assert not work.is_stuck(30.0)
    assert work.is_stuck(30.1)
    fast = WorkInProgress()
    fast.end(fast.begin(0.0, 30.0), 0.02, succeeded=True)
    fast.begin(1.0, 30.0)
    assert not fast.is_stuck(11.0)
    assert fast.is_stuck(11.1)


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


def test_refusals_of_several_callers_in_a_row_are_the_instance_s() -> None:
    """One caller may be wrong itself; another status, and time, end the row."""
    row = RefusalRow()
    for _ in range(20):
        row.add(401, "a", 0.0)
    assert row.current(0.0) is None
    for caller in "bc":
        row.add(401, caller, 1.0)
    assert row.current(1.0) == (401, 22)
    assert row.current(602.0) is None, "it was long ago"
    row.add(404, "a", 2.0)
    assert row.current(2.0) is None, "another refusal"
    for caller in "abcd":
        row.add(404, caller, 3.0)
    assert row.current(3.0) == (404, 5)
    row.add(200, "a", 4.0)
    assert (row.current(4.0), row.count) == (None, 0)
    for _ in range(9):
        row.add(500, "a", 5.0)
    assert (row.current(5.0), row.count) == (None, 0)


async def test_the_gateway_counts_refusals_of_clients_requests() -> None:
    """They are part of what is known of the instance's work, until a request is accepted."""
    async with gateway_rig() as rig:
        refusing = ok(b"{}", status=b"401 Unauthorized")
        rig.network.servers["a:1"] = answering(*[refusing] * 5, ok(b"{}"))
        for number in range(5):
            assert rig.gateway.work_of(AUDIO, A).refused is None
            await rig.gateway.fetch(AUDIO, "GET", "/api/x", flow=Flow.REQUESTS, caller=f"c{number}")
        assert rig.gateway.work_of(AUDIO, A).refused == (401, 5)
        await rig.gateway.fetch(AUDIO, "GET", "/api/x", flow=Flow.REQUESTS, caller="c1")
        assert rig.gateway.work_of(AUDIO, A).refused is None

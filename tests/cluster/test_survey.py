"""Surveys: replies, missing workers, and workers of another version."""

from typing import Any

import msgspec
import pytest
import trio

from orch.cluster.survey import HEARTBEAT_EVERY, Survey
from orch.cluster.workers import WorkerInfo, described
from orch.problems import ProblemError
from tests.fakes.survey import Wire


def doubling(survey: Survey) -> Survey:
    """Have a worker answer with twice what it is asked, and its place."""
    survey.register("twice", lambda question: msgspec.json.encode([survey.me.place, 2 * int(question)]))
    return survey


def answers(asked: Any) -> list[Any]:
    """Return what was answered."""
    return [msgspec.json.decode(each.data) for each in asked.replies]


async def test_a_single_worker_surveys_itself() -> None:
    """What is asked of all workers is asked of one process in the same way."""
    alone = doubling(Survey(host="x", pid=1))
    asked = await alone.collect("twice", b"4")
    assert answers(asked) == [[None, 8]]
    assert (asked.replies[0].worker, asked.missing) == (alone.me, ())
    assert await alone.request(alone.me.name, "twice", b"1") == b"[null,2]"
    with pytest.raises(ProblemError) as caught:
        await alone.request("another", "twice", b"1")
    assert caught.value.code == "unknown_worker"
    assert not alone.is_shared


async def test_all_workers_reply_this_one_first_then_by_place() -> None:
    """Whoever asks; one by name only that one."""
    wire = Wire()
    workers = [doubling(wire.worker(f"w{place}", place)) for place in (0, 2, 1)]
    assert answers(await workers[1].collect("twice", b"4")) == [[2, 8], [0, 8], [1, 8]]
    assert await workers[0].request("w1", "twice", b"3") == b"[1,6]"


async def test_a_worker_that_does_not_reply_is_reported_as_missing() -> None:
    """As it said of itself at the last roll call; one that never has is named all the same."""
    wire = Wire()
    one, two = doubling(wire.worker("w0", 0)), doubling(wire.worker("w1", 1))
    two.describe = lambda: WorkerInfo(connections=7, amiss=("gateway",))
    rolls: list[frozenset[str]] = []
    one.on_heartbeat = rolls.append
    changes: list[int] = []
    one.on_change = lambda: changes.append(1)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.run)
        await trio.sleep(1)
        wire.silent = {"w1"}
        asked = await one.collect("twice", b"4", within=5)
        assert answers(asked) == [[0, 8]]
        assert [described(each) for each in asked.missing] == ["Worker 1 at x (process 101)"]
        with pytest.raises(ProblemError) as caught:
            await one.request("w1", "twice", b"4", within=5)
        assert caught.value.code == "worker_silent"
        assert caught.value.detail == "Worker 1 at x (process 101) did not reply within 5 s."
        await trio.sleep(10)
        here, there = one.statistics().workers
        assert (here.here, there.here, there.answered) == (True, False, False)
        assert (there.brief.connections, there.brief.amiss) == (7, ("gateway",))
        assert rolls[0] == {"w1"}
        assert rolls[-1] == frozenset()
        assert len(changes) == 2  # it came, and it fell silent; what stays as it was is no change
        del wire.stores["w1"]
        await trio.sleep(10)
        assert len(one.statistics().workers) == 1
        nursery.cancel_scope.cancel()
    unheard = wire.worker("w2", 2)
    wire.silent = {"w2", "w0"}
    asked = await unheard.collect("roll", within=1)
    assert [described(each) for each in asked.missing] == ["A worker (address unknown)"]


async def test_without_the_store_the_workers_of_the_last_heartbeat_are_missing() -> None:
    """This worker still answers; nobody is taken for gone."""
    wire = Wire()
    one, _two = doubling(wire.worker("w0", 0)), doubling(wire.worker("w1", 1))
    rolls: list[frozenset[str]] = []
    one.on_heartbeat = rolls.append
    async with trio.open_nursery() as nursery:
        await nursery.start(one.run)
        await trio.sleep(1)
        wire.is_away = True
        await trio.sleep(10)
        asked = await one.collect("twice", b"4")
        assert (answers(asked), [each.place for each in asked.missing]) == ([[0, 8]], [1])
        assert rolls == [{"w1"}]
        with pytest.raises(ProblemError):
            await one.request("w1", "twice", b"4")
        nursery.cancel_scope.cancel()


async def test_a_handler_that_waits_replies_later_or_raises_where_it_was_asked() -> None:
    """Its problem has the same document and headers; what fails, is late or is stopped is told from it."""
    wire = Wire()
    one, two = wire.worker("w0", 0), wire.worker("w1", 1)

    async def handle(request: bytes) -> bytes:
        match request:
            case b"wait":
                await trio.sleep(3)
            case b"hang":
                await trio.sleep_forever()
            case b"problem":
                raise ProblemError("overloaded", "Later.", headers={"Retry-After": "2"}, waiting=[1, "a"])
            case b"fail":
                raise RuntimeError("handler")
        return b'"done"'

    two.register_waiting("slow", handle, within=5, at_a_time=2)

    async def problem(request: bytes, within: float = 10) -> ProblemError:
        with pytest.raises(ProblemError) as caught:
            await one.request("w1", "slow", request, within=within)
        return caught.value

    assert (await problem(b"now")).code == "shutting_down"  # it does not run yet
    async with trio.open_nursery() as outer, trio.open_nursery() as nursery:
        await nursery.start(one.run)
        await nursery.start(two.run)
        assert await one.request("w1", "slow", b"wait", within=10) == b'"done"'
        sent = ProblemError("overloaded", "Later.", headers={"Retry-After": "2"}, waiting=[1, "a"])
        raised = await problem(b"problem")
        assert (raised.body(), raised.headers) == (sent.body(), sent.headers)
        assert (await problem(b"fail")).detail == "Worker 1 at x (process 101) failed, or stopped meanwhile."
        assert two.boundary.failures == 1
        assert (await problem(b"hang")).detail == "Worker 1 at x (process 101) did not finish within 5 s."
        assert (await problem(b"wait", within=2)).code == "worker_silent"
        await trio.sleep(5)
        stopped: list[str] = []

        async def hang() -> None:
            stopped.append((await problem(b"hang")).code)

        outer.start_soon(hang)
        outer.start_soon(hang)
        await trio.sleep(1)
        assert (await problem(b"now")).code == "overloaded"
        nursery.cancel_scope.cancel()
    assert stopped == ["worker_silent"] * 2
    assert (await problem(b"now")).code == "shutting_down"


async def test_a_worker_that_ends_before_it_replies_is_not_waited_for() -> None:
    """The next heartbeats find it gone; one that is only slow is waited for."""
    wire = Wire()
    one, two = wire.worker("w0", 0), wire.worker("w1", 1)

    async def wait(_: bytes) -> bytes:
        await trio.sleep(20)
        return b"1"

    two.register_waiting("slow", wait, within=25, at_a_time=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.run)
        await nursery.start(two.run)
        await trio.sleep(1)
        assert await one.request("w1", "slow", within=27) == b"1"

        async def end() -> None:
            await trio.sleep(1)
            del wire.stores["w1"]

        nursery.start_soon(end)
        began = trio.current_time()
        with pytest.raises(ProblemError, match=r"process 101\) ended before it replied") as caught:
            await one.request("w1", "slow", within=27)
        assert caught.value.code == "worker_silent"
        assert trio.current_time() - began <= 3 * HEARTBEAT_EVERY
        nursery.cancel_scope.cancel()


async def test_a_problem_of_another_version_is_one_of_this() -> None:
    """Its code is not known here."""
    wire = Wire()
    one = wire.worker("w0", 0)
    wire.worker("w1", 1)
    wire.stores["w1"].surveyed = lambda _, reply: reply(
        b'[{"name":"w1"},null,["new_problem","Too new.",{},{}]]'
    )
    with pytest.raises(ProblemError, match="cannot do this: Too new") as caught:
        await one.request("w1", "slow")
    assert caught.value.code == "worker_silent"


async def test_a_worker_of_another_version_counts_as_one_without_a_reply() -> None:
    """While workers are replaced, some do not know the question, and some answer in other words."""
    wire = Wire()
    one = doubling(wire.worker("w0", 0))
    wire.worker("w1", 1)
    wire.worker("w2", 2)
    wire.stores["w2"].surveyed = lambda _, reply: reply(b"what?")
    asked = await one.collect("twice", b"4")
    assert answers(asked) == [[0, 8]]
    assert {each.name for each in asked.missing} == {"w1", "w2"}

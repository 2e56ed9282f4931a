"""A lease has one holder at a time, and another when that one is gone."""

import pytest
import trio

from orch.cluster import lease_state
from orch.cluster.lease import Leases, LocalLease
from orch.cluster.lease_state import LeaseState, LeaseTimes
from tests.fakes.leases import Actor, MemoryLeases

TIMES = LeaseTimes(lasts=20, margin=8, renew_every=4, ask_every=2)


def test_a_holder_stops_before_its_lease_expires_in_the_store() -> None:
    """It counts from before it asked, and less than the store does."""
    tenure = lease_state.after_reply(LeaseState(), TIMES, sent_at=100.0, fence=7)
    assert lease_state.is_held(tenure, 111.9)
    assert not lease_state.is_held(tenure, 112.0)
    assert lease_state.next_attempt_at(tenure, TIMES, sent_at=100.0) == 104.0


def test_without_replies_a_lease_is_lost_when_it_expires_not_before() -> None:
    """Not before: a Redis that is restarted takes a second or two."""
    tenure = lease_state.after_reply(LeaseState(), TIMES, sent_at=100.0, fence=7)
    assert lease_state.after_failure(tenure, 111.0) == tenure
    lost = lease_state.after_failure(tenure, 112.0)
    assert (lost.until, lost.is_held_by_another) == (None, None)


def test_a_lease_of_another_holder_is_tried_again() -> None:
    """And is known to be another's."""
    tenure = lease_state.after_reply(LeaseState(), TIMES, sent_at=100.0, fence=None)
    assert not lease_state.is_held(tenure, 100.0)
    assert tenure.is_held_by_another
    assert lease_state.next_attempt_at(tenure, TIMES, sent_at=100.0) == 102.0


@pytest.mark.limit(1_000)
async def test_a_released_lease_passes_to_the_next_at_once() -> None:
    """Who ends in order gives the lease back, so that nobody waits for its time to be over."""
    store = MemoryLeases()
    log: list[tuple[str, str, int]] = []
    a, b = (Actor(name, store, TIMES, log) for name in "ab")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.run)
        await a.acting.wait()
        nursery.start_soon(b.run)
        await trio.sleep(100)
        assert log == [("a", "begins", 1)]
        assert b.lease.is_held_by_another
        a.end()
        began = trio.current_time()
        await b.acting.wait()
        assert trio.current_time() - began <= TIMES.ask_every
        b.end()
    assert log == [("a", "begins", 1), ("a", "ends", 1), ("b", "begins", 2), ("b", "ends", 2)]


@pytest.mark.limit(1_000)
async def test_a_holder_that_cannot_reach_the_store_stops_in_time() -> None:
    """Before its lease is over there; back again, it is one of those who ask."""
    store, cut = MemoryLeases(), MemoryLeases()
    log: list[tuple[str, str, int]] = []
    a, b = Actor("a", store, TIMES, log), Actor("b", store, TIMES, log)
    cut.is_away = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.run)
        await a.acting.wait()
        nursery.start_soon(b.run)
        a.lease._store = cut
        began = trio.current_time()
        while ("a", "ends", 1) not in log:  # noqa: ASYNC110 - on a virtual clock
            await trio.sleep(0.1)
        assert trio.current_time() - began <= TIMES.lasts - TIMES.margin + 0.1
        assert "holder unknown" in repr(a.lease)
        await b.acting.wait()
        assert trio.current_time() - began <= TIMES.lasts + TIMES.ask_every
        a.lease._store = store
        await trio.sleep(10)
        assert a.lease.is_held_by_another
        a.end()
        b.end()
    assert [who for who, what, _ in log if what == "begins"] == ["a", "b"]


@pytest.mark.limit(1_000)
async def test_a_lease_that_the_store_has_lost_is_acquired_again() -> None:
    """Its holder finds out at the next renewal; whoever comes second waits."""
    store = MemoryLeases()
    log: list[tuple[str, str, int]] = []
    a = Actor("a", store, TIMES, log)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(a.run)
        await a.acting.wait()
        store.forget()
        await trio.sleep(TIMES.renew_every + 1)
        assert log == [("a", "begins", 1), ("a", "ends", 1), ("a", "begins", 2)]
        a.end()


async def test_a_service_of_one_process_holds_every_lease() -> None:
    """At once, without a store."""
    lease = Leases().lease("work")
    assert isinstance(lease, LocalLease)
    assert (lease.is_held, lease.is_shared) == (True, False)
    begun: list[int] = []

    async def act(fence: int) -> None:
        begun.append(fence)
        await trio.sleep_forever()

    with trio.move_on_after(1):
        await lease.hold(act)  # type: ignore[arg-type]  # it ends with the test
    assert begun == [0]

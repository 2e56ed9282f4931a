"""An unexpected error between workers costs one reply or one read, not the loop."""

from pathlib import Path
from typing import Never

import msgspec
import pytest
import trio

from orch.cluster import survey
from orch.cluster.lease import Leases
from orch.cluster.lease_state import LeaseTimes
from orch.cluster.runtime_settings import READ_EVERY
from orch.cluster.survey import HEARTBEAT_EVERY, Survey
from tests.cluster.test_runtime_settings import FakeWorker
from tests.fakes.leases import MemoryLeases
from tests.fakes.survey import Wire

ODD = [RecursionError("odd"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), ValueError("odd")]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_a_lease_is_tried_again_after_an_unexpected_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It is not held meanwhile, for nobody knows whose it is."""
    store = MemoryLeases()
    usual, calls = store.acquire_lease, 0

    async def take(name: str, holder: str, seconds: float) -> int | None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise error
        return await usual(name, holder, seconds)

    monkeypatch.setattr(store, "acquire_lease", take)
    leases = Leases(store, times=LeaseTimes(lasts=20, margin=8, renew_every=4, ask_every=2))
    lease = leases.lease("work")
    acting = trio.Event()

    async def act(_fence: int) -> Never:
        acting.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lease.hold, act)
        await trio.testing.wait_all_tasks_blocked()
        assert not lease.is_held
        await acting.wait()
        assert (lease.is_held, leases.boundary.failures) == (True, 1)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_stored_settings_are_read_again_after_an_unexpected_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    wire = Wire()
    worker = FakeWorker(wire, tmp_path, 0)
    follow, calls = worker.runtime._apply_stored, 0

    async def odd(store: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise error
        return await follow(store)  # type: ignore[arg-type]

    monkeypatch.setattr(worker.runtime, "_apply_stored", odd)
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.runtime.run)
        await trio.sleep(2 * READ_EVERY)
        assert (calls >= 2, worker.runtime.boundary.failures) == (True, 1)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
async def test_an_invalid_reply_counts_as_none_and_the_heartbeat_continues(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Odd:
        def decode(self, _data: object) -> object:
            raise error

    wire = Wire()
    one, two = (wire.worker(f"w{place}", place) for place in range(2))
    for each in (one, two):
        each.register("twice", lambda request: msgspec.json.encode(2 * int(request)))
    usual = survey._envelope
    monkeypatch.setattr(survey, "_envelope", Odd())
    asked = await one.collect("twice", b"2")
    assert (len(asked.replies), [each.name for each in asked.missing]) == (1, ["w1"])
    async with trio.open_nursery() as nursery:
        await nursery.start(one.run)
        await trio.sleep(HEARTBEAT_EVERY / 2)
        monkeypatch.setattr(survey, "_envelope", usual)
        await trio.sleep(2 * HEARTBEAT_EVERY)
        assert [each.answered for each in one.statistics().workers] == [True, True]
        nursery.cancel_scope.cancel()
    assert isinstance(one, Survey)
    assert one.boundary.failures >= 2

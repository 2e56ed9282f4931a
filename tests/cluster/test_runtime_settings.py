"""Operators' changes at run time are the same on all workers, whenever they were started."""

from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trio.testing

from orch.cluster.runtime_settings import READ_EVERY, RuntimeSettings
from orch.problems import ProblemError
from orch.settings import SettingsError
from orch.settings.live import LiveSettings
from orch.stores.records import StoredSettings
from orch.telemetry.events import EventLog
from tests.fakes.survey import Wire

TIMEOUT = "orchestration.gateway.timeout"
RETRIES = "orchestration.gateway.retries"


class FakeWorker:
    """A worker's settings, on a wire with those of others. ``file``: what its file says."""

    def __init__(self, wire: Wire, folder: Path, place: int, file: str = "{}") -> None:
        path = folder / f"{place}.yaml"
        path.write_text(file)
        name = f"w{place}"
        survey = wire.worker(name, place)
        self.path = path
        self.configuration = LiveSettings(path, {}, events=EventLog(wall=lambda: 0.0), wall=lambda: 0.0)
        self.runtime = RuntimeSettings(
            configuration=self.configuration, store=wire.store(name), survey=survey
        )

    @property
    def timeout(self) -> float:
        """What is in force."""
        return self.configuration.current.orchestration.gateway.timeout


async def test_a_change_reaches_all_workers_and_those_started_later(tmp_path: Path) -> None:
    """Before it serves: it is usable only once it has read what is stored."""
    wire = Wire()
    one, two = FakeWorker(wire, tmp_path, 0), FakeWorker(wire, tmp_path, 1)
    async with trio.open_nursery() as nursery:
        await nursery.start(two.runtime.run)
        changed = await one.runtime.change({TIMEOUT: 7})
        assert [change.path for change in changed.changes] == [TIMEOUT]
        assert [(each.worker, each.outcome) for each in changed.workers] == [
            ("Worker 1 at x (process 101)", "applied")
        ]
        assert (one.timeout, two.timeout) == (7, 7)
        late = FakeWorker(wire, tmp_path, 2)
        await nursery.start(late.runtime.run)
        assert (late.timeout, late.configuration.revision) == (7, 1)
        wire.is_away = True
        later = FakeWorker(wire, tmp_path, 3)
        with trio.move_on_after(20) as waited:
            await nursery.start(later.runtime.run)
        assert waited.cancelled_caught  # it does not serve with other settings
        nursery.cancel_scope.cancel()


async def test_a_worker_that_was_stalled_applies_a_change_later(tmp_path: Path) -> None:
    """It is named in the answer, and reads what is stored."""
    wire = Wire()
    one, two = FakeWorker(wire, tmp_path, 0), FakeWorker(wire, tmp_path, 1)
    async with trio.open_nursery() as nursery:
        await nursery.start(two.runtime.run)
        wire.silent = {"w1"}
        changed = await one.runtime.change({TIMEOUT: 7})
        assert [each.outcome for each in changed.workers] == ["no_answer"]
        await trio.sleep(2 * READ_EVERY)
        assert two.timeout == 7
        nursery.cancel_scope.cancel()


async def test_two_concurrent_changes_are_both_stored(tmp_path: Path) -> None:
    """The later one is made anew on top of the earlier."""
    wire = Wire()
    one, two = FakeWorker(wire, tmp_path, 0), FakeWorker(wire, tmp_path, 1)

    def come_first() -> None:
        wire.before_keeping = lambda: None
        wire.kept = StoredSettings(wire.kept.revision + 1, b'{"orchestration.gateway.retries":9}')

    wire.before_keeping = come_first
    async with trio.open_nursery() as nursery:
        await nursery.start(two.runtime.run)
        await one.runtime.change({TIMEOUT: 7})
        for worker in (one, two):
            gateway = worker.configuration.current.orchestration.gateway
            assert (gateway.timeout, gateway.retries, worker.configuration.revision) == (7, 9, 2)
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        await nursery.start(one.runtime.run)
        await two.runtime.change({TIMEOUT: None})
        nursery.cancel_scope.cancel()
    assert (two.timeout, dict(two.configuration.runtime)) == (30, {RETRIES: 9})
    assert (one.timeout, dict(one.configuration.runtime)) == (30, {RETRIES: 9})


async def test_a_change_that_conflicts_with_a_workers_file_is_refused_there_until_it_fits(
    tmp_path: Path,
) -> None:
    """The answer has the reason; the worker goes on with what it had, and tries again."""
    wire = Wire()
    file = "services: {another: {url: 'http://127.0.0.1:1'}}"
    one, two = FakeWorker(wire, tmp_path, 0, file), FakeWorker(wire, tmp_path, 1)
    async with trio.open_nursery() as nursery:
        await nursery.start(two.runtime.run)
        changed = await one.runtime.change({"services.another.weight": 5})
        nursery.cancel_scope.cancel()
    (other,) = changed.workers
    assert (other.outcome, other.faults[0].path) == ("refused", "services.another.url")
    assert two.configuration.revision == 0
    # Nobody can change anything there that would not go with it either.
    with pytest.raises(SettingsError):
        await two.runtime.change({TIMEOUT: 7})
    two.path.write_text(file)
    two.configuration.reload()
    async with trio.open_nursery() as nursery:
        await nursery.start(one.runtime.run)
        await two.runtime.change({TIMEOUT: 7})
        nursery.cancel_scope.cancel()
    assert two.configuration.current.services["another"].weight == 5
    assert (one.timeout, two.timeout, two.configuration.revision) == (7, 7, 2)


async def test_settings_lost_by_the_server_are_stored_again(tmp_path: Path) -> None:
    """No operator has undone the change."""
    wire = Wire()
    one, two = FakeWorker(wire, tmp_path, 0), FakeWorker(wire, tmp_path, 1)
    await one.runtime.change({TIMEOUT: 7})
    wire.kept = StoredSettings(0, b"{}")
    async with trio.open_nursery() as nursery:
        await nursery.start(one.runtime.run)
        await nursery.start(two.runtime.run)
        await trio.sleep(3 * READ_EVERY)
        nursery.cancel_scope.cancel()
    assert wire.kept == StoredSettings(2, b'{"orchestration.gateway.timeout":7}')
    assert (one.timeout, two.timeout, two.configuration.revision) == (7, 7, 2)


async def test_nothing_is_changed_while_the_store_cannot_be_reached(tmp_path: Path) -> None:
    """Not on this worker alone either."""
    wire = Wire()
    one = FakeWorker(wire, tmp_path, 0)
    wire.is_away = True
    with pytest.raises(ProblemError) as caught:
        await one.runtime.change({TIMEOUT: 7})
    assert caught.value.code == "store_unavailable"
    assert one.timeout == 30


async def test_a_published_revision_alone_changes_nothing(tmp_path: Path) -> None:
    """Whoever can publish can have a worker look at what is stored, and nothing more."""
    wire = Wire()
    one, two = FakeWorker(wire, tmp_path, 0), FakeWorker(wire, tmp_path, 1)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.runtime.run)
        await nursery.start(two.runtime.run)
        command = f'[9,{{"services.audio-service.restart_command":["touch","x"],"{TIMEOUT}":7}}]'
        for subject in (b"settings", b"settings_revision"):
            for told in (command.encode(), b"9", b"[9]", b"\xff", b"[" * 100_000):
                for store in wire.stores.values():
                    with suppress(Exception):  # the store's boundary has it
                        store.surveyed(subject + b"\n" + told, lambda _: None)
        await trio.sleep(3 * READ_EVERY)
        nursery.cancel_scope.cancel()
    assert wire.kept == StoredSettings(0, b"{}")
    for worker in (one, two):
        assert (worker.timeout, worker.configuration.revision) == (30, 0)
        assert dict(worker.configuration.runtime) == {}


@pytest.mark.parametrize("values", [b"\xff", b"[]", b"{", b"[" * 100_000, b'{"a":' * 100_000])
async def test_invalid_stored_settings_are_reported_and_change_nothing(tmp_path: Path, values: bytes) -> None:
    """The worker goes on with what it has, and looks again."""
    wire = Wire()
    one = FakeWorker(wire, tmp_path, 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.runtime.run)
        wire.kept = StoredSettings(5, values)
        await trio.sleep(2 * READ_EVERY)
        assert (one.timeout, one.configuration.revision) == (30, 0)
        with pytest.raises(ProblemError) as caught:
            await one.runtime.change({TIMEOUT: 7})
        assert "orch:settings" in caught.value.detail
        wire.kept = StoredSettings(6, b'{"%s":7}' % TIMEOUT.encode())
        await trio.sleep(2 * READ_EVERY)
        assert one.timeout == 7
        nursery.cancel_scope.cancel()

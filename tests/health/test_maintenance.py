"""Maintenance windows: when they are on, and that nothing is judged, restarted or reported in them."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import trio

from orch.health.health_events import HealthEvent, MaintenanceChanged, RecoveryStep
from orch.health.maintenance import current
from orch.health.verdict import State
from orch.processes import ProcessSpec
from orch.settings.probe_structs import MaintenanceWindow
from tests.fakes.health import Bench, Network, healthy, refused


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def window(start: str, minutes: float, **more: Any) -> MaintenanceWindow:
    return MaintenanceWindow(start=start, minutes=minutes, **more)


ONCE = window("2026-12-01T02:00", 30)
DAILY = window("2026-12-01T23:30", 60, repeat="daily")
WEEKLY = window("2026-12-06T02:00", 120, repeat="weekly", timezone="Europe/Lisbon")


@pytest.mark.parametrize(
    ("given", "moment", "until"),
    [
        (ONCE, "2026-12-01T01:59:59+00:00", None),
        (ONCE, "2026-12-01T02:00:00+00:00", "2026-12-01T02:30:00+00:00"),
        (ONCE, "2026-12-01T02:30:00+00:00", None),
        (ONCE, "2026-12-02T02:10:00+00:00", None),
        (DAILY, "2026-12-01T00:10:00+00:00", None),  # the day before the first
        (DAILY, "2026-12-01T23:45:00+00:00", "2026-12-02T00:30:00+00:00"),
        (DAILY, "2027-03-09T00:15:00+00:00", "2027-03-09T00:30:00+00:00"),
        (DAILY, "2027-03-09T00:45:00+00:00", None),
        (WEEKLY, "2026-12-06T03:59:00+00:00", "2026-12-06T04:00:00+00:00"),
        (WEEKLY, "2026-12-13T02:00:00+00:00", "2026-12-13T04:00:00+00:00"),
        (WEEKLY, "2026-12-12T02:00:00+00:00", None),
        (WEEKLY, "2027-07-04T01:30:00+00:00", "2027-07-04T03:00:00+00:00"),  # 02:00 in summer is 01:00 UTC
        (WEEKLY, "2027-07-04T03:30:00+00:00", None),
    ],
)
def test_a_window_is_on_at_its_local_time(given: MaintenanceWindow, moment: str, until: str | None) -> None:
    """From its first minute to its last, also beyond midnight and when clocks have changed."""
    found = current([given], at(moment))
    assert (None if found is None else found.until) == (None if until is None else at(until))


def test_of_two_windows_the_one_that_ends_last_counts() -> None:
    """It is over only when both are."""
    longer = window("2026-12-01T02:10", 60, title="move")
    found = current([ONCE, longer], at("2026-12-01T02:15:00+00:00"))
    assert found is not None
    assert (found.title, found.until) == ("move", at("2026-12-01T03:10:00+00:00"))


async def test_nothing_is_judged_restarted_or_reported_during_maintenance() -> None:
    """It begins and ends by the clock; then checks judge anew, and what is down is recovered."""
    ran: list[float] = []

    async def run_child(*_arguments: Any, **_options: Any) -> int:
        await trio.lowlevel.checkpoint()
        ran.append(trio.current_time())
        return 0

    begin = at("2026-12-01T02:00:00+00:00")
    service = {
        "url": "http://one:5001",
        "restart_command": ["restart"],
        "maintenance": [{"start": "2026-12-01T02:00", "minutes": 1, "title": "new disk"}],
    }
    network = Network(one=healthy)
    bench = Bench(
        network=network,
        services={"audio-service": service},
        run_child=run_child,
        wall=lambda: begin - 10 + trio.current_time(),
    )
    events: list[HealthEvent] = []
    with bench.health.feed.subscribe() as subscription:
        async with bench.running():
            await trio.sleep(12)
            assert bench.service().state is State.UNKNOWN
            assert bench.service().reason == "maintenance: new disk"
            network.hosts["one"] = refused
            bench.health.note_refusal("audio-service", "refuses every request: wrong key")
            bench.health.note_failure("audio-service", "http://one:5001", "reset")
            await trio.sleep(40)
            assert bench.service().state is State.UNKNOWN
            assert bench.health.is_usable("audio-service", "http://one:5001")
            assert bench.instance().checks[-1].state is State.UNHEALTHY  # it is shown, and changes nothing
            assert ran == []
            assert bench.texts() == [
                "Is healthy, responds in 0 ms.",
                "Maintenance until 2026-12-01 02:01 UTC: new disk. It is not judged and not restarted.",
            ]
            await trio.sleep(20)
            assert bench.service().state in {State.UNHEALTHY, State.RECOVERING}
            assert bench.texts()[2] == "Maintenance is over: new disk."
            assert len(ran) == 1
        while (event := subscription.receive_nowait()) is not None:
            events.append(event)
    turns = [event for event in events if isinstance(event, MaintenanceChanged)]
    assert [turn.is_on for turn in turns] == [True, False]
    assert [turn.at - begin for turn in turns] == pytest.approx([0, 60], abs=2)
    steps = [event for event in events if isinstance(event, RecoveryStep)]
    assert all(event.at >= begin + 59 for event in steps)


async def test_a_window_set_in_the_settings_begins_at_once_and_is_over_without_it() -> None:
    """An operator can end it by removing it."""
    network = Network(one=healthy)
    plain = {"url": "http://one:5001"}
    begin = at("2026-12-01T02:00:00+00:00")
    bench = Bench(
        network=network, services={"audio-service": plain}, wall=lambda: begin + trio.current_time()
    )
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        maintained = {**plain, "maintenance": [{"start": "2026-12-01T01:00", "minutes": 600}]}
        bench.settings.change(services={"audio-service": maintained})
        await trio.sleep(1.5)
        assert bench.service().reason == "maintenance"
        bench.settings.change(services={"audio-service": plain})
        await bench.health.wait_for("audio-service", State.HEALTHY)
        assert trio.current_time() < 5


async def test_a_child_that_ends_during_maintenance_is_started_when_it_is_over() -> None:
    """Or as soon as an operator asks for it."""
    started, ends = list[float](), [trio.Event()]

    async def run_child(*_arguments: Any, on_started: Callable[[int], None], **_options: Any) -> int:
        started.append(trio.current_time())
        on_started(1)
        await ends[-1].wait()
        return 1

    begin = at("2026-12-01T02:00:00+00:00")
    window = {"start": "2026-12-01T02:00", "minutes": 1}
    bench = Bench(
        network=Network(one=healthy),
        services={"audio-service": {"url": "http://one:5001", "maintenance": [window]}},
        processes={"audio-service": ProcessSpec(argv=("asr",))},
        run_child=run_child,
        wall=lambda: begin - 5 + trio.current_time(),
    )
    async with bench.running():
        await trio.sleep(10)
        ends[0].set()
        ends.append(trio.Event())
        await trio.sleep(20)
        assert len(started) == 1
        await bench.health.restart("audio-service", reason="An operator asked for it.")
        await trio.sleep(1)
        assert len(started) == 2
        ends[1].set()
        ends.append(trio.Event())
        await trio.sleep(20)
        assert len(started) == 2
        await bench.health.wait_for("audio-service", State.HEALTHY)
        assert len(started) == 3
        assert started[2] >= 65

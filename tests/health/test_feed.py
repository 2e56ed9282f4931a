"""The stream of health events that incidents, uptime and the status page follow."""

import trio
import trio.testing

from orch.health.feed import HealthFeed
from orch.health.health_events import (
    HealthEvent,
    InstanceChanged,
    RecoveryStep,
    ServiceChanged,
    Stage,
)
from orch.health.verdict import State
from tests.fakes.health import Bench, Network, healthy, refused

ONE = {"audio-service": {"url": "http://user:secret@one:5001", "restart_command": ["restart"]}}


def step(number: int) -> RecoveryStep:
    return RecoveryStep(at=0, service="a", stage=Stage.HOOK, attempt=number, text="")


async def test_events_arrive_in_order_and_a_subscriber_that_is_behind_loses_the_oldest() -> None:
    """The queue is bounded, and what was dropped is counted."""
    feed = HealthFeed()
    with feed.subscribe(limit=3) as behind, feed.subscribe() as other:
        for number in range(5):
            feed.publish(step(number))
        assert [await behind.receive() for _ in range(3)] == [step(2), step(3), step(4)]
        assert (behind.dropped, other.dropped) == (2, 0)
        assert behind.receive_nowait() is None
        received: list[HealthEvent] = []

        async def follow() -> None:
            received.append(await behind.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await trio.testing.wait_all_tasks_blocked()
            feed.publish(step(5))
        assert received == [step(5)]
    feed.publish(step(6))
    assert behind.receive_nowait() is None


async def test_steps_are_stored_for_each_service_up_to_a_limit() -> None:
    """The API shows the last thirty; a service that leaves the settings leaves nothing behind."""
    feed = HealthFeed()
    for number in range(40):
        feed.publish(step(number))
    assert [each.attempt for each in feed.steps("a")] == list(range(10, 40))
    feed.forget("a")
    assert feed.steps("a") == ()


async def test_a_failure_and_its_recovery_are_events_in_order() -> None:
    """Changes of states with their reasons, each step of the recovery, no credentials."""
    network = Network(one=healthy)

    async def run_child(*_arguments: object, on_started: object, **_options: object) -> int:
        await trio.lowlevel.checkpoint()
        assert callable(on_started)
        on_started(1)
        network.hosts["one"] = healthy
        return 0

    bench = Bench(network=network, services=ONE, run_child=run_child)
    with bench.health.feed.subscribe() as subscription:
        async with bench.running():
            await bench.health.wait_for("audio-service", State.HEALTHY)
            network.hosts["one"] = refused
            await bench.health.wait_for("audio-service", State.UNHEALTHY)
            await bench.health.wait_for("audio-service", State.HEALTHY)
            bench.settings.change(services={})
            await trio.sleep(2)
        events: list[HealthEvent] = []
        while (event := subscription.receive_nowait()) is not None:
            events.append(event)
    services = [(event.before, event.after) for event in events if isinstance(event, ServiceChanged)]
    assert services == [
        (State.UNKNOWN, State.HEALTHY),
        (State.HEALTHY, State.UNHEALTHY),
        (State.UNHEALTHY, State.RECOVERING),
        (State.RECOVERING, State.HEALTHY),
        (State.HEALTHY, State.UNKNOWN),
    ]
    stages = [(event.stage, event.attempt) for event in events if isinstance(event, RecoveryStep)]
    assert stages == [(Stage.HOOK, 1), (Stage.VERIFYING, 1), (Stage.RECOVERED, 1)]
    down = next(e for e in events if isinstance(e, InstanceChanged) and e.after is State.UNHEALTHY)
    assert down.reasons == ("connection refused",)
    assert "secret" not in str(events)

"""Which state decides on the restarts of a service."""

from typing import Never

from orch.health.recovery import RecoveryPolicy
from orch.health.restarter import Restarter
from orch.health.verdict import State, Verdict
from orch.health.watched import WatchedInstance, WatchedService


class FakeRestarter(Restarter):
    """Notes the states that it is given."""

    def __init__(self, *, is_child: bool) -> None:
        super().__init__(
            "audio-service",
            policy=RecoveryPolicy(),
            observe=lambda _observation: None,
            record=lambda _severity, _text: None,
        )
        self.is_child = is_child
        self.states: list[State] = []

    @property
    def is_restartable(self) -> bool:
        return True

    async def run(self) -> Never:
        raise NotImplementedError

    def update(self, state: State) -> None:
        self.states.append(state)


def watched(*, own: bool) -> tuple[WatchedService, FakeRestarter, list[WatchedInstance]]:
    """Return a service with an unhealthy first and a healthy second instance.

    ``own``: the restarter is that of the first instance, else that of the service.
    """
    restarter, other = FakeRestarter(is_child=own), FakeRestarter(is_child=False)
    service = WatchedService("audio-service", lambda _service: other if own else restarter, at=0)
    instances = [WatchedInstance(service, f"http://{host}:1", at=0) for host in "ab"]
    instances[0].verdict = Verdict(State.UNHEALTHY)
    instances[1].verdict = Verdict(State.HEALTHY)
    service.instances = {instance.url: instance for instance in instances}
    if own:
        instances[0].restarter = restarter
    return service, restarter, instances


async def test_an_instance_with_a_restarter_is_restarted_for_its_own_state() -> None:
    """The others have nothing to do with it, and are what the restarter of the service stands for."""
    service, restarter, (first, second) = watched(own=True)
    service.update_restarter(second)
    assert restarter.states == []
    service.update_restarter(first)
    assert restarter.states == [State.UNHEALTHY]
    assert first.child is restarter
    assert second.child is None
    assert service.restarters() == [(first, restarter), (None, service.restarter)]
    assert service.shared == [second]
    assert isinstance(service.restarter, FakeRestarter)
    assert service.restarter.states == [State.HEALTHY]


async def test_a_command_is_run_for_the_state_of_all_instances_that_it_stands_for() -> None:
    """One of two being down is no reason to restart both."""
    service, restarter, (first, _) = watched(own=False)
    service.update_restarter(first)
    assert restarter.states == [State.DEGRADED]
    assert first.child is None
    assert service.restarters() == [(None, restarter)]

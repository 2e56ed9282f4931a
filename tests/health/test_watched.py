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


def watched(*, is_child: bool) -> tuple[WatchedService, FakeRestarter, list[WatchedInstance]]:
    """Return a degraded service with an unhealthy first and a healthy second instance."""
    restarter = FakeRestarter(is_child=is_child)
    service = WatchedService("audio-service", lambda _service: restarter, at=0)
    service.state = State.DEGRADED
    instances = [WatchedInstance(service, f"http://{host}:1", at=0) for host in "ab"]
    instances[0].verdict = Verdict(State.UNHEALTHY)
    instances[1].verdict = Verdict(State.HEALTHY)
    service.instances = {instance.url: instance for instance in instances}
    return service, restarter, instances


async def test_a_child_is_restarted_for_its_own_state() -> None:
    """It is the first instance; the others run elsewhere and cannot be restarted from here."""
    service, restarter, (first, second) = watched(is_child=True)
    service.update_restarter(second)
    assert restarter.states == []
    service.update_restarter(first)
    assert restarter.states == [State.UNHEALTHY]
    assert service.child(first) is restarter
    assert service.child(second) is None


async def test_a_command_is_run_for_the_state_of_the_whole_service() -> None:
    """It stands for all instances: one of two being down is no reason to restart both."""
    service, restarter, (first, _) = watched(is_child=False)
    service.update_restarter(first)
    assert restarter.states == [State.DEGRADED]
    assert service.child(first) is None

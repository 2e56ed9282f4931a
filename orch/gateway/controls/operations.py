"""What operators do to one worker's back ends, and what lasts of it."""

from collections.abc import Callable
from typing import Final

import trio

from orch.gateway.backends import Backends
from orch.gateway.controls.carrying_out import carry_out, effect, subjects
from orch.gateway.controls.commands import Command, Effect, Layers, Standings, changed, in_words, without
from orch.gateway.flows import Flow
from orch.gateway.instance import Instance
from orch.telemetry.events import EventLog


class Operations:
    """Carries out commands; the mutable state is what lasts of them."""

    def __init__(
        self,
        backends: Backends,
        *,
        events: EventLog,
        touch: Callable[[], None],
        is_usable: Callable[[Instance], bool],
    ) -> None:
        self._backends = backends
        self._events = events
        self._touch = touch
        self._is_usable = is_usable
        self.layers: Final = Layers({}, {})

    def check(self, command: Command) -> None:
        """Raise ProblemError if there is no such subject: unknown_service, invalid_request."""
        subjects(self._backends.get(command.service), command)

    def carry_out(self, command: Command, *, is_own: bool, by: str) -> Effect:
        """Carry out a command; see :meth:`orch.gateway.service.GatewayService.carry_out`."""
        backend = self._backends.get(command.service)
        named = subjects(backend, command)
        assert backend is not None, "it has a subject"  # noqa: S101 - an invariant
        layers = self.layers
        if is_own:
            layers.own = changed(layers.own, command)
        else:
            layers.shared = changed(layers.shared, command)
            layers.own = without(layers.own, command)
        self._backends.stand(layers)
        carry_out(backend, command, trio.current_time())
        self._touch()
        done = effect(backend, named, self._gets_requests)
        self._events.record("info", command.service, in_words(command, done, by))
        return done

    def adopt(self, standings: Standings) -> None:
        """Apply what lasts on all workers."""
        self.layers.shared = standings
        self._backends.stand(self.layers)
        self._touch()

    def reset(self, service: str, url: str | None) -> str:
        """Close idle connections and end cooldowns; see :meth:`orch.gateway.service.GatewayService.reset`."""
        backend = self._backends.get(service)
        now, closed, ended = trio.current_time(), 0, 0
        for instance in () if backend is None else backend.instances.values():
            if url is not None and instance.url != url:
                continue
            for lane in instance.lanes.values():
                closed += lane.upstream.statistics().idle
                lane.upstream.close_idle()
                ended += lane.breaker.end_cooldown(now)
                lane.notify()
        for outliers in () if backend is None or url is not None else backend.outliers.values():
            ended += outliers.breaker.end_cooldown(now)
            outliers.notify()
        return f"Idle connections closed: {closed}. Breakers that admit a trial again: {ended}."

    def _gets_requests(self, instance: Instance) -> bool:
        lane = instance.lanes[Flow.REQUESTS]
        is_in = not instance.is_drained and self._is_usable(instance)
        return is_in and lane.is_admitting(trio.current_time())

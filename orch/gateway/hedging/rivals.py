"""Which other instances an extra request may go to, and which one it goes to.

Only to one that works and has nothing better to do: none that is ejected, rests, begins slowly or failed last
time; none whose breaker is not closed, as an extra request is no trial; none without a free connection and a
free place; and no instance at all while requests wait for a place, which they would lose to it.
"""

from collections.abc import Callable, Collection

from orch.gateway.backends import Backend, Chosen
from orch.gateway.breaker import State
from orch.gateway.flows import Flow
from orch.gateway.instance import Instance
from orch.gateway.shedding.gate import Ask

IsUsable = Callable[[str, str], bool]


def rivals(
    backend: Backend,
    flow: Flow,
    is_usable: IsUsable,
    *,
    tried: Collection[str],
    caller: str,
    ask: Ask | None,
    now: float,
) -> list[Instance]:
    """Return the instances that may get an extra request now.

    ``tried``: the URLs of those that have or had the request. ``ask``: what it is to the gate, None if it
    needs no place.
    """
    outliers = backend.outliers[flow]
    if outliers.has_breaker and outliers.breaker.state is not State.CLOSED:
        return []
    if ask is not None and backend.gate.has_waiting:
        return []
    return [
        instance
        for instance in backend.instances.values()
        if instance.url not in tried
        and is_usable(backend.name, instance.url)
        and _is_free(instance, backend, flow, caller, now)
        and (ask is None or backend.gate.has_room(instance.places, ask, now))
    ]


def _is_free(instance: Instance, backend: Backend, flow: Flow, caller: str, now: float) -> bool:
    lane = instance.lanes[flow]
    return (
        not instance.is_drained
        and not lane.is_ejected(now)
        and not lane.is_resting(now, caller)
        and lane.breaker.state is State.CLOSED
        and not lane.breaker.consecutive_failures
        and lane.slow_start.share(now, backend.slow_start) >= 1
        and (not backend.warms_up or instance.warmth.is_warm)
        and lane.upstream.has_free_slot
    )


def choose_rival(
    backend: Backend,
    flow: Flow,
    is_usable: IsUsable,
    *,
    tried: Collection[str],
    key: str,
    caller: str,
    ask: Ask | None,
    now: float,
) -> Chosen | None:
    """Return the instance for an extra request, with its permit and its place; None if there is none.

    ``key``: what keeps requests at one instance, as for a first attempt.
    """
    found = rivals(backend, flow, is_usable, tried=tried, caller=caller, ask=ask, now=now)
    if not found:
        return None
    name = backend.balancer(flow).choose(
        [each.candidate(now, backend.slow_start, flow) for each in found], key
    )
    chosen = backend.instances[name]
    lane = chosen.lanes[flow]
    permit = lane.admit(now, caller)
    if permit is None:
        return None
    return Chosen(lane, permit, None if ask is None else backend.gate.take(chosen.places, ask, now))

"""Carries out a command on one worker's back ends. Pure, except for what the back ends notify."""

from collections.abc import Callable, Iterable

from orch.gateway.backends import Backend
from orch.gateway.controls.commands import OF_SERVICE, Command, Effect
from orch.gateway.instance import Instance
from orch.gateway.lane import Lane
from orch.gateway.outliers import Outliers
from orch.problems import ProblemError


def subjects(backend: Backend | None, command: Command) -> tuple[Instance, ...]:
    """Return the instances that a command names; none if it is for the whole service.

    Raises ProblemError: unknown_service, invalid_request.
    """
    if backend is None:
        name = command.service[:100]
        raise ProblemError("unknown_service", f"No service is called {name}.", service=name)
    if command.weight is not None and command.action != "weigh":
        raise ProblemError("invalid_request", "`weight` belongs to the action weigh.", path="$.weight")
    if not command.instance and command.action in OF_SERVICE:
        if not any(outliers.has_breaker for outliers in backend.outliers.values()):
            raise ProblemError(
                "invalid_request",
                f"The {backend.name} as a whole has no breaker: name one of its instances.",
                path="$.instance",
            )
        return ()
    found = tuple(each for each in backend.instances.values() if each.shown == command.instance)
    if not found:
        known = ", ".join(each.shown for each in backend.instances.values())
        raise ProblemError(
            "invalid_request",
            f"`instance`: {command.instance[:200] or 'none'} is none of the {backend.name}'s: {known}.",
            path="$.instance",
        )
    return found


def carry_out(backend: Backend, command: Command, now: float) -> None:
    """Do what is over in a moment: eject, return, trip, reset. What lasts is applied by the caller."""
    named = subjects(backend, command)
    if not named:
        for outliers in backend.outliers.values():
            _to_service(outliers, command, now)
    for instance in named:
        for lane in instance.lanes.values():
            _to_lane(lane, command, now)


def _to_service(outliers: Outliers, command: Command, now: float) -> None:
    if command.action == "reset":
        outliers.breaker.reset()
    elif outliers.has_breaker:
        outliers.breaker.trip(now)
    outliers.notify()


def _to_lane(lane: Lane, command: Command, now: float) -> None:
    match command.action:
        case "eject":
            lane.outliers.eject(lane.url, now)
        case "return":
            lane.outliers.give_back(lane.url)
        case "trip":
            lane.breaker.trip(now)
        case "reset":
            lane.breaker.reset()
        case "drain":
            lane.upstream.close_idle()
        case "weigh":
            pass
    lane.notify()


def effect(backend: Backend, named: Iterable[Instance], is_usable: Callable[[Instance], bool]) -> Effect:
    """Return the state after a command."""
    return Effect(
        in_flight=sum(lane.in_flight for each in named for lane in each.lanes.values()),
        left=sum(is_usable(each) for each in backend.instances.values()),
    )

"""An operator's commands to the gateway, and what lasts of them. Pure.

A drain and a weight last until they are taken back. They come in two layers: those of all workers, which are
stored, and those of one worker, which end with it; the latter win.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

Action = Literal["drain", "eject", "return", "trip", "reset", "weigh"]

LASTING: Final[frozenset[Action]] = frozenset({"drain", "return", "weigh"})
"""Actions whose effect lasts until it is taken back."""
OF_SERVICE: Final[frozenset[Action]] = frozenset({"trip", "reset"})
"""Actions that are possible for a service as a whole."""
MOST: Final = 256
"""Instances with something that lasts."""

Weight = Annotated[int, Meta(ge=1, le=1_000)]


class Command(Struct, frozen=True, kw_only=True):
    """A command.

    ``instance``: its URL as it is shown, "" for the whole service; ``weight``: None: the settings'.
    """

    action: Action
    service: str
    instance: str = ""
    weight: Weight | None = None


class Standing(Struct, frozen=True, omit_defaults=True):
    """What lasts for one instance. ``weight``: None: the settings'."""

    is_drained: bool = False
    weight: Weight | None = None


Standings = Mapping[str, Mapping[str, Standing]]
"""By service and instance."""

PLAIN: Final = Standing()


class Effect(NamedTuple):
    """The state after a command: the instance's requests in flight, and instances that get requests."""

    in_flight: int
    left: int


def in_words(command: Command, effect: Effect, by: str) -> str:
    """Return one sentence on what was done. ``by``: the operator's address, "" if it is not known."""
    who = f"An operator ({by})" if by else "An operator"
    what = command.instance or f"the {command.service}"
    running = f"{effect.in_flight} requests are in flight" if effect.in_flight else "no request is in flight"
    weight = "of the settings again" if command.weight is None else str(command.weight)
    did: Mapping[Action, str] = {
        "drain": f"drained {what}: it gets no new requests; {running}",
        "eject": f"ejected {what}; {running}",
        "return": f"returned {what}: it may get requests again",
        "trip": f"opened the breakers of {what}",
        "reset": f"closed the breakers of {what}",
        "weigh": f"gave {what} the weight {weight}",
    }
    return f"{who} {did[command.action]}."


def changed(standings: Standings, command: Command) -> Standings:
    """Return what lasts after a command."""
    before = standings.get(command.service, {}).get(command.instance, PLAIN)
    match command.action:
        case "drain":
            after = Standing(is_drained=True, weight=before.weight)
        case "return":
            after = Standing(weight=before.weight)
        case "weigh":
            after = Standing(is_drained=before.is_drained, weight=command.weight)
        case "eject" | "trip" | "reset":
            after = before
    return _with(standings, command, after)


def without(standings: Standings, command: Command) -> Standings:
    """Return what lasts of one worker's own after a command to all workers: what it contradicts is gone."""
    before = standings.get(command.service, {}).get(command.instance, PLAIN)
    match command.action:
        case "drain" | "return":
            after = Standing(weight=before.weight)
        case "weigh":
            after = Standing(is_drained=before.is_drained)
        case "eject" | "trip" | "reset":
            after = before
    return _with(standings, command, after)


def _with(standings: Standings, command: Command, after: Standing) -> Standings:
    found = {service: dict(instances) for service, instances in standings.items()}
    of_service = found.setdefault(command.service, {})
    of_service[command.instance] = after
    if after == PLAIN:
        del of_service[command.instance]
    return {service: instances for service, instances in found.items() if instances}


def size(standings: Standings) -> int:
    """Return how many instances something lasts for."""
    return sum(len(instances) for instances in standings.values())


@dataclass(slots=True)
class Layers:
    """What lasts on this worker: ``shared`` of all workers, ``own`` of this one."""

    shared: Standings
    own: Standings

    def of(self, service: str, instance: str) -> Standing:
        """Return what lasts for an instance."""
        shared = self.shared.get(service, {}).get(instance, PLAIN)
        own = self.own.get(service, {}).get(instance, PLAIN)
        weight = shared.weight if own.weight is None else own.weight
        return Standing(is_drained=own.is_drained or shared.is_drained, weight=weight)

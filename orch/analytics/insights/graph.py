"""What depends on what in the service: routes on back ends, all on the process. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from orch.analytics.series import Figure

PROCESS: Final = "process"
"""What everything depends on."""

AREAS: Final[Mapping[str, tuple[str, ...]]] = {
    "journey": ("websocket", "speech"),
    "bots": ("speech", "websocket", "stores"),
    "speech": ("audio", "gateway", "translation"),
    "translation": ("gateway",),
    "audio": (PROCESS,),
    "websocket": ("front", "stores"),
    "routes": ("gateway",),
    "access": ("front",),
    "gateway": ("front",),
    "health": (PROCESS,),
    "limits": (PROCESS,),
    "front": (PROCESS,),
    "stores": (PROCESS,),
    PROCESS: (),
}
"""For each area of figures, those that it depends on."""

SPEECH: Final = "audio-service"
TRANSLATION: Final = "translation-service"


class Graph(Struct, frozen=True, kw_only=True):
    """For each node (an area, a route or a service), the nodes that it depends on."""

    depends: Mapping[str, frozenset[str]]

    def node_of(self, figure: Figure) -> str:
        """Return the node that a series is about."""
        if figure.subject in self.depends:
            return figure.subject
        return figure.area if figure.area in self.depends else PROCESS

    def below(self, node: str) -> Mapping[str, int]:
        """Return all that a node depends on, itself at 0, with the number of steps to it."""
        found, waiting = {node: 0}, [node]
        for at in waiting:
            for each in sorted(self.depends.get(at, frozenset())):
                if each not in found:
                    found[each] = found[at] + 1
                    waiting.append(each)
        return found

    def is_below(self, node: str, of: str) -> bool:
        """Return whether ``of`` depends on ``node``, or is it."""
        return node in self.below(of)

    def are_related(self, one: str, other: str) -> bool:
        """Return whether one depends on the other, or both on the same service."""
        below, of_other = self.below(one), self.below(other)
        if one in of_other or other in below:
            return True
        return bool((below.keys() & of_other.keys()) - AREAS.keys())


def graph_of(routes: Iterable[tuple[str, str]], services: Iterable[str]) -> Graph:
    """Return the graph of a service with these routes (prefix, service) and back ends."""
    depends = {area: set(others) for area, others in AREAS.items()}
    for service in services:
        depends.setdefault(service, set())
    for prefix, service in routes:
        depends.setdefault(service, set())
        depends.setdefault(prefix, set()).update({service, "gateway"})
        depends["routes"].add(service)
    for area, service in (("speech", SPEECH), ("translation", TRANSLATION)):
        if service in depends:
            depends[area].add(service)
    return Graph(depends={node: frozenset(others) for node, others in depends.items()})

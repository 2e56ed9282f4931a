"""One request on its way to a service: what it is, and what was tried."""

from dataclasses import dataclass, field
from typing import Final

from orch.gateway.attempt import Trace
from orch.gateway.backends import Backend
from orch.gateway.connection import Request
from orch.gateway.flows import Flow
from orch.gateway.lane import Lane
from orch.gateway.shedding.gate import Ask
from orch.gateway.shedding.priorities import Priority
from orch.gateway.shedding.sound_length import sound_seconds
from orch.gateway.timeouts import Limits
from orch.settings import Repeatable

AUDIO: Final = "audio-service"
"""The service whose requests are as much work as they have sound."""


@dataclass(slots=True)
class RequestState:
    """One request on its way: what it is, what was tried, and the lane whose kept connection was closed."""

    service: str
    request: Request
    trace: Trace
    retries: int
    flow: Flow
    limits: Limits
    repeatable: Repeatable
    caller: str
    priority: Priority
    tried: set[str] = field(default_factory=set)
    stale: Lane | None = None

    def ask(self, backend: Backend) -> Ask | None:
        """Return what the request is to the gate of its service; None if it needs no place."""
        return ask_of(backend, self.priority, self.caller, self.request, self.flow)


def ask_of(backend: Backend, priority: Priority, caller: str, request: Request, flow: Flow) -> Ask | None:
    """Return what a request is to the gate of a service; None if it needs no place."""
    if not backend.gate.is_limited or priority is Priority.CONTROL:
        return None
    return Ask(priority, caller, sound_of(backend, request, flow))


def sound_of(backend: Backend, request: Request, flow: Flow) -> float | None:
    """Return the work that a request is, where it has to be known.

    Of speech: the seconds of its sound, None if they are not known, or are declared by a client that anyone
    may be. Other requests are taken as alike.
    """
    if not backend.gate.measures:
        return None
    if backend.name != AUDIO:
        return 1.0
    if flow is Flow.REQUESTS and not backend.gate.trusts_clients:
        return None
    whole = request.body.whole
    return None if whole is None else sound_seconds(whole)

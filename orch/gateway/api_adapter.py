"""What the gateway needs of a part that serves some paths itself, with requests to a back end. Pure.

A back end may speak another API than the one that the routes promise to clients: such a part receives a
client's complete request, sends requests of its own to the back end, and returns the response's JSON.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from orch.gateway.headers import Header


@dataclass(frozen=True, slots=True)
class AdaptedRequest:
    """A client's complete request. ``path``: the back end's own; ``query``: as the client sent it."""

    service: str
    method: str
    path: str
    query: str
    headers: tuple[Header, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class AdapterResponse:
    """A back end's whole response to a request of the adapter."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


AdapterFetch = Any
"""``await fetch(service, method, path, *, headers, body)``: sends a request with the client's limits and
retries. The adapter's own area has the type."""


class ApiAdapter(Protocol):
    """Serves some of the clients' requests in an API that the back end itself does not speak."""

    def adapts(self, service: str, method: str, path: str) -> bool:
        """Return whether it serves a request, by the back end's own path."""

    async def respond(self, request: AdaptedRequest, fetch: AdapterFetch) -> bytes:
        """Return the JSON of the response. Raises ProblemError, also those of ``fetch``."""


class NoAdapter:
    """Serves nothing: every back end is sent what the client sends."""

    def adapts(self, service: str, method: str, path: str) -> bool:  # noqa: ARG002 - what the gateway calls
        """Return False."""
        return False

    async def respond(self, request: AdaptedRequest, fetch: AdapterFetch) -> bytes:
        """Fail: nothing is adapted."""
        raise NotImplementedError

"""Decides whether a client may connect over WebSocket. Pure."""

from collections.abc import Iterable, Mapping
from sys import intern
from typing import Any, Final

from msgspec import Struct

from orch.access.actions import Action
from orch.access.actors import Actor
from orch.access.origins import foreign_page
from orch.access.permissions import Resource, allowed
from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.closes import Close

_AGENT_SHOWN: Final = 200

Header = tuple[bytes, bytes]


class Refused(Struct, frozen=True):
    """A refusal: as an HTTP response if the server can send one, else as a close code."""

    problem: ProblemError
    close: Close


def refusal(
    headers: Iterable[Header],
    *,
    actor: Actor,
    is_open: bool,
    active: int,
    limit: int,
    from_address: int,
    address_limit: int,
) -> Refused | None:
    """Return why a client may not connect now, or None.

    ``is_open``: the hub is running and not about to stop. ``active`` of ``limit`` connections are open,
    ``from_address`` of ``address_limit`` from the client's address.
    """
    decision = allowed(actor, Action.CONNECT, Resource(foreign_page=foreign_page(headers)))
    if decision.problem is not None:
        return Refused(decision.problem, closes.WRONG_ORIGIN)
    if not is_open:
        return Refused(
            ProblemError("shutting_down", "The service is starting or stopping. Connect again soon."),
            closes.TRY_LATER,
        )
    if active >= limit:
        return Refused(
            ProblemError("too_many_connections", f"The limit of {limit} connections has been reached."),
            closes.TOO_MANY_CONNECTIONS,
        )
    if from_address >= address_limit:
        return Refused(
            ProblemError(
                "too_many_from_address", f"Your address has reached the limit of {address_limit} connections."
            ),
            closes.TOO_MANY_FROM_ADDRESS,
        )
    return None


def agent(headers: Iterable[Header]) -> str | None:
    """Return the client's User-Agent, shortened."""
    for name, value in headers:
        if name.lower() == b"user-agent":
            # Interned: most clients are the same few programs, and each connection stores the name.
            return intern(value.decode("latin-1")[:_AGENT_SHOWN])
    return None


def peer(scope: Mapping[str, Any]) -> tuple[str, int | None]:
    """Return the client's host and port."""
    client = scope.get("client")
    return (client[0], client[1]) if client else ("unknown", None)

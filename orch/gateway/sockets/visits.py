"""The WebSockets of clients from their handshake on, by who opened them, so that they end with their rights.

A handshake that is in progress when its actor loses its rights is refused, however long its instance takes;
a socket that is open is closed in order.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from orch.access.actors import Actor
from orch.gateway.sockets.relay import GOING_AWAY, POLICY, Farewell, Relay
from orch.problems import ProblemError
from orch.protocol import closes

SIGNED_OUT: Final = Farewell(
    "signed_out", (POLICY, closes.SIGNED_OUT.reason), (GOING_AWAY, "The client has signed out.")
)
"""Not the hub's own code: those from 4000 on belong to what the client and its back end speak (RFC 6455
§7.4.2)."""


class Visit:
    """One WebSocket of a client. ``actor``: who opened it, None if its server does not identify anyone.

    The mutable state is its relay, once it is open, and whether its actor has lost its rights.
    """

    def __init__(self, actor: Actor | None) -> None:
        self.actor: Final = actor
        self.has_ended = False
        self._handshake = trio.CancelScope()
        self._is_answered = False
        self._relay: Relay | None = None

    def __repr__(self) -> str:
        state = "ended" if self.has_ended else "open" if self._relay else "handshake"
        return f"<Visit {state}>"

    @contextmanager
    def handshake(self) -> Iterator[None]:
        """Serve the socket in the block. Raises ``token_required`` if its actor is signed out before that."""
        with self._handshake:
            yield
        if self._handshake.cancelled_caught:
            raise ProblemError("token_required", "The sign-in of this request has ended. Sign in again.")

    async def answer(self) -> None:
        """Note that the back end has responded: the response passes, or the socket will be closed."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._is_answered = True

    def opened(self, relay: Relay) -> None:
        """Note that frames pass now."""
        self._relay = relay
        if self.has_ended:
            relay.end(SIGNED_OUT)

    def end(self) -> None:
        """End it: its actor has lost its rights."""
        self.has_ended = True
        if self._relay is not None:
            self._relay.end(SIGNED_OUT)
        elif not self._is_answered:
            self._handshake.cancel()


class Visits:
    """All that there are now. The mutable state is their set."""

    def __init__(self) -> None:
        self._all: Final[set[Visit]] = set()

    def __repr__(self) -> str:
        return f"<Visits {len(self._all)}>"

    @contextmanager
    def of(self, actor: Actor | None) -> Iterator[Visit]:
        """Yield a new one, which lasts for the block."""
        visit = Visit(actor)
        self._all.add(visit)
        try:
            yield visit
        finally:
            self._all.discard(visit)

    @property
    def sign_ins(self) -> frozenset[str]:
        """The names of the sign-ins with which sockets were opened."""
        return frozenset(visit.actor.sign_in for visit in self._all if visit.actor is not None) - {""}

    def sign_out(self, sign_in: str) -> None:
        """End those of a browser that has signed out."""
        self._end(lambda actor: actor.sign_in == sign_in)

    def sign_out_operators(self) -> None:
        """End those of all operators: the token was changed."""
        self._end(lambda actor: actor.is_operator)

    def _end(self, is_meant: Callable[[Actor], bool]) -> None:
        for visit in tuple(self._all):
            if visit.actor is not None and is_meant(visit.actor):
                visit.end()

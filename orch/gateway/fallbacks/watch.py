"""Looks at the responses of a request that has fallbacks, before the client gets any of them."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import trio

from orch.gateway.fallbacks.keeper import Keeper
from orch.gateway.fallbacks.outcomes import Failed, Held, of_status
from orch.gateway.headers import Header

HELD: Final = 65_536
"""Bytes of a failed response that are in memory while fallbacks are tried."""
HELD_SECONDS: Final = 1.0
"""Seconds for which the body of a failed response is waited for; fallbacks are not delayed longer."""


class Passing(Protocol):
    """A response whose body arrives while it is forwarded."""

    status: int
    headers: tuple[Header, ...]
    is_event_stream: bool

    @property
    def trailers(self) -> list[Header]:
        """The trailers, after the end of the body."""
        ...

    async def receive(self) -> bytes:
        """Return the next piece of the body, empty at its end."""
        ...


class Watch:
    """What a request's responses are held back for, and which of them are stored.

    ``holds_back``: whether a fallback could stand in for a failure; ``keeper``: stores good responses.
    The mutable state is the response that is held back, and whether a failure was let through.
    """

    def __init__(self, holds_back: Callable[[Failed], bool], keeper: Keeper | None = None) -> None:
        self._holds_back = holds_back
        self._keeper = keeper
        self.held: Held | None = None

    async def holds(self, response: Passing, to_client: list[Header]) -> bool:
        """Return whether a response is held back; then its body is read. ``to_client``: its headers."""
        failed = _failed(response.status, response.headers)
        if response.is_event_stream or not self._holds_back(failed):
            return False
        body: bytes | None = None
        with trio.move_on_after(HELD_SECONDS):
            body = await _whole(response)
        self.held = Held(failed, to_client, body)
        return True

    def holds_whole(
        self, status: int, headers: tuple[Header, ...], body: bytes, to_client: list[Header]
    ) -> bool:
        """Return whether a response that has arrived is held back; otherwise note it."""
        failed = _failed(status, headers)
        if self._holds_back(failed):
            self.held = Held(failed, to_client, body if len(body) <= HELD else None)
            return True
        if self._keeper is not None:
            arriving = self._keeper.begin(status, headers, to_client)
            if arriving is not None:
                arriving.add(body)
                arriving.end(has_trailers=False)
        return False

    def recorded(self, response: Passing, to_client: list[Header]) -> Callable[[], Awaitable[bytes]]:
        """Return what reads the body of a response, and stores it if it may be stored."""
        if self._keeper is None:
            return response.receive
        arriving = (
            None
            if response.is_event_stream
            else self._keeper.begin(response.status, response.headers, to_client)
        )
        if arriving is None:
            return response.receive

        async def receive() -> bytes:
            data = await response.receive()
            if data:
                arriving.add(data)
            else:
                arriving.end(has_trailers=bool(response.trailers))
            return data

        return receive


async def _whole(response: Passing) -> bytes | None:
    """Return the body of a response, None if it has more than :data:`HELD` bytes."""
    pieces: list[bytes] = []
    size = 0
    while data := await response.receive():
        size += len(data)
        if size > HELD:
            return None
        pieces.append(data)
    return b"".join(pieces)


def _failed(status: int, headers: tuple[Header, ...]) -> Failed:
    return of_status(status, asks_to_wait=any(name == b"retry-after" for name, _ in headers))

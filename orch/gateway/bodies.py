"""A request's body on its way to a back end: read as it comes, kept for another attempt while it is small."""

from collections.abc import Awaitable, Callable
from typing import Final

from orch.gateway.retries import IDEMPOTENT_METHODS

KEPT_BYTES: Final = 2 * 2**20
"""How much of a body is kept for another attempt; nginx's and Traefik's cap."""

More = Callable[[], Awaitable[bytes]]


class RequestBody:
    """The body of one request. ``first`` is at hand, ``more`` reads the next piece (empty: the end).

    ``length``: bytes, as declared; None: it goes out in chunks. What is read is kept for :meth:`rewind` only
    for idempotent methods and only up to :data:`KEPT_BYTES`; beyond that all of it is let go and the request
    can't be made a second time.
    """

    def __init__(self, method: str, first: bytes, more: More | None, *, length: int | None) -> None:
        self.length = length
        self.is_waiting = False
        """Whether the next piece is being waited for, that is: whether it is the client who is slow."""
        self._more = more
        self._kept: list[bytes] = [first] if first else []
        self._size = len(first)
        self._keeps = method in IDEMPOTENT_METHODS
        self._cursor = 0
        self.is_replayable = True

    @classmethod
    def of(cls, method: str, data: bytes) -> "RequestBody":
        """Return a body that is all at hand."""
        return cls(method, data, None, length=len(data))

    @property
    def whole(self) -> bytes | None:
        """The whole body if it is at hand, None if more may come."""
        return b"".join(self._kept) if self._more is None and self.is_replayable else None

    def rewind(self) -> None:
        """Begin again from the first byte. Only while ``is_replayable``."""
        if not self.is_replayable:
            raise RuntimeError("the body has been let go")
        self._cursor = 0
        self.is_waiting = False

    async def next(self) -> bytes:
        """Return the next piece, empty at the end. What ``more`` raises goes on."""
        if self._cursor < len(self._kept):
            self._cursor += 1
            return self._kept[self._cursor - 1]
        if self._more is None:
            return b""
        self.is_waiting = True  # and stays so if this is cancelled: that is when it is asked
        piece = await self._more()
        self.is_waiting = False
        if not piece:
            self._more = None
        else:
            self._keep(piece)
        return piece

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self.is_replayable and self._keeps and self._size <= KEPT_BYTES:
            self._kept.append(piece)
            self._cursor += 1
        else:
            self.is_replayable = False
            self._kept.clear()
            self._cursor = 0

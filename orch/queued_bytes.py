"""Counts the bytes queued for all clients; beyond the limit, disconnects the client with most. Pure."""

from typing import Final, Protocol

#: The part of the limit that closing clients may still use, so that their close frame arrives.
_LEAVING: Final = 8


class Holder(Protocol):
    """A client with queued bytes."""

    @property
    def waiting_bytes(self) -> int:
        """The number of bytes queued for it."""

    def give_way(self) -> None:
        """Drop the queued bytes and close, with a close code if the protocol has one."""

    def abort(self) -> None:
        """Close at once, without sending what is queued."""


class QueuedBytes:
    """Bytes queued for the clients of this process, at their sockets or in an ASGI server.

    Overflow rule: above ``limit`` the client with most queued bytes is disconnected, then the next one. A
    partly sent frame is still completed; if closing clients have more than an eighth of the limit in such
    frames, further ones are aborted.

    The mutable state: the sum, the clients with queued bytes, and the clients that are closing.
    """

    __slots__ = ("_holders", "_is_relieving", "_leaving", "_leaving_bytes", "bytes", "evicted", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self.evicted = 0
        self._holders: dict[Holder, None] = {}
        self._leaving: dict[Holder, int] = {}
        self._leaving_bytes = 0
        self._is_relieving = False

    def __repr__(self) -> str:
        return (
            f"<QueuedBytes {self.bytes}/{self.limit}, {len(self._holders)} clients, {self.evicted} evicted>"
        )

    def add(self, holder: Holder, size: int) -> None:
        """Count bytes queued for a client. Beyond the limit a client is disconnected, possibly this one."""
        self.bytes += size
        if holder not in self._leaving:
            self._holders[holder] = None
        if self.bytes - self._leaving_bytes > self.limit and not self._is_relieving:
            self._is_relieving = True
            try:
                self._relieve()
            finally:
                self._is_relieving = False

    def remove(self, holder: Holder, size: int) -> None:
        """Count bytes that were sent or dropped."""
        self.bytes -= size
        if not holder.waiting_bytes:
            self._holders.pop(holder, None)
            self._leaving_bytes -= self._leaving.pop(holder, 0)

    def _relieve(self) -> None:
        while self._holders and self.bytes - self._leaving_bytes > self.limit:
            holder = max(self._holders, key=lambda each: each.waiting_bytes)
            self.evicted += 1
            holder.give_way()
            self._holders.pop(holder, None)
            left = holder.waiting_bytes
            if (self._leaving_bytes + left) * _LEAVING > self.limit:
                holder.abort()
            elif left:
                self._leaving[holder] = left
                self._leaving_bytes += left

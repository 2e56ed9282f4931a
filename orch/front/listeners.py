"""Accepting on sockets that several processes hold.

The problem: where all workers wait at one listening socket, the kernel wakes whoever it likes, and with
connections that stay one worker ends up with most of them (three times its share of four workers, measured).
Where each has a socket of its own (SO_REUSEPORT) the shares are even, but the kernel goes on giving a share
to the socket of a worker that has died or is stuck, and resets what waits there when that socket is closed.

So the parent opens one socket for each worker, and keeps all of them open: nothing is ever reset. Every
worker gets all of them. From its own it accepts at once; from its neighbours' only what has waited there for
:data:`NEIGHBOUR_WAIT` seconds, which nobody leaves waiting who is well.

What we leave out: who takes what from a neighbour is left to chance.
"""

import socket as stdlib_socket
from collections.abc import Sequence
from typing import Final

import trio

NEIGHBOUR_WAIT: Final = 0.05
"""Seconds that a connection waits for the worker whose socket it came to, before any other takes it."""


class NeighbourListener(trio.abc.Listener[trio.SocketStream]):
    """Accepts from the socket of another worker what that one has left waiting."""

    def __init__(self, sock: stdlib_socket.socket) -> None:
        self.socket = sock
        self._is_helping = False

    async def accept(self) -> trio.SocketStream:
        """Return a connection that has waited for :data:`NEIGHBOUR_WAIT`, or was behind one that has.

        Error handling: ``trio.ClosedResourceError`` where this listener was closed; OSError as ``accept``.
        """
        while True:
            await trio.lowlevel.checkpoint()
            if not self._is_helping:
                await self._until_someone_waits()
                self._is_helping = True
            try:
                connection, _ = self.socket.accept()
            except BlockingIOError:
                self._is_helping = False
            except ConnectionAbortedError:
                continue  # gone while it waited
            else:
                return trio.SocketStream(trio.socket.from_stdlib_socket(connection))

    async def _until_someone_waits(self) -> None:
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("this listener was closed")
        await trio.lowlevel.wait_readable(self.socket)
        await trio.sleep(NEIGHBOUR_WAIT)

    async def aclose(self) -> None:
        """Close this process's hold of the socket; others keep theirs."""
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()
        await trio.lowlevel.checkpoint()


def listeners(
    own: Sequence[stdlib_socket.socket], neighbours: Sequence[stdlib_socket.socket]
) -> list[trio.SocketListener | NeighbourListener]:
    """Return listeners on copies of the sockets, so that closing them leaves the sockets open."""
    return [
        *(trio.SocketListener(trio.socket.from_stdlib_socket(each.dup())) for each in own),
        *(NeighbourListener(each.dup()) for each in neighbours),
    ]

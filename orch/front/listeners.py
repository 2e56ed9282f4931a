"""Accepts connections from listening sockets that several processes share.

If all workers wait at one listening socket, the kernel wakes any of them, and with long-lived connections one
worker ends up with most of them (three times its share of four workers, measured). If each has a socket of
its own (SO_REUSEPORT), the shares are even, but the kernel keeps assigning connections to the socket of a
worker that has died or is stuck, and resets those that wait there when the socket is closed.

So the parent opens one socket for each worker, and holds all of them open: nothing is ever reset. Every
worker gets all of them. From its own it accepts at once; from those of other workers only connections that
have waited there for :data:`OTHER_WORKER_WAIT` seconds, which a healthy worker leaves none.

What we leave out: which of the other workers accepts such a connection is left to chance.
"""

import socket as stdlib_socket
from collections.abc import Iterable, Sequence
from typing import Final

import trio

from orch.sockets import Bound, name_of

OTHER_WORKER_WAIT: Final = 0.05
"""Seconds that a connection waits for the worker whose socket it came to, before another may accept it."""


class OtherWorkerListener(trio.abc.Listener[trio.SocketStream]):
    """Accepts connections that another worker has left waiting at its socket."""

    def __init__(self, sock: stdlib_socket.socket) -> None:
        self.socket = sock
        self._is_helping = False

    async def accept(self) -> trio.SocketStream:
        """Return a connection that has waited for :data:`OTHER_WORKER_WAIT`, or came after one that has.

        Error handling: ``trio.ClosedResourceError`` if this listener was closed; OSError as ``accept``.
        """
        while True:
            await trio.lowlevel.checkpoint()
            if not self._is_helping:
                await self._wait_for_connection()
                self._is_helping = True
            try:
                connection, _ = self.socket.accept()
            except BlockingIOError:
                self._is_helping = False
            except ConnectionAbortedError:
                continue  # the client disconnected while it waited
            else:
                return trio.SocketStream(trio.socket.from_stdlib_socket(connection))

    async def _wait_for_connection(self) -> None:
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("this listener was closed")
        await trio.lowlevel.wait_readable(self.socket)
        await trio.sleep(OTHER_WORKER_WAIT)

    async def aclose(self) -> None:
        """Close this process's copy of the socket; other processes keep theirs."""
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()
        await trio.lowlevel.checkpoint()


Listener = trio.SocketListener | OtherWorkerListener


def listeners(
    own: Sequence[stdlib_socket.socket], of_others: Sequence[stdlib_socket.socket]
) -> list[Listener]:
    """Return listeners on copies of the sockets: closing a listener leaves its socket open."""
    return [
        *(trio.SocketListener(trio.socket.from_stdlib_socket(each.dup())) for each in own),
        *(OtherWorkerListener(each.dup()) for each in of_others),
    ]


def detach_sockets(given: Iterable[Listener], *, scheme: str) -> list[Bound]:
    """Return the sockets of listeners, which must not be used any more."""
    bound = []
    for each in given:
        if isinstance(each, OtherWorkerListener):
            sock = each.socket
        else:
            sock = stdlib_socket.socket(fileno=each.socket.detach())
            sock.settimeout(0.0)
        bound.append(Bound(sock, name_of(sock, scheme), isinstance(each, OtherWorkerListener)))
    return bound

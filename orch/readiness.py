"""Waits for many sockets at once, with one epoll: the clients' of the server, the back ends' of the gateway.

Trio registers a socket again for each wait: a system call, and over a kilobyte of coroutines and tables for
as long as the wait lasts. Most of our connections do nothing but wait. So each socket is registered once,
edge-triggered, in an epoll of its owner. One task waits for it, marks the sockets that can be read, and wakes
their readers.

Edge-triggered means that each change is reported once: a reader reads until the kernel has no more, which a
read shorter than its buffer shows. The end of the stream may arrive together with the last data and is then
not reported again, so it is marked separately (EPOLLRDHUP).

On systems without epoll, Trio waits.
"""

import select
from typing import Final, Protocol

import trio

NEWS: Final = 256
"""Sockets handled in a row before other tasks run."""


class Watched(Protocol):
    """A socket that is watched."""

    def on_readable(self, *, is_end: bool) -> None:
        """Note that there is something to read; ``is_end``: the end of the stream is in it."""


class Readiness:
    """Notifies sockets that they can be read. The mutable state is the registered sockets, by descriptor.

    Resource handling: ``run`` closes the epoll at its end, and notifies every socket once more; after that
    ``is_closed``, and none is notified any more.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}

    @property
    def is_closed(self) -> bool:
        """Whether no socket is notified any more."""
        return self._epoll.closed

    def add(self, number: int, watched: Watched) -> None:
        """Watch the descriptor ``number``; data that has already come is reported, too."""
        self._watched[number] = watched
        self._epoll.register(number, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)

    def remove(self, number: int) -> None:
        """Stop watching a descriptor, before it is closed."""
        if self._watched.pop(number, None) is not None and not self._epoll.closed:
            self._epoll.unregister(number)

    async def run(self) -> None:
        """Notify sockets until cancelled."""
        ends = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
        try:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                for number, news in self._epoll.poll(0, NEWS):
                    watched = self._watched.get(number)
                    if watched is not None:
                        watched.on_readable(is_end=bool(news & ends))
        finally:
            self._epoll.close()
            for watched in list(self._watched.values()):
                watched.on_readable(is_end=False)


def create_readiness() -> Readiness | None:
    """Return a new Readiness, or None on a system without epoll."""
    return Readiness() if hasattr(select, "epoll") else None

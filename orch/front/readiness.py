"""Which sockets can be read, asked of the kernel once for all of them.

Trio asks for each wait anew: a system call, and over a kilobyte of coroutines and tables for as long as the
wait lasts. Most of our connections do nothing but wait. So each socket is registered once, edge-triggered, in
an epoll of the server's own, for which one task waits; it notes who can be read and wakes whoever waits.

Edge-triggered means that news are told once: whoever was told reads until the kernel has no more, which is
known from a read that is not full. The end of the stream may have come with the last data and is no news
then; that is why it is noted by itself (EPOLLRDHUP).

Where there is no epoll, Trio is asked.
"""

import select
from typing import Final, Protocol

import trio

NEWS: Final = 256
"""Sockets looked at in a row."""


class Watched(Protocol):
    """A socket as far as it is watched here."""

    def on_readable(self, *, is_end: bool) -> None:
        """Note that there is something to read; ``is_end``: and nothing more after it."""


class Readiness:
    """Tells sockets that they can be read. The mutable state is who is registered, by descriptor.

    Resource handling: ``run`` closes the epoll in the end; who is registered is told nothing more then.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}

    def add(self, number: int, watched: Watched) -> None:
        """Watch the descriptor ``number``; what it has already is told, too."""
        self._watched[number] = watched
        self._epoll.register(number, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)

    def remove(self, number: int) -> None:
        """Watch it no more. It is not closed yet."""
        if self._watched.pop(number, None) is not None and not self._epoll.closed:
            self._epoll.unregister(number)

    async def run(self) -> None:
        """Tell, until cancelled."""
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


def readiness() -> Readiness | None:
    """Return what this system has."""
    return Readiness() if hasattr(select, "epoll") else None

"""Looks names up for all connections of this process, in few threads of their own.

``getaddrinfo`` blocks, and cannot be ended: while the name servers do not respond, it takes 5 s to half a
minute, long after the connection that asked has timed out. Trio runs it in its threads for everything, of
which there are 40: a while of that, and whatever else needs a thread, such as the store's file, waits for the
name servers too. Here at most :data:`THREADS` threads do nothing else, and look-ups of the same name share
one:

- a look-up that begins while one of the same name is younger than :data:`AGAIN` s gets its result;
- one that begins later has a thread of its own, as the name servers may be back, up to :data:`OF_ONE_NAME`
  at a time;
- while no thread is free, the look-up fails at once, as name servers that do not respond make it do later.

Addresses in figures need no look-up; Trio does not ask for those.
"""

import socket
from collections.abc import Callable, Iterator
from typing import Any, Final, Never

import trio

from orch.telemetry.names.metric import Reading
from orch.telemetry.names.process import NAME_LOOKUPS, NAME_LOOKUPS_REFUSED

THREADS: Final = 16
AGAIN: Final = 2.0
OF_ONE_NAME: Final = 3

Key = tuple[bytes | None, bytes | str | int | None, int, int, int, int]
"""The arguments of ``getaddrinfo``."""

LookUp = Callable[..., list[Any]]


class _Running:
    """A look-up in progress. ``result`` holds once ``ended`` is set: what was found, or why nothing was."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.ended = trio.Event()
        self.result: list[Any] | Exception = socket.gaierror(socket.EAI_AGAIN, "the look-up was ended")


class NameLookups(trio.abc.HostnameResolver):
    """The resolver of this process while :meth:`run` runs. The mutable state is the look-ups in progress.

    A caller that is cancelled leaves its look-up to the others; ``look_up`` blocks.
    """

    def __init__(self, look_up: LookUp = socket.getaddrinfo) -> None:
        self._look_up = look_up
        self._running: dict[Key, list[_Running]] = {}
        self._nursery: trio.Nursery | None = None
        self._threads = trio.CapacityLimiter(THREADS)
        self.refused = 0
        """Look-ups that found no free thread, since the start."""

    @property
    def in_progress(self) -> int:
        """How many threads look a name up, with those for which nobody waits any more."""
        return max(self._threads.borrowed_tokens, sum(len(each) for each in self._running.values()))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Look names up for the process until cancelled; threads in progress are left to themselves."""
        before = trio.socket.set_custom_hostname_resolver(self)
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            trio.socket.set_custom_hostname_resolver(before)

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - Trio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Return what the system's ``getaddrinfo`` does. Raises ``socket.gaierror``."""
        key = (host, port, family, type, proto, flags)
        running = self._join(key)
        await running.ended.wait()
        if isinstance(running.result, Exception):
            raise _again(running.result)
        return list(running.result)

    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int
    ) -> tuple[str, str]:
        """Return what the system's ``getnameinfo`` does, in a thread that counts as the others do."""
        return await trio.to_thread.run_sync(
            socket.getnameinfo, sockaddr, flags, abandon_on_cancel=True, limiter=self._threads
        )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield Reading(NAME_LOOKUPS, self.in_progress)
        yield Reading(NAME_LOOKUPS_REFUSED, self.refused)

    def _join(self, key: Key) -> _Running:
        now, known = trio.current_time(), self._running.get(key, [])
        if known and (now - known[-1].began < AGAIN or len(known) >= OF_ONE_NAME):
            return known[-1]
        if self._nursery is None or self.in_progress >= THREADS:
            if known:
                return known[-1]
            self.refused += 1
            raise socket.gaierror(socket.EAI_AGAIN, f"{THREADS} names are being looked up already")
        running = _Running(now)
        self._running.setdefault(key, []).append(running)
        self._nursery.start_soon(self._run, key, running)
        return running

    async def _run(self, key: Key, running: _Running) -> None:
        """Look a name up. Its thread counts until it ends, also if this process stops waiting for it."""
        try:
            running.result = await trio.to_thread.run_sync(
                self._look_up,
                *key,
                thread_name=f"name {(key[0] or b'').decode('ascii', 'replace')}",
                abandon_on_cancel=True,
                limiter=self._threads,
            )
        except (OSError, UnicodeError) as error:
            running.result = error
        finally:
            left = self._running[key]
            left.remove(running)
            if not left:
                del self._running[key]
            running.ended.set()


def _again(error: Exception) -> Exception:
    """Return the same error for another caller: each has a traceback of its own."""
    return type(error)(*error.args)

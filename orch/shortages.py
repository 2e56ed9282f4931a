"""Recognises errors caused by a shortage on this machine, as opposed to a fault of a peer. Pure.

A connection that cannot be opened because the process is out of file descriptors says nothing about the peer.
:func:`own_shortage` finds such a cause in an error, however deep it is nested, so that it does not count
against the peer in a health check, a circuit breaker or a reconnect.
"""

import errno
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final


class Shortage(StrEnum):
    """The exhausted resource; the value is a label of metrics."""

    DESCRIPTORS = "descriptors"
    MEMORY = "memory"
    PORTS = "ports"
    DISK = "disk"
    PROCESSES = "processes"


WORDS: Final[Mapping[Shortage, str]] = {
    Shortage.DESCRIPTORS: "out of file descriptors",
    Shortage.MEMORY: "out of memory",
    Shortage.PORTS: "out of local ports for connections",
    Shortage.DISK: "out of disk space",
    Shortage.PROCESSES: "out of processes or threads",
}
"""Completes "The service itself is …"."""

ADVICE: Final[Mapping[Shortage, str]] = {
    Shortage.DESCRIPTORS: (
        "Raise the limit of open files (LimitNOFILE= of systemd, ulimit -n), or lower"
        " orchestration.websocket.max_connections."
    ),
    Shortage.MEMORY: "Free memory on this machine, or raise the service's memory limit.",
    Shortage.PORTS: (
        "Check that the back end's address belongs to a reachable network. With thousands of "
        "open connections, widen net.ipv4.ip_local_port_range."
    ),
    Shortage.DISK: "Free space on the disk that holds the service's files, or raise its quota.",
    Shortage.PROCESSES: "Raise the limit of processes (TasksMax= of systemd, ulimit -u).",
}
"""What an operator should do, as a sentence."""

_ERRNO: Final[Mapping[int, Shortage]] = {
    errno.EMFILE: Shortage.DESCRIPTORS,
    errno.ENFILE: Shortage.DESCRIPTORS,
    errno.ENOBUFS: Shortage.MEMORY,
    errno.ENOMEM: Shortage.MEMORY,
    errno.ENOSPC: Shortage.DISK,
    errno.EDQUOT: Shortage.DISK,
    errno.EADDRNOTAVAIL: Shortage.PORTS,
}

_SQLITE_NOMEM: Final = 7
_SQLITE_FULL: Final = 13
_SQLITE_IOERR_NOMEM: Final = 10 | 12 << 8

_NO_THREAD: Final = "can't start new thread"
"""Python's message when the limit of threads is reached: a RuntimeError without an error number."""


def own_shortage(error: BaseException | None, *, starting: bool = False) -> Shortage | None:
    """Return the shortage on this machine that caused ``error``; None if it has another cause.

    Searches exception groups, causes and contexts. ``starting``: the error comes from starting a process, for
    which EAGAIN means the limit of processes (for a socket it means "try again later").

    EADDRNOTAVAIL counts only if it is the only cause: a host without IPv6 returns it for ``::1`` while
    127.0.0.1 refuses the connection, which is the peer's response.
    """
    ports = False
    peer_seen = False
    for each in causes(error):
        shortage = _shortage(each, starting=starting)
        if shortage is Shortage.PORTS:
            ports = True
        elif shortage is not None:
            return shortage
        elif isinstance(each, OSError) and each.errno is not None:
            peer_seen = True
    return Shortage.PORTS if ports and not peer_seen else None


def in_words(shortage: Shortage) -> str:
    """Return two sentences: what happened, and what to do."""
    return f"The orchestration service is {WORDS[shortage]}. {ADVICE[shortage]}"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its causes and contexts, and the members of exception groups."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__context__, current.__cause__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions


def _shortage(error: BaseException, *, starting: bool) -> Shortage | None:
    if isinstance(error, MemoryError):
        return Shortage.MEMORY
    if isinstance(error, OSError):
        if starting and error.errno == errno.EAGAIN:
            return Shortage.PROCESSES
        return _ERRNO.get(error.errno) if error.errno is not None else None
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return Shortage.PROCESSES
    return _sqlite_shortage(error)


def _sqlite_shortage(error: BaseException) -> Shortage | None:
    """Return the shortage behind an SQLite error, recognised by its error number."""
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(code, int):
        return None
    if code & 0xFF == _SQLITE_FULL:
        return Shortage.DISK
    if code & 0xFF == _SQLITE_NOMEM or code == _SQLITE_IOERR_NOMEM:
        return Shortage.MEMORY
    return None

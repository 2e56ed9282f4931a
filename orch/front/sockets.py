"""The sockets a server listens on: TCP, Unix, or handed down by a parent."""

import errno
import os
import socket as stdlib_socket
import stat
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import trio
from msgspec import Struct

from orch.front.listeners import NeighbourListener
from orch.workers.listening import BACKLOG, addresses

UNIX: Final = "unix:"

Listening = trio.SocketListener | NeighbourListener


class Bound(Struct, frozen=True):
    """A socket that listens. ``is_neighbours``: another worker's, from which only leftovers are taken."""

    socket: stdlib_socket.socket
    name: str
    is_neighbours: bool = False

    @property
    def path(self) -> str | None:
        """Where a Unix socket lies."""
        return self.name.removeprefix(UNIX) if self.name.startswith(UNIX) else None


def take(listeners: Iterable[Listening], *, scheme: str) -> list[Bound]:
    """Take over the sockets of ``listeners``, which are not used any more."""
    bound = []
    for each in listeners:
        if isinstance(each, NeighbourListener):
            sock = each.socket
        else:
            sock = stdlib_socket.socket(fileno=each.socket.detach())
            sock.settimeout(0.0)
        bound.append(Bound(sock, _name(sock, scheme), isinstance(each, NeighbourListener)))
    return bound


async def bind(places: Sequence[str], *, scheme: str, reuse_port: bool) -> list[Bound]:
    """Listen at every place, ``HOST:PORT`` or ``unix:PATH``; all of them or, with OSError, none.

    An empty host means every address. Where a Unix socket was left behind by a process that is gone, it is
    replaced; one that is listened on, or a file of another kind, is ``EADDRINUSE``.
    """
    bound: list[Bound] = []
    try:
        for place in places:
            if place.startswith(UNIX):
                bound.append(_bind_unix(place.removeprefix(UNIX)))
            else:
                bound.extend(await _bind_tcp(place, scheme=scheme, reuse_port=reuse_port))
    except BaseException:
        close(bound)
        raise
    return bound


def close(bound: Iterable[Bound]) -> None:
    """Listen no more; Unix sockets are removed."""
    for each in bound:
        if each.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(each.socket)
            each.socket.close()
            if each.path is not None:
                Path(each.path).unlink(missing_ok=True)


async def _bind_tcp(place: str, *, scheme: str, reuse_port: bool) -> list[Bound]:
    host, _, port = place.rpartition(":")
    found = await trio.socket.getaddrinfo(
        host.strip("[]") or None, int(port), type=stdlib_socket.SOCK_STREAM, flags=stdlib_socket.AI_PASSIVE
    )
    bound: list[Bound] = []
    number = int(port)
    try:
        for family, kind, protocol, _, address in found:
            sock = stdlib_socket.socket(family, kind, protocol)
            try:
                sock.settimeout(0.0)
                sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEADDR, 1)
                if reuse_port:
                    sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_REUSEPORT, 1)
                if family == stdlib_socket.AF_INET6:
                    sock.setsockopt(stdlib_socket.IPPROTO_IPV6, stdlib_socket.IPV6_V6ONLY, 1)
                sock.bind((address[0], number, *address[2:]))
                sock.listen(BACKLOG)
            except BaseException:
                sock.close()
                raise
            number = number or sock.getsockname()[1]
            bound.append(Bound(sock, _name(sock, scheme)))
    except BaseException:
        close(bound)
        raise
    return bound


def _bind_unix(path: str) -> Bound:
    _remove_stale(path)
    sock = stdlib_socket.socket(stdlib_socket.AF_UNIX, stdlib_socket.SOCK_STREAM)
    try:
        sock.settimeout(0.0)
        sock.bind(path)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return Bound(sock, UNIX + path)


def _remove_stale(path: str) -> None:
    try:
        is_socket = stat.S_ISSOCK(Path(path).stat().st_mode)
    except FileNotFoundError:
        return
    if is_socket:
        with closing(stdlib_socket.socket(stdlib_socket.AF_UNIX, stdlib_socket.SOCK_STREAM)) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                Path(path).unlink()
                return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)


def _name(sock: stdlib_socket.socket, scheme: str) -> str:
    if sock.family == stdlib_socket.AF_UNIX:
        return UNIX + str(sock.getsockname())
    return addresses((sock,), scheme=scheme)[0]

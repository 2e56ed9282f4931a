"""The sockets that the service listens on: TCP, Unix, and one group for each worker.

Every TCP socket is created by :func:`listen`. Functions without ``async`` are for startup, before an event
loop runs; a running server uses :func:`bind`.
"""

import errno
import os
import socket
import stat
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol

import trio
from msgspec import Struct

BACKLOG: Final = 8192
"""Connections that the kernel queues until they are accepted; net.core.somaxconn (4096) bounds it.

Thousands of clients reconnect at once after a restart; one that finds the queue full retries seconds later.
"""


class AddressError(Exception):
    """The service cannot listen at an address of its settings; the message says what to do."""


def require_free(host: str, port: int, *, variable: str = "PORT") -> None:
    """Raise AddressError if the service cannot listen at ``host``:``port``. Called before anything starts.

    ``variable``: the environment variable that sets the port, for the message.
    """
    if port == 0:
        return
    family, kind, protocol, _, address = _resolved(host, port)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise AddressError(_bind_words(host, port, error, variable)) from error


def open_groups(host: str, port: int, count: int) -> tuple[tuple[socket.socket, ...], ...]:
    """Listen ``count`` times at every address of ``host``; return ``count`` groups of sockets.

    Each group has one socket for each address, and the kernel distributes new connections evenly over the
    groups (SO_REUSEPORT; a single group does not use it, so no other program can share its port). Port 0 is
    replaced by a free one, the same for all. Raises AddressError.
    """
    require_free(host, port)
    groups: list[tuple[socket.socket, ...]] = []
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            group = []
            for family, kind, protocol, _name, address in _resolved(host, port):
                place = (address[0], port, *address[2:])
                bound = listen(family, kind, protocol, place, is_shared=count > 1)
                opened.append(bound)
                group.append(bound)
                port = port or bound.getsockname()[1]
            groups.append(tuple(group))
    except OSError as error:
        for each in opened:
            each.close()
        raise AddressError(_bind_words(host, port, error)) from error
    return tuple(groups)


def reserve_port(usual: int) -> socket.socket:
    """Return a socket that reserves a port of 127.0.0.1 for a child process: ``usual``, or a free one.

    It never listens. While it is open, only a program of the same user that asks to share the port
    (SO_REUSEPORT) can listen there; connections are refused while none does. Raises AddressError.
    """
    for port in (usual, 0):
        reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Without SO_REUSEADDR, which lets two sockets that do not listen have the same port.
            reserved.bind(("127.0.0.1", port))
            # After the bind, which so fails where another program has the port.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            reserved.close()
            failure = error
        else:
            return reserved
    raise AddressError(_bind_words("127.0.0.1", 0, failure)) from failure


def own_ports(first: int, count: int) -> tuple[int, ...]:
    """Return the own port of each worker, in their order; none if ``first`` is 0."""
    return tuple(range(first, first + count)) if first else ()


def open_own(port: int) -> socket.socket:
    """Listen at a worker's own port of 127.0.0.1; raise OSError.

    While a worker is replaced, the new one listens beside the old one.
    """
    return listen(socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", port), is_shared=True)


class Addressed(Protocol):
    """A socket, of Trio or of the standard library."""

    def getsockname(self) -> Any:
        """Return its own address."""
        ...


def addresses(sockets: Iterable[Addressed], *, scheme: str = "http") -> tuple[str, ...]:
    """Return the addresses of ``sockets``, such as ``http://127.0.0.1:3000``."""
    names = []
    for each in sockets:
        host, port = each.getsockname()[:2]
        names.append(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
    return tuple(names)


def listen(
    family: int, kind: int, protocol: int, address: tuple[object, ...], *, is_shared: bool
) -> socket.socket:
    """Return a non-blocking socket that listens at ``address``; raise OSError.

    ``is_shared``: other sockets may listen at the same port (SO_REUSEPORT). IPv6 sockets accept IPv6 only.
    """
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


def _resolved(host: str, port: int) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise AddressError(f"{host!r} is not an address of this machine: {error.strerror}.") from error
    except UnicodeError as error:  # from the encoding of names
        raise AddressError(
            f"{host!r} is not an address of this machine: it is not a valid host name."
        ) from error
    return [
        (int(family), int(kind), protocol, name, address) for family, kind, protocol, name, address in found
    ]


def _bind_words(host: str, port: int, error: OSError, variable: str = "PORT") -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is in use by another program. Stop it, or choose another port: "
            f"{variable}={port + 1}."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is for privileged programs only. Choose one above 1023, such as {variable}=3000."
    return f"Cannot listen on {host}:{port}: {error.strerror}."


UNIX: Final = "unix:"
Socket = socket.socket


class Bound(Struct, frozen=True):
    """A listening socket and its address, such as ``http://127.0.0.1:3000`` or ``unix:/run/orch.sock``.

    ``is_of_other_worker``: only connections that another worker has left waiting there are accepted.
    """

    socket: Socket
    name: str
    is_of_other_worker: bool = False

    @property
    def path(self) -> str | None:
        """The path of a Unix socket; None for TCP."""
        return self.name.removeprefix(UNIX) if self.name.startswith(UNIX) else None


async def bind(places: Sequence[str], *, scheme: str, reuse_port: bool) -> list[Bound]:
    """Listen at all of ``places``, each ``HOST:PORT`` or ``unix:PATH``; on an OSError none stays open.

    An empty host means every address. A stale Unix socket is replaced; one that another process listens at,
    or a file of another kind, is ``EADDRINUSE``.
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
    """Close the sockets, and remove the files of Unix sockets."""
    for each in bound:
        if each.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(each.socket)
            each.socket.close()
            if each.path is not None:
                Path(each.path).unlink(missing_ok=True)


async def _bind_tcp(place: str, *, scheme: str, reuse_port: bool) -> list[Bound]:
    host, _, given = place.rpartition(":")
    port = int(given)
    found = await trio.socket.getaddrinfo(
        host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    bound: list[Bound] = []
    try:
        for family, kind, protocol, _, address in found:
            sock = listen(family, kind, protocol, (address[0], port, *address[2:]), is_shared=reuse_port)
            port = port or sock.getsockname()[1]
            bound.append(Bound(sock, name_of(sock, scheme)))
    except BaseException:
        close(bound)
        raise
    return bound


def _bind_unix(path: str) -> Bound:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
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
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                Path(path).unlink()
                return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)


def name_of(sock: socket.socket, scheme: str) -> str:
    """Return the address of a listening socket, as in :class:`Bound`."""
    if sock.family == socket.AF_UNIX:
        return UNIX + str(sock.getsockname())
    return addresses((sock,), scheme=scheme)[0]

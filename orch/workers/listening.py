"""The sockets that the service listens on, and whether it may."""

import errno
import socket
from collections.abc import Iterable
from typing import Any, Final, Protocol

BACKLOG: Final = 8192
"""Connections the kernel keeps until they are accepted; it keeps net.core.somaxconn (4096) at most.

Thousands of clients come back at once after a restart, and one that finds no room tries again seconds later.
"""


class AddressError(Exception):
    """The service cannot listen where it was told to; the message says what to do."""


def require_free(host: str, port: int, *, variable: str = "PORT") -> None:
    """Raise AddressError where ``host``:``port`` cannot be listened on, before anything is started.

    ``variable``: what names the port in the environment.
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
    """Listen ``count`` times on every address of ``host``, and return the sockets by turn.

    Each of the ``count`` groups holds one socket for each address; the kernel spreads new connections evenly
    over the groups (SO_REUSEPORT; one group alone does without, and shares its port with nobody). Port 0
    takes a free one, the same for all. AddressError where it cannot.
    """
    require_free(host, port)
    groups: list[tuple[socket.socket, ...]] = []
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            group = []
            for family, kind, protocol, _name, address in _resolved(host, port):
                place = (address[0], port, *address[2:])
                bound = _listen(family, kind, protocol, place, is_shared=count > 1)
                opened.append(bound)
                group.append(bound)
                port = port or bound.getsockname()[1]
            groups.append(tuple(group))
    except OSError as error:
        for each in opened:
            each.close()
        raise AddressError(_bind_words(host, port, error)) from error
    return tuple(groups)


def own_ports(first: int, count: int) -> tuple[int, ...]:
    """Return the port of each worker, in the order of their places; none where ``first`` is 0."""
    return tuple(range(first, first + count)) if first else ()


def open_own(port: int) -> socket.socket:
    """Listen at a worker's own port of loopback. OSError where that cannot be.

    While a worker is replaced, the one that comes listens beside the one that goes.
    """
    return _listen(socket.AF_INET, socket.SOCK_STREAM, 0, ("127.0.0.1", port), is_shared=True)


class Bound(Protocol):
    """A socket, Trio's or the standard library's."""

    def getsockname(self) -> Any:
        """Return its own address."""
        ...


def addresses(sockets: Iterable[Bound], *, scheme: str = "http") -> tuple[str, ...]:
    """Return where ``sockets`` are reached, such as ``http://127.0.0.1:3000``."""
    names = []
    for each in sockets:
        host, port = each.getsockname()[:2]
        names.append(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
    return tuple(names)


def _listen(
    family: int, kind: int, protocol: int, address: tuple[object, ...], *, is_shared: bool
) -> socket.socket:
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

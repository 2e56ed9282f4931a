"""Opens connections to back ends."""

import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from orch.gateway.tcp_stream import TcpStream
from orch.readiness import Readiness
from orch.settings.addresses import PORTS, read_address
from orch.tls.trust import TrustStore

UNIX_PAUSE: Final = 0.001
"""Seconds until a Unix socket whose queue is full is tried again; each time twice as long."""
UNIX_LONGEST_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an instance: the parts of its URL. ``base`` has no slash at its end.

    ``ca_file``: certificates that are trusted beside the system's, for https. ``authorization``: sent if a
    request has none of its own. ``socket``: the path of a Unix socket, "" for TCP.
    """

    scheme: str
    host: str
    port: int
    base: str
    ca_file: str = ""
    authorization: bytes | None = field(default=None, repr=False)
    socket: str = ""

    @classmethod
    def of(cls, url: str, *, ca_file: str = "") -> "Address":
        """Return the address in a URL of the settings. Raises ValueError if it cannot be used."""
        parts = read_address(url)
        return cls(
            parts.scheme, parts.host, parts.port, parts.base, ca_file, parts.authorization, parts.socket
        )

    @property
    def authority(self) -> bytes:
        """The value of the Host header."""
        # A zone has a meaning only on this machine (RFC 6874).
        host = self.host.partition("%")[0]
        host = f"[{host}]" if ":" in host else host
        if self.port != PORTS[self.scheme]:
            host = f"{host}:{self.port}"
        return host.encode("ascii")


@dataclass(frozen=True, slots=True)
class Transport:
    """An open connection.

    ``close`` closes it at once, without a checkpoint, so that cleanup cannot be interrupted. ``is_quiet``
    returns whether neither data nor the end of the stream has arrived unread. ``plain``: the stream, if it is
    one of plain TCP, over which a small request needs no waiting to be sent.
    """

    stream: trio.abc.Stream
    close: Callable[[], None]
    is_quiet: Callable[[], bool]
    plain: TcpStream | None = None


Connect = Callable[[Address], Awaitable[Transport]]


class Connector:
    """Opens connections over TCP, with TLS for https, or over a Unix socket.

    ``tls`` makes a context that replaces the trust store's. ``readiness``: what waits for the new
    connections' data; without it, Trio does.
    """

    def __init__(
        self, tls: Callable[[], ssl.SSLContext] | None = None, *, trust: TrustStore | None = None
    ) -> None:
        self._make_context = tls
        self._trust = trust or TrustStore()
        self.readiness: Readiness | None = None

    async def __call__(self, address: Address) -> Transport:
        """Connect, TLS handshake included.

        Raises OSError (no such host, refused, certificate not trusted) or trio.BrokenResourceError.
        """
        connected = await _open_unix(address.socket) if address.socket else await _open_tcp(address)
        tcp = TcpStream(connected, self.readiness)
        if address.scheme == "http":
            return Transport(tcp, tcp.close, tcp.is_quiet, tcp)
        try:
            if self._make_context is not None:
                context = self._make_context()
            else:
                context = await self._trust.context(address.ca_file)
            tls = trio.SSLStream(
                tcp, context, server_hostname=address.host.partition("%")[0], https_compatible=True
            )
            await tls.do_handshake()
        except BaseException:
            tcp.close()
            raise
        return Transport(tls, tcp.close, tcp.is_quiet)


async def _open_tcp(address: Address) -> socket.socket:
    """Connect to the first of a host's addresses that accepts.

    They are tried in turn, IPv6 and IPv4 first, the next one after 0.25 s or a failure while those before it
    go on (RFC 8305, "happy eyeballs"): an address that does not respond costs no more than that.
    """
    opened = await trio.open_tcp_stream(address.host, address.port)
    sock = opened.socket
    plain = socket.socket(sock.family, sock.type, sock.proto, sock.detach())
    plain.settimeout(0.0)
    return plain


async def _open_unix(path: str) -> socket.socket:
    """Connect to a Unix socket. Raises OSError; cancelled, it leaves nothing open.

    While the queue of the listener is full, Linux returns EAGAIN at once and nothing would say when there is
    room (Trio would take that for a connection), so it is tried again until the caller's time is over.
    """
    await trio.lowlevel.checkpoint()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(0.0)
        pause = UNIX_PAUSE
        while True:
            try:
                sock.connect(path)
            except BlockingIOError:
                await trio.sleep(pause)
                pause = min(2 * pause, UNIX_LONGEST_PAUSE)
            else:
                return sock
    except BaseException:
        sock.close()
        raise

"""Opens connections to back ends."""

import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from orch.gateway.tcp_stream import TcpStream
from orch.readiness import Readiness
from orch.settings.addresses import PORTS, read_address
from orch.tls.trust import TrustStore


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an instance: the parts of its URL. ``base`` has no slash at its end.

    ``ca_file``: certificates that are trusted beside the system's, for https. ``authorization``: sent if a
    request has none of its own.
    """

    scheme: str
    host: str
    port: int
    base: str
    ca_file: str = ""
    authorization: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str, *, ca_file: str = "") -> "Address":
        """Return the address in a URL of the settings. Raises ValueError if it cannot be used."""
        parts = read_address(url)
        return cls(parts.scheme, parts.host, parts.port, parts.base, ca_file, parts.authorization)

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
    """Opens TCP connections, with TLS for https. ``tls`` makes a context that replaces the trust store's.

    ``readiness``: what waits for the new connections' data; without it, Trio does.
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
        opened = await trio.open_tcp_stream(address.host, address.port)
        sock = opened.socket
        plain = socket.socket(sock.family, sock.type, sock.proto, sock.detach())
        plain.settimeout(0.0)
        tcp = TcpStream(plain, self.readiness)
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

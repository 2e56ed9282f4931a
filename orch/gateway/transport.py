"""Opens connections to back ends."""

import select
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

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
    returns whether neither data nor the end of the stream has arrived unread.
    """

    stream: trio.abc.Stream
    close: Callable[[], None]
    is_quiet: Callable[[], bool]


Connect = Callable[[Address], Awaitable[Transport]]


class Connector:
    """Opens TCP connections, with TLS for https. ``tls`` makes a context that replaces the trust store's."""

    def __init__(
        self, tls: Callable[[], ssl.SSLContext] | None = None, *, trust: TrustStore | None = None
    ) -> None:
        self._make_context = tls
        self._trust = trust or TrustStore()

    async def __call__(self, address: Address) -> Transport:
        """Connect, TLS handshake included.

        Raises OSError (no such host, refused, certificate not trusted) or trio.BrokenResourceError.
        """
        tcp = await trio.open_tcp_stream(address.host, address.port)
        sock = tcp.socket

        def is_quiet() -> bool:
            poll = select.poll()
            poll.register(sock.fileno(), select.POLLIN)
            return not poll.poll(0)

        if address.scheme == "http":
            return Transport(tcp, sock.close, is_quiet)
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
            sock.close()
            raise
        return Transport(tls, sock.close, is_quiet)

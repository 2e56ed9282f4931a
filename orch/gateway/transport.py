"""Opening a connection to a back end."""

import select
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import trio

from orch.masking import mask_url

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where an instance listens: the parts of its URL. ``base`` has no slash at its end."""

    scheme: str
    host: str
    port: int
    base: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """Take a URL apart. Raises ValueError if it is not one of http or https with a host."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{mask_url(url)} is not the URL of an HTTP server")
        port = parts.port or _PORTS[parts.scheme]
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))

    @property
    def authority(self) -> bytes:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port != _PORTS[self.scheme]:
            host = f"{host}:{self.port}"
        return host.encode("ascii")


@dataclass(frozen=True, slots=True)
class Transport:
    """An open connection.

    ``close`` closes it at once, without a checkpoint, so that cleanup cannot be interrupted. ``is_quiet``
    says that neither bytes nor an end have come that nobody asked for.
    """

    stream: trio.abc.Stream
    close: Callable[[], None]
    is_quiet: Callable[[], bool]


Connect = Callable[[Address], Awaitable[Transport]]


class Connector:
    """Opens TCP connections, with TLS for https. ``tls`` makes the context, when it is first needed."""

    def __init__(self, tls: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        self._make_context = tls
        self._context: ssl.SSLContext | None = None

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
        if self._context is None:
            self._context = self._make_context()
        tls = trio.SSLStream(tcp, self._context, server_hostname=address.host, https_compatible=True)
        try:
            await tls.do_handshake()
        except BaseException:
            sock.close()
            raise
        return Transport(tls, sock.close, is_quiet)

"""Sends one request to a URL that somebody else has chosen, over a connection of its own.

The name is resolved once, and the connection is made to an address that :mod:`orch.bots.webhooks.targets`
allowed, with the name in Host, SNI and the check of the certificate. Redirects are not followed, proxies of
the environment not used, nothing is decompressed, and no more of the response is read than the caller wants.

Resource handling: the connection is closed when the block ends, without waiting for the peer.

Error handling: everything that goes wrong is an :class:`ExchangeError` with a sentence; Cancelled goes on.
The caller owns the time-out.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import h11
import trio

from orch.bots.webhooks.schedule import Fault, Headers
from orch.bots.webhooks.sent import Request, Sent
from orch.bots.webhooks.targets import (
    Target,
    TargetError,
    TargetRules,
    allowed_addresses,
    read_target,
)
from orch.shortages import WORDS, causes, own_shortage
from orch.tls.trust import TrustStore
from orch.tls.trust import in_words as tls_in_words

CONNECT_SECONDS: Final = 5.0
"""Seconds that an address has to accept a connection before the next one is tried."""

LARGEST_HEAD: Final = 65_536
_READ: Final = 16_384
_MOST_INFORMATIONAL: Final = 8
_USER_AGENT: Final = "orchestration-service"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Connect = Callable[[str, int], Awaitable[trio.abc.Stream]]


class ExchangeError(Exception):
    """Why there is no response: the kind of fault, and the reason as a sentence."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as the system orders them. OSError: there is none."""
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


async def open_stream(address: str, port: int) -> trio.abc.Stream:
    """Connect to an address, which is not resolved again. OSError: it cannot be reached."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        await sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)


class Reply:
    """A response whose head has arrived. ``headers``: names in lower case."""

    def __init__(self, stream: trio.abc.Stream, connection: h11.Connection, head: h11.Response) -> None:
        self._stream = stream
        self._connection = connection
        self.status = int(head.status_code)
        self.headers: Headers = tuple((bytes(name), bytes(value)) for name, value in head.headers)
        self._body = bytearray()

    @property
    def body(self) -> bytes:
        """What has been read of the body."""
        return bytes(self._body)

    async def read(self, most: int) -> bool:
        """Read up to ``most`` bytes of the body; return whether that is all of it. ExchangeError: it is cut.

        What was read before an error, or a time-out of the caller, is in ``body``.
        """
        while True:
            event = await _next_event(self._stream, self._connection)
            if isinstance(event, h11.EndOfMessage):
                return True
            assert isinstance(event, h11.Data), event  # noqa: S101 - h11's order of events
            left = most - len(self._body)
            self._body += event.data[:left]
            if len(event.data) > left:
                return False


class Exchanges:
    """Sends requests by the rules of the settings, which are read at every use."""

    def __init__(
        self,
        rules: Callable[[], TargetRules],
        trust: TrustStore,
        *,
        ca_file: Callable[[], str] = lambda: "",
        resolve: Resolve = resolve,
        connect: Connect = open_stream,
    ) -> None:
        self._rules = rules
        self._trust = trust
        self._ca_file = ca_file
        self._resolve = resolve
        self._connect = connect

    @asynccontextmanager
    async def exchange(
        self, request: Request, *, on_sending: Callable[[Sent], None] = lambda _sent: None
    ) -> AsyncIterator[Reply]:
        """Send a request; the block has the response's head, and reads as much of the body as it wants.

        ``on_sending`` is called with what will be sent before its first byte is.
        """
        rules = self._rules()
        try:
            target = read_target(request.url, rules)
            addresses = allowed_addresses(target.host, await self._addresses(target), rules)
        except TargetError as error:
            raise ExchangeError(Fault.REFUSED_TARGET, f"The URL is not allowed: {error}.") from None
        address, stream = await self._open(addresses, target.port)
        try:
            if target.scheme == "https":
                stream = await self._secured(stream, target.host)
            headers = (
                ("host", target.authority),
                ("user-agent", _USER_AGENT),
                ("accept", "*/*"),
                ("accept-encoding", "identity"),
                ("connection", "close"),
                *request.headers,
                *((("content-length", str(len(request.body))),) if request.method == "POST" else ()),
            )
            on_sending(Sent(request.method, target.url, address, headers, request.body))
            yield await _send(stream, request, target, headers)
        finally:
            await trio.aclose_forcefully(stream)

    async def _addresses(self, target: Target) -> Sequence[str]:
        if target.address is not None:
            return [target.host]
        try:
            return await self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as error:
            _raise_shortage(error)
            raise ExchangeError(Fault.UNKNOWN_HOST, f"The name {target.host} cannot be resolved.") from error

    async def _open(self, addresses: Sequence[str], port: int) -> tuple[str, trio.abc.Stream]:
        reason, errors = "", []
        for address in addresses:
            with trio.move_on_after(CONNECT_SECONDS):
                try:
                    return address, await self._connect(address, port)
                except OSError as error:
                    errors.append(error)
                    reason = reason or f"{address} cannot be reached: {error.strerror or error}."
                    continue
            reason = reason or f"{address} did not accept a connection within {CONNECT_SECONDS:.0f} s."
        cause = ExceptionGroup("no address", errors) if errors else None
        if cause is not None:
            _raise_shortage(cause)
        raise ExchangeError(Fault.UNREACHABLE, reason) from cause

    async def _secured(self, stream: trio.abc.Stream, host: str) -> trio.abc.Stream:
        try:
            context = await self._trust.context(self._ca_file())
        except OSError as error:
            _raise_shortage(error)
            raise ExchangeError(Fault.TLS, "The file of bots.webhooks.ca_file cannot be read.") from error
        secured = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        try:
            await secured.do_handshake()
        except trio.BrokenResourceError as error:
            for cause in causes(error):
                if isinstance(cause, ssl.SSLError):
                    # The remedy after the semicolon is for back ends of the settings.
                    words = tls_in_words(cause).partition(";")[0]
                    raise ExchangeError(Fault.TLS, f"No secure connection: {words}.") from error
            reason = "The connection was closed during the TLS handshake."
            raise ExchangeError(Fault.TLS, reason) from error
        return secured


async def _send(
    stream: trio.abc.Stream, request: Request, target: Target, headers: tuple[tuple[str, str], ...]
) -> Reply:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
    head = h11.Request(method=request.method, target=target.path, headers=list(headers))
    data = connection.send(head) or b""
    if request.body:
        data += connection.send(h11.Data(data=request.body)) or b""
    data += connection.send(h11.EndOfMessage()) or b""
    # A receiver may respond, and close, before it has read everything.
    with suppress(trio.BrokenResourceError):
        await stream.send_all(data)
    for _ in range(_MOST_INFORMATIONAL):
        event = await _next_event(stream, connection)
        if isinstance(event, h11.Response):
            return Reply(stream, connection, event)
    raise ExchangeError(Fault.MALFORMED, f"More than {_MOST_INFORMATIONAL} responses of the 100s arrived.")


async def _next_event(stream: trio.abc.Stream, connection: h11.Connection) -> object:
    try:
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(_READ)))
    except trio.BrokenResourceError as error:
        raise ExchangeError(Fault.CUT, "The connection was closed without a complete response.") from error
    except h11.RemoteProtocolError as error:
        if connection.trailing_data[1]:
            raise ExchangeError(
                Fault.CUT, "The connection was closed without a complete response."
            ) from error
        raise ExchangeError(Fault.MALFORMED, f"The response is not HTTP: {error}.") from error
    return event


def _raise_shortage(error: Exception) -> None:
    if (shortage := own_shortage(error)) is not None:
        raise ExchangeError(Fault.SHORTAGE, f"The service itself is {WORDS[shortage]}.") from error

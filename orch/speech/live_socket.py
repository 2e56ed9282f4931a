"""Opens WebSockets to a back end that transcribes live speech."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol

import msgspec
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.trio.client import ClientConnection, connect

from orch.problems import ProblemError
from orch.settings import Service
from orch.settings.addresses import BackEndAddress, read_address
from orch.settings.credentials import all_headers
from orch.shortages import causes, own_shortage
from orch.speech.dialects.live import Frame
from orch.speech.requests import AUDIO, Answer, RefusedError
from orch.speech.responses import cleaned
from orch.telemetry.traces.headers import NAME as TRACEPARENT
from orch.tls.trust import TrustStore
from orch.tls.trust import in_words as tls_in_words
from orch.websocket_closing import close

MESSAGE_LIMIT: Final = 2**20  # bytes; a stretch of speech with the times of its words has 5,000
PING_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 2.0
ABNORMAL: Final = 1006
_SCHEMES: Final = {"http": "ws", "https": "wss"}


class SocketClosedError(Exception):
    """The connection has ended; code and reason as in RFC 6455 §7.1.5, 1006 without a close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class LiveSocket(Protocol):
    """One WebSocket: one task reads. Every method raises SocketClosedError once it has ended."""

    async def send(self, frame: Frame) -> None:
        """Send a message. One that is cancelled leaves the connection unusable."""

    async def receive(self) -> Frame:
        """Return the next message."""


#: Opens a socket for a block: ``dial(service, url of the instance, path, traceparent)``, the last one "" if
#: nothing is recorded. Raises ProblemError and RefusedError.
Dial = Callable[[Service, str, str, str], AbstractAsyncContextManager[LiveSocket]]


class _Socket:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, frame: Frame) -> None:
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> Frame:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error


class Dialer:
    """Opens sockets with the service's credentials and the trust that its other connections have."""

    def __init__(self, trust: TrustStore | None = None) -> None:
        self._trust = trust or TrustStore()

    @asynccontextmanager
    async def __call__(
        self, service: Service, url: str, path: str, trace: str = ""
    ) -> AsyncIterator[LiveSocket]:
        """Open a socket for the block; the caller owns the time-out of opening it.

        ProblemError ``service_unavailable``, ``own_shortage``; RefusedError if the handshake is refused.
        """
        address = read_address(url)
        headers = [*all_headers(service, address), *(((TRACEPARENT, trace.encode()),) if trace else ())]
        opening = connect(
            f"{_SCHEMES[address.scheme]}://{address.authority}{address.base}{path}",
            ssl=await self._context(service) if address.scheme == "https" else None,
            additional_headers=[(name.decode("ascii"), value.decode("ascii")) for name, value in headers],
            **_place(address),
            proxy=None,
            compression=None,
            open_timeout=None,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            close_timeout=CLOSE_SECONDS,
            max_size=MESSAGE_LIMIT,
        )
        is_open = False
        try:
            async with opening as connection:
                is_open = True
                try:
                    yield _Socket(connection)
                finally:
                    await close(connection, seconds=CLOSE_SECONDS)
        except InvalidStatus as error:
            if is_open:
                raise
            raise RefusedError(path, _answer(error)) from error
        except (WebSocketException, OSError, trio.BrokenResourceError) as error:
            if is_open:
                raise
            raise _unavailable(error) from error

    async def _context(self, service: Service) -> ssl.SSLContext:
        try:
            return await self._trust.context(service.ca_file)
        except OSError as error:
            raise _unavailable(error) from error


def _place(address: BackEndAddress) -> dict[str, Any]:
    """Return where to connect to, for ``connect``."""
    if address.socket:
        return {"unix": True, "path": address.socket}
    return {"host": address.host, "port": address.port}


def _answer(error: InvalidStatus) -> Answer:
    """Return the response to a refused handshake. Deepgram has its words in a header, if it has no body."""
    response = error.response
    headers = tuple(
        (name.lower().encode("ascii", "replace"), value.encode("ascii", "replace"))
        for name, value in response.headers.raw_items()
    )
    body = bytes(response.body or b"")
    words = dict(headers).get(b"dg-error", b"")
    if not body and words:
        body = msgspec.json.encode({"message": words.decode("ascii")})
    return Answer(response.status_code, headers, body)


def _unavailable(error: Exception) -> ProblemError:
    """Return the problem of a connection that could not be opened."""
    if own_shortage(error) is not None:
        return ProblemError(
            "own_shortage",
            "A connection could not be opened: the service is out of resources.",
            service=AUDIO,
        )
    tls = next((cause for cause in causes(error) if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        why = tls_in_words(tls)
    elif isinstance(error, OSError):
        why = error.strerror or str(error) or type(error).__name__
    else:
        why = f"it did not accept the WebSocket ({str(error) or type(error).__name__})"
    return ProblemError(
        "service_unavailable", f"The {AUDIO} is not answering: {cleaned(why)}.", service=AUDIO
    )


def _closed(error: ConnectionClosed) -> SocketClosedError:
    if error.rcvd is None:
        return SocketClosedError(ABNORMAL, "")
    return SocketClosedError(error.rcvd.code, error.rcvd.reason)

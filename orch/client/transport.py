"""WebSockets as the client uses them, over the ``websockets`` package's Trio client."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlsplit, urlunsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.trio.client import ClientConnection, connect

from orch.client.reconnect_policy import ABNORMAL
from orch.websocket_closing import close

#: Maximum bytes of a message: a reply to ``recover_session`` may have the whole history.
MESSAGE_LIMIT: Final = 32 * 2**20

#: Seconds for the other side to reply to a close.
CLOSE_WITHIN: Final = 2.0

_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

#: Responses to the handshake after which a retry may succeed (RFC 9110 §15, RFC 6585 §4).
_PASSING: Final = frozenset({408, 425, 429})


class SocketClosedError(Exception):
    """The connection has ended; code and reason as in RFC 6455 §7.1.5, 1006 without a close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class DialError(Exception):
    """The connection could not be opened. ``is_final``: retrying is useless."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class Socket(Protocol):
    """One WebSocket: one task reads, one sends. Every method raises SocketClosedError once it has ended."""

    async def send(self, frame: str | bytes) -> None:
        """Send a text or binary frame. One that is cancelled leaves the connection unusable."""

    async def receive(self) -> str | bytes:
        """Return the next frame."""

    async def close(self, code: int) -> None:
        """Send a close frame; reading continues until the peer's close frame."""


#: Opens a WebSocket for a block. Raises DialError, or OSError where the network does.
Dial = Callable[[str], AbstractAsyncContextManager[Socket]]


def address(url: str) -> str:
    """Return the socket's address for a service's: ``http://host:3000`` becomes ``ws://host:3000/ws``.

    Raises ValueError.
    """
    parts = urlsplit(url)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ValueError(
            f"{url!r} is not the address of a service: it must begin with http://, https://, ws:// or wss://."
        )
    path = parts.path if scheme == parts.scheme and parts.path.strip("/") else parts.path.rstrip("/") + "/ws"
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


class _WebSocket:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, frame: str | bytes) -> None:
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self, code: int) -> None:
        await self._connection.aclose(code)


@asynccontextmanager
async def dial(
    url: str, *, tls: ssl.SSLContext | None = None, agent: str = "", is_direct: bool = False
) -> AsyncIterator[Socket]:
    """Open a WebSocket for the block. The client sends pings itself; the package's are disabled.

    ``tls``: for ``wss``, in place of the default. ``agent``: the ``User-Agent``. ``is_direct``: without the
    proxies that the environment names.
    """
    options: dict[str, Any] = {}
    if tls is not None:
        options["ssl"] = tls
    if agent:
        options["user_agent_header"] = agent
    if is_direct:
        options["proxy"] = None
    opening = connect(
        url,
        open_timeout=None,
        ping_interval=None,
        close_timeout=CLOSE_WITHIN,
        max_size=MESSAGE_LIMIT,
        compression=None,
        **options,
    )
    try:
        async with opening as connection:
            try:
                yield _WebSocket(connection)
            finally:
                await close(connection, seconds=CLOSE_WITHIN)
    except InvalidStatus as error:
        status = error.response.status_code
        final = 400 <= status < 500 and status not in _PASSING  # noqa: PLR2004 - HTTP's ranges
        raise DialError(f"The service refused the connection with HTTP {status}.", is_final=final) from error
    except WebSocketException as error:
        raise DialError(f"The service did not accept the connection: {error}.") from error


def _closed(error: ConnectionClosed) -> SocketClosedError:
    if error.rcvd is None:
        return SocketClosedError(ABNORMAL, "")
    return SocketClosedError(error.rcvd.code, error.rcvd.reason)

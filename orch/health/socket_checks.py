"""Checks of an instance without HTTP: a connection, or a WebSocket with a ping."""

import ssl
from typing import Any, Final

import trio
from websockets.exceptions import InvalidStatus
from websockets.protocol import State
from websockets.trio.client import connect

from orch.health.check_response import read_response
from orch.health.verdict import Finding, Observation
from orch.settings import Service
from orch.settings.addresses import BackEndAddress
from orch.settings.credentials import all_headers, with_query
from orch.tls.trust import TrustStore
from orch.websocket_closing import close

CLOSE_SECONDS: Final = 1.0
MESSAGE_LIMIT: Final = 65_536
"""Bytes of a message that a back end may send unasked; what it sends is not read."""

_SCHEMES: Final = {"http": "ws", "https": "wss"}


async def check_tcp(service: Service, address: BackEndAddress, trust: TrustStore) -> Observation:
    """Connect and close; with TLS for https. OSError, trio.BrokenResourceError: it cannot be connected."""
    began = trio.current_time()
    context = await trust.context(service.ca_file) if address.scheme == "https" else None
    stream = await _connect(address)
    try:
        until = None
        if context is not None:
            secure = trio.SSLStream(stream, context, server_hostname=address.host, https_compatible=True)
            await secure.do_handshake()
            until = certificate_until(secure)
        return Observation(Finding.GOOD, elapsed=trio.current_time() - began, certificate_until=until)
    finally:
        await trio.aclose_forcefully(stream)


async def check_websocket(
    name: str, service: Service, address: BackEndAddress, trust: TrustStore, *, limit: float
) -> Observation:
    """Open a WebSocket at the health endpoint, send a ping and wait for its pong.

    OSError, WebSocketException, trio.BrokenResourceError: it cannot be opened.
    """
    began = trio.current_time()
    context = await trust.context(service.ca_file) if address.scheme == "https" else None
    endpoint = service.health_endpoint
    headers = [(key.decode("ascii"), value.decode("ascii")) for key, value in all_headers(service, address)]
    opening = connect(
        f"{_SCHEMES[address.scheme]}://{address.authority}{address.base}{with_query(service, endpoint)}",
        ssl=context,
        additional_headers=headers,
        proxy=None,
        compression=None,
        open_timeout=None,
        ping_interval=None,
        close_timeout=CLOSE_SECONDS,
        max_size=MESSAGE_LIMIT,
        **_place(address),
    )
    try:
        async with opening as connection:
            try:
                pong = await connection.ping(ack_on_close=True)
                await pong.wait()
                if connection.state is not State.OPEN:
                    return Observation(Finding.MISSED, ("closed the WebSocket instead of a pong",))
                until = certificate_until(connection.stream)
                return Observation(Finding.GOOD, elapsed=trio.current_time() - began, certificate_until=until)
            finally:
                await close(connection, seconds=CLOSE_SECONDS)
    except InvalidStatus as error:
        status, body = error.response.status_code, bytes(error.response.body or b"")
        elapsed = trio.current_time() - began
        seen = read_response(name, endpoint, status, body, elapsed=elapsed, limit=limit)
        if seen.finding is not Finding.GOOD:
            return seen
        return Observation(Finding.IMPAIRED, (f"responds {status} to a WebSocket at {endpoint}",), elapsed)


async def _connect(address: BackEndAddress) -> trio.SocketStream:
    if address.socket:
        return await trio.open_unix_socket(address.socket)
    return await trio.open_tcp_stream(address.host, address.port)


def _place(address: BackEndAddress) -> dict[str, Any]:
    if address.socket:
        return {"unix": True, "path": address.socket}
    return {"host": address.host, "port": address.port}


def certificate_until(stream: object) -> float | None:
    """Return when the certificate of a TLS stream's peer expires, in epoch seconds; None: it has none."""
    found = getattr(stream, "getpeercert", None)
    certificate = found() if callable(found) else None
    expires = certificate.get("notAfter") if isinstance(certificate, dict) else None
    return ssl.cert_time_to_seconds(expires) if isinstance(expires, str) else None

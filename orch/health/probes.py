"""One health check, over HTTP or in the other ways of :mod:`orch.health.socket_checks`.

Every check opens a connection of its own: it has to show that a new client would get a response, which an
older connection does not show.
"""

import errno
import os
import socket
import ssl
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import httpx2
import structlog
import trio
from websockets.exceptions import WebSocketException

from orch.health.assertions import failed_assertions, too_late
from orch.health.check_response import WELL_KNOWN, in_words, is_not_there, read_response
from orch.health.socket_checks import certificate_until, check_tcp, check_websocket
from orch.health.verdict import Finding, Observation
from orch.masking import mask_url
from orch.settings import Service
from orch.settings.addresses import BackEndAddress, read_address
from orch.settings.credentials import Header, all_headers, with_query
from orch.settings.service_structs import HEALTH_ENDPOINT
from orch.shortages import WORDS, Shortage, causes, own_shortage
from orch.tls.trust import TrustStore
from orch.tls.trust import in_words as tls_in_words

log = structlog.get_logger("health")

LARGEST_ANSWER: Final = 65_536
"""Bytes of a response that are read; JSON that is longer is not understood."""

SOCKETS: Final = 64
"""Unix sockets that a client is stored for; the oldest is dropped."""

CONNECT_SHARE: Final = 0.45
"""The share of a check's remaining time that connecting may take, and again the TLS handshake."""

_REFUSED: Final = frozenset({errno.ECONNREFUSED, errno.ENOENT})
_SPECIAL: Final = (socket.gaierror, ssl.SSLError)
_CA_FILE: Final = "ca_file"
_SOCKET: Final = "unix_socket"
_NETWORK: Final = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    WebSocketException,
    trio.BrokenResourceError,
    OSError,
    MemoryError,
)
_WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (httpx2.InvalidURL, ""),  # the text is ours, see _get
    (httpx2.LocalProtocolError, "cannot be checked: a configured header cannot be sent"),
    (httpx2.RemoteProtocolError, "closed the connection without a response"),
    (httpx2.ReadError, "closed the connection without a response"),
    (WebSocketException, "does not speak WebSocket as expected"),
    (trio.BrokenResourceError, "closed the connection"),
)


class _Trusting(httpx2.AsyncBaseTransport):
    """Sends each request with the trust of its service (``extensions['ca_file']``).

    Bounded: one transport for each context that the trust store has made and not replaced, and one for each
    Unix socket (``extensions['unix_socket']``), the latest of them.
    """

    def __init__(self, trust: TrustStore) -> None:
        self._trust = trust
        # One connection for each check in flight, and each instance has one check at a time: those that hang
        # must not hold up the others.
        self._limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._plain = httpx2.AsyncHTTPTransport(verify=False, trust_env=False, limits=self._limits)
        self._secure: dict[str, tuple[ssl.SSLContext, httpx2.AsyncHTTPTransport]] = {}
        self._sockets: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if path := str(request.extensions.get(_SOCKET, "")):
            return await self._to_socket(path).handle_async_request(request)
        if request.url.scheme != "https":
            return await self._plain.handle_async_request(request)
        ca_file = str(request.extensions.get(_CA_FILE, ""))
        context = await self._trust.context(ca_file)
        # httpcore closes the socket if its own time-out for a handshake expires, but not if it is cancelled.
        # That time-out counts for the connection and again for the handshake, and both expire before the
        # check's own time is over.
        left = trio.current_effective_deadline() - trio.current_time()
        request.extensions["timeout"] = {
            **request.extensions.get("timeout", {}),
            "connect": CONNECT_SHARE * left,
        }
        made = self._secure.get(ca_file)
        if made is None or made[0] is not context:
            # The one before has no open connections, so it needs no closing.
            transport = httpx2.AsyncHTTPTransport(verify=context, trust_env=False, limits=self._limits)
            made = self._secure[ca_file] = (context, transport)
        return await made[1].handle_async_request(request)

    def _to_socket(self, path: str) -> httpx2.AsyncHTTPTransport:
        if path not in self._sockets:
            if len(self._sockets) >= SOCKETS:
                # It has no idle connections, and a check on its way holds on to it.
                del self._sockets[next(iter(self._sockets))]
            self._sockets[path] = httpx2.AsyncHTTPTransport(
                verify=False, trust_env=False, limits=self._limits, uds=path
            )
        return self._sockets[path]

    async def aclose(self) -> None:
        for each in self._sockets.values():
            await each.aclose()
        for _, transport in self._secure.values():
            await transport.aclose()
        await self._plain.aclose()


def open_client(
    transport: httpx2.AsyncBaseTransport | None = None, *, trust: TrustStore | None = None
) -> httpx2.AsyncClient:
    """Return a client for checks. It uses no proxies of the environment and follows no redirects."""
    return httpx2.AsyncClient(
        transport=transport or _Trusting(trust or TrustStore()),
        timeout=None,  # the caller owns the time-out
        trust_env=False,
        follow_redirects=False,
        headers={
            "user-agent": "orchestration-service health",
            "accept": "application/json",
            "accept-encoding": "identity",
        },
    )


async def probe(
    client: httpx2.AsyncClient,
    name: str,
    service: Service,
    url: str,
    *,
    patience: float,
    limit: float,
    trust: TrustStore | None = None,
) -> Observation:
    """Check the instance at ``url``.

    ``patience``: seconds after which a check without a response is missed; ``limit``: seconds above which a
    response is slow; ``trust``: for checks without HTTP. Every failure is an observation; nothing but
    Cancelled is raised.
    """
    with trio.move_on_after(patience):
        try:
            return _timed(service, await _checked(client, name, service, url, trust, limit=limit), limit)
        except httpx2.TimeoutException:
            return Observation(Finding.MISSED, ("no secure connection in time",))
        except _NETWORK as error:
            return failure(error)
        except Exception as error:
            # A value of the settings, or a response, that the HTTP client cannot process. The log has it; the
            # reason does not quote it, since it may be a key.
            if own_shortage(error) is not None:
                return failure(error)
            log.exception("check failed", service=name, instance=mask_url(url))
            return Observation(Finding.MISSED, (f"cannot be checked: {type(error).__name__}",))
    return Observation(Finding.MISSED, (f"no response in {in_words(patience)}",))


async def _checked(
    client: httpx2.AsyncClient,
    name: str,
    service: Service,
    url: str,
    trust: TrustStore | None,
    *,
    limit: float,
) -> Observation:
    """Check in the way of the settings."""
    if service.probe.kind == "http":
        return await _check(client, name, service, url, limit=limit)
    trust = trust or TrustStore()
    if service.probe.kind == "tcp":
        return await check_tcp(service, _address(url), trust)
    return await check_websocket(name, service, _address(url), trust, limit=limit)


def _timed(service: Service, seen: Observation, limit: float) -> Observation:
    """Return an observation with what its time means."""
    if reason := too_late(service.probe, seen.elapsed):
        return replace(seen, finding=Finding.MISSED, reasons=(*seen.reasons, reason))
    if seen.finding is Finding.GOOD and seen.elapsed is not None and seen.elapsed > limit:
        words = f"responds in {in_words(seen.elapsed)}, limit {in_words(limit)}"
        return replace(seen, finding=Finding.SLOW, reasons=(words,))
    return seen


async def _check(
    client: httpx2.AsyncClient,
    name: str,
    service: Service,
    url: str,
    *,
    limit: float,
) -> Observation:
    """Check the endpoint of the settings or, if they name none, those of the dialect, in turn."""
    endpoints = [service.health_endpoint]
    if service.health_endpoint == HEALTH_ENDPOINT:
        endpoints += WELL_KNOWN[service.dialect]
    observation = None
    for endpoint in endpoints:
        began = trio.current_time()
        status, body, until = await _get(client, service, url, endpoint)
        elapsed = trio.current_time() - began
        if observation is None or not is_not_there(status):
            read = read_response(name, endpoint, status, body, elapsed=elapsed, limit=limit)
            observation = replace(_asserted(service, read, status, body), certificate_until=until)
        if not is_not_there(status):
            break
    assert observation is not None, "there is at least one endpoint"  # noqa: S101 - an invariant
    return observation


def _asserted(service: Service, read: Observation, status: int, body: bytes) -> Observation:
    """Return what a response shows, given what the settings require of it."""
    probe = service.probe
    if lacks := failed_assertions(probe, status, body):
        return replace(read, finding=Finding.MISSED, reasons=lacks)
    is_read = read.finding in {Finding.GOOD, Finding.SLOW, Finding.STARTING}
    if is_read or not probe.status or HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return read
    return replace(read, finding=Finding.GOOD, reasons=())  # a status that the settings accept


def _address(url: str) -> BackEndAddress:
    try:
        return read_address(url)
    except ValueError as error:
        raise httpx2.InvalidURL(f"its url cannot be used, {error}") from error


def addressed(
    service: Service, address: BackEndAddress, path: str, headers: tuple[Header, ...]
) -> tuple[str, dict[str, Any]]:
    """Return the URL and the other arguments of a request to an instance, for a client of this module."""
    if not any(name == b"host" for name, _ in headers):
        headers = ((b"host", address.authority.encode("ascii")), *headers)
    extensions = {_CA_FILE: service.ca_file, _SOCKET: address.socket}
    return address.url + path, {"headers": list(headers), "extensions": extensions}


async def _get(
    client: httpx2.AsyncClient, service: Service, url: str, endpoint: str
) -> tuple[int, bytes, float | None]:
    """Return status, body, and when the certificate expires."""
    address = _address(url)
    place, options = addressed(service, address, with_query(service, endpoint), all_headers(service, address))
    body = bytearray()
    async with client.stream("GET", place, **options) as response:
        # Raw (unless the transport has read it all): a few kilobytes may decompress to any size.
        parts = response.aiter_bytes() if response.is_stream_consumed else response.aiter_raw()
        stream = response.extensions.get("network_stream")
        until = None if stream is None else certificate_until(stream.get_extra_info("ssl_object"))
        async for part in parts:
            body += part[: LARGEST_ANSWER + 1 - len(body)]  # read to its end, which a complete response needs
    return response.status_code, bytes(body), until


def failure(error: Exception) -> Observation:
    """Return what a network failure shows, with its reason in words. It quotes no header."""
    shortage = own_shortage(error) or _hidden_shortage(error)
    if shortage is not None:
        return Observation(
            Finding.UNSEEN,
            (f"not checked: the orchestration service is {WORDS[shortage]}",),
            shortage=shortage,
        )
    found = tuple(causes(error))
    plain = [cause for cause in found if isinstance(cause, OSError) and not isinstance(cause, _SPECIAL)]
    if any(cause.errno in _REFUSED and cause.filename is None for cause in plain):
        return Observation(Finding.REFUSED, ("connection refused",))
    return Observation(Finding.MISSED, (_reason(error, found),))


def _hidden_shortage(error: Exception) -> Shortage | None:
    """Return the shortage that made a host name look-up fail: the look-up itself does not report it."""
    if not any(isinstance(cause, socket.gaierror) for cause in causes(error)):
        return None
    try:
        os.close(os.dup(0))
    except OSError as full:
        return own_shortage(full)
    return None


def _reason(error: Exception, found: tuple[BaseException, ...]) -> str:
    for cause in found:
        if isinstance(cause, socket.gaierror):
            return "its host name has no address"
        if isinstance(cause, ssl.SSLError):
            return tls_in_words(cause)
    for cause in found:
        if isinstance(cause, OSError) and cause.errno is not None:
            return f"cannot be reached: {cause.strerror or cause}"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words or str(error)
    return f"cannot be checked: {type(error).__name__}"

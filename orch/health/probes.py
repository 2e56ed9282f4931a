"""One health check over HTTP.

Every check opens a connection of its own: what it is to show is that a new caller would be answered, and a
connection kept from better days does not show that.
"""

import errno
import socket
from typing import Final

import httpx2
import trio

from orch.health.answers import in_words, read_answer
from orch.health.verdict import Observation, Seen
from orch.settings import Service
from orch.shortages import WORDS, causes, own_shortage

LARGEST_ANSWER: Final = 65_536
"""Bytes of an answer that are kept; a longer one counts by its status alone."""

CONNECTIONS: Final = 64
"""Checks in flight at once; further ones wait within their own time."""

_REFUSED: Final = frozenset({errno.ECONNREFUSED, errno.ENOENT})


def open_client(transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """Return a client for checks. Proxies of the environment are not for back ends; redirects are answers."""
    return httpx2.AsyncClient(
        transport=transport,
        limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=0),
        timeout=None,  # the caller owns the time-out
        trust_env=False,
        follow_redirects=False,
        headers={"user-agent": "orchestration-service health", "accept": "application/json"},
    )


async def probe(
    client: httpx2.AsyncClient, name: str, service: Service, url: str, *, patience: float, limit: float
) -> Observation:
    """Ask the instance at ``url`` how it is.

    ``patience``: seconds until a check that has no answer counts as missed; ``limit``: seconds above which
    an answer is slow. Every failure of the network is an observation; nothing but Cancelled is raised.
    """
    began = trio.current_time()
    with trio.move_on_after(patience):
        try:
            return await _ask(client, name, service, url, began=began, limit=limit)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, MemoryError) as error:
            return _failure(error)
    return Observation(Seen.MISSED, (f"no answer in {in_words(patience)}",))


async def _ask(
    client: httpx2.AsyncClient, name: str, service: Service, url: str, *, began: float, limit: float
) -> Observation:
    headers = {"authorization": f"Bearer {service.api_key}"} if service.api_key else {}
    address = url.rstrip("/") + service.health_endpoint
    body = bytearray()
    async with client.stream("GET", address, headers=headers) as response:
        async for part in response.aiter_bytes():
            body += part[: LARGEST_ANSWER + 1 - len(body)]  # read to its end: that is part of an answer
    elapsed = trio.current_time() - began
    endpoint = service.health_endpoint
    return read_answer(name, endpoint, response.status_code, _whole(body), elapsed=elapsed, limit=limit)


def _whole(body: bytearray) -> bytes:
    return bytes(body) if len(body) <= LARGEST_ANSWER else b""


def _failure(error: Exception) -> Observation:
    """Return what a failure of the network shows, with its reason in words."""
    shortage = own_shortage(error)
    if shortage is not None:
        return Observation(
            Seen.UNSEEN, (f"not checked: the service itself is {WORDS[shortage]}",), shortage=shortage
        )
    found = tuple(causes(error))
    for cause in found:
        if isinstance(cause, socket.gaierror):
            return Observation(Seen.MISSED, ("its host name has no address",))
        if isinstance(cause, OSError) and cause.errno in _REFUSED:
            return Observation(Seen.REFUSED, ("connection refused",))
    for cause in found:
        if isinstance(cause, OSError) and cause.errno is not None:
            return Observation(Seen.MISSED, (f"cannot be reached: {cause.strerror or cause}",))
    if isinstance(error, (httpx2.RemoteProtocolError, httpx2.ReadError)):
        return Observation(Seen.MISSED, ("closed the connection without an answer",))
    return Observation(Seen.MISSED, (f"cannot be asked: {str(error) or type(error).__name__}",))

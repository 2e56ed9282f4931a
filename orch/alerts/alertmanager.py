"""Requests to Alertmanager, version 2 of its API.

Resource handling: one client for as long as :meth:`Alertmanager.open` is entered, made for the first
request, since it reads the system's certificates (some 20 ms); outside of it every call fails.

Error handling: everything that goes wrong is an :class:`AlertmanagerError` with a sentence; Cancelled goes
on. Each call ends within :data:`WITHIN` seconds.
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx2
import trio

from orch.alerts.notifications import ListedAlert, SilenceMade
from orch.alerts.planned import ListedSilence
from orch.masking import mask_url
from orch.untrusted_json import UnreadableError, read_document

WITHIN: Final = 5.0
"""Seconds of one request, with its response."""

LARGEST: Final = 2**23
"""Bytes of a response that are read: some thousand alerts."""

_QUOTED: Final = 200
"""Characters of an error's text that are quoted."""

T = TypeVar("T")

OpenClient = Callable[[], httpx2.AsyncClient]


def open_client() -> httpx2.AsyncClient:
    """Return a client that uses neither the environment's proxies nor its passwords, and follows nobody."""
    return httpx2.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # each request has its own limit
        headers={"User-Agent": "orchestration-service"},
        limits=httpx2.Limits(max_connections=4, max_keepalive_connections=1, keepalive_expiry=30),
    )


class AlertmanagerError(Exception):
    """Why there is no response, or not the wanted one. ``status``: of the response, or None."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Alertmanager:
    """Sends requests to Alertmanager at the URL of the settings, which is read at every use.

    The mutable state is the client, while there is one, and what closes it.
    """

    def __init__(self, url: Callable[[], str], *, open_client: OpenClient = open_client) -> None:
        self._url = url
        self._open_client = open_client
        self._client: httpx2.AsyncClient | None = None
        self._closing: AsyncExitStack | None = None

    @property
    def is_configured(self) -> bool:
        """Whether the settings name one."""
        return bool(self._url())

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Allow requests during the block."""
        async with AsyncExitStack() as closing:
            self._closing = closing
            try:
                yield
            finally:
                self._client = self._closing = None

    async def alerts(self) -> tuple[ListedAlert, ...]:
        """Return all alerts that fire, also those that are silenced or inhibited."""
        body = await self._request("GET", "/api/v2/alerts?active=true&silenced=true&inhibited=true")
        return _read(body, tuple[ListedAlert, ...])

    async def silence(self, silence: dict[str, Any]) -> str:
        """Make a silence; return its id."""
        body = await self._request("POST", "/api/v2/silences", silence)
        return _read(body, SilenceMade).silence_id

    async def silences(self) -> tuple[ListedSilence, ...]:
        """Return all silences, also those that ended lately."""
        return _read(await self._request("GET", "/api/v2/silences"), tuple[ListedSilence, ...])

    async def end_silence(self, silence: str) -> None:
        """End a silence; one that has ended, or that does not exist, stays so."""
        try:
            await self._request("DELETE", f"/api/v2/silence/{quote(silence, safe='')}")
        except AlertmanagerError as error:
            # 0.25 answers 500 to the id of one that has expired.
            if error.status == HTTPStatus.NOT_FOUND or "expired" in error.reason:
                return
            raise

    async def post(self, alerts: Sequence[dict[str, Any]]) -> None:
        """Send alerts, as Prometheus does."""
        await self._request("POST", "/api/v2/alerts", list(alerts))

    async def send(self, url: str, body: dict[str, Any]) -> None:
        """Send a notification to another URL than Alertmanager's."""
        await self._exchange("POST", url, body)

    async def _request(self, method: str, path: str, body: Any = None) -> bytes:
        url = self._url().rstrip("/")
        if not url:
            raise AlertmanagerError("No Alertmanager is configured (orchestration.alerts.alertmanager_url).")
        return await self._exchange(method, f"{url}{path}", body)

    async def _exchange(self, method: str, url: str, body: Any) -> bytes:
        if self._closing is None:
            raise AlertmanagerError("The service does not follow alerts right now.")
        if self._client is None:
            self._client = self._open_client()
            self._closing.push_async_callback(self._client.aclose)
        where = mask_url(url.partition("?")[0])
        content = None if body is None else json.dumps(body).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            with trio.fail_after(WITHIN):
                async with self._client.stream(method, url, content=content, headers=headers) as response:
                    received = bytearray()
                    async for part in response.aiter_bytes():
                        received += part
                        if len(received) > LARGEST:
                            raise AlertmanagerError(f"{where} sent more than {LARGEST} bytes.")
        except trio.TooSlowError:
            raise AlertmanagerError(f"{where} did not respond within {WITHIN:g} s.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise AlertmanagerError(f"{where} cannot be reached: {_words(error)}.") from error
        if not response.is_success:
            text = received.decode("utf-8", "replace").strip().replace("\n", " ")[:_QUOTED]
            said = f": {text}" if text.isprintable() and text else ""
            raise AlertmanagerError(
                f"{where} responded with {response.status_code}{said}.", status=response.status_code
            )
        return bytes(received)


def _words(error: Exception) -> str:
    return str(error).rstrip(".")[:_QUOTED] or type(error).__name__


def _read(body: bytes, kind: type[T]) -> T:
    try:
        found: T = read_document(body, kind)
    except UnreadableError as error:
        raise AlertmanagerError(f"What Alertmanager sent cannot be read: {error}.") from None
    return found

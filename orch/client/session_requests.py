"""Requests over HTTP about sessions, which need no connection: codes, details, search."""

from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import httpx2
import msgspec
from msgspec import Struct

from orch.client.events import BadMessageError, ConnectionLostError, RefusedError
from orch.protocol.session_keys import Right

#: Maximum bytes of a response.
RESPONSE_LIMIT: Final = 2**20

_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

T = TypeVar("T")


class OpenedCode(Struct, frozen=True):
    """The session that a code opens, with the key to join it; ``right``: what the key permits."""

    session_id: str
    key: str
    right: Right


class SessionDetails(Struct, frozen=True):
    """A session. Times in seconds since the epoch.

    ``title``: empty: it has none. ``expires``: when it ends if it is not used again. ``participant_count``:
    None: not known.
    """

    session_id: str
    title: str
    epoch: str
    offset: int
    created: float
    last_active: float
    expires: float
    participant_count: int | None


class FoundLine(Struct, frozen=True):
    """A line of a transcript with the words: its original or a translation, in ``language``.

    ``start``: seconds from the session's first speech. Long texts are cut around the words.
    """

    segment_id: str
    start: float
    speaker: str | None
    language: str | None
    text: str


class SearchResult(Struct, frozen=True):
    """The first lines with the words, and the number of all."""

    lines: tuple[FoundLine, ...]
    count: int


class _Problem(Struct):
    code: str
    detail: str = ""


class SessionRequests:
    """Sends requests to the service at ``url``, an address as ``connect`` accepts it. Stateless.

    Error handling: RefusedError (the service's problem), ConnectionLostError (it was not reached, or the
    response did not arrive), BadMessageError (the response is not the service's). There are no time-outs;
    callers own them.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        path = parts.path.rstrip("/").removesuffix("/ws")
        self._base = urlunsplit((_SCHEMES.get(parts.scheme, parts.scheme), parts.netloc, path, "", ""))

    async def enter_code(self, code: str) -> OpenedCode:
        """Return the session that a code opens. RefusedError ``unknown_code``, ``rate_limited``."""
        return await self._send(OpenedCode, "POST", "/api/join", json={"code": code})

    async def session(self, session_id: str, key: str | None) -> SessionDetails:
        """Return a session. RefusedError ``unknown_session``, ``key_required``."""
        return await self._send(SessionDetails, "GET", _path(session_id), key=key)

    async def search(self, session_id: str, query: str, key: str | None) -> SearchResult:
        """Return the stored lines with the words. RefusedError as for a session, and ``overloaded``."""
        return await self._send(
            SearchResult, "POST", f"{_path(session_id)}/search", key=key, json={"query": query}
        )

    async def _send(
        self, kind: type[T], method: str, path: str, *, key: str | None = None, json: Any = None
    ) -> T:
        headers = {} if key is None else {"X-Session-Key": key}
        body = bytearray()
        try:
            async with (
                httpx2.AsyncClient(timeout=None) as client,
                client.stream(method, self._base + path, headers=headers, json=json) as response,
            ):
                async for part in response.aiter_bytes():
                    # Of one that is too large the rest is read, as its end closes it, but not stored.
                    if len(body) <= RESPONSE_LIMIT:
                        body += part
        except httpx2.TransportError as error:
            raise ConnectionLostError from error
        if len(body) > RESPONSE_LIMIT:
            raise BadMessageError(f"The response to {path} has more than {RESPONSE_LIMIT:,} bytes.")
        try:
            if response.is_success:
                return msgspec.json.decode(body, type=kind)
            problem = msgspec.json.decode(body, type=_Problem)
        except msgspec.MsgspecError as error:
            raise BadMessageError(
                f"The response to {path} (status {response.status_code}) is not the service's."
            ) from error
        raise RefusedError(problem.code, problem.detail)


def _path(session_id: str) -> str:
    return f"/api/sessions/{quote(session_id, safe='')}"

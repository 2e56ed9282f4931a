"""Stores the last good response to one request, while it passes, and finds it after a failure. Pure.

A response is stored when its end has arrived: what breaks off, or is ended by the client, is not.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from orch.gateway.fallbacks.cache import Owner, ResponseCache, Stored
from orch.gateway.fallbacks.keys import UNKEYED, is_conditional, key_of, place_of, target_of
from orch.gateway.fallbacks.lifetimes import Effect, effect, lifetime, wish
from orch.gateway.fallbacks.marks import lasting
from orch.gateway.headers import Header, content_length
from orch.gateway.request_body import RequestBody
from orch.gateway.routes import Match
from orch.settings import Fallback

POST_BODY: Final = 65_536
"""Bytes that the body of a POST may have whose response is stored. The body is part of the key."""


class Asked(NamedTuple):
    """A request. ``headers`` returns those that the back end gets; ``caller``: the client's address."""

    method: str
    query: bytes
    headers: Callable[[], Sequence[Header]]
    body: RequestBody
    caller: str


class Keeper:
    """The cache as one request sees it. The mutable state is its key, and the response that is arriving."""

    def __init__(
        self, cache: ResponseCache, rule: Fallback, match: Match, asked: Asked, clock: Callable[[], float]
    ) -> None:
        self._cache = cache
        self._rule = rule
        self._asked = asked
        self._clock = clock
        self._place = place_of(match.service, match.path)
        self._owner = Owner(match.prefix, asked.caller)
        self._is_stored = _is_stored(rule, asked)
        self._key = b""
        self._arriving: Arriving | None = None
        self._is_outdated = False
        if self._is_stored:
            cache.begin(self._place, self)
            headers = asked.headers()
            self._wish = wish(headers)
            self._is_conditional = is_conditional(headers)
            self._key = key_of(
                target_of(match.prefix, match.service, match.path),
                asked.method,
                asked.query,
                headers,
                asked.body.whole or b"",
                unkeyed=rule.unkeyed,
                address=asked.caller if rule.per == "address" else "",
            )

    def find(self) -> Stored | None:
        """Return the stored response to the request, if it may be used now."""
        if not self._is_stored or not self._wish.may_use:
            return None
        return self._cache.get(self._key, self._clock(), usable=self._wish.usable)

    def begin(self, status: int, headers: Sequence[Header], to_client: Sequence[Header]) -> "Arriving | None":
        """Note the head of a response; return where its body is collected, None if it is not stored.

        ``headers``: as the back end sent them; ``to_client``: as the client gets them.
        """
        if not self._is_stored:
            return None
        what = effect(self._asked.method, status, is_conditional=self._is_conditional)
        if what is Effect.FRESHEN:
            self._cache.freshen(self._key, _etag(headers), self._clock())
        if what is Effect.DROP:
            self._cache.drop(self._key)
        if what is not Effect.STORE or not self._wish.may_store or self._is_outdated:
            return None
        found = lifetime(headers, max_age=self._rule.max_age, unkeyed=self._unkeyed())
        if found is None or (_declared(headers) or 0) > self._cache.limits.max_object_bytes:
            self._cache.drop(self._key)
            return None
        etag, kept = _etag(headers), lasting(to_client)

        def entry(body: bytes) -> Stored:
            declared = frozenset(self._rule.methods)
            return Stored(self._owner, self._place, status, kept, body, self._clock(), found, etag, declared)

        self._arriving = Arriving(
            self._cache, self._key, entry, declared=_declared(headers), route_bytes=self._rule.max_bytes
        )
        return self._arriving

    def outdate(self, method: str) -> None:
        """Store nothing: a request with ``method`` may have changed what the response shows."""
        if method in self._rule.methods:
            return
        self._is_outdated = True
        if self._arriving is not None:
            self._arriving.give_up()

    def close(self) -> None:
        """Forget a response that has not arrived completely."""
        self._cache.end(self._place, self)
        if self._arriving is not None:
            self._arriving.give_up()

    def _unkeyed(self) -> frozenset[bytes]:
        return UNKEYED | {name.lower().encode("ascii") for name in self._rule.unkeyed}


class Arriving:
    """A response that is arriving. Its bytes are reserved in the cache; what is too large is not stored.

    ``entry`` makes what is stored of its body; ``declared``: the length that it declares, if it does.
    """

    def __init__(
        self,
        cache: ResponseCache,
        key: bytes,
        entry: Callable[[bytes], Stored],
        *,
        declared: int | None,
        route_bytes: int,
    ) -> None:
        self._cache = cache
        self._key = key
        self._entry = entry
        self._declared = declared
        self._route_bytes = route_bytes
        self._pieces: list[bytes] = []
        self._reserved = 0
        self._is_over = False

    def add(self, data: bytes) -> None:
        """Add a piece of the body."""
        if self._is_over:
            return
        cache = self._cache
        size = self._reserved + len(data)
        if size > cache.limits.max_object_bytes:
            self.give_up()
            cache.drop(self._key)  # what is stored is not the last one any more
        elif cache.reserve(len(data)):
            self._reserved = size
            self._pieces.append(data)
        else:
            self.give_up()

    def end(self, *, has_trailers: bool) -> None:
        """Store the response: its end has arrived. One with trailers is not stored, as they would be lost."""
        if self._is_over:
            return
        body = b"".join(self._pieces)
        self.give_up()
        if has_trailers or (self._declared is not None and self._declared != len(body)):
            self._cache.drop(self._key)
        else:
            self._cache.put(self._key, self._entry(body), route_bytes=self._route_bytes)

    def give_up(self) -> None:
        """Free what is reserved; nothing more is stored."""
        self._is_over = True
        self._pieces.clear()
        self._cache.release(self._reserved)
        self._reserved = 0


def _is_stored(rule: Fallback, asked: Asked) -> bool:
    """Return whether responses are stored: those to GET without a body, and to small declared POSTs."""
    if asked.method in {"GET", "HEAD"}:
        return "GET" in rule.methods and not asked.body.is_streamed and not asked.body.length
    whole = None if asked.body.is_streamed else asked.body.whole
    return asked.method == "POST" and "POST" in rule.methods and whole is not None and len(whole) <= POST_BODY


def _declared(headers: Sequence[Header]) -> int | None:
    """Return the length that a response declares; -1 if what it declares is none."""
    try:
        return content_length(headers)
    except ValueError:
        return -1


def _etag(headers: Sequence[Header]) -> bytes:
    return next((value.strip() for name, value in headers if name == b"etag"), b"")

"""Stores the last good response to one request, while it passes, and finds it after a failure. Pure.

A response is stored when its end has arrived: what breaks off, or is ended by the client, is not.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from orch.gateway.fallbacks.cache import Owner, ResponseCache, Stored
from orch.gateway.fallbacks.keys import UNKEYED, is_conditional, key_of, place_of
from orch.gateway.fallbacks.lifetimes import Effect, Lifetime, effect, lifetime, wish
from orch.gateway.fallbacks.marks import lasting
from orch.gateway.headers import Header, content_length
from orch.gateway.request_body import RequestBody
from orch.gateway.routes import Match
from orch.settings import Fallback

POST_BODY: Final = 65_536
"""Bytes that the body of a POST may have whose response is stored. The body is part of the key."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_GOOD: Final = range(200, 400)


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
        self._place = place_of(match.prefix, match.service, match.path)
        self._owner = Owner(match.prefix, asked.caller)
        self._is_stored = _is_stored(rule, asked)
        self._key = b""
        self._arriving: Arriving | None = None
        if self._is_stored:
            headers = asked.headers()
            self._wish = wish(headers)
            self._is_conditional = is_conditional(headers)
            self._key = key_of(
                self._place,
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
            if self._asked.method not in _SAFE | set(self._rule.methods) and status in _GOOD:
                self._cache.drop_place(self._place)
            return None
        what = effect(self._asked.method, status, is_conditional=self._is_conditional)
        if what is Effect.FRESHEN:
            self._cache.freshen(self._key, _etag(headers), self._clock())
        if what is Effect.DROP:
            self._cache.drop(self._key)
        if what is not Effect.STORE or not self._wish.may_store:
            return None
        found = lifetime(headers, max_age=self._rule.max_age, unkeyed=self._unkeyed())
        if found is None or (_declared(headers) or 0) > self._cache.limits.max_object_bytes:
            self._cache.drop(self._key)
            return None
        self._arriving = Arriving(self, status, tuple(headers), lasting(to_client), found)
        return self._arriving

    def close(self) -> None:
        """Forget a response that has not arrived completely."""
        if self._arriving is not None:
            self._arriving.give_up()

    def _unkeyed(self) -> frozenset[bytes]:
        return UNKEYED | {name.lower().encode("ascii") for name in self._rule.unkeyed}

    def _store(self, arriving: "Arriving", body: bytes) -> None:
        entry = Stored(
            self._owner,
            self._place,
            arriving.status,
            arriving.to_client,
            body,
            self._clock(),
            arriving.lifetime,
            _etag(arriving.headers),
        )
        self._cache.put(self._key, entry, route_bytes=self._rule.max_bytes)


class Arriving:
    """A response that is arriving. Its bytes are reserved in the cache; what is too large is not stored."""

    def __init__(
        self,
        keeper: Keeper,
        status: int,
        headers: tuple[Header, ...],
        to_client: tuple[Header, ...],
        found: Lifetime,
    ) -> None:
        self.status = status
        self.headers = headers
        self.to_client = to_client
        self.lifetime = found
        self._keeper = keeper
        self._pieces: list[bytes] = []
        self._reserved = 0
        self._is_over = False

    def add(self, data: bytes) -> None:
        """Add a piece of the body."""
        if self._is_over:
            return
        cache = self._keeper._cache  # noqa: SLF001 - a part of it
        size = self._reserved + len(data)
        if size > cache.limits.max_object_bytes:
            self.give_up()
            cache.drop(self._keeper._key)  # noqa: SLF001 - what is stored is not the last one any more
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
        declared = _declared(self.headers)
        if has_trailers or (declared is not None and declared != len(body)):
            self._keeper._cache.drop(self._keeper._key)  # noqa: SLF001 - a part of it
        else:
            self._keeper._store(self, body)  # noqa: SLF001 - a part of it

    def give_up(self) -> None:
        """Free what is reserved; nothing more is stored."""
        self._is_over = True
        self._pieces.clear()
        self._keeper._cache.release(self._reserved)  # noqa: SLF001 - a part of it
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

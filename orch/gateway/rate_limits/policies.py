"""Which limits a request falls under, and whose bucket it takes from. Pure."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from orch.gateway.headers import Header
from orch.settings import RateLimit

_KEY_HEADERS: Final = (b"authorization", b"x-api-key")
_DIGITS: Final = 32


class Taking(NamedTuple):
    """One token of one bucket: the limit, and the name of the bucket among those of the limit."""

    limit: RateLimit
    bucket: str


class Policies:
    """The limits of one version of the settings, by route."""

    def __init__(self, limits: Iterable[RateLimit]) -> None:
        self._limits = tuple(limits)
        self._of_route: dict[str, tuple[RateLimit, ...]] = {}

    def of(self, prefix: str) -> tuple[RateLimit, ...]:
        """Return the limits of the route with a prefix."""
        found = self._of_route.get(prefix)
        if found is None:
            found = tuple(limit for limit in self._limits if limit.route in ("", prefix))
            self._of_route[prefix] = found
        return found

    def takings(self, prefix: str, headers: Sequence[Header], caller: str) -> tuple[Taking, ...]:
        """Return what a request of ``caller`` (its address, or its /64) takes."""
        return tuple(Taking(limit, _bucket(limit, prefix, headers, caller)) for limit in self.of(prefix))


def _bucket(limit: RateLimit, prefix: str, headers: Sequence[Header], caller: str) -> str:
    if limit.per == "route":
        return prefix
    if limit.per == "key" and (key := _key(headers)):
        return key
    return caller


def _key(headers: Sequence[Header]) -> str:
    """Return a digest of the key that a request is sent with, "" if it has none. The key is not stored."""
    for name, value in headers:
        if name in _KEY_HEADERS and value:
            return "key:" + sha256(value).hexdigest()[:_DIGITS]
    return ""

"""The last good responses, bounded in bytes and number. Pure.

Overflow rule: room is made by dropping responses that were not used for the longest time, and first those of
the caller who stores, if it has more than its share. So one caller that asks for many different things drops
its own responses rather than those of others. A route has a limit of its own in the same way.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from orch.gateway.fallbacks.lifetimes import Lifetime
from orch.gateway.headers import Header
from orch.settings import FallbackCache
from orch.settings.fallback_checks import ARRIVING_PART

OVERHEAD: Final = 1024
"""Bytes that an entry takes beside its headers and body."""


class Owner(NamedTuple):
    """Whose a response is: the route's, and among those of the route the caller's."""

    route: str
    caller: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored response. ``at``: when it arrived, monotonic seconds; ``place``: its resource.

    ``declared``: methods of which its route says that they change nothing.
    """

    owner: Owner
    place: bytes
    status: int
    headers: tuple[Header, ...]
    body: bytes
    at: float
    lifetime: Lifetime
    etag: bytes = b""
    declared: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """The bytes it counts as."""
        return OVERHEAD + len(self.body) + sum(len(name) + len(value) + 16 for name, value in self.headers)

    def age(self, now: float) -> float:
        """Return its age in seconds (RFC 9111 §4.2.3)."""
        return self.lifetime.age + max(0.0, now - self.at)


class _Group:
    """The keys of some entries, the one unused for longest first, and the bytes that they have together."""

    __slots__ = ("bytes", "keys")

    def __init__(self) -> None:
        self.keys: dict[bytes, None] = {}
        self.bytes = 0

    def oldest(self) -> bytes:
        return next(iter(self.keys))


class Asking(Protocol):
    """A request in progress whose response may be stored."""

    def outdate(self, method: str) -> None:
        """Note that another request may have changed the resource meanwhile."""
        ...


class ResponseCache:
    """The entries by key.

    The mutable state is these, the bytes of responses that are arriving, and the requests in progress whose
    responses may be stored.
    """

    def __init__(self, limits: FallbackCache) -> None:
        self.limits = limits
        self._entries: dict[bytes, Stored] = {}
        self._routes: dict[str, _Group] = {}
        self._owners: dict[Owner, _Group] = {}
        self._places: dict[bytes, _Group] = {}
        self._asking: dict[bytes, set[Asking]] = {}
        self.bytes = 0
        self.arriving = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<ResponseCache {len(self)} entries, {self.bytes} bytes, {self.arriving} arriving>"

    def configure(self, limits: FallbackCache, routes: Collection[str]) -> None:
        """Apply changed limits, and drop what belongs to routes that store no responses any more."""
        self.limits = limits
        for route in [each for each in self._routes if each not in routes]:
            for key in list(self._routes[route].keys):
                self.drop(key)
        self._make_room(0, None)

    def reserve(self, size: int) -> bool:
        """Count bytes of a response that is arriving; return False if too many are."""
        if self.arriving + size > self.limits.max_bytes // ARRIVING_PART:
            return False
        self.arriving += size
        self._make_room(0, None)
        return True

    def release(self, size: int) -> None:
        """Note that reserved bytes are gone, or are stored now."""
        self.arriving -= size

    def put(self, key: bytes, entry: Stored, *, route_bytes: int) -> bool:
        """Store a response in place of the one under its key; return False if it is too large.

        ``route_bytes``: the limit of its route. In any case the former one is gone.
        """
        self.drop(key)
        size, owner = entry.size, entry.owner
        if len(entry.body) > self.limits.max_object_bytes:
            return False
        if size > min(route_bytes, self.limits.max_bytes - self.arriving):
            return False
        while (group := self._routes.get(owner.route)) is not None and group.bytes + size > route_bytes:
            self._evict(self._of_caller(owner, group.bytes, len(group.keys)) or group)
        self._make_room(size, owner)
        self._entries[key] = entry
        self.bytes += size
        for found in self._groups(entry):
            found.keys[key] = None
            found.bytes += size
        return True

    def get(self, key: bytes, now: float, *, usable: float | None = None) -> Stored | None:
        """Return a response that may be used now; ``usable``: ``stale-if-error`` of the request."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        age = entry.age(now)
        if age >= entry.lifetime.usable:
            self.drop(key)
            return None
        if usable is not None and age > (entry.lifetime.fresh or 0.0) + usable:
            return None
        self._touch(key, entry)
        return entry

    def freshen(self, key: bytes, etag: bytes, now: float) -> None:
        """Note that the back end has confirmed a response: it sent 304 with this ``ETag``."""
        entry = self._entries.get(key)
        if entry is not None and etag and entry.etag == etag:
            self._entries[key] = replace(entry, at=now, lifetime=entry.lifetime._replace(age=0.0))

    def drop(self, key: bytes) -> None:
        """Drop a response, if there is one."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        size = entry.size
        self.bytes -= size
        for group in self._groups(entry):
            del group.keys[key]
            group.bytes -= size
        owner = entry.owner
        if not self._routes[owner.route].keys:
            del self._routes[owner.route]
        if not self._owners[owner].keys:
            del self._owners[owner]
        if not self._places[entry.place].keys:
            del self._places[entry.place]

    def begin(self, place: bytes, asking: Asking) -> None:
        """Note a request in progress, until :meth:`end`."""
        self._asking.setdefault(place, set()).add(asking)

    def end(self, place: bytes, asking: Asking) -> None:
        """Forget a request in progress."""
        found = self._asking.get(place, set())
        found.discard(asking)
        if not found:
            self._asking.pop(place, None)

    def drop_place(self, place: bytes, method: str) -> None:
        """Drop all responses of a resource: a request may have changed it (RFC 9111 §4.4).

        Those that are on their way may show it as it was before, and are not stored. What is stored with the
        declaration that ``method`` changes nothing stays.
        """
        group = self._places.get(place)
        for key in list(group.keys) if group is not None else ():
            if method not in self._entries[key].declared:
                self.drop(key)
        for asking in self._asking.get(place, ()):
            asking.outdate(method)

    def route_usage(self, route: str) -> tuple[int, int]:
        """Return how many responses of a route are stored, and their bytes."""
        group = self._routes.get(route)
        return (0, 0) if group is None else (len(group.keys), group.bytes)

    def _make_room(self, size: int, owner: Owner | None) -> None:
        more = 1 if size else 0
        while self._entries and (
            self.bytes + self.arriving + size > self.limits.max_bytes
            or len(self._entries) + more > self.limits.max_entries
        ):
            group = None if owner is None else self._of_caller(owner, self.bytes, len(self._entries))
            if group is None:
                self.evicted += 1
                self.drop(next(iter(self._entries)))
            else:
                self._evict(group)

    def _of_caller(self, owner: Owner, size: int, number: int) -> _Group | None:
        """Return the responses of a caller if they are more than its share of so many bytes and entries."""
        group = self._owners.get(owner)
        if group is None:
            return None
        callers = len(self._owners)
        return group if group.bytes * callers > size or len(group.keys) * callers > number else None

    def _evict(self, group: _Group) -> None:
        self.evicted += 1
        self.drop(group.oldest())

    def _touch(self, key: bytes, entry: Stored) -> None:
        """Note that a response was used."""
        del self._entries[key]
        self._entries[key] = entry
        for group in self._groups(entry):
            del group.keys[key]
            group.keys[key] = None

    def _groups(self, entry: Stored) -> tuple[_Group, _Group, _Group]:
        return (
            self._routes.setdefault(entry.owner.route, _Group()),
            self._owners.setdefault(entry.owner, _Group()),
            self._places.setdefault(entry.place, _Group()),
        )

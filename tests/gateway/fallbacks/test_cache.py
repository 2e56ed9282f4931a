"""The last good responses: bounded in every way, and fair."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.fallbacks.cache import OVERHEAD, Owner, ResponseCache, Stored
from orch.gateway.fallbacks.lifetimes import Lifetime
from orch.settings import FallbackCache

FOREVER = Lifetime(0.0, None, 1e9)
MUCH = 2**30


def stored(
    size: int = 100,
    *,
    route: str = "/a",
    caller: str = "1",
    place: bytes = b"p",
    lifetime: Lifetime = FOREVER,
    etag: bytes = b"",
) -> Stored:
    return Stored(Owner(route, caller), place, 200, (), bytes(size), 0.0, lifetime, etag)


def cache(*, max_bytes: int = MUCH, max_entries: int = 1000, max_object_bytes: int = MUCH) -> ResponseCache:
    limits = FallbackCache(max_bytes=max_bytes, max_entries=max_entries, max_object_bytes=max_object_bytes)
    return ResponseCache(limits)


STEP = st.tuples(
    st.sampled_from(["put", "get", "drop", "place", "reserve", "release", "shrink", "retain", "freshen"]),
    st.integers(0, 12),
    st.integers(0, 6000),
    st.integers(0, 2),
)


class Scenario:
    """A cache, what was put into it, and what is arriving."""

    def __init__(self) -> None:
        self.cache = cache(max_bytes=20_000, max_entries=6, max_object_bytes=4000)
        self.kept: dict[bytes, Stored] = {}
        self.reserved: list[int] = []

    def take(self, what: str, number: int, size: int, who: int) -> None:
        getattr(self, what)(b"%d" % number, number, size, who)

    def put(self, key: bytes, number: int, size: int, who: int) -> None:
        place, caller = b"%d" % (number % 4), str(number % 3)
        entry = stored(size, route=f"/{who}", caller=caller, place=place, etag=b"e")
        if self.cache.put(key, entry, route_bytes=9000):
            self.kept[key] = entry
        else:
            assert self.cache.get(key, 0.0) is None, "what it replaces is gone in any case"

    def get(self, key: bytes, *_: int) -> None:
        found = self.cache.get(key, 0.0)
        assert found is None or found == self.kept[key]

    def drop(self, key: bytes, *_: int) -> None:
        self.cache.drop(key)
        assert self.cache.get(key, 0.0) is None

    def place(self, _: bytes, number: int, *__: int) -> None:
        self.cache.drop_place(b"%d" % (number % 4), "PUT")

    def reserve(self, _: bytes, __: int, size: int, ___: int) -> None:
        if self.cache.reserve(size):
            self.reserved.append(size)

    def release(self, *_: object) -> None:
        if self.reserved:
            self.cache.release(self.reserved.pop())

    def shrink(self, _: bytes, number: int, *__: int) -> None:
        before, most = self.cache.limits, max(1, number)
        self.cache.configure(FallbackCache(max_bytes=20_000, max_entries=most), ["/0", "/1", "/2"])
        assert len(self.cache) <= most
        self.cache.limits = before

    def retain(self, _: bytes, __: int, ___: int, who: int) -> None:
        self.cache.configure(self.cache.limits, [f"/{who}"])
        assert all(self.cache.route_usage(f"/{other}") == (0, 0) for other in {0, 1, 2} - {who})

    def freshen(self, key: bytes, *_: int) -> None:
        self.cache.freshen(key, b"e", 0.0)


@given(st.lists(STEP, max_size=60))
def test_whatever_happens_limits_hold_and_sums_are_right(steps: list[tuple[str, int, int, int]]) -> None:
    """Bytes, entries, and bytes of each route, with what is arriving; nothing is counted twice."""
    scenario = Scenario()
    held = scenario.cache
    for step in steps:
        scenario.take(*step)
        assert held.arriving == sum(scenario.reserved) <= 5000
        assert held.bytes + held.arriving <= 20_000
        assert len(held) <= 6
        usage = [held.route_usage(f"/{route}") for route in range(3)]
        assert sum(each[1] for each in usage) == held.bytes
        assert sum(each[0] for each in usage) == len(held)
        assert all(each[1] <= 9000 for each in usage)
    for number in range(13):
        held.drop(b"%d" % number)
    assert (held.bytes, len(held), held._owners, held._routes, held._places) == (0, 0, {}, {}, {})


def test_a_caller_that_asks_for_very_many_things_drops_its_own() -> None:
    """Others keep what is theirs; a caller that is alone may use all of it."""
    held = cache(max_entries=100)
    for number in range(20):
        held.put(b"good %d" % number, stored(caller="good"), route_bytes=MUCH)
    for number in range(10_000):
        held.put(b"bad %d" % number, stored(caller="bad", place=b"%d" % number), route_bytes=MUCH)
    assert len(held) == 100
    assert all(held.get(b"good %d" % number, 0.0) for number in range(20))
    assert held.get(b"bad 9999", 0.0) is not None
    assert held.evicted == 10_000 - 80
    alone = cache(max_entries=100)
    for number in range(100):
        alone.put(b"%d" % number, stored(), route_bytes=MUCH)
    assert len(alone) == 100


def test_what_was_unused_for_longest_goes_first() -> None:
    """Of callers with less than their share."""
    held = cache(max_entries=3)
    for name in (b"a", b"b", b"c"):
        held.put(name, stored(caller=name.decode()), route_bytes=MUCH)
    held.get(b"a", 0.0)
    held.put(b"d", stored(caller="d"), route_bytes=MUCH)
    assert held.get(b"b", 0.0) is None
    assert held.get(b"a", 0.0) is not None


@pytest.mark.parametrize("size", [4001, MUCH // 1000])
def test_what_is_too_large_is_not_stored(size: int) -> None:
    """And what it takes the place of is gone: it is not the last good response any more."""
    held = cache(max_object_bytes=4000)
    assert held.put(b"k", stored(100), route_bytes=MUCH)
    assert not held.put(b"k", stored(size), route_bytes=MUCH)
    assert held.get(b"k", 0.0) is None
    assert not held.put(b"k", stored(100), route_bytes=OVERHEAD + 99)
    assert held.put(b"k", stored(100), route_bytes=OVERHEAD + 100)


def test_a_response_is_used_until_its_age_is_reached_and_then_dropped() -> None:
    """With the age that it had on arrival; stale-if-error of the request limits it further, once."""
    held = cache()
    held.put(b"k", stored(lifetime=Lifetime(5.0, 10.0, 60.0)), route_bytes=MUCH)
    found = held.get(b"k", 54.9)
    assert found is not None
    assert found.age(54.9) == pytest.approx(59.9)
    assert held.get(b"k", 30.0, usable=20.0) is None
    assert held.get(b"k", 20.0, usable=20.0) is not None
    assert held.get(b"k", 55.0) is None
    assert len(held) == 0


def test_only_the_same_entity_is_freshened() -> None:
    """A 304 about another version of the resource confirms nothing."""
    held = cache()
    held.put(b"k", stored(lifetime=Lifetime(5.0, None, 60.0), etag=b'"1"'), route_bytes=MUCH)
    held.freshen(b"k", b'"2"', 50.0)
    held.freshen(b"k", b"", 50.0)
    assert held.get(b"k", 54.0) is not None
    held.freshen(b"k", b'"1"', 54.0)
    found = held.get(b"k", 113.0)
    assert found is not None
    assert found.age(113.0) == 59.0
    assert held.get(b"k", 114.0) is None

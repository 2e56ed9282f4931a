"""What may be stored, for whom, and which failures count: without any I/O."""

from itertools import combinations

import pytest

from orch.gateway.fallbacks.aging import AgingClock
from orch.gateway.fallbacks.episodes import CALM, Episodes
from orch.gateway.fallbacks.keys import UNKEYED, key_of, place_of, target_of
from orch.gateway.fallbacks.lifetimes import Effect, Lifetime, directives, effect, lifetime, seconds, wish
from orch.gateway.fallbacks.outcomes import OF_PROBLEMS, Outcome, of_problem, of_status
from orch.problems import PROBLEMS

LENGTH = (b"content-length", b"1")
DATE = (b"date", b"Mon, 02 Nov 2026 10:00:00 GMT")
LATER = (b"expires", b"Mon, 02 Nov 2026 10:00:40 GMT")


def control(value: bytes) -> tuple[bytes, bytes]:
    return (b"cache-control", value)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Lifetime(0, None, 100)),
        ([control(b"max-age=10")], Lifetime(0, 10, 100)),
        ([control(b"max-age=0")], Lifetime(0, 0, 100)),
        ([control(b"max-age=10"), control(b"stale-if-error=20")], Lifetime(0, 10, 30)),
        ([control(b"Max-Age=10,STALE-IF-ERROR=20")], Lifetime(0, 10, 30)),
        ([control(b"stale-if-error=20")], Lifetime(0, None, 20)),
        ([control(b"max-age=10, stale-if-error=999")], Lifetime(0, 10, 100)),
        ([control(b"max-age=10, must-revalidate")], Lifetime(0, 10, 10)),
        ([control(b"max-age=10, proxy-revalidate")], Lifetime(0, 10, 10)),
        ([control(b"max-age=99, s-maxage=10")], Lifetime(0, 10, 10)),
        ([control(b"max-age=10, must-revalidate, stale-if-error=99")], Lifetime(0, 10, 10)),
        ([control(b"max-age=10, max-age=5, must-revalidate")], Lifetime(0, 5, 5)),
        ([control(b'max-age="10", must-revalidate')], Lifetime(0, 10, 10)),
        ([control(b"max-age=10.5, must-revalidate")], None),
        ([control(b"max-age=-5, must-revalidate")], None),
        ([control(b"must-revalidate")], None),
        ([control(b"stale-if-error=0")], None),
        ([control(b"stale-if-error")], None),
        ([DATE, LATER, control(b"must-revalidate")], Lifetime(0, 40, 40)),
        ([LATER, control(b"must-revalidate")], None),
        ([DATE, (b"expires", b"0"), control(b"must-revalidate")], None),
        ([DATE, (b"expires", b"0")], Lifetime(0, 0, 100)),
        ([(b"age", b"99")], Lifetime(99, None, 100)),
        ([(b"age", b"100")], None),
        ([(b"age", b"7"), (b"age", b"50")], Lifetime(50, None, 100)),
        ([(b"age", b"x")], Lifetime(0, None, 100)),
        ([control(b"no-store")], None),
        ([control(b"foo"), control(b"bar, NO-STORE")], None),
        ([control(b'private="x-user"')], None),
        ([control(b'ext="a, b", no-cache')], None),
        ([control(b'ext="no-store"')], Lifetime(0, None, 100)),
        ([control(b'ext="a, no-store')], None),
        ([(b"pragma", b"No-Cache")], None),
        ([(b"set-cookie", b"a=1")], None),
        ([(b"vary", b"accept, *")], None),
        ([(b"vary", b"Accept"), (b"vary", b"RANGE")], None),
        ([(b"vary", b"accept, cookie")], Lifetime(0, None, 100)),
    ],
)
def test_how_long_a_response_may_be_used(
    headers: list[tuple[bytes, bytes]], expected: Lifetime | None
) -> None:
    """The operator says 100 s; the back end can only shorten that."""
    assert lifetime([LENGTH, *headers], max_age=100, unkeyed=UNKEYED) == expected


def test_a_response_without_an_end_of_its_own_is_not_stored() -> None:
    """Neither a length nor chunks: it ends with the connection, wherever that is."""
    assert lifetime([], max_age=100, unkeyed=()) is None
    assert lifetime([(b"transfer-encoding", b"gzip")], max_age=100, unkeyed=()) is None
    assert lifetime([(b"transfer-encoding", b"gzip, Chunked")], max_age=100, unkeyed=()) is not None


def test_directives_are_read_as_rfc_9111_says() -> None:
    """Names without case, values with or without quotes, of several lines, and huge numbers."""
    assert directives([b"a, B=1", b'c="x, y" , ,d=']) == {"a": None, "b": "1", "c": "x, y", "d": ""}
    assert directives([]) == {}
    assert [seconds(text) for text in (None, "", "1e3", "\u0661", "7", "9" * 400)] == [0, 0, 0, 0, 7, 2**31]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ((b"cache-control", b"no-store"), (False, False, None)),
        ((b"cache-control", b"no-cache"), (True, False, None)),
        ((b"cache-control", b"max-age=0"), (True, True, None)),
        ((b"cache-control", b"stale-if-error=5"), (True, True, 5)),
        ((b"pragma", b"no-cache"), (True, False, None)),
        ((b"accept", b"no-store"), (True, True, None)),
    ],
)
def test_what_a_request_allows(
    header: tuple[bytes, bytes], expected: tuple[bool, bool, float | None]
) -> None:
    """The client's wishes about the cache; Pragma counts only without Cache-Control."""
    assert wish([header]) == expected
    assert wish([header, (b"cache-control", b"x"), (b"pragma", b"no-cache")]).may_use == (
        expected[1] or header[0] == b"pragma"
    )


def test_every_status_stores_keeps_or_drops() -> None:
    """Failures and what passes say nothing; all else is the last word."""
    for status in range(200, 600):
        check_effect(status)


def check_effect(status: int) -> None:
    plain = effect("GET", status, is_conditional=False)
    if status in (200, 203):
        assert plain is Effect.STORE
        assert effect("HEAD", status, is_conditional=False) is Effect.KEEP
    elif status >= 500 or status in (206, 408, 425, 429):
        assert plain is Effect.KEEP
    elif status == 304:
        assert plain is Effect.FRESHEN
    else:
        assert plain is Effect.DROP
    conditional = effect("GET", status, is_conditional=True)
    if 400 <= status < 500 and status not in (401, 403, 404, 410):
        assert conditional is Effect.KEEP
    else:
        assert conditional is plain


def test_everything_that_reaches_the_back_end_makes_another_key() -> None:
    """Each part alone, and none of them can be shifted into another."""
    place = target_of("/a", "audio-service", "/x")
    keys = [
        key_of(place, "GET", b"", [], b""),
        key_of(place, "POST", b"", [], b""),
        key_of(place, "GET", b"q", [], b""),
        key_of(place, "GET", b"", [(b"q", b"")], b""),
        key_of(place, "GET", b"", [(b"", b"q")], b""),
        key_of(place, "GET", b"", [], b"q"),
        key_of(place, "GET", b"", [], b"", address="q"),
        key_of(place, "GET", b"", [(b"a", b"b"), (b"c", b"d")], b""),
        key_of(place, "GET", b"", [(b"a", b"b")], b"cd"),
        key_of(place, "GET", b"", [(b"a", b"bc"), (b"d", b"")], b""),
        key_of(place, "GET", b"", [(b"a", b"1"), (b"a", b"2")], b""),
        key_of(place, "GET", b"", [(b"a", b"2"), (b"a", b"1")], b""),
        key_of(place, "GET", b"", [(b"a", b"1, 2")], b""),
        *(
            key_of(target_of(*parts), "GET", b"", [], b"")
            for parts in (("/", "audio-service", "/x"), ("/a", "b", "/x"), ("/a", "audio-service", "/"))
        ),
    ]
    for one, other in combinations(keys, 2):
        assert one != other
    assert target_of("/a", "b", "c") != target_of("/ab", "", "c")


def test_a_resource_is_the_same_through_every_route_and_however_it_is_encoded() -> None:
    """So that a change drops what is stored, whoever made it; other paths and services are others."""
    assert place_of("b", "/x/%41") == place_of("b", "/x/A")
    assert len({place_of("b", "/x"), place_of("b", "/x/"), place_of("c", "/x"), place_of("b/", "x")}) == 4


def test_what_makes_no_other_key() -> None:
    """The order of names, HEAD for GET, what belongs to one request, and what the operator leaves out."""
    place = target_of("/a", "b", "/x")
    key = key_of(place, "GET", b"", [(b"a", b"1"), (b"b", b"2")], b"")
    assert key_of(place, "HEAD", b"", [(b"b", b"2"), (b"a", b"1")], b"") == key
    for name in UNKEYED:
        assert key_of(place, "GET", b"", [(b"a", b"1"), (name, b"x"), (b"b", b"2")], b"") == key
    more = [(b"a", b"1"), (b"user-agent", b"x"), (b"b", b"2")]
    assert key_of(place, "GET", b"", more, b"") != key
    assert key_of(place, "GET", b"", more, b"", unkeyed=["User-Agent"]) == key


def test_a_fallback_is_for_failures_of_the_back_end_alone() -> None:
    """No problem of 4xx, none of the settings, and none that passes on a back end's refusal."""
    for code in PROBLEMS:
        check_problem(code)


def check_problem(code: str) -> None:
    problem = PROBLEMS[code]
    failed = of_problem(code, problem.status)
    assert (failed is None) is (code not in OF_PROBLEMS)
    if failed is not None:
        assert problem.status >= 502 or code == "own_shortage"
        assert failed.status == problem.status
    assert code not in OF_PROBLEMS or code not in ("refused", "engine_missing", "internal_error")


def test_a_request_is_unsent_only_if_no_instance_worked_on_it() -> None:
    """Which decides whether another service may get one that must not be repeated."""
    assert of_problem("service_unavailable", 503) == (Outcome.UNAVAILABLE, 503, True)
    assert of_problem("shed", 503) == (Outcome.OVERLOADED, 503, True)
    assert of_problem("own_shortage", 503) == (Outcome.OVERLOADED, 503, False)
    assert of_problem("gateway_timeout", 504) == (Outcome.TIMEOUT, 504, False)
    assert of_problem("bad_gateway", 502) == (Outcome.BROKEN, 502, False)
    assert of_status(503, asks_to_wait=True).is_unsent
    assert not of_status(503, asks_to_wait=False).is_unsent
    assert not of_status(500, asks_to_wait=True).is_unsent


def test_a_suspended_machine_makes_responses_older() -> None:
    """The wall clock counts where it has gone further; a clock that is set back or corrected does not."""
    times = [0.0, 1000.0]
    clock = AgingClock(lambda: times[0], lambda: times[1])

    def after(monotonic: float, wall: float) -> float:
        times[:] = [times[0] + monotonic, times[1] + wall]
        return clock()

    assert clock() == 0.0
    assert after(10, 10) == 10.0
    assert after(10, 14) == 20.0, "corrected"
    assert after(1, 28_801) == 28_821.0, "suspended for eight hours"
    assert after(5, -50_000) == 28_826.0, "set back"
    assert after(5, 5) == 28_831.0


def test_an_episode_lasts_until_nothing_has_failed_for_a_while() -> None:
    """One begins and ends once for each route, and is forgotten with it."""
    episodes = Episodes()
    assert episodes.served("/a", 0.0) is None
    assert episodes.used("/a", "cached", 10.0)
    assert not episodes.used("/a", "none", 20.0)
    assert episodes.used("/b", "static", 20.0)
    assert episodes.lasts("/a", 25.0) == 15.0
    assert episodes.served("/a", 20.0 + CALM - 0.1) is None
    ended = episodes.served("/a", 20.0 + CALM)
    assert ended is not None
    assert (ended.seconds, ended.counts) == (10.0 + CALM, {"cached": 1, "none": 1})
    assert episodes.lasts("/a", 60.0) is None
    assert episodes.used("/a", "cached", 70.0)
    assert episodes.counts("/a") == {"cached": 2, "none": 1}
    episodes.retain(["/a"])
    assert (episodes.counts("/b"), episodes.lasts("/b", 70.0)) == ({}, None)

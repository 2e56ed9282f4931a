"""How often clients may use the back ends."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert

from orch.gateway.flows import Flow
from orch.gateway.rate_limits.buckets import SHARED, Buckets
from orch.gateway.rate_limits.fields import fields, problem_of
from orch.gateway.rate_limits.limiter import CALM, PAUSE, WITHIN, RateLimiter
from orch.gateway.rate_limits.policies import Policies, Taking
from orch.problems import ProblemError
from orch.settings import Gateway, RateLimit, decode
from orch.telemetry.events import EventLog
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok

TEN = RateLimit(name="ten", requests=10, window=60)


def test_a_bucket_holds_its_quota_and_fills_evenly() -> None:
    """Ten at once; then one each six seconds; after a window of silence, ten again."""
    buckets = Buckets()
    takings = [Taking(TEN, "a")]
    assert [buckets.take(takings, 0.0)[0].left for _ in range(10)] == list(range(9, -1, -1))
    (level,) = buckets.take(takings, 0.0)
    assert (level.left, level.reset) == (0, 60)
    assert level.wait == pytest.approx(6, abs=0.01)
    assert buckets.take(takings, 5.9)[0].wait > 0
    assert buckets.take(takings, 6.0)[0].wait == 0
    assert buckets.take(takings, 6.1)[0].wait > 0
    assert buckets.take(takings, 66.1)[0].left == 9


def test_a_request_that_one_limit_refuses_takes_nothing_from_the_others() -> None:
    """Otherwise a client that is refused would use up the quota of all."""
    one = RateLimit(name="one", requests=1, window=10)
    buckets = Buckets()
    takings = [Taking(TEN, "a"), Taking(one, "a")]
    buckets.take(takings, 0.0)
    for _ in range(5):
        levels = buckets.take(takings, 0.0)
        assert [level.left for level in levels] == [9, 0]
    problem = problem_of(levels)
    assert problem is not None
    assert (problem.status, problem.headers, problem.extra) == (429, {"Retry-After": "10"}, {"policy": "one"})


def test_the_header_fields_are_those_of_draft_10() -> None:
    """Names are quoted; quota, window, what is left and when it is whole again are integers."""
    other = RateLimit(name="b.2", requests=3, window=7)
    levels = Buckets().take([Taking(TEN, "a"), Taking(other, "a")], 0.0)
    assert fields(levels) == [
        (b"ratelimit-policy", b'"ten";q=10;w=60, "b.2";q=3;w=7'),
        (b"ratelimit", b'"ten";r=9;t=6, "b.2";r=2;t=3'),
    ]


def test_a_client_with_many_addresses_shares_one_bucket_when_there_are_too_many() -> None:
    """And those who were there keep their levels; when buckets are full, they are forgotten."""
    buckets = Buckets(most=5)
    buckets.take([Taking(TEN, "old")], 0.0)
    for number in range(50):
        buckets.take([Taking(TEN, str(number))], 0.0)
    assert len(buckets) == 5 + 1
    assert buckets.take([Taking(TEN, "old")], 0.0)[0].left == 8
    assert buckets.take([Taking(TEN, "new")], 0.0)[0].wait > 0, "shared by all who came too late"
    assert buckets.reserve([Taking(TEN, "newer")], 0.0) == [f"ten:{SHARED}"]
    assert buckets.take([Taking(TEN, "newest")], 200.0)[0].left == 9
    assert len(buckets) == 1


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 2)), max_size=80))
def test_never_more_than_the_quota_and_what_came_back(steps: list[tuple[float, int]]) -> None:
    """Of any sequence: allowed ≤ quota + elapsed × rate; and after the announced wait one is allowed."""
    buckets, now, began = Buckets(), 0.0, 0.0
    limit = RateLimit(name="x", requests=4, window=8)
    allowed = [0, 0, 0]
    for pause, client in steps:
        now += pause
        (level,) = buckets.take([Taking(limit, str(client))], now)
        allowed[client] += not level.wait
        assert allowed[client] <= 4 + (now - began) / 2 + 1e-3
        if level.wait:
            now += level.wait + 1e-4
            assert not buckets.take([Taking(limit, str(client))], now)[0].wait
            allowed[client] += 1


def test_keys_are_digested_and_requests_without_one_count_for_their_address() -> None:
    """And limits of one route do not count elsewhere."""
    limits = [
        RateLimit(name="k", requests=1, per="key"),
        RateLimit(name="r", requests=1, per="route", route="/a"),
    ]
    policies = Policies(limits)
    (key, route) = policies.takings("/a", [(b"authorization", b"Bearer secret")], "1.2.3.4")
    assert key.bucket.startswith("key:")
    assert "secret" not in key.bucket
    assert route.bucket == "/a"
    (other,) = policies.takings("/b", [(b"x-api-key", b"")], "1.2.3.4")
    assert other.bucket == "1.2.3.4"


def limits(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"rate_limits": list(rules)}


async def send(rig: GatewayRig, client: str = "203.0.113.9", path: str = "/api/audio/x") -> Browser:
    browser = Browser("GET", path, client=(client, 5))
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


async def test_a_client_over_its_limit_gets_429_and_another_one_does_not() -> None:
    """With Retry-After and both fields, on success and refusal; the back end is not asked; it is counted."""
    seen: list[bytes] = []
    async with gateway_rig(**limits({"name": "two", "requests": 2, "window": 60})) as rig:
        rig.network.servers["a:1"] = answering(ok(), seen=seen)
        assert (await send(rig)).headers[b"ratelimit"] == b'"two";r=1;t=30'
        await send(rig)
        refused = await send(rig)
        assert (refused.status, json.loads(refused.body)["code"]) == (429, "rate_limited")
        assert refused.headers[b"retry-after"] == b"30"
        assert refused.headers[b"ratelimit-policy"] == b'"two";q=2;w=60'
        assert refused.headers[b"ratelimit"] == b'"two";r=0;t=60'
        assert (await send(rig, "203.0.113.10")).status == 200
        assert len(seen) == 3
        (figures,) = rig.gateway.statistics().rate_limits
        assert (figures.allowed, figures.refused) == (3, 1)
        (explained,) = rig.gateway.explain("/api/audio/x", "GET").rate_limits
        assert (explained.name, explained.requests, explained.window) == ("two", 2, 60)
        await trio.sleep(30.1)
        assert (await send(rig)).status == 200


async def test_a_network_of_ipv6_addresses_is_one_client() -> None:
    """A customer's /64 has 2⁶⁴ of them."""
    async with gateway_rig(**limits({"name": "one", "requests": 1})) as rig:
        rig.network.servers["a:1"] = answering(ok())
        assert (await send(rig, "2001:db8::1")).status == 200
        assert (await send(rig, "2001:db8::ffff:2")).status == 429
        assert (await send(rig, "2001:db8:0:1::1")).status == 200


async def test_levels_survive_new_settings_and_a_limit_of_one_route_says_nothing_on_others() -> None:
    """A reload gives nobody a new quota; without limits there are no fields."""
    rule = {"name": "t", "requests": 2, "window": 60, "route": "/api/audio/"}
    async with gateway_rig(**limits(rule)) as rig:
        rig.network.servers["a:1"] = rig.network.servers["t:1"] = answering(ok())
        await send(rig)
        await send(rig)
        rig.settings.change(
            orchestration={"gateway": limits({**rule, "window": 30}, {"name": "u", "requests": 9})}
        )
        assert (await send(rig)).status == 429
        free = await send(rig, path="/api/translation/x")
        assert free.headers[b"ratelimit-policy"] == b'"u";q=9;w=60'
        rig.settings.change(orchestration={"gateway": {}})
        free = await send(rig)
        assert free.status == 200
        assert b"ratelimit" not in free.headers


async def test_requests_in_service_messages_count_for_their_caller() -> None:
    """Otherwise a WebSocket would be the way around."""
    async with gateway_rig(**limits({"name": "one", "requests": 1})) as rig:
        rig.network.servers["a:1"] = answering(ok())
        await rig.gateway.fetch("audio-service", "GET", "/x", flow=Flow.REQUESTS, caller="a")
        with pytest.raises(ProblemError) as refused:
            await rig.gateway.fetch("audio-service", "GET", "/x", flow=Flow.REQUESTS, caller="a")
        assert refused.value.code == "rate_limited"
        assert (await rig.gateway.fetch("audio-service", "GET", "/x")).status == 200, "captions do not count"


class Store:
    """Shared buckets that can be away or slow."""

    def __init__(self) -> None:
        self.asked: list[Sequence[tuple[str, int, int]]] = []
        self.full_in = 0.0
        self.seconds = 0.0
        self.problem: ProblemError | None = None

    async def take_tokens(self, buckets: Sequence[tuple[str, int, int]]) -> tuple[float, ...]:
        self.asked.append(buckets)
        await trio.sleep(self.seconds)
        if self.problem is not None:
            raise self.problem
        return tuple(self.full_in for _ in buckets)


async def test_shared_buckets_decide_and_when_they_are_away_requests_are_let_through() -> None:
    """Within 0.1 s, counted, with one event at the beginning and one at the end."""
    store, events = Store(), EventLog(wall=lambda: 0.0)
    limiter = RateLimiter(events=events, shared=store)
    gateway = convert({"rate_limits": [{"name": "two", "requests": 2, "window": 60}]}, Gateway)

    async def take() -> tuple[int, ...]:
        return tuple(level.left for level in await limiter.take(gateway, "/x", (), "1.2.3.4"))

    assert await take() == (1,)
    assert store.asked == [[("two:1.2.3.4", 2, 60)]]
    store.full_in = 60.0
    assert problem_of(await limiter.take(gateway, "/x", (), "1.2.3.4")) is not None
    store.seconds = 9.0
    began = trio.current_time()
    assert await take() == ()
    assert trio.current_time() - began == pytest.approx(WITHIN)
    store.seconds, store.problem = 0.0, ProblemError("store_unavailable", "Redis is away.")
    began, asked = trio.current_time(), len(store.asked)
    assert await take() == ()
    assert (trio.current_time(), len(store.asked)) == (began, asked), "it is not asked for a second"
    await trio.sleep(PAUSE)
    assert await take() == ()
    assert limiter.unchecked == 3
    await trio.sleep(PAUSE)
    store.problem, store.full_in = None, 0.0
    assert await take() == (1,)
    await trio.sleep(CALM)
    assert await take() == (1,)
    assert [event.severity for event in events.latest()] == ["ok", "bad"]


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ('[{name: "a b", requests: 1}]', "rate_limits[0].name: expected letters, digits, dots"),
        (
            '[{name: "a", requests: 1}, {name: "a", requests: 2}]',
            "rate_limits[1].name: expected each name once",
        ),
        (
            '[{name: "a", requests: 1, route: "/nope"}]',
            "rate_limits[0].route: expected the prefix of a route",
        ),
        ('[{name: "a", requests: 0}]', "rate_limits[0].requests: expected a whole number from 1 to 1e+06"),
        ('[{name: "a"}]', "rate_limits[0].requests: expected a value, it has no default"),
    ],
)
def test_limits_that_make_no_sense_are_refused(rules: str, fault: str) -> None:
    """With the path, and what was expected."""
    decoded = decode(f"orchestration: {{gateway: {{rate_limits: {rules}}}}}", {})
    (found,) = [str(one) for one in decoded.faults]
    assert fault in found

"""What would become of a request, and why."""

import pytest

from orch.gateway.explanation import Explanation
from orch.gateway.flows import Flow
from tests.fakes.gateway import GatewayRig, answering, gateway_rig, ok

AUDIO = "audio-service"
A, B = "http://a:1", "http://b:1"
BUSY = ok(b"{}", b"Retry-After: 20", status=b"429 Busy")


def reasons(explained: Explanation) -> dict[str, str]:
    return {one.url: one.reason for one in explained.instances}


def explained(rig: GatewayRig, *without: str) -> Explanation:
    return rig.gateway.explain("/api/audio/models", "GET", without=without)


async def test_a_request_is_explained_with_its_route_and_instances() -> None:
    """The route, the back end's path, whether it may be sent twice, and each instance's share."""
    async with gateway_rig(A, B) as rig:
        rig.settings.change(services={AUDIO: {"url": A, "weight": 3, "instances": [{"url": B}]}})
        found = rig.gateway.explain("/api/audio/transcribe", "POST")
        assert found.route is not None
        assert (found.route.prefix, found.route.service) == ("/api/audio/transcribe", AUDIO)
        assert (found.route.target, found.route.is_repeatable) == ("/api/transcribe", True)
        assert [(one.url, one.is_candidate, one.share) for one in found.instances] == [
            (A, True, 0.75),
            (B, True, 0.25),
        ]
        assert (found.balancer, found.problem) == ("round_robin", "")
        other = rig.gateway.explain("/api/audio/models", "POST").route
        assert other is not None
        assert not other.is_repeatable


async def test_a_handshake_is_explained_as_what_is_sent() -> None:
    """It is a GET to the back end, with limits of its own; without a class it needs no place."""
    async with gateway_rig(websockets={"max_connections": 7}, service={"max_concurrency": 1}) as rig:
        found = rig.gateway.explain("/api/audio/v1/realtime", "WEBSOCKET")
        assert found.route is not None
        assert (found.route.priority, found.route.is_repeatable, found.wait) == ("control", True, None)
        assert found.websockets is not None
        assert (found.websockets.open, found.websockets.limit) == (0, 7)
        assert rig.gateway.explain("/api/audio/models", "GET").websockets is None


async def test_explaining_changes_nothing_and_names_the_next() -> None:
    """However often it is asked, the next request goes where it said."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = answering(ok())
        for _ in range(5):
            said = {explained(rig).next for _ in range(3)}
            answer = await rig.gateway.fetch(AUDIO, "GET", "/x", flow=Flow.REQUESTS)
            assert said == {answer.instance}


async def test_every_obstacle_is_named() -> None:
    """Health, a breaker with its time, a rest with its time, and what is taken as absent."""
    async with gateway_rig(A, B) as rig:
        rig.health.down = {A}
        assert reasons(explained(rig))[A].startswith("its health checks fail")
        assert explained(rig).next == B
        assert "503" in explained(rig, B).problem
        assert reasons(explained(rig, B))[B] == "taken as absent"
        rig.health.down = set()
        rig.network.servers["a:1"] = answering(BUSY)
        rig.network.servers["b:1"] = answering(ok())
        for _ in range(2):
            await rig.gateway.fetch(AUDIO, "GET", "/x", flow=Flow.REQUESTS)
        assert reasons(explained(rig)) == {A: "it has asked for a rest, 20 s of which are left", B: ""}
        assert explained(rig, B).next == A, "one that rests is asked rather than nobody"
        for _ in range(5):
            rig.gateway.record_failure(AUDIO)
        assert reasons(explained(rig)) == {
            A: "it is ejected for 30 s: it failed several times in a row",
            B: "its breaker is open for 10 s",
        }


@pytest.mark.parametrize(
    ("path", "method", "problem"),
    [
        ("/nowhere", "GET", "No back end is routed at this path."),
        ("/api/audio/%2e%2e%2fx", "GET", "This path cannot be forwarded"),
        ("/api/audio/x", "TRACE", "The gateway does not forward TRACE."),
    ],
)
async def test_what_is_not_forwarded_says_why(path: str, method: str, problem: str) -> None:
    """As the client would read it."""
    async with gateway_rig() as rig:
        found = rig.gateway.explain(path, method)
        assert found.problem.startswith(problem)
        assert (found.route, found.instances) == (None, ())


@pytest.mark.parametrize(
    ("kind", "found"), [("fastest", {A, B}), ("least_requests", {None}), ("sticky", {None})]
)
async def test_the_next_is_named_only_where_it_is_certain(kind: str, found: set[str | None]) -> None:
    """Not where chance or the client decides; a single candidate is always certain."""
    async with gateway_rig(A, B) as rig:
        rig.settings.change(services={AUDIO: {"url": A, "balancer": kind, "instances": [{"url": B}]}})
        assert explained(rig).next in found
        assert explained(rig, A).next == B

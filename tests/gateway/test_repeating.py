"""Which requests are sent again, to whom and how often, over memory streams on a virtual clock."""

import pytest
import trio
import trio.testing

from orch.gateway.flows import Flow
from orch.problems import ProblemError
from tests.fakes.gateway import (
    Browser,
    GatewayRig,
    Serve,
    answering,
    gateway_rig,
    ok,
    read_request,
)

AUDIO = "audio-service"
A, B = "http://a:1", "http://b:1"
BUSY = ok(b"{}", b"Retry-After: 20", status=b"429 Busy")


async def lose(stream: trio.abc.Stream) -> None:
    await read_request(stream)


def counting(serve: Serve, seen: list[float]) -> Serve:
    """Serve as given, and note when each connection was made."""

    async def counted(stream: trio.abc.Stream) -> None:
        seen.append(trio.current_time())
        await serve(stream)

    return counted


def errors(rig: GatewayRig, url: str) -> tuple[int, int]:
    """Return an instance's errors and failures in a row."""
    one = next(one for one in rig.gateway.statistics().instances if one.url == url)
    return one.errors, one.consecutive_failures


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/api/audio/transcribe", "POST", 200),
        ("/api/audio/models", "POST", 502),
        ("/api/audio/models", "GET", 200),
    ],
)
async def test_a_lost_request_is_repeated_if_its_route_says_so(path: str, method: str, status: int) -> None:
    """Transcribing twice harms nothing; whether another POST may be repeated is not known."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = lose
        rig.network.servers["b:1"] = answering(ok(b"whole"))
        for _ in range(2):
            browser = Browser(method, path, b"sound" if method == "POST" else b"")
            await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
            if browser.status != 200:
                break
        assert browser.status == status


async def test_a_route_that_is_never_repeated() -> None:
    """Not even for GET, once it may have been received; a refused connection is another matter."""
    route = {"prefix": "/api/audio/", "service": AUDIO, "path": "/api/", "repeatable": "never"}
    async with gateway_rig(A, B, routes=[route]) as rig:
        rig.network.servers["a:1"] = lose
        rig.network.servers["b:1"] = lose
        browser = Browser("GET", "/api/audio/x")
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert browser.status == 502
        assert browser.headers[b"x-gateway-attempts"] == b"1"
        del rig.network.servers["a:1"]
        rig.network.servers["b:1"] = answering(ok())
        for _ in range(2):
            browser = Browser("GET", "/api/audio/x")
            await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
            assert browser.status == 200


async def test_captions_are_repeated() -> None:
    """They are transcriptions and translations, POSTs all of them."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = lose
        rig.network.servers["b:1"] = answering(ok())
        for _ in range(2):
            answer = await rig.gateway.fetch(AUDIO, "POST", "/api/transcribe", body=b"x")
            assert answer.instance == B


async def test_an_instance_that_asks_for_a_rest_gets_one_and_no_blame() -> None:
    """Another one is asked at once; this one again after its time, as often as before."""
    asked: list[bytes] = []
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = answering(BUSY, seen=asked)
        rig.network.servers["b:1"] = answering(ok())
        balanced = [
            await rig.gateway.fetch(AUDIO, "POST", "/x", body=b"x", flow=Flow.REQUESTS) for _ in range(10)
        ]
        assert {answer.instance for answer in balanced} == {B}
        assert len(asked) == 1
        assert errors(rig, A) == (0, 0)
        await trio.sleep(20)
        rig.network.servers["a:1"] = answering(ok())
        after = {(await rig.gateway.fetch(AUDIO, "GET", "/x")).instance for _ in range(4)}
        assert after == {A, B}


@pytest.mark.parametrize("answer", [BUSY, ok(b"{}", b"Retry-After: 20", status=b"503 Busy")])
async def test_if_all_are_busy_the_client_gets_the_response_of_one(answer: bytes) -> None:
    """With its Retry-After; resting ones are asked rather than nobody, and no breaker opens."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = answering(answer)
        for _ in range(8):
            got = await rig.gateway.fetch(AUDIO, "GET", "/x")
            assert got.status in (429, 503)
            assert (b"retry-after", b"20") in got.headers
        assert errors(rig, A) == errors(rig, B) == (0, 0)


async def test_a_bare_503_is_a_failure() -> None:
    """It does not say that it is only busy."""
    async with gateway_rig(A, B) as rig:
        bare = ok(b"{}", status=b"503 Broken")
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = answering(bare)
        assert (await rig.gateway.fetch(AUDIO, "GET", "/x")).status == 503
        assert sum(errors(rig, url)[0] for url in (A, B)) == 1


async def test_a_failing_service_is_not_asked_many_times_more() -> None:
    """A retry storm: all of 300 requests fail, and the service sees at most 1.2 × as many."""
    seen: list[float] = []
    async with gateway_rig(A, retries=3, circuit_breaker_threshold=100_000) as rig:
        rig.network.servers["a:1"] = counting(lose, seen)

        async def one() -> None:
            with pytest.raises(ProblemError):
                await rig.gateway.fetch(AUDIO, "GET", "/x")

        for _ in range(30):
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(one)
            await trio.sleep(0.1)
        assert 300 < len(seen) <= 360


async def test_all_requests_of_an_instance_that_is_lost_move_to_one_that_works() -> None:
    """However many there are: the other one gets what it would have got without the lost one."""
    lost = trio.Event()

    async def lose_all(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await lost.wait()

    async with gateway_rig(A, B, retries=3) as rig:
        rig.network.servers["a:1"] = lose_all
        rig.network.servers["b:1"] = answering(ok())
        instances: list[str] = []

        async def one() -> None:
            answer = await rig.gateway.fetch(AUDIO, "POST", "/api/transcribe", body=b"x")
            instances.append(answer.instance)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
            await trio.testing.wait_all_tasks_blocked()
            assert len(instances) == 10
            lost.set()
        assert instances == [B] * 20


async def test_two_instances_that_both_fail_are_asked_little_more() -> None:
    """Neither works, so that moving to the other is a retry as any other."""
    seen: list[float] = []
    async with gateway_rig(A, B, retries=3, circuit_breaker_threshold=100_000) as rig:
        alone = {"service_threshold": 0}
        rig.settings.change(services={AUDIO: {"url": A, "instances": [{"url": B}], "breaker": alone}})
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = counting(lose, seen)
        for _ in range(200):
            with pytest.raises(ProblemError):
                await rig.gateway.fetch(AUDIO, "GET", "/x")
        assert 200 < len(seen) <= 240


async def test_one_failed_request_among_few_is_still_repeated() -> None:
    """Three retries in ten seconds are allowed however few requests there are."""
    seen: list[float] = []
    async with gateway_rig(A, retries=3) as rig:
        rig.network.servers["a:1"] = counting(lose, seen)
        with pytest.raises(ProblemError):
            await rig.gateway.fetch(AUDIO, "GET", "/x")
        assert len(seen) == 4

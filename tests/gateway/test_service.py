"""The gateway as the service itself uses it, over memory streams on a virtual clock."""

import itertools
import json
from typing import Any

import pytest
import trio

from orch.gateway.fetcher import FetchedResponse
from orch.gateway.flows import Flow
from orch.problems import ProblemError
from orch.telemetry.events import EventLog
from orch.telemetry.pulse import Pulse
from tests.fakes.gateway import FakeHealth, FakeMetrics, GatewayRig, answering, gateway_rig, ok, read_request

AUDIO = "audio-service"
A, B = "http://a:1", "http://b:1"


async def get(rig: GatewayRig, path: str = "/api/models", **more: Any) -> FetchedResponse:
    return await rig.gateway.fetch(AUDIO, "GET", path, **more)


async def problem(rig: GatewayRig, method: str = "GET", **more: Any) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        await rig.gateway.fetch(AUDIO, method, "/api/x", **more)
    return caught.value


async def lose(stream: trio.abc.Stream) -> None:
    await read_request(stream)


async def stall(stream: trio.abc.Stream) -> None:
    while await stream.receive_some(65_536):
        pass


def breaker_of(rig: GatewayRig, url: str = A) -> str:
    return next(one.breaker for one in rig.gateway.statistics().instances if one.url == url)


async def test_fetch_returns_the_whole_response() -> None:
    """Status, headers, body, instance; any status is returned."""
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(
            ok(b"[]", b"Content-Type: application/json", status=b"404 No"), seen=seen
        )
        answer = await rig.gateway.fetch(
            AUDIO, "POST", "/api/transcribe?x=1", headers=[(b"content-type", b"audio/wav")], body=b"RIFF"
        )
        assert (answer.status, answer.body, answer.service) == (404, b"[]", AUDIO)
        assert (answer.instance, answer.attempts) == (A, 1)
        assert (b"content-type", b"application/json") in answer.headers
    head = seen[0].split(b"\r\n")
    assert head[0] == b"POST /api/transcribe?x=1 HTTP/1.1"
    assert {b"content-type: audio/wav", b"x-request-id: made-id", b"content-length: 4"} < set(head)


async def test_a_service_that_is_not_configured_is_unknown() -> None:
    """404, with its name."""
    async with gateway_rig() as rig:
        with pytest.raises(ProblemError) as caught:
            await rig.gateway.fetch("image-service", "GET", "/")
        assert caught.value.code == "unknown_service"
        assert caught.value.extra == {"service": "image-service"}
        assert rig.metrics.requests == []


async def test_a_refused_connection_is_retried_and_then_reported_in_words() -> None:
    """Four attempts, well under a second in all; the detail names the service, not its address."""
    async with gateway_rig() as rig:
        error = await problem(rig, "POST")
        assert error.code == "service_unavailable"
        assert error.detail == "The audio-service is not answering: the connection was refused."
        assert error.extra == {"service": AUDIO}
        assert rig.metrics.retries[AUDIO] == 3
        assert rig.gateway.statistics().retries == 3
        assert trio.current_time() < 0.5
        assert rig.metrics.requests == [(AUDIO, 503)]
        assert len(rig.health.noted) == 4


async def test_a_request_is_repeated_on_another_instance_if_there_is_one() -> None:
    """Also for a POST that was never sent; the failed instance is not tried again for the same request."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["b:1"] = answering(ok())
        for _ in range(4):
            answer = await rig.gateway.fetch(AUDIO, "POST", "/", body=b"x")
            assert answer.instance == B
            assert answer.attempts <= 2


async def test_a_failed_instance_is_not_tried_twice_while_another_is_left() -> None:
    """However much more weight it has."""
    async with gateway_rig(A, B, retries=1) as rig:
        rig.settings.change(services={AUDIO: {"url": A, "weight": 50, "instances": [{"url": B}]}})
        rig.network.servers["b:1"] = answering(ok())
        answer = await get(rig)
        assert (answer.instance, answer.attempts) == (B, 2)


@pytest.mark.parametrize(("method", "attempts"), [("GET", 2), ("PUT", 2), ("POST", 1)])
async def test_a_request_without_a_response_is_repeated_only_if_idempotent(
    method: str, attempts: int
) -> None:
    """What a client sends, and may have reached the back end, is not sent twice unless it is idempotent."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = lose
        rig.network.servers["b:1"] = answering(ok())
        if attempts == 1:
            error = await problem(rig, method, body=b"x", flow=Flow.REQUESTS)
            assert error.code == "bad_gateway"
            assert "audio-service" in error.detail
        else:
            answer = await rig.gateway.fetch(AUDIO, method, "/", body=b"x", flow=Flow.REQUESTS)
            assert (answer.attempts, answer.instance) == (2, B)


async def test_a_stale_connection_costs_no_failure_and_no_wait() -> None:
    """It is replaced at once by a new one to the same instance, though retries are off."""
    requests = itertools.count(1)

    async def second_time_closed(stream: trio.abc.Stream) -> None:
        while await read_request(stream):
            if next(requests) == 2:
                return
            await stream.send_all(ok())

    async with gateway_rig(retries=0) as rig:
        rig.network.servers["a:1"] = second_time_closed
        await get(rig)
        answer = await get(rig)
        assert answer.attempts == 2
        assert trio.current_time() == 0
        assert rig.health.noted == []
        assert rig.gateway.statistics().instances[0].consecutive_failures == 0


@pytest.mark.parametrize("status", [b"500 E", b"503 Busy", b"429 Slow"])
async def test_a_request_with_a_response_is_never_repeated(status: bytes) -> None:
    """Once the back end has responded, whatever its response is."""
    seen: list[bytes] = []
    async with gateway_rig(A) as rig:
        rig.network.servers["a:1"] = answering(ok(b"why", status=status), seen=seen)
        assert (await get(rig)).body == b"why"
        assert len(seen) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "closed before the end of the response"),
        (b"SSH-2.0\r\n", "HTTP"),
    ],
)
async def test_a_malformed_response_is_a_bad_gateway(answer: bytes, words: str) -> None:
    """502, not repeated, whether it is garbage or incomplete."""

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(answer)

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = serve
        error = await problem(rig)
        assert error.code == "bad_gateway"
        assert words in error.detail
        assert rig.metrics.retries[AUDIO] == 0


async def test_a_response_over_the_limit_is_not_read() -> None:
    """Eight megabytes unless the caller sets another limit."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok(b"x" * 1001))
        assert len((await get(rig, max_response=1001)).body) == 1001
        assert (await problem(rig, max_response=1000)).code == "bad_gateway"
        assert rig.gateway.statistics().instances[0].consecutive_failures == 0


async def test_a_silent_back_end_times_out() -> None:
    """After gateway.timeout, retries included; it counts against the instance."""
    async with gateway_rig(timeout=7) as rig:
        rig.network.servers["a:1"] = stall
        error = await problem(rig)
        assert error.code == "gateway_timeout"
        assert error.detail == "The audio-service did not respond within 7 s."
        assert trio.current_time() == pytest.approx(7)
        assert rig.gateway.statistics().instances[0].consecutive_failures == 1
        assert rig.health.noted == [(AUDIO, A, "it did not respond in time")]


async def test_a_time_out_while_the_gateway_was_suspended_is_not_the_back_end_s_failure() -> None:
    """The response may have arrived meanwhile; the next time-out counts again."""
    ahead = [0.0]

    def clock() -> float:
        return trio.current_time() + ahead[0]

    pulse = Pulse(events=EventLog(wall=clock), wall=clock, clock=clock)
    async with gateway_rig(timeout=7, pulse=pulse) as rig, trio.open_nursery() as nursery:
        await nursery.start(pulse.run)
        rig.network.servers["a:1"] = stall
        nursery.start_soon(problem, rig)
        await trio.sleep(3)
        ahead[0] += 60
        await trio.sleep(5)
        assert rig.gateway.statistics().instances[0].consecutive_failures == 0
        assert rig.health.noted == []
        await trio.sleep(60)  # the pulse's clock is ahead of the one that requests are timed by
        assert (await problem(rig)).code == "gateway_timeout"
        assert rig.gateway.statistics().instances[0].consecutive_failures == 1
        nursery.cancel_scope.cancel()


async def test_a_callers_shorter_time_out_counts_too_but_a_cancellation_does_not() -> None:
    """Otherwise a hanging instance with impatient callers would never trip; a cancellation shows nothing."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = stall
        with trio.move_on_after(2):
            await get(rig)
        assert rig.gateway.statistics().instances[0].consecutive_failures == 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(get, rig)
            await trio.sleep(2)
            nursery.cancel_scope.cancel()
        assert rig.gateway.statistics().instances[0].consecutive_failures == 1
        assert rig.gateway.statistics().in_flight == 0


async def test_five_failures_open_the_breaker_and_a_good_trial_closes_it() -> None:
    """With an event, the metric, and an update of the page; meanwhile 503 at once, with Retry-After."""
    async with gateway_rig(retries=0) as rig:
        for _ in range(5):
            await problem(rig)
        assert breaker_of(rig) == "open"
        assert rig.gateway.is_open(AUDIO)
        error = await problem(rig)
        assert error.code == "service_unavailable"
        assert error.headers == {"Retry-After": "10"}
        assert error.detail == "The audio-service failed too often. It is tried again in 10 s."
        event = rig.events.latest()[0]
        assert (event.severity, event.subject) == ("bad", AUDIO)
        assert event.text == (
            "http://a:1 failed 5 times in a row. It gets no captions for 10 s. "
            "Last failure: the connection was refused."
        )
        rig.network.servers["a:1"] = answering(ok())
        await trio.sleep(10.5)
        assert breaker_of(rig) == "half_open"
        assert (await get(rig)).status == 200
        assert breaker_of(rig) == "closed"
        assert rig.events.latest()[0].severity == "ok"
        states = [state for _, url, state in rig.metrics.breakers if url == A]
        assert states == ["closed", "open", "half_open", "closed"]
        assert rig.touched == ["gateway"] * 3


async def test_half_open_admits_one_request_and_refuses_the_others_at_once() -> None:
    """The trial's outcome decides for all."""

    async def slow(stream: trio.abc.Stream) -> None:
        while await read_request(stream):
            await trio.sleep(5)
            await stream.send_all(ok())

    async with gateway_rig(retries=0) as rig:
        for _ in range(5):
            await problem(rig)
        rig.network.servers["a:1"] = slow
        await trio.sleep(11)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(get, rig)
            await trio.sleep(1)
            assert (await problem(rig)).code == "service_unavailable"
        assert breaker_of(rig) == "closed"


@pytest.mark.parametrize(
    ("status", "opens"),
    [
        (b"500 E", True),
        (b"502 E", True),
        (b"503 E", True),
        (b"504 E", True),
        (b"501 E", False),
        (b"422 E", False),
    ],
)
async def test_which_statuses_count_as_failures(status: bytes, opens: bool) -> None:  # noqa: FBT001 - a column
    """Envoy's consecutive 5xx, without those that show nothing about the instance."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok(b"x", status=status))
        for _ in range(5):
            await get(rig)
        assert rig.gateway.is_open(AUDIO) is opens


async def test_an_engine_that_is_missing_is_no_failure() -> None:
    """The sentence on what to install reaches the client every time."""
    body = json.dumps({"code": "engine_missing", "detail": "Install Apertium."}).encode()
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(
            ok(body, b"Content-Type: application/problem+json", status=b"503 No")
        )
        for _ in range(20):
            assert (await get(rig)).body == body
        assert breaker_of(rig) == "closed"


async def test_an_unhealthy_instance_gets_no_requests() -> None:
    """The others take over; with none left the response is 503 at once, without a connection."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = answering(ok())
        rig.health.down = {A}
        assert {(await get(rig)).instance for _ in range(5)} == {B}
        rig.health.down = {A, B}
        error = await problem(rig)
        assert error.detail == "The audio-service is not answering: its health checks fail."
        assert rig.network.opened["a:1"] == 0
        usable = {one.url: one.usable for one in rig.gateway.statistics().instances}
        assert usable == {A: False, B: False, "http://t:1": True}


async def test_weights_are_kept_over_requests() -> None:
    """The seed's numbers: two to one over thirty."""
    async with gateway_rig(A, B) as rig:
        rig.settings.change(
            services={AUDIO: {"url": A, "weight": 2, "instances": [{"url": B}]}},
        )
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = answering(ok())
        asked = [(await get(rig)).instance for _ in range(30)]
        assert (asked.count(A), asked.count(B)) == (20, 10)
        shares = {one.url: one.share for one in rig.gateway.statistics().instances}
        assert shares == {A: pytest.approx(2 / 3), B: pytest.approx(1 / 3)}


async def test_changed_settings_take_effect_while_it_runs() -> None:
    """A new instance gets requests, a removed one is closed; those that stay keep their state."""
    async with gateway_rig(A, retries=0) as rig:
        rig.network.servers["b:1"] = answering(ok())
        for _ in range(4):
            await problem(rig)
        rig.settings.change(services={AUDIO: {"url": A, "instances": [{"url": B}]}})
        assert [one.url for one in rig.gateway.statistics().instances] == [A, B]
        assert rig.gateway.statistics().instances[0].consecutive_failures == 4
        rig.health.down = {A}
        assert (await get(rig)).instance == B
        assert rig.network.open == 1
        rig.settings.change(services={AUDIO: {"url": A}})
        await trio.sleep(1.1)
        assert rig.network.open == 0
        rig.settings.change(
            orchestration={
                "gateway": {"routes": [{"prefix": "/x/", "service": AUDIO, "path": "/"}], "retries": 0}
            }
        )
        assert rig.gateway.handles("/x/y")
        assert not rig.gateway.handles("/api/audio/y")


async def test_a_request_in_flight_completes_after_its_instance_was_removed() -> None:
    """A changed file does not break what is under way."""

    async def slow(stream: trio.abc.Stream) -> None:
        while await read_request(stream):
            await trio.sleep(5)
            await stream.send_all(ok())

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = slow
        answers: list[FetchedResponse] = []

        async def ask() -> None:
            answers.append(await get(rig))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(1)
            rig.settings.change(services={AUDIO: {"url": B}})
        assert answers[0].status == 200
        assert rig.network.open == 0


async def test_when_the_branch_ends_no_connection_is_left() -> None:
    """The same object can run again, and reuses connections again."""
    async with gateway_rig(running=False) as rig:
        rig.network.servers["a:1"] = answering(ok())
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                await nursery.start(rig.gateway.run)
                await get(rig)
                assert rig.network.open == 1
                nursery.cancel_scope.cancel()
            assert rig.network.open == 0
        await get(rig)
        assert rig.network.open == 0


async def test_routes_need_no_health_and_no_back_end() -> None:
    """The seed's discovery failure: the configured services still route requests."""
    from orch.gateway.service import GatewayService
    from orch.telemetry.events import EventLog
    from orch.telemetry.topics import Topics
    from tests.fakes.settings import FakeSettings

    class NoHealth(FakeHealth):
        def is_usable(self, service: str, url: str) -> bool:
            raise ConnectionError

    gateway = GatewayService(
        settings=FakeSettings(),
        health=NoHealth(),
        events=EventLog(wall=lambda: 0.0),
        topics=Topics(),
        metrics=FakeMetrics(),
    )
    match = gateway.determine_route("/api/audio/health")
    assert match is not None
    assert (match.service, match.path) == (AUDIO, "/api/health")
    assert gateway.handles("/api/translate")
    for _ in range(5):
        gateway.record_failure(AUDIO)
    assert gateway.is_open(AUDIO)
    with pytest.raises(ProblemError):
        gateway.record_failure("image-service")
    await trio.lowlevel.checkpoint()


async def test_statistics_count_what_happened() -> None:
    """Every field, after two successful requests and one failure."""
    async with gateway_rig(retries=0) as rig:
        rig.network.servers["a:1"] = answering(ok())
        await get(rig)
        await get(rig)
        del rig.network.servers["a:1"]
        rig.network.opened.clear()
        await trio.sleep(20)
        await problem(rig)
        now = rig.gateway.statistics()
        assert (now.requests, now.errors, now.retries, now.in_flight) == (3, 1, 0, 0)
        assert now.requests_per_second == pytest.approx(3 / 20)
        assert now.error_rate == pytest.approx(1 / 3)
        assert now.p50_ms is not None
        assert now.p95_ms is not None
        assert [route.prefix for route in now.routes] == [
            "/api/audio/transcribe",
            "/api/audio/",
            "/api/whisper/",
            "/api/translate",
            "/api/translation/",
        ]
        first = now.instances[0]
        assert (first.service, first.url, first.weight, first.requests, first.errors) == (
            AUDIO,
            A,
            1,
            3,
            1,
        )
        assert (first.share, first.breaker, first.breaker_retry_in, first.usable) == (
            1,
            "closed",
            None,
            True,
        )
        await trio.sleep(61)
        later = rig.gateway.statistics()
        assert (later.requests, later.requests_per_second, later.p95_ms) == (3, 0, None)


async def test_a_request_that_cannot_be_sent_is_the_callers_fault() -> None:
    """Nothing goes out, and nothing counts against the instance."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok())
        for path in (
            "/a b",
            "/api/%2e%2e/admin",
            "/api/..;/admin",
            "/api/..%2fadmin",
            "/api//x",
            "/x?a b",
        ):
            with pytest.raises(ProblemError) as caught:
                await rig.gateway.fetch(AUDIO, "GET", path)
            assert caught.value.code == "invalid_request"
        assert rig.network.opened["a:1"] == 0


async def test_a_reset_closes_idle_connections_and_lets_an_open_breaker_admit_a_trial() -> None:
    """The first rung of a recovery; it does not claim that the instance works again."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(ok(b"1"))
        await get(rig)
        for _ in range(5):
            rig.gateway.record_failure(AUDIO)
        assert breaker_of(rig) == "open"
        others = rig.gateway.reset(AUDIO, "http://other:1")
        assert others == "Idle connections closed: 0. Breakers that admit a trial again: 0."
        assert breaker_of(rig) == "open"
        did = rig.gateway.reset(AUDIO, A)
        assert did == "Idle connections closed: 1. Breakers that admit a trial again: 2."
        assert breaker_of(rig) == "half_open"
        assert rig.gateway.reset(AUDIO) == "Idle connections closed: 0. Breakers that admit a trial again: 0."
        assert rig.gateway.reset("unknown").startswith("Idle connections closed: 0.")
        assert (await get(rig)).body == b"1"
        assert not rig.gateway.is_open(AUDIO)

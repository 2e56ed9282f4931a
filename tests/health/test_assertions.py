"""What the settings require of checks: status, body, latency, and how many in a row count."""

import email.utils
import gzip
import ssl
from typing import Any

import httpx2
import pytest
import trio

from orch.health.assertions import failed_assertions, is_accepted, too_late
from orch.health.certificates import DAY, mark_passed, reminder
from orch.health.verdict import State
from orch.settings.probe_structs import Probe
from tests.fakes.health import Answer, Bench, Network, answers, healthy


@pytest.mark.parametrize(
    ("status", "accepted"),
    [(199, False), (200, True), (204, True), (299, True), (300, False), (401, True), (402, False)],
)
def test_statuses_and_ranges_are_accepted(status: int, *, accepted: bool) -> None:
    """Both ends of a range belong to it."""
    assert is_accepted(status, ("200-299", "401")) is accepted


def test_what_a_response_lacks_is_named() -> None:
    """Both assertions at once; a compressed body is searched, and one that only claims to be is, too."""
    probe = Probe(status=("200",), body="ready")
    assert failed_assertions(probe, 200, b"is ready") == ()
    assert failed_assertions(probe, 200, gzip.compress(b"is ready")) == ()
    assert failed_assertions(probe, 503, b"\x1f\x8bnot") == (
        "responds 503, expected 200",
        "its response does not contain 'ready'",
    )
    assert too_late(Probe(max_latency=1), 1.0) == ""
    assert too_late(Probe(max_latency=1), 2.4) == "responds in 2.4 s, at most 1 s are accepted"
    assert too_late(Probe(), 1e9) == too_late(Probe(max_latency=1), None) == ""


async def judged(answer: Answer, **probe: Any) -> tuple[State, str]:
    """Return the state after a few checks."""
    service = {"url": "http://one:5001", "probe": probe}
    bench = Bench(network=Network(one=answer), services={"audio-service": service})
    async with bench.running():
        await trio.sleep(30)
        return bench.service().state, bench.service().reason


@pytest.mark.parametrize(
    ("answer", "probe", "state", "reason"),
    [
        (answers(401, {}), {"status": ["200", "401"]}, State.HEALTHY, ""),
        (answers(204, None), {"status": ["200"]}, State.UNHEALTHY, "responds 204, expected 200"),
        (answers(200, {"status": "starting"}), {"status": ["200"]}, State.UNKNOWN, "reports starting"),
        (
            answers(200, {"model": "tiny"}),
            {"body": "large"},
            State.UNHEALTHY,
            "its response does not contain 'large'",
        ),
        (answers(200, {"model": "large-v3"}), {"body": "large"}, State.HEALTHY, ""),
        (
            answers(200, {}, after=0.8),
            {"max_latency": 0.5},
            State.UNHEALTHY,
            "responds in 800 ms, at most 500 ms are accepted",
        ),
        (answers(200, {}, after=3), {"timeout": 2}, State.UNHEALTHY, "no response in 2 s"),
    ],
)
async def test_an_assertion_that_fails_is_a_missed_check(
    answer: Answer, probe: dict[str, Any], state: State, reason: str
) -> None:
    """Whatever else the response says."""
    assert await judged(answer, **probe) == (state, reason)


async def test_thresholds_and_interval_are_those_of_the_service() -> None:
    """Five misses before it is unhealthy, four good checks before it is healthy again; changed at once."""
    network = Network(one=healthy)
    probe = {"misses": 5, "good": 4, "interval": 3}
    bench = Bench(network=network, services={"audio-service": {"url": "http://one:5001", "probe": probe}})
    async with bench.running():
        await trio.sleep(10)
        assert network.times("one") == pytest.approx([0, 3, 6, 9])
        network.hosts["one"] = answers(503, {"status": "unhealthy"})
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert bench.service().reason == "reports unhealthy (1 of 5 checks in a row)"
        first = len(network.asked)
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert len(network.asked) == first + 4
        network.hosts["one"] = healthy
        await bench.health.wait_for("audio-service", State.RECOVERING)
        assert bench.service().reason == "responds again, 1 of 4 good checks"
        first = len(network.asked)
        await bench.health.wait_for("audio-service", State.HEALTHY)
        assert len(network.asked) == first + 3
        service = {"url": "http://one:5001", "probe": {"interval": 30}}
        bench.settings.change(services={"audio-service": service})
        await trio.sleep(2)
        first = len(network.asked)
        await trio.sleep(27)
        assert len(network.asked) == first


async def test_fifty_checks_that_hang_do_not_hold_up_another() -> None:
    """Each instance is checked by a task of its own, with a deadline of its own."""

    async def hangs(_request: httpx2.Request) -> httpx2.Response:
        await trio.sleep_forever()
        raise AssertionError

    hanging = {f"h{number}": hangs for number in range(50)}
    network = Network(one=healthy, **hanging)
    instances = [{"url": f"http://{host}:1"} for host in [*hanging, "one"]]
    service = {"url": "http://h0:1", "instances": instances[1:]}
    bench = Bench(
        network=network,
        services={"audio-service": service},
        orchestration={"monitoring": {"health_check_interval": 10, "health_check_timeout": 9}},
    )
    async with bench.running():
        await trio.sleep(0.1)
        assert bench.instance(50).state is State.HEALTHY
        await trio.sleep(60)
        assert network.times("one") == pytest.approx([0, 10, 20, 30, 40, 50, 60])
        assert bench.instance(0).state is State.UNHEALTHY


def test_reminders_of_a_certificate_come_at_marks() -> None:
    """At the threshold, then at 7, 3 and 1 days; the last day in hours."""
    days = [20, 14, 13, 7, 6, 3, 2, 1, 0.5, -1]
    assert [mark_passed(each, 14) for each in days] == [None, 14, 14, 7, 7, 3, 3, 1, 1, 1]
    assert mark_passed(0, 0) is None
    assert reminder(12.7) == "has a certificate that expires in 13 days. Renew it there."
    assert reminder(0.5) == "has a certificate that expires in 12 h. Renew it there."


class _Stream:
    """The connection of a response that came over TLS."""

    def __init__(self, until: float) -> None:
        self._until = until

    def get_extra_info(self, info: str) -> Any:
        return self if info == "ssl_object" else None

    def getpeercert(self) -> dict[str, str]:
        stamp = email.utils.formatdate(self._until, usegmt=True)
        _, day, month, year, clock, _ = stamp.replace(",", "").split()
        return {"notAfter": f"{month} {int(day):2d} {clock} {year} GMT"}


async def test_a_certificate_that_expires_is_shown_and_announced_at_each_mark() -> None:
    """The instance stays healthy; a renewed certificate starts anew."""
    until = 15 * DAY

    async def secure(_request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()
        return httpx2.Response(200, json={}, extensions={"network_stream": _Stream(until)})

    assert ssl.cert_time_to_seconds(_Stream(until).getpeercert()["notAfter"]) == until
    service = {"url": "https://one:5001", "probe": {"interval": DAY / 2}}
    now = [0.0]
    bench = Bench(network=Network(one=secure), services={"audio-service": service}, wall=lambda: now[0])
    async with bench.running():
        for day in (0, 1.5, 2, 9, 10):
            now[0] = day * DAY
            bench.health.note_failure("audio-service", "https://one:5001", "look")
            await trio.sleep(1)
        assert bench.service().state is State.HEALTHY
        assert bench.instance().certificate_until == until
        assert [text for text in bench.texts() if "certificate" in text] == [
            "https://one:5001 has a certificate that expires in 14 days. Renew it there.",
            "https://one:5001 has a certificate that expires in 6 days. Renew it there.",
        ]
        until = 100 * DAY
        bench.health.note_failure("audio-service", "https://one:5001", "look")
        await trio.sleep(1)
        assert bench.instance().certificate_until == until
        assert sum("certificate" in text for text in bench.texts()) == 2

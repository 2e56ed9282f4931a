import errno
from typing import Any

import httpx2
import msgspec
import pytest
import trio
from msgspec import UNSET
from structlog.testing import capture_logs

from orch.health.verdict import State
from orch.problems import ProblemError
from orch.telemetry.work import IDLE, Work
from tests.fakes.health import Bench, Network, answers, healthy, refused, short_of, silent

ONE = {"audio-service": {"url": "http://one:5001"}}
TWO = {
    "audio-service": {
        "url": "http://one:5001",
        "weight": 2,
        "instances": [{"url": "http://two:5001", "weight": 1}],
    }
}


def orchestration(**monitoring: Any) -> dict[str, Any]:
    return {"monitoring": monitoring}


async def test_a_back_end_that_responds_is_healthy_at_once() -> None:
    """The first check does not wait for an interval; its result is published and is an event."""
    bench = Bench(network=Network(one=healthy), services=ONE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        assert trio.current_time() < 0.1
        assert bench.texts() == ["Is healthy, responds in 0 ms."]
        assert "services" in bench.touched
        assert bench.health.summary() == {"audio-service": "healthy"}
        assert bench.instance().engine == "fake"


async def test_a_better_engine_is_announced_while_all_is_healthy() -> None:
    """The instance has its notice until it is gone; the change of the engine is an event."""
    network = Network(one=healthy)
    bench = Bench(network=network, services=ONE)
    changed: list[str] = []
    bench.health.on_engine_change = changed.append
    async with bench.running():
        document = {"status": "healthy", "engine": "fake", "notice": "62 of 148 MB"}
        network.hosts["one"] = answers(200, document)
        await trio.sleep(12)
        assert bench.instance().notice == "62 of 148 MB"
        assert bench.service().state is State.HEALTHY
        assert changed == []
        network.hosts["one"] = answers(200, {"status": "healthy", "engine": "better"})
        await trio.sleep(12)
        assert bench.instance().notice is UNSET
        assert bench.instance().engine == "better"
        assert changed == ["audio-service"]
        assert bench.texts()[-1] == "Uses better now instead of fake."


async def test_progress_in_a_notice_is_shown_within_seconds_and_logged_less_often() -> None:
    """A download's progress does not wait for the usual checks; afterwards they have their interval again."""

    async def progress(_request: httpx2.Request) -> httpx2.Response:
        done = min(40, round(trio.current_time()))
        document = {"status": "healthy", "engine": "fake", "notice": f"{done} of 148 MB"}
        return httpx2.Response(200, json=document)

    network = Network(one=progress)
    bench = Bench(network=network, services=ONE)
    with capture_logs() as lines:
        async with bench.running():
            await trio.sleep(110)
    times = network.times("one")
    assert 16 <= len([at for at in times if at < 40]) <= 24
    assert 4 <= len([at for at in times if at > 60]) <= 7
    notices = [line["notice"] for line in lines if line["event"] == "notice"]
    assert 4 <= len(notices) <= 6
    assert notices[-1] == "40 of 148 MB"


async def test_checks_come_at_the_interval() -> None:
    """Without any request, and no more often than the setting."""
    network = Network(one=healthy)
    bench = Bench(network=network, services=ONE, orchestration=orchestration(health_check_interval=10))
    async with bench.running():
        await trio.sleep(101)
        assert network.times("one") == pytest.approx([index * 10 for index in range(11)])


async def test_no_response_is_a_missed_check_first_and_then_unhealthy() -> None:
    """One time-out is degraded, the third in a row unhealthy; quick checks make that a matter of seconds."""
    network = Network(one=healthy)
    bench = Bench(
        network=network,
        services=ONE,
        orchestration=orchestration(health_check_interval=10, health_check_timeout=2),
    )
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        network.hosts["one"] = silent
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert bench.service().reason == "no response in 2 s (1 of 3 checks in a row)"
        assert bench.health.is_usable("audio-service", "http://one:5001")
        began = trio.current_time()
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert trio.current_time() - began == pytest.approx(2 * (2 + 0.25))
        assert not bench.health.is_usable("audio-service", "http://one:5001")
        assert bench.service().reason == "no response in 2 s"


async def test_a_refused_connection_is_unhealthy_at_once_and_its_return_is_noticed_soon() -> None:
    """Down, then recovering with the first good check, healthy with the second: all as events, in order."""
    network = Network(one=refused)
    bench = Bench(network=network, services=ONE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert trio.current_time() < 0.1
        await trio.sleep(20)
        network.hosts["one"] = healthy
        await bench.health.wait_for("audio-service", State.HEALTHY)
        assert trio.current_time() < 22
        assert bench.texts() == [
            "Is unhealthy: connection refused.",
            "Is recovering: responds again, 1 of 2 good checks.",
            "Is healthy again, responds in 0 ms.",
        ]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_a_check_that_fails_for_a_shortage_of_ours_shows_nothing_about_the_back_end(
    number: int,
) -> None:
    """However many there are: it stays usable and healthy, the reason is shown, and the event is our own."""
    network = Network(one=healthy)
    bench = Bench(network=network, services=ONE, orchestration=orchestration(health_check_interval=1))
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        network.hosts["one"] = short_of(number)
        await trio.sleep(60)
        assert bench.instance().state is State.HEALTHY
        assert bench.instance().usable
        assert bench.instance().reasons[0].startswith("not checked: the orchestration service is out of ")
        (line,) = bench.health.statistics().shortages
        assert line.times > 50
        assert line.last == "http://one:5001 cannot be checked."
        assert sum(text.startswith("The orchestration service is out of ") for text in bench.texts()) == 1
        network.hosts["one"] = healthy
        await trio.sleep(15)
        assert bench.instance().reasons == ()
        assert bench.health.statistics().shortages == ()
        assert bench.texts()[-1].startswith(f"The shortage of {line.kind} is over")
        assert not any(text.startswith("Is unhealthy") for text in bench.texts())


async def test_a_shortage_does_not_make_a_failed_back_end_healthy() -> None:
    """Nothing was seen: neither that it is well nor that it is not."""
    network = Network(one=refused)
    bench = Bench(network=network, services=ONE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        network.hosts["one"] = short_of(errno.EMFILE)
        await trio.sleep(60)
        assert bench.instance().state is State.UNHEALTHY


async def test_no_response_while_this_process_was_suspended_is_not_the_back_end_s_failure() -> None:
    """Its responses may have arrived unread; the checks after that count as usual."""
    network = Network(one=healthy)
    clock = [0.0]
    bench = Bench(
        network=network,
        services=ONE,
        orchestration=orchestration(health_check_interval=1, health_check_timeout=2),
        pulse_clock=lambda: trio.current_time() + clock[0],
    )
    async with bench.running(), trio.open_nursery() as nursery:
        await nursery.start(bench.pulse.run)
        await bench.health.wait_for("audio-service", State.HEALTHY)
        network.hosts["one"] = silent
        await trio.sleep(1.5)
        clock[0] += 60
        await trio.sleep(2)
        network.hosts["one"] = healthy
        assert bench.instance().state is State.HEALTHY
        assert bench.instance().reasons == ("not checked: the orchestration service was suspended",)
        assert any(text.startswith("The service was suspended for 60") for text in bench.texts())
        network.hosts["one"] = silent
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        nursery.cancel_scope.cancel()


async def test_an_unexpected_error_ends_one_check_and_not_the_branch() -> None:
    """The others continue, and this one is checked again."""

    async def broken(_request: Any) -> Any:
        await trio.lowlevel.checkpoint()
        raise LookupError("surprise")

    network = Network(one=broken, two=healthy)
    bench = Bench(network=network, services=TWO)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert "LookupError" in bench.service().reason
        network.hosts["one"] = healthy
        await bench.health.wait_for("audio-service", State.HEALTHY)


async def test_a_slow_response_is_degraded_with_both_figures() -> None:
    """The limit is alert_thresholds.response_time; a single slow response changes nothing yet."""
    network = Network(one=answers(200, {"status": "healthy"}, after=2.4))
    bench = Bench(network=network, services=ONE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert bench.instance().reasons == ("responds in 2.4 s, limit 1 s",)
        assert len(network.asked) == 2
        assert bench.instance().latency_ms == pytest.approx(2400)


async def test_a_back_end_s_reported_status_counts() -> None:
    """Its own detail is the reason that operators read."""
    detail = "Install Apertium: apt-get install apertium apertium-eng-spa"
    network = Network(one=answers(200, {"status": "degraded", "detail": detail}))
    bench = Bench(network=network, services=ONE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert bench.service().reason == f"reports degraded: {detail}"


async def test_a_server_without_the_health_endpoint_is_degraded_and_usable() -> None:
    """A whisper server without /api/health works; the reason names the setting."""
    network = Network(one=answers(404, {}))
    bench = Bench(network=network, services=ONE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert "set services.audio-service.health_endpoint" in bench.service().reason
        assert bench.health.is_usable("audio-service", "http://one:5001")


async def test_a_key_goes_with_the_check() -> None:
    """Servers that want one would otherwise always look wrong."""
    network = Network(one=healthy)
    services = {"audio-service": {"url": "http://one:5001/", "api_key": "k1", "health_endpoint": "/health"}}
    bench = Bench(network=network, services=services)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        assert str(network.requests[0].url) == "http://one:5001/health"
        assert network.requests[0].headers["authorization"] == "Bearer k1"


async def test_one_of_two_down_is_degraded_and_only_the_other_is_used() -> None:
    """The service still works; requests avoid the failed instance."""
    bench = Bench(network=Network(one=healthy, two=refused), services=TWO)
    async with bench.running():
        await trio.sleep(1)
        assert bench.service().state is State.DEGRADED
        assert bench.health.is_usable("audio-service", "http://one:5001")
        assert not bench.health.is_usable("audio-service", "http://two:5001")
        assert bench.service().reason == (
            "1 of 2 instances: http://two:5001 is unhealthy (connection refused)"
        )
        assert [instance.weight for instance in bench.service().instances] == [2, 1]
        assert "Http://two:5001 is unhealthy: connection refused." not in bench.texts()
        assert "http://two:5001 is unhealthy: connection refused." in bench.texts()


async def test_instances_are_checked_concurrently() -> None:
    """One that does not respond delays no other."""
    network = Network(one=silent, two=healthy)
    bench = Bench(network=network, services=TWO, orchestration=orchestration(health_check_interval=1))
    async with bench.running():
        await trio.sleep(4.5)
        assert len(network.times("two")) == 5


async def test_a_failed_request_brings_the_next_check_forward() -> None:
    """With checks a minute apart, a back end that dies is noticed when the first request fails."""
    network = Network(one=healthy)
    bench = Bench(network=network, services=ONE, orchestration=orchestration(health_check_interval=60))
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        await trio.sleep(20)
        network.hosts["one"] = refused
        began = trio.current_time()
        for _ in range(100):
            bench.health.note_failure("audio-service", "http://one:5001", "connection reset")
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert trio.current_time() - began < 0.1
        assert len(network.asked) == 2


async def test_failed_requests_alone_do_not_make_an_instance_unhealthy() -> None:
    """A client that makes a back end fail cannot take it out of use: only checks do, at a limited rate."""
    network = Network(one=healthy)
    bench = Bench(network=network, services=ONE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        for _ in range(1000):
            bench.health.note_failure("audio-service", "http://one:5001", "500")
            bench.health.note_failure("audio-service", "http://unknown", "500")
            bench.health.note_failure("unknown", "http://one:5001", "500")
            await trio.sleep(0.001)
        assert bench.service().state is State.HEALTHY
        assert len(network.asked) <= 6


async def test_changed_settings_change_what_is_checked() -> None:
    """Instances and the interval change while the branch runs; instances that stay keep their history."""
    network = Network(one=healthy, two=healthy)
    bench = Bench(network=network, services=ONE, orchestration=orchestration(health_check_interval=100))
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        bench.settings.change(services=TWO, orchestration=orchestration(health_check_interval=5))
        await trio.sleep(31)
        assert len(network.times("two")) == pytest.approx(7, abs=1)
        assert len(network.times("one")) == pytest.approx(8, abs=1)
        assert bench.instance().checks[0].at == 0
        bench.settings.change(services=ONE)
        await trio.sleep(1.5)
        asked = len(network.times("two"))
        await trio.sleep(30)
        assert len(network.times("two")) == asked
        assert [instance.url for instance in bench.service().instances] == ["http://one:5001"]
        bench.settings.change(services={})
        await trio.sleep(1.5)
        assert bench.health.summary() == {}
        assert bench.health.statistics().state is State.UNKNOWN


async def test_a_service_that_cannot_be_restarted_is_refused_with_the_reason() -> None:
    """Unknown, or not ours and without a command: a problem with the service's name."""
    bench = Bench(network=Network(one=healthy), services=ONE)
    async with bench.running():
        with pytest.raises(ProblemError) as unknown:
            await bench.health.restart("nonesuch", reason="An operator asked for it.")
        assert unknown.value.code == "unknown_service"
        with pytest.raises(ProblemError) as not_ours:
            await bench.health.restart("audio-service", reason="An operator asked for it.")
        assert not_ours.value.code == "not_restartable"
        assert not bench.service().restartable


async def test_the_branch_can_be_run_again() -> None:
    """After a crash or a restart of the branch the same object continues, with its history."""
    network = Network(one=healthy)
    bench = Bench(network=network, services=ONE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
    await trio.sleep(100)
    assert len(network.asked) == 1
    network.hosts["one"] = refused
    async with bench.running():
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert len(bench.instance().checks) == 2


async def test_statistics_have_the_fields_that_pages_read() -> None:
    """The complete JSON of the "services" topic."""
    bench = Bench(network=Network(one=healthy, two=refused), services=TWO)
    async with bench.running():
        await trio.sleep(1)
        assert bench.service().state is State.DEGRADED
        statistics = msgspec.json.decode(msgspec.json.encode(bench.health.statistics()))
        assert statistics["state"] == "degraded"
        (service,) = statistics["services"]
        assert set(service) == {
            "name",
            "state",
            "reason",
            "since",
            "restartable",
            "recovery",
            "instances",
            "steps",
        }
        assert service["recovery"] is None
        one, two = service["instances"]
        assert one == {
            "url": "http://one:5001",
            "state": "healthy",
            "reasons": [],
            "since": 0.0,
            "weight": 2,
            "restartable": False,
            "usable": True,
            "latency_ms": 0.0,
            "p95_ms": 0.0,
            "answered": 1.0,
            "checks": [{"at": 0.0, "state": "healthy", "latency_ms": 0.0}],
            "restarts": 0,
            "pid": None,
            "engine": "fake",
        }
        assert two["answered"] == 0.0
        assert two["latency_ms"] is None


async def test_checks_are_counted() -> None:
    """Prometheus sees each check and the state of each instance."""
    bench = Bench(network=Network(one=healthy, two=refused), services=TWO)
    async with bench.running():
        await trio.sleep(1)
        assert bench.service().state is State.DEGRADED
        text = bench.metrics.render()[0].decode()
        for instance, outcome, state in (
            ("http://one:5001", "ok", "healthy"),
            ("http://two:5001", "failed", "unhealthy"),
        ):
            checks = [
                line
                for line in text.splitlines()
                if instance in line and f'"{outcome}"' in line and "_created" not in line
            ]
            states = [line for line in text.splitlines() if instance in line and f'"{state}"' in line]
            assert [line.rsplit(" ", 1)[1] for line in checks] == ["1.0"]
            assert [line.rsplit(" ", 1)[1] for line in states] == ["1.0"]


async def test_a_back_end_that_refuses_requests_is_degraded_with_its_reason() -> None:
    """Its checks are good all the while; a success ends it, and both are events."""
    bench = Bench(network=Network(one=healthy), services=ONE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        bench.health.note_refusal("audio-service", "refuses requests with 401: bad key")
        (service,) = bench.health.statistics().services
        assert (service.state, service.reason) == (
            State.DEGRADED,
            "refuses requests with 401: bad key",
        )
        assert service.refusal == service.reason
        assert service.instances[0].usable
        await trio.sleep(60)
        assert bench.health.summary() == {"audio-service": "degraded"}
        bench.health.note_refusal("audio-service", None)
        assert bench.health.summary() == {"audio-service": "healthy"}
        assert bench.texts()[1:] == [
            "Refuses requests with 401: bad key.",
            "Accepts requests again.",
        ]
        bench.health.note_refusal("nobody", "x")


async def test_a_busy_instance_is_left_alone_and_not_restarted() -> None:
    """It answers no check while it works: busy, no new requests while there is another, and no failure."""
    network = Network(one=healthy, two=healthy)
    bench = Bench(
        network=network,
        services=TWO,
        orchestration=orchestration(health_check_interval=2, health_check_timeout=1, busy_limit=60),
    )
    work = {"http://one:5001": Work(2, 12.0, makes_progress=True)}
    bench.health.work_of = lambda _service, url: work.get(url, IDLE)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        network.hosts["one"] = silent
        await trio.sleep(15)
        busy = bench.service().instances[0]
        assert busy.state is State.BUSY
        assert busy.reasons == ("busy with 2 requests, the oldest for 12 s; no response in 1 s",)
        assert not bench.health.is_usable("audio-service", "http://one:5001")
        assert bench.health.is_usable("audio-service", "http://two:5001")
        network.hosts["one"] = healthy
        await bench.health.wait_for("audio-service", State.HEALTHY)
        assert bench.texts()[-2:] == [
            "http://one:5001 is busy with 2 requests, the oldest for 12 s; no response in 1 s.",
            "http://one:5001 is healthy again, responds in 0 ms.",
        ]


async def test_the_only_instance_still_gets_requests_while_it_is_busy() -> None:
    """They take their turn there; refusing them would be worse."""
    network = Network(one=healthy)
    bench = Bench(
        network=network,
        services=ONE,
        orchestration=orchestration(health_check_interval=2, health_check_timeout=1, busy_limit=60),
    )
    bench.health.work_of = lambda _service, _url: Work(1, 5.0, makes_progress=True)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        network.hosts["one"] = silent
        await bench.health.wait_for("audio-service", State.BUSY)
        assert bench.health.is_usable("audio-service", "http://one:5001")
        network.hosts["one"] = refused
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert not bench.health.is_usable("audio-service", "http://one:5001")


async def test_busy_without_an_end_is_unhealthy() -> None:
    """After busy_limit, or gateway.timeout where that is 0; work that stands still counts for nothing."""
    network = Network(one=healthy)
    bench = Bench(
        network=network,
        services=ONE,
        orchestration=orchestration(health_check_interval=2, health_check_timeout=1),
    )
    bench.health.work_of = lambda _service, _url: Work(1, 5.0, makes_progress=True)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        network.hosts["one"] = silent
        await bench.health.wait_for("audio-service", State.BUSY)
        began = trio.current_time()
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert 30 <= trio.current_time() - began < 35
        network.hosts["one"] = healthy
        await bench.health.wait_for("audio-service", State.HEALTHY)
        bench.health.work_of = lambda _service, _url: Work(1, 500.0, makes_progress=False)
        network.hosts["one"] = silent
        began = trio.current_time()
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert trio.current_time() - began < 8


async def test_green_checks_while_nothing_gets_done_are_not_healthy() -> None:
    """Degraded in words at once, unhealthy after busy_limit, and healthy when something is done again."""
    network = Network(one=healthy)
    bench = Bench(
        network=network, services=ONE, orchestration=orchestration(health_check_interval=2, busy_limit=20)
    )
    work = Work(3, 41.0, makes_progress=False, is_stuck=True, usual=2.1)
    bench.health.work_of = lambda _service, _url: work
    async with bench.running():
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert bench.service().reason == (
            "answers checks, but no request gets done: 3 requests wait, for up to 41 s, usually 2.1 s"
        )
        began = trio.current_time()
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert trio.current_time() - began == pytest.approx(20, abs=2.5)
        assert not bench.health.is_usable("audio-service", "http://one:5001")
        assert bench.health.presence("audio-service", "http://one:5001") == "silent"
        await trio.sleep(10)
        assert bench.service().state is State.UNHEALTHY
        work = IDLE
        await bench.health.wait_for("audio-service", State.HEALTHY)


async def test_a_back_end_that_refuses_what_clients_ask_is_degraded_with_what_to_check() -> None:
    """Its checks are green; it stays usable, since another request may be accepted."""
    bench = Bench(
        network=Network(one=healthy), services=ONE, orchestration=orchestration(health_check_interval=2)
    )
    work = Work(0, 0.0, makes_progress=False, refused=(401, 7))
    bench.health.work_of = lambda _service, _url: work
    async with bench.running():
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert bench.service().reason == (
            "refuses what it is asked: 7 responses 401 in a row; "
            "check services.audio-service.api_key (or headers)"
        )
        assert bench.health.is_usable("audio-service", "http://one:5001")
        work = IDLE
        await bench.health.wait_for("audio-service", State.HEALTHY)

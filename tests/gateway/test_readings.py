"""What Prometheus reads of the gateway: instances, limits, and examples of traces that are recorded."""

import trio

from orch.gateway.controls.commands import Command
from orch.gateway.trace_context import recorded_trace
from orch.telemetry.names.gateway import SOCKETS_ENDED
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def read(rig: GatewayRig) -> dict[tuple[str, ...], float]:
    return {(each.name.name, *each.labels): each.value for each in rig.gateway.readings()}


async def test_instances_are_counted_usable_drained_and_ejected() -> None:
    """An alert that half of a service's instances are out needs both numbers."""
    one, two = "http://a:1", "http://b:1"
    async with gateway_rig(one, two) as rig:
        rig.network.servers = {f"{name}:1": answering(ok(b"fine")) for name in "ab"}
        await trio.sleep(1)
        found = read(rig)
        assert found["orch_gateway_instances", "audio-service"] == 2
        assert found["orch_gateway_instance_usable", "audio-service", one] == 1
        assert found["orch_gateway_instance_drained", "audio-service", one] == 0
        assert found["orch_gateway_in_flight", "audio-service", one] == 0
        rig.gateway.carry_out(Command(action="drain", service="audio-service", instance=one))
        rig.gateway.carry_out(Command(action="eject", service="audio-service", instance=two))
        found = read(rig)
        assert found["orch_gateway_instance_drained", "audio-service", one] == 1
        assert found["orch_gateway_instance_usable", "audio-service", one] == 0
        assert found["orch_gateway_ejected", "audio-service", two, "requests"] == 1
        assert found["orch_gateway_instance_usable", "audio-service", two] == 0


async def test_limits_stand_beside_what_they_limit() -> None:
    """So that an alert needs no number of the settings."""
    async with gateway_rig("http://a:1") as rig:
        found = read(rig)
        for used, limit in (
            ("orch_gateway_places_taken", "orch_gateway_places_limit"),
            ("orch_gateway_spooled_bytes", "orch_gateway_spooled_limit_bytes"),
            ("orch_gateway_websockets", "orch_gateway_websockets_limit"),
        ):
            assert 0 == found[used,] < found[limit,]
        for flow in ("captions", "requests"):
            assert found["orch_gateway_retry_budget_exhausted_total", "audio-service", flow] == 0
        ends = {key[1] for key in found if key[0] == SOCKETS_ENDED.name}
        assert ends == set(SOCKETS_ENDED.labels[0].values)


async def test_a_request_of_a_recorded_trace_is_an_example() -> None:
    """The id of its trace stands beside the bucket of its time; one that nobody records does not."""
    async with gateway_rig("http://a:1") as rig:
        rig.network.servers = {"a:1": answering(ok(b"fine"))}
        for flags in ("01", "00"):
            parent = f"00-{TRACE}-00f067aa0ba902b7-{flags}".encode()
            browser = Browser(headers=[(b"host", b"front.example"), (b"traceparent", parent)])
            await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
            assert browser.status == 200
        assert rig.metrics.traces == [TRACE, ""]


def test_a_trace_that_is_not_recorded_leads_nowhere() -> None:
    """Nor does a request without one."""
    assert recorded_trace([(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-00")]) == ""
    assert recorded_trace([(b"accept", b"*/*")]) == ""
    assert recorded_trace([]) == ""

"""Flapping: what counts, when it begins and ends, and how it is damped."""

import trio

from orch.health.flapping import Flapping, is_change, reviewed
from orch.health.verdict import State
from tests.fakes.health import Bench, Network, healthy, refused


def test_changes_to_and_from_healthy_count() -> None:
    """The first check and work in progress do not."""
    assert is_change(State.HEALTHY, State.UNHEALTHY)
    assert is_change(State.DEGRADED, State.HEALTHY)
    assert not is_change(State.UNHEALTHY, State.RECOVERING)
    assert not is_change(State.UNKNOWN, State.HEALTHY)
    assert not is_change(State.HEALTHY, State.BUSY)


def test_it_flaps_from_the_limit_on_until_half_are_left() -> None:
    """Two limits, so that flapping does not flap itself; memory is bounded."""
    flapping = Flapping()
    for turn in range(100):
        flapping = reviewed(flapping, now=turn, limit=4, window=50, has_changed=True)
        assert flapping.is_on is (turn >= 3)
        assert len(flapping.changes) <= 4
    assert reviewed(flapping, now=147, limit=4, window=50).is_on  # 98 and 99 are left
    assert not reviewed(flapping, now=148.5, limit=4, window=50).is_on
    assert not reviewed(flapping, now=99, limit=0, window=50, has_changed=True).is_on


async def test_an_instance_that_flaps_needs_more_good_checks_and_is_announced_once() -> None:
    """The longer it has to be good, the fewer changes are left to announce; then it is stable again."""
    network = Network(one=healthy)
    probe = {"flaps": 4, "flap_window": 60, "interval": 2}
    bench = Bench(network=network, services={"audio-service": {"url": "http://one:5001", "probe": probe}})
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        for _ in range(2):
            network.hosts["one"] = refused
            await bench.health.wait_for("audio-service", State.UNHEALTHY)
            network.hosts["one"] = healthy
            await bench.health.wait_for("audio-service", State.HEALTHY)
        assert bench.instance().is_flapping is True
        assert bench.texts()[-1] == (
            "http://one:5001 flaps: 4 changes within 60 s. "
            "Until that is over, it is healthy after 6 good checks in a row."
        )
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert bench.instance().reasons == ("flaps, 3 of 6 good checks",)
        assert bench.health.is_usable("audio-service", "http://one:5001")
        await bench.health.wait_for("audio-service", State.HEALTHY)
        await trio.sleep(70)
        assert not bench.instance().is_flapping
        assert sum("is stable again" in text for text in bench.texts()) == 1
        assert sum("flaps:" in text for text in bench.texts()) == 1

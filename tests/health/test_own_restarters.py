"""Instances that are restarted alone: several children of one service, and commands of instances."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from msgspec import UNSET

from orch.health.health_events import Stage
from orch.health.verdict import State
from orch.problems import ProblemError
from orch.processes import ProcessSpec
from tests.fakes.health import Bench, Network, healthy, refused

ONE, TWO, THREE = (f"http://{host}:5001" for host in ("one", "two", "three"))


class Programs:
    """Programs that run until they are ended; ``started`` are the names of those that were started."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.environments: list[dict[str, str]] = []
        self.ends: dict[str, trio.Event] = {}
        self.network = Network(one=healthy, two=healthy, three=healthy)

    async def __call__(
        self, spec: ProcessSpec, *, on_started: Callable[[int], None], is_command: bool = False, **_rest: Any
    ) -> int:
        name = spec.argv[0]
        self.started.append(name)
        self.environments.append(dict(spec.env))
        on_started(len(self.started))
        if is_command:
            await trio.lowlevel.checkpoint()
            self.network.hosts[spec.argv[1]] = healthy
            return 0
        self.network.hosts[name] = healthy
        self.ends[name] = trio.Event()
        try:
            await self.ends[name].wait()
        finally:
            self.network.hosts[name] = refused
        return -9

    def kill(self, name: str) -> None:
        """End a program, as a signal does."""
        self.ends[name].set()


def two_children(programs: Programs, *, wall: float = 0, **service: Any) -> Bench:
    """Return a health service with two children. ``wall``: epoch seconds at its begin."""
    began = trio.current_time()
    configured = {"url": ONE, "instances": [{"url": TWO}], **service}
    return Bench(
        network=programs.network,
        services={"audio-service": configured},
        processes={"audio-service": [ProcessSpec((host,), name=f"audio-{host}") for host in ("one", "two")]},
        run_child=programs,
        wall=lambda: wall + trio.current_time() - began,
    )


async def both_healthy(bench: Bench) -> None:
    """Return once both instances are."""
    await bench.until(lambda: all(bench.instance(index).state is State.HEALTHY for index in (0, 1)))


async def test_of_two_children_the_one_that_ended_is_started_again() -> None:
    """The other keeps running and serving; steps, events and counts name the right one."""
    programs = Programs()
    bench = two_children(programs)
    resets: list[tuple[str, str | None]] = []

    def reset(service: str, url: str | None) -> str:
        resets.append((service, url))
        return "Done."

    bench.health.reset_connections = reset
    async with bench.running():
        await both_healthy(bench)
        assert sorted(programs.started) == ["one", "two"]
        assert [bench.instance(index).name for index in (0, 1)] == ["audio-one", "audio-two"]
        pids = [bench.instance(index).pid for index in (0, 1)]
        programs.kill("two")
        await bench.health.wait_for("audio-service", State.DEGRADED)
        assert bench.instance(1).state is State.UNHEALTHY
        assert bench.service().reason == (
            "1 of 2 instances: audio-two is unhealthy (process ended by signal 9 (SIGKILL))"
        )
        recovery = bench.service().recovery
        assert recovery is not None
        assert recovery.text == "audio-two: Restarts in 1 s, attempt 1 of 5."
        assert bench.instance(0).recovery is UNSET
        assert not bench.health.is_usable("audio-service", TWO)
        assert bench.health.presence("audio-service", TWO) == "gone"
        assert bench.health.is_usable("audio-service", ONE)
        await both_healthy(bench)
        assert programs.started[2:] == ["two"]
        assert (bench.instance(0).pid, bench.instance(0).restarts) == (pids[0], 0)
        assert (bench.instance(1).pid, bench.instance(1).restarts) == (3, 1)
        assert resets == [("audio-service", TWO)]
        steps = bench.service().steps
        assert [(step.stage, step.instance) for step in steps] == [
            (stage, "audio-two") for stage in (Stage.RESET, Stage.HOOK, Stage.VERIFYING, Stage.RECOVERED)
        ]
        assert steps[1].text == "audio-two: Is restarted, attempt 1 of 5."


async def test_an_operator_restarts_one_child_or_all() -> None:
    """By its name or its URL; one that does not exist is a problem that names those that do."""
    programs = Programs()
    bench = two_children(programs)
    async with bench.running():
        await both_healthy(bench)
        await bench.health.restart("audio-service", reason="Asked for.", instance="audio-two")
        await trio.sleep(0.1)
        await both_healthy(bench)
        assert programs.started[2:] == ["two"]
        assert "audio-two: Is being restarted. Asked for." in bench.texts()
        await bench.health.restart("audio-service", reason="Asked for.", instance=ONE)
        await trio.sleep(0.1)
        await both_healthy(bench)
        assert programs.started[3:] == ["one"]
        await bench.health.restart("audio-service", reason="Asked for.")
        await trio.sleep(0.1)
        await both_healthy(bench)
        assert sorted(programs.started[4:]) == ["one", "two"]
        with pytest.raises(ProblemError) as problem:
            await bench.health.restart("audio-service", reason="Asked for.", instance="audio-three")
        assert problem.value.problem.code == "unknown_instance"
        assert problem.value.detail == ("audio-service has no such instance. It has: audio-one, audio-two.")


async def test_a_recovery_of_one_child_is_stopped_and_the_other_still_recovers() -> None:
    """What an operator stopped stays as it is until a restart is asked for."""
    programs = Programs()
    bench = two_children(programs)
    async with bench.running():
        await both_healthy(bench)
        programs.kill("two")
        await bench.health.wait_for("audio-service", State.DEGRADED)
        await bench.health.stop_recovery("audio-service", reason="Asked for.")
        await trio.sleep(60)
        assert programs.started[2:] == []
        programs.kill("one")
        await bench.health.wait_for("audio-service", State.DEGRADED)
        await trio.sleep(10)
        assert programs.started[2:] == ["one"]
        await bench.health.restart("audio-service", reason="Asked for.", instance=TWO)
        await both_healthy(bench)


async def test_a_child_whose_instance_leaves_the_settings_ends_and_comes_back_with_it() -> None:
    """A process is never left behind, and the other is not touched."""
    programs = Programs()
    bench = two_children(programs)
    async with bench.running():
        await both_healthy(bench)
        bench.settings.change(services={"audio-service": {"url": ONE}})
        await trio.sleep(2)
        assert [each.url for each in bench.service().instances] == [ONE]
        assert programs.network.hosts["two"] is refused
        bench.settings.change(services={"audio-service": {"url": ONE, "instances": [{"url": TWO}]}})
        await trio.sleep(2)
        await both_healthy(bench)
        assert programs.started[2:] == ["two"]


async def test_an_instance_is_restarted_by_its_own_command_while_the_others_work() -> None:
    """The service's command stands for the instances without one: it is run when all of those are down."""
    programs = Programs()
    service = {
        "url": ONE,
        "restart_command": ["shared", "one"],
        "instances": [{"url": TWO, "restart_command": ["own", "two"]}, {"url": THREE}],
    }
    bench = Bench(network=programs.network, services={"audio-service": service}, run_child=programs)
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        programs.network.hosts["two"] = refused
        await bench.health.wait_for("audio-service", State.DEGRADED)
        await bench.health.wait_for("audio-service", State.HEALTHY)
        assert programs.started == ["own"]
        assert programs.environments[0]["ORCH_INSTANCE"] == TWO
        assert bench.instance(1).restarts == 1
        programs.network.hosts["three"] = refused
        await bench.health.wait_for("audio-service", State.DEGRADED)
        await trio.sleep(60)
        assert programs.started == ["own"]
        programs.network.hosts["one"] = refused
        await trio.sleep(20)
        assert programs.started[:2] == ["own", "shared"]
        assert "ORCH_INSTANCE" not in programs.environments[1]


async def test_a_command_that_the_settings_lose_is_not_run_again() -> None:
    """And one that they get is used: neither needs a restart of this service."""
    programs = Programs()
    with_command = {"url": ONE, "instances": [{"url": TWO, "restart_command": ["own", "two"]}]}
    without = {"url": ONE, "instances": [{"url": TWO}]}
    bench = Bench(network=programs.network, services={"audio-service": without}, run_child=programs)
    async with bench.running():
        await both_healthy(bench)
        programs.network.hosts["two"] = refused
        await trio.sleep(40)
        assert programs.started == []
        bench.settings.change(services={"audio-service": with_command})
        await both_healthy(bench)
        assert programs.started == ["own"]
        bench.settings.change(services={"audio-service": without})
        await trio.sleep(2)
        programs.network.hosts["two"] = refused
        await trio.sleep(40)
        assert programs.started == ["own"]
        assert not bench.service().restartable


async def test_during_maintenance_no_child_is_restarted_by_itself() -> None:
    """Not one of several, either; afterwards it is started."""
    programs = Programs()
    bench = two_children(programs, maintenance=[{"start": "1970-01-01T00:01", "minutes": 1}], wall=50)
    async with bench.running():
        await both_healthy(bench)
        await trio.sleep(15)
        programs.kill("two")
        await trio.sleep(20)
        assert programs.started[2:] == []
        await trio.sleep(40)
        assert programs.started[2:] == ["two"]
        await both_healthy(bench)

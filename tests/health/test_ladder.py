"""The ladder of a recovery: reset, restart hook, escalation; what it waits for, and what stops it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Never

import pytest
import trio

from orch.cluster.lease import Lease, Leases
from orch.health.health_events import Stage
from orch.health.hooks.hook import HookCall, Outcome
from orch.health.hooks.webhook import Webhook
from orch.health.recovery import (
    Escalate,
    Nothing,
    Recovery,
    RecoveryPolicy,
    Wait,
    begin,
    decide,
    failed,
    give_up,
    needs_reset,
    recovered,
    stopped,
    with_reset,
)
from orch.health.verdict import State
from orch.problems import ProblemError
from orch.processes import ProcessSpec
from orch.telemetry.work import IDLE, Work
from tests.fakes.health import Bench, Network, answers, healthy, refused, silent

POLICY = RecoveryPolicy()
ONE = "http://one:5001"


def test_connections_are_reset_once_for_each_failure() -> None:
    """Not again with each failing check or attempt; again after it was up."""
    recovery = failed(Recovery(), 0)
    assert needs_reset(recovery)
    recovery = with_reset(recovery)
    assert not needs_reset(failed(recovery, 1))
    recovery = failed(begin(recovery, POLICY, 1), 5)
    assert not needs_reset(recovery)
    assert needs_reset(failed(recovered(recovery), 100))


def test_a_stopped_recovery_does_nothing_until_it_is_up() -> None:
    """However long it stays down; the next failure is recovered from as usual."""
    recovery = stopped(failed(Recovery(), 0))
    assert decide(failed(recovery, 5), POLICY, 10_000) == Nothing()
    assert not needs_reset(recovery)
    assert decide(failed(recovered(recovery), 20_000), POLICY, 20_000) == Wait(20_001, 1)


def test_without_a_hook_people_are_called_once() -> None:
    """After the longest pause, since most failures are over by then."""
    policy = RecoveryPolicy(has_hook=False)
    recovery = failed(Recovery(), 0)
    assert decide(recovery, policy, 29) == Wait(30, 0)
    assert decide(recovery, policy, 30) == Escalate()
    assert decide(give_up(recovery, 30), policy, 10_000) == Nothing()


@dataclass
class Restarts:
    """A restart command: what it does, and when it ran."""

    bench: "Bench | None" = None
    at: list[float] = field(default_factory=list)
    takes: float = 0.0
    effect: Callable[[], None] = lambda: None
    ended: int = 0

    async def __call__(self, *_arguments: Any, on_started: Callable[[int], None], **_options: Any) -> int:
        self.at.append(trio.current_time())
        on_started(1)
        try:
            await trio.sleep(self.takes)
        finally:
            self.ended += 1
        self.effect()
        return 0


def bench(network: Network, restarts: Restarts, **recovery: Any) -> Bench:
    service = {"url": ONE, "restart_command": ["restart"], "recovery": recovery}
    made = Bench(network=network, services={"audio-service": service}, run_child=restarts)
    made.health.reset_connections = lambda _service, _url: "2 idle connections were closed."
    return made


def steps(bench: Bench) -> list[tuple[Stage, int, str]]:
    return [(step.stage, step.attempt, step.text) for step in bench.service().steps]


async def down(bench: Bench, network: Network, how: Any = refused) -> None:
    await bench.health.wait_for("audio-service", State.HEALTHY)
    network.hosts["one"] = how
    await bench.health.wait_for("audio-service", State.UNHEALTHY)


async def test_each_rung_is_a_step_with_its_time() -> None:
    """Reset at once, the hook after a pause, then checks show whether it helped."""
    network, restarts = Network(one=healthy), Restarts()
    restarts.effect = lambda: network.hosts.update(one=healthy)
    made = bench(network, restarts)
    async with made.running():
        await down(made, network)
        began = trio.current_time()
        await made.health.wait_for("audio-service", State.HEALTHY)
        assert steps(made) == [
            (Stage.RESET, 0, "2 idle connections were closed."),
            (Stage.HOOK, 1, "Is restarted, attempt 1 of 5."),
            (Stage.VERIFYING, 1, "The restart command succeeded. Waits for a response."),
            (Stage.RECOVERED, 1, "Is healthy after the restart."),
        ]
        times = [step.at - began for step in made.service().steps]
        assert times == pytest.approx([0, 1, 1, 1.5], abs=0.3)


async def test_work_in_progress_is_named_and_waited_for() -> None:
    """It is not killed for nothing: the restart comes when it is done, and no new requests come meanwhile."""
    network, restarts = Network(one=healthy), Restarts()
    made = bench(network, restarts)
    work = Work(3, 41.0, makes_progress=True)
    made.health.work_of = lambda _service, _url: work
    async with made.running():
        await down(made, network)
        await trio.sleep(5)
        assert restarts.at == []
        waiting = steps(made)[-1]
        assert waiting == (Stage.WAITING, 1, "3 transcriptions, the oldest for 41 s: waits for up to 30 s.")
        recovery = made.service().recovery
        assert recovery is not None
        assert "3 transcriptions" in recovery.text
        work = IDLE
        await trio.sleep(0.5)
        assert len(restarts.at) == 1


async def test_work_is_waited_for_up_to_the_limit_and_then_named_as_lost() -> None:
    """Nobody can hold up a recovery for ever."""
    network, restarts = Network(one=healthy), Restarts()
    made = bench(network, restarts, wait_for_work=8)
    began = -1_000.0  # it was there before the failure
    made.health.work_of = lambda _s, _u: Work(1, trio.current_time() - began, makes_progress=True)
    async with made.running():
        await down(made, network)
        at = trio.current_time()
        await trio.sleep(20)
        assert restarts.at[0] - at == pytest.approx(1 + 8, abs=0.3)
        text = next(text for stage, _, text in steps(made) if stage is Stage.HOOK)
        assert text.startswith("Is restarted, attempt 1 of 5. This ends 1 transcription, for ")
        assert any(text.startswith("This ends 1 transcription") for text in made.texts())


@pytest.mark.parametrize("work", [Work(3, 90.0, makes_progress=False), IDLE])
async def test_work_that_makes_no_progress_is_not_waited_for(work: Work) -> None:
    """It would never end."""
    network, restarts = Network(one=healthy), Restarts()
    made = bench(network, restarts)
    made.health.work_of = lambda _service, _url: work
    async with made.running():
        await down(made, network)
        await trio.sleep(1.5)
        assert len(restarts.at) == 1
        assert Stage.WAITING not in [stage for stage, _, _ in steps(made)]


async def test_a_request_that_came_later_is_not_waited_for() -> None:
    """Else steady traffic would always use up the limit."""
    network, restarts = Network(one=healthy), Restarts()
    made = bench(network, restarts)
    made.health.work_of = lambda _service, _url: Work(9, 2.0, makes_progress=True)
    async with made.running():
        await down(made, network)
        await trio.sleep(1 + 2 + 0.6)
        assert len(restarts.at) == 1


async def test_a_back_end_that_comes_back_by_itself_is_not_restarted() -> None:
    """While work is waited for, a better verdict supersedes the recovery; the attempt does not count."""
    network, restarts = Network(one=healthy), Restarts()
    made = bench(network, restarts)
    made.health.work_of = lambda _s, _u: Work(1, trio.current_time() + 50, makes_progress=True)
    async with made.running():
        await down(made, network)
        await trio.sleep(3)
        assert steps(made)[-1][0] is Stage.WAITING
        network.hosts["one"] = healthy
        await made.health.wait_for("audio-service", State.HEALTHY)
        await trio.sleep(60)
        assert restarts.at == []
        assert steps(made)[-1] == (Stage.SUPERSEDED, 0, "Is healthy without a restart.")
        assert made.service().recovery is None
        network.hosts["one"] = refused
        await made.health.wait_for("audio-service", State.UNHEALTHY)
        await made.told("Restarts in 1 s, attempt 1 of 5.")


async def test_an_operator_can_stop_a_hook_that_runs() -> None:
    """It is cancelled, nothing follows, and the overview says so; a restart is possible."""
    network, restarts = Network(one=healthy), Restarts(takes=50)
    made = bench(network, restarts)
    async with made.running():
        await down(made, network)
        await trio.sleep(5)
        assert (len(restarts.at), restarts.ended) == (1, 0)
        running = made.service().recovery
        assert running is not None
        assert running.text == "Is being restarted, attempt 1."
        asked: list[str] = []

        async def others(service: str, reason: str) -> bool:
            await trio.lowlevel.checkpoint()
            asked.append(service)
            return made.health.stop_recovery_here(service, reason=reason)  # the survey asks this worker, too

        made.health.stop_on_other_workers = others
        await made.health.stop_recovery("audio-service", reason="An operator asked for it.")
        assert asked == ["audio-service"]
        await trio.sleep(80)
        assert (len(restarts.at), restarts.ended) == (1, 1)
        assert [step for step in steps(made) if step[0] is Stage.STOPPED] == [
            (Stage.STOPPED, 1, "An operator asked for it.")
        ]
        recovery = made.service().recovery
        assert recovery is not None
        assert recovery.text.startswith("An operator stopped the recovery.")
        restarts.takes, restarts.effect = 0, lambda: network.hosts.update(one=healthy)
        await made.health.restart("audio-service", reason="An operator asked for it.")
        await made.health.wait_for("audio-service", State.HEALTHY)
        assert len(restarts.at) == 2


async def test_a_recovery_can_be_stopped_while_it_waits_and_only_if_there_is_one() -> None:
    """Before the first attempt, too. Nothing to stop, and an unknown service, are problems."""
    network, restarts = Network(one=healthy), Restarts()
    made = bench(network, restarts)
    async with made.running():
        await made.health.wait_for("audio-service", State.HEALTHY)
        for name, code in (("audio-service", "no_recovery"), ("none", "unknown_service")):
            with pytest.raises(ProblemError) as problem:
                await made.health.stop_recovery(name, reason="")
            assert problem.value.problem.code == code
        await down(made, network)
        await made.health.stop_recovery("audio-service", reason="An operator asked for it.")
        await trio.sleep(100)
        assert restarts.at == []


async def test_an_operators_restart_waits_for_work_and_can_be_forced() -> None:
    """A healthy service is restarted when its requests are done, or at once."""
    network, restarts = Network(one=healthy), Restarts()
    made = bench(network, restarts)
    made.health.work_of = lambda _s, _u: Work(2, trio.current_time() + 50, makes_progress=True)
    async with made.running():
        await made.health.wait_for("audio-service", State.HEALTHY)
        await made.health.restart("audio-service", reason="An operator asked for it.")
        await trio.sleep(10)
        assert restarts.at == []
        assert made.health.is_usable("audio-service", ONE)  # there is no other
        await made.health.restart("audio-service", reason="An operator asked for it.", is_forced=True)
        await trio.sleep(0.1)
        assert len(restarts.at) == 1


async def test_an_instance_that_is_about_to_be_restarted_gets_no_requests_while_there_is_another() -> None:
    """All instances are behind one hook, so both would; a busy one beside it does not change that."""
    network, restarts = Network(one=healthy, two=healthy), Restarts()
    service = {"url": ONE, "instances": [{"url": "http://two:5001"}], "restart_command": ["restart"]}
    made = Bench(network=network, services={"audio-service": service}, run_child=restarts)
    made.health.work_of = lambda _s, _u: Work(2, trio.current_time() + 50, makes_progress=True)
    async with made.running():
        await made.health.wait_for("audio-service", State.HEALTHY)
        await made.health.restart("audio-service", reason="An operator asked for it.")
        await trio.sleep(1)
        assert made.health.is_usable("audio-service", ONE)
        assert made.health.is_usable("audio-service", "http://two:5001")


async def test_attempts_that_do_not_help_end_in_an_escalation() -> None:
    """Each is a failure with a growing pause; after the last one people are called, once."""
    network, restarts = Network(one=healthy), Restarts()
    made = bench(network, restarts, attempts=3, verify_within=4)
    async with made.running():
        await down(made, network)
        await made.told("did not stay up")
        pauses = [after - before for before, after in zip(restarts.at, restarts.at[1:], strict=False)]
        assert len(restarts.at) == 3
        assert pauses == sorted(pauses)
        stages = [stage for stage, _, _ in steps(made)]
        attempt = [Stage.HOOK, Stage.VERIFYING, Stage.FAILED]
        assert stages == [Stage.RESET, *attempt * 3, Stage.ESCALATED]


async def test_without_a_hook_there_is_a_reset_and_an_escalation() -> None:
    """A back end that nothing restarts is not left without a word."""
    network = Network(one=healthy)
    made = Bench(network=network, services={"audio-service": {"url": ONE}})
    made.health.reset_connections = lambda _service, _url: "Done."
    async with made.running():
        await down(made, network)
        await trio.sleep(100)
        assert [stage for stage, _, _ in steps(made)] == [Stage.RESET, Stage.ESCALATED]
        assert made.texts()[-1] == "Is still down after 30 s, and nothing is set to restart it."


async def test_a_child_that_has_work_is_ended_when_it_is_done_and_not_if_it_comes_back() -> None:
    """It is a process of ours: ending it is the restart."""
    network, ended = Network(one=healthy), list[float]()

    async def run_child(*_arguments: Any, on_started: Callable[[int], None], **_options: Any) -> int:
        on_started(7)
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    made = Bench(
        network=network,
        services={"audio-service": {"url": ONE}},
        processes={"audio-service": ProcessSpec(argv=("asr",))},
        run_child=run_child,
    )
    work = [Work(1, 1_000.0, makes_progress=True)]
    made.health.work_of = partial(_current, work)
    async with made.running():
        await made.health.wait_for("audio-service", State.HEALTHY)
        network.hosts["one"] = refused
        await made.health.wait_for("audio-service", State.UNHEALTHY)
        await trio.sleep(5)
        assert (steps(made)[-1][0], ended) == (Stage.WAITING, [])
        network.hosts["one"] = healthy
        await made.health.wait_for("audio-service", State.HEALTHY)
        await trio.sleep(20)
        assert (steps(made)[-1][0], ended) == (Stage.SUPERSEDED, [])
        network.hosts["one"] = refused
        await made.health.wait_for("audio-service", State.UNHEALTHY)
        await trio.sleep(5)
        work[0], network.hosts["one"] = IDLE, healthy
        await trio.sleep(0.3)
        assert len(ended) == 1
        await made.health.wait_for("audio-service", State.HEALTHY)
        work[0] = Work(1, 1_000.0, makes_progress=True)
        await made.health.restart("audio-service", reason="An operator asked for it.")
        await trio.sleep(5)
        assert len(ended) == 1
        await made.health.stop_recovery("audio-service", reason="An operator asked for it.")
        await trio.sleep(31)
        assert len(ended) == 1
        await made.health.restart("audio-service", reason="An operator asked for it.")
        await trio.sleep(31)
        assert len(ended) == 2


async def test_an_escalation_calls_its_webhook_and_a_failure_of_that_is_an_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once per failure, with the reason."""
    called: list[HookCall] = []

    async def fails(_self: Webhook, call: HookCall) -> Outcome:
        await trio.lowlevel.checkpoint()
        called.append(call)
        return Outcome("responded 500")

    monkeypatch.setattr(Webhook, "__call__", fails)
    network = Network(one=healthy)
    service = {"url": ONE, "recovery": {"escalation_url": "https://ops.example/"}}
    made = Bench(network=network, services={"audio-service": service})
    async with made.running():
        await down(made, network)
        await trio.sleep(100)
        assert [call.reason for call in called] == [
            "Is still down after 30 s, and nothing is set to restart it. connection refused"
        ]
        assert made.texts()[-1] == "The escalation webhook responded 500."


class _HeldByAnother:
    """The lease of a worker that is not responsible."""

    is_held = False
    is_held_by_another = True
    is_shared = True

    async def hold(self, _act: Any) -> Never:
        await trio.sleep_forever()
        raise AssertionError


class _OtherLeases(Leases):
    def lease(self, name: str) -> Lease:
        return _HeldByAnother()


async def test_a_worker_that_is_not_responsible_resets_its_own_connections_alone() -> None:
    """It runs no hook, calls nobody, and does not claim that nothing was done."""
    network, restarts = Network(one=healthy), Restarts()
    service = {"url": ONE, "restart_command": ["restart"]}
    made = Bench(
        network=network, services={"audio-service": service}, run_child=restarts, leases=_OtherLeases()
    )
    made.health.reset_connections = lambda _service, _url: "Done."
    async with made.running():
        await down(made, network)
        await trio.sleep(60)
        network.hosts["one"] = healthy
        await made.health.wait_for("audio-service", State.HEALTHY)
        assert steps(made) == [(Stage.RESET, 0, "Done.")]
        assert restarts.at == []


def _current(work: list[Work], _service: str, _url: str) -> Work:
    return work[0]


async def test_a_service_busy_behind_one_thread_is_not_recovered() -> None:
    """12 s and 40 s without a response to a check, with work that goes on: no step at all."""
    for seconds in (12, 40):
        network, restarts = Network(one=healthy), Restarts()
        made = bench(network, restarts)
        made.settings.change(orchestration={"monitoring": {"health_check_interval": 2, "busy_limit": 60}})
        work = [IDLE]
        made.health.work_of = partial(_current, work)
        async with made.running():
            await made.health.wait_for("audio-service", State.HEALTHY)
            network.hosts["one"], work[0] = silent, Work(1, 5.0, makes_progress=True)
            await trio.sleep(seconds)
            assert made.service().state is State.BUSY
            network.hosts["one"], work[0] = answers(200, {"status": "healthy"}), IDLE
            await made.health.wait_for("audio-service", State.HEALTHY)
            assert steps(made) == []
            assert restarts.at == []

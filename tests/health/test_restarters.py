import errno
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from orch import processes
from orch.health.recovery import RecoveryPolicy
from orch.health.verdict import State
from orch.processes import ProcessSpec
from tests.fakes.health import QUICK_POLICY, Bench, backend
from tests.fakes.ports import free_port
from tests.fakes.running import run

pytestmark = pytest.mark.process

#: Where the wait before an attempt is to be told: one that has passed by then is not.
UNHURRIED_POLICY = replace(QUICK_POLICY, first=1.5, longest=1.5)

MONITORING: dict[str, Any] = {"monitoring": {"health_check_interval": 30, "health_check_timeout": 30}}


def bench_with_child(port: int, *options: str, policy: RecoveryPolicy = QUICK_POLICY) -> Bench:
    return Bench(
        processes={"audio-service": backend(port, *options)},
        policy=policy,
        services={"audio-service": {"url": f"http://127.0.0.1:{port}"}},
        orchestration=MONITORING,
    )


def live(main: Callable[[], Awaitable[None]]) -> None:
    """Run with real processes and the real clock, within a time limit."""
    run(main, virtual=False, limit=60)


def in_order(texts: list[str], *wanted: str) -> bool:
    """Whether each of ``wanted`` begins one of ``texts``, in this order."""
    remaining = iter(texts)
    return all(any(text.startswith(want) for text in remaining) for want in wanted)


def test_a_child_killed_by_signal_9_is_started_again_on_its_port() -> None:
    """Noticed at once though checks are 30 s apart; each step of the recovery is an event."""

    async def main() -> None:
        bench = bench_with_child(free_port(), policy=UNHURRIED_POLICY)
        async with bench.running():
            await bench.health.wait_for("audio-service", State.HEALTHY)
            first = bench.instance().pid
            assert first is not None
            assert bench.service().restartable
            os.kill(first, signal.SIGKILL)
            await bench.health.wait_for("audio-service", State.UNHEALTHY)
            assert bench.instance().pid is None
            assert not bench.health.is_usable("audio-service", bench.instance().url)
            assert bench.service().reason == "process ended by signal 9 (SIGKILL)"
            await bench.health.wait_for("audio-service", State.HEALTHY)
            assert bench.instance().pid not in {None, first}
            assert bench.instance().restarts == 1
            assert bench.service().recovery is None
            states = [check.state for check in bench.instance().checks]
            assert states[-3:] == [State.UNHEALTHY, State.RECOVERING, State.HEALTHY]
            assert in_order(
                bench.texts(),
                "Is healthy, responds in ",
                "Is unhealthy: process ended by signal 9 (SIGKILL).",
                "Restarts in ",
                "Is recovering: restarted, attempt 1 of 3, no response yet.",
                "Is healthy again, responds in ",
            )
            assert 'service="audio-service"} 1.0' in bench.metrics.render()[0].decode()

    live(main)


def test_each_state_on_the_way_back_can_be_waited_for() -> None:
    """Unhealthy, recovering, healthy: none is skipped, so the page shows all three."""

    async def main() -> None:
        bench = bench_with_child(free_port())
        async with bench.running():
            await bench.health.wait_for("audio-service", State.HEALTHY)
            os.kill(bench.instance().pid or 0, signal.SIGKILL)
            for state in (State.UNHEALTHY, State.RECOVERING, State.HEALTHY):
                await bench.health.wait_for("audio-service", state)

    live(main)


def test_a_child_that_does_not_stay_up_is_given_up_until_an_operator_restarts_it(tmp_path: Path) -> None:
    """Three attempts, then an event and no fourth; an operator's restart resets the count."""

    async def main() -> None:
        port = free_port()
        script = tmp_path / "flaky.py"
        script.write_text("import sys; sys.exit('no model')")
        spec = ProcessSpec(argv=(sys.executable, str(script)))
        bench = Bench(
            processes={"audio-service": spec},
            policy=QUICK_POLICY,
            services={"audio-service": {"url": f"http://127.0.0.1:{port}"}},
            orchestration=MONITORING,
        )
        async with bench.running():
            await bench.told("did not stay up")
            texts = bench.texts()
            assert bench.instance().restarts == 3
            assert texts[-1] == (
                "Was restarted 3 times within 60 s and did not stay up. "
                "It is tried again every 5 min; restart it once the cause is fixed."
            )
            recovery = bench.service().recovery
            assert recovery is not None
            assert (recovery.attempt, recovery.limit) == (3, 3)
            assert recovery.next_in is not None
            assert 290 < recovery.next_in <= 300
            assert recovery.text.endswith("The next attempt is in 5 min.")
            assert bench.service().state is State.UNHEALTHY
            assert bench.service().reason == (
                "failed to start 4 times in a row: process ended with code 1; its last output: no model"
            )

            healthy = backend(port).argv
            script.write_text(f"import os, sys; os.execv({healthy[0]!r}, {list(healthy)!r})")
            await bench.health.restart("audio-service", reason="An operator asked for it.")
            await bench.health.wait_for("audio-service", State.HEALTHY)
            assert bench.service().recovery is None
            assert in_order(
                bench.texts()[len(texts) :],
                "Is being restarted. An operator asked for it.",
                "Is recovering",
                "Is healthy",
            )

    live(main)


def test_a_program_that_cannot_be_started_is_reported_in_words() -> None:
    """A missing program is no crash of the branch."""

    async def main() -> None:
        bench = Bench(
            processes={"audio-service": ProcessSpec(argv=("/nonexistent/audio-service",))},
            policy=QUICK_POLICY,
            services={"audio-service": {"url": f"http://127.0.0.1:{free_port()}"}},
        )
        async with bench.running():
            await bench.health.wait_for("audio-service", State.UNHEALTHY)
            assert bench.service().reason == (
                "cannot be started: No such file or directory: /nonexistent/audio-service"
            )
            await bench.told("did not stay up")

    live(main)


def test_an_operators_restart_stops_a_healthy_child_and_starts_another() -> None:
    """Recovering at once, and not usable until the new one has responded."""

    async def main() -> None:
        bench = bench_with_child(free_port())
        async with bench.running():
            await bench.health.wait_for("audio-service", State.HEALTHY)
            first = bench.instance().pid
            await bench.health.restart("audio-service", reason="An operator asked for it.")
            assert bench.service().state is State.RECOVERING
            assert not bench.health.is_usable("audio-service", bench.instance().url)
            await bench.health.wait_for("audio-service", State.HEALTHY)
            assert bench.instance().pid not in {None, first}
            assert not any("unhealthy" in text for text in bench.texts())

    live(main)


def test_a_child_that_no_longer_responds_is_restarted(tmp_path: Path) -> None:
    """Alive is not enough: after three missed checks in a row it is ended like one that died."""

    async def main() -> None:
        said = tmp_path / "health.json"
        said.write_text(json.dumps({"status": "healthy"}))
        bench = bench_with_child(free_port(), "--health", str(said))
        bench.settings.change(
            orchestration={"monitoring": {"health_check_interval": 0.2, "health_check_timeout": 0.5}}
        )
        async with bench.running():
            await bench.health.wait_for("audio-service", State.HEALTHY)
            first = bench.instance().pid
            said.write_text(json.dumps({"silent": True}))
            await bench.health.wait_for("audio-service", State.UNHEALTHY)
            said.write_text(json.dumps({"status": "healthy"}))
            await bench.health.wait_for("audio-service", State.HEALTHY)
            assert bench.instance().pid not in {None, first}
            assert in_order(
                bench.texts(),
                "Is degraded: no response in 500 ms (1 of 3 checks in a row).",
                "Is unhealthy: no response in 500 ms.",
                "Is recovering",
                "Is healthy again",
            )

    live(main)


def test_the_end_of_the_branch_ends_its_children() -> None:
    """Stopping the service leaves nothing running, and the next run starts them again."""

    async def main() -> None:
        bench = bench_with_child(free_port())
        for _ in range(2):
            async with bench.running():
                await bench.health.wait_for("audio-service", State.HEALTHY)
                pid = bench.instance().pid
                assert pid is not None
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
            assert bench.instance().pid is None
            assert bench.service().reason == "stopped with the health branch"
            assert not bench.health.is_usable("audio-service", bench.instance().url)

    live(main)


def test_a_service_that_leaves_the_settings_is_stopped() -> None:
    """Its child ends, while the branch keeps running."""

    async def main() -> None:
        bench = bench_with_child(free_port())
        async with bench.running():
            await bench.health.wait_for("audio-service", State.HEALTHY)
            descriptor = os.pidfd_open(bench.instance().pid or 0)
            bench.settings.change(services={})
            await trio.lowlevel.wait_readable(descriptor)
            os.close(descriptor)

    live(main)


def command_starting(port: int, notes: Path) -> list[str]:
    """Return a restart command that starts the fake back end as a daemon and stores its environment."""
    code = (
        "import os, subprocess, sys\n"
        f"open({str(notes)!r}, 'a').write(os.environ['ORCH_SERVICE'] + '\\n')\n"
        "reads, writes = os.pipe()\n"
        f"argv = {list(backend(port).argv)!r}\n"
        "child = subprocess.Popen(argv, stdin=reads, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, "
        "pass_fds=(writes,), start_new_session=True)\n"
        f"open({str(notes)!r}, 'a').write(str(child.pid) + '\\n')\n"
        "print('started it')\n"
    )
    return [sys.executable, "-c", code]


def test_a_restart_command_restarts_a_service_that_runs_elsewhere(tmp_path: Path) -> None:
    """A back end that is not ours is started by its command when it is down, under the same limits."""

    async def main() -> None:
        port, notes = free_port(), tmp_path / "notes"
        service = {"url": f"http://127.0.0.1:{port}", "restart_command": command_starting(port, notes)}
        bench = Bench(policy=UNHURRIED_POLICY, services={"audio-service": service}, orchestration=MONITORING)
        async with bench.running():
            await bench.health.wait_for("audio-service", State.UNHEALTHY)
            assert bench.service().restartable
            await bench.health.wait_for("audio-service", State.RECOVERING)
            name, pid = notes.read_text().split()
            try:
                await bench.health.wait_for("audio-service", State.HEALTHY)
                assert name == "audio-service"
            finally:
                os.kill(int(pid), signal.SIGKILL)
            assert in_order(
                bench.texts(),
                "Is unhealthy: connection refused.",
                "Restarts in ",
                "Is recovering: restarted, attempt 1 of 3, no response yet.",
                "Is healthy again",
            )

    live(main)


def test_a_given_up_service_recovers_by_itself_once_the_cause_has_passed(tmp_path: Path) -> None:
    """Without an operator: one of the rare attempts succeeds, and the count is reset."""

    async def main() -> None:
        port = free_port()
        script = tmp_path / "flaky.py"
        script.write_text("import sys; sys.exit('no model')")
        bench = Bench(
            processes={"audio-service": ProcessSpec(argv=(sys.executable, str(script)))},
            policy=replace(QUICK_POLICY, again=0.5),
            services={"audio-service": {"url": f"http://127.0.0.1:{port}"}},
            orchestration=MONITORING,
        )
        async with bench.running():
            await bench.told("did not stay up")
            healthy = backend(port).argv
            script.write_text(f"import os, sys; os.execv({healthy[0]!r}, {list(healthy)!r})")
            await bench.health.wait_for("audio-service", State.HEALTHY)
            assert bench.service().recovery is None
            assert sum("did not stay up" in text for text in bench.texts()) == 1

    live(main)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN])
def test_a_start_that_fails_for_a_shortage_of_ours_costs_no_attempt(number: int) -> None:
    """The shortage is an event of our own; once it is over the child is started, whatever had been tried."""
    failures = iter(range(20))

    async def run_child(*arguments: Any, **options: Any) -> int:
        if next(failures, None) is not None:
            await trio.lowlevel.checkpoint()
            raise OSError(number, os.strerror(number))
        return await processes.run_child(*arguments, **options)

    async def main() -> None:
        port = free_port()
        bench = Bench(
            processes={"audio-service": backend(port)},
            policy=replace(QUICK_POLICY, shortage_pause=0.02),
            services={"audio-service": {"url": f"http://127.0.0.1:{port}"}},
            orchestration=MONITORING,
            run_child=run_child,
        )
        async with bench.running():
            await bench.health.wait_for("audio-service", State.HEALTHY)
            texts = bench.texts()
            assert not any("did not stay up" in text for text in texts)
            assert sum(text.startswith("The orchestration service is out of ") for text in texts) == 1
            assert sum(bench.shortages.counts.values()) == 20
            assert bench.instance().restarts == 1

    live(main)


def test_an_impossible_command_is_a_reason_and_ends_nothing_else() -> None:
    """An argument that no program can have is a reason, and the branch keeps running."""

    async def main() -> None:
        spec = ProcessSpec(argv=("no\0such",))
        bench = Bench(
            processes={"audio-service": spec},
            policy=QUICK_POLICY,
            services={"audio-service": {"url": f"http://127.0.0.1:{free_port()}"}},
            orchestration=MONITORING,
        )
        async with bench.running():
            await bench.told("did not stay up")
            assert "cannot be started: embedded null byte" in bench.service().reason

    live(main)


def test_a_restart_command_that_fails_is_retried_to_the_limit_and_given_up() -> None:
    """Its exit code is in the events; the service stays unhealthy for the reason it had."""

    async def main() -> None:
        service = {
            "url": f"http://127.0.0.1:{free_port()}",
            "restart_command": [sys.executable, "-c", "exit(4)"],
        }
        bench = Bench(policy=QUICK_POLICY, services={"audio-service": service}, orchestration=MONITORING)
        async with bench.running():
            await bench.told("did not stay up")
            assert bench.texts().count("The restart command ended with code 4.") == 3
            assert bench.service().reason == "connection refused"

    live(main)


def test_a_restart_command_that_hangs_is_ended() -> None:
    """A command has its own limit; it cannot hold up recovery for ever."""
    policy = replace(QUICK_POLICY, command_limit=0.3)

    async def main() -> None:
        hanging = [sys.executable, "-c", "import time; time.sleep(600)"]
        service = {"url": f"http://127.0.0.1:{free_port()}", "restart_command": hanging}
        bench = Bench(policy=policy, services={"audio-service": service}, orchestration=MONITORING)
        async with bench.running():
            await bench.told("The restart command did not end within 300 ms.")

    live(main)


def test_a_restart_command_runs_when_an_operator_asks() -> None:
    """Also for a healthy service; a failure is reported and not retried."""

    async def main() -> None:
        port = free_port()
        service = {"url": f"http://127.0.0.1:{port}", "restart_command": ["/nonexistent/restart"]}
        bench = Bench(policy=QUICK_POLICY, services={"audio-service": service}, orchestration=MONITORING)
        server = await trio.lowlevel.open_process(list(backend(port).argv), stdin=-1)
        async with bench.running():
            await bench.health.wait_for("audio-service", State.HEALTHY)
            await bench.health.restart("audio-service", reason="An operator asked for it.")
            await bench.told("The restart command cannot be started: No such file or directory")
            assert bench.service().state is State.HEALTHY
            assert bench.service().recovery is None
        server.kill()
        await server.wait()
        assert server.stdin is not None
        await server.stdin.aclose()

    live(main)

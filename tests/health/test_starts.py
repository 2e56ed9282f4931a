"""How the start of an instance goes: the table, its words, and a whole health branch with children."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from orch.health.incidents.courses import Course, Standing
from orch.health.incidents.courses import follow as follow_course
from orch.health.recovery import RecoveryPolicy
from orch.health.starts import TRANSITIONS, Event, Phase, Start, StartStatistics, follow, reasons_of
from orch.health.verdict import Finding, Limits, Observation, State, Verdict, judge
from orch.processes import ProcessSpec
from orch.shortages import Shortage
from tests.fakes.health import Bench, Network, answers, healthy, refused

LIMITS = Limits(start=60.0)

BEGUN = Observation(Finding.BEGUN, ("started, no response yet",))
GOOD = Observation(Finding.GOOD)
REFUSED = Observation(Finding.REFUSED, ("connection refused",))
MISSED = Observation(Finding.MISSED, ("no response within 5 s",))
REPORTS = Observation(Finding.STARTING, ("reports starting",))
EXITED = Observation(
    Finding.EXITED, ("process ended with code 3",), code=3, output=("loading", "ImportError: no model")
)
SHORT = Observation(
    Finding.EXITED, ("cannot be started. This process is short of memory",), shortage=Shortage.MEMORY
)
NOT_RUN = Observation(Finding.EXITED, ("cannot be started: No such file or directory: /x",))


def course(*steps: tuple[float, Observation]) -> tuple[Start, Verdict]:
    """Return the start and the verdict after observations at their times."""
    start, verdict = Start(), Verdict()
    for at, observation in steps:
        after = judge(verdict, observation, now=at, at=1000 + at, limits=LIMITS)
        start = follow(start, observation, before=verdict, after=after, at=1000 + at, limit=LIMITS.start)
        verdict = after
    return start, verdict


def said(*steps: tuple[float, Observation]) -> tuple[str, ...]:
    """Return the reasons after observations."""
    start, verdict = course(*steps)
    return reasons_of(start, verdict, LIMITS.start)


def test_the_table_has_an_entry_for_each_phase_and_event() -> None:
    """No observation is without a meaning, and only a response ends a start well."""
    assert set(TRANSITIONS) == {(phase, event) for phase in Phase for event in Event}
    for (phase, event), after in TRANSITIONS.items():
        if phase is not Phase.NONE and after is Phase.NONE:
            assert event is Event.RESPONDED


def test_a_first_start_is_starting_until_it_responds() -> None:
    """Refused connections and silence are expected before the first response."""
    start, verdict = course((0, BEGUN), (1, REFUSED), (2, MISSED))
    assert (start.phase, start.is_first, start.failures, start.since) == (Phase.STARTING, True, 0, 1000)
    assert verdict.state is State.UNKNOWN
    start, verdict = course((0, BEGUN), (1, REFUSED), (3, GOOD))
    assert start == Start(is_first=False)
    assert verdict.state is State.HEALTHY


def test_an_exit_during_the_start_is_a_failed_start_with_its_code_and_its_last_lines() -> None:
    """It is not merely down: what it wrote last says why."""
    start, verdict = course((0, BEGUN), (2, EXITED))
    assert (start.phase, start.is_first, start.failures, start.code) == (Phase.FAILED, True, 1, 3)
    assert start.output == ("loading", "ImportError: no model")
    assert verdict.state is State.UNHEALTHY
    assert said((0, BEGUN), (2, EXITED)) == (
        "failed to start: process ended with code 3; its last output: ImportError: no model",
    )


def test_starts_that_fail_in_a_row_are_counted_until_one_succeeds() -> None:
    """While it is started again, the reason of the last failure is not lost."""
    again = ((0.0, BEGUN), (2.0, EXITED), (3.0, BEGUN), (4.0, EXITED), (6.0, BEGUN))
    start, verdict = course(*again)
    assert (start.phase, start.failures, start.code) == (Phase.STARTING, 2, 3)
    assert verdict.state is State.RECOVERING
    assert said(*again, (7, EXITED))[0].startswith("failed to start 3 times in a row: ")
    assert course(*again, (7, GOOD))[0] == Start(is_first=False)


def test_an_exit_after_it_was_up_is_no_failed_start() -> None:
    """It had come up; its next start is not its first."""
    steps = ((0.0, BEGUN), (1.0, GOOD), (9.0, EXITED))
    assert course(*steps)[0] == Start(is_first=False)
    assert said(*steps) == ("process ended with code 3",)
    start, _ = course(*steps, (10, BEGUN), (11, EXITED))
    assert (start.phase, start.is_first, start.failures) == (Phase.FAILED, False, 1)


@pytest.mark.parametrize("silence", [REFUSED, MISSED])
def test_a_start_without_a_response_within_its_limit_has_failed(silence: Observation) -> None:
    """Up to the limit it may be silent; the check after it counts."""
    assert course((0, BEGUN), (59.9, silence))[0].phase is Phase.STARTING
    start, verdict = course((0, BEGUN), (59.9, silence), (60, silence))
    assert (start.phase, start.failures, start.code) == (Phase.FAILED, 1, None)
    assert verdict.state is State.UNHEALTHY
    assert start.why == f"no usable response within 60 s (the last check: {silence.reasons[0]})"
    # The child is ended for that: it is the same failure, and what it wrote is shown.
    ended = Observation(Finding.EXITED, ("was stopped because it did not respond",), output=("loads",))
    later, _ = course((0, BEGUN), (60, silence), (61, ended))
    assert (later.failures, later.why, later.output) == (1, start.why, ("loads",))


def test_what_reports_for_too_long_that_it_starts_is_late_and_not_ended() -> None:
    """Large models take minutes; but past the limit it counts as down."""
    steps = ((0.0, BEGUN), (10.0, REPORTS), (59.0, REPORTS))
    assert course(*steps)[0].phase is Phase.STARTING
    assert course(*steps)[1].state is State.UNKNOWN
    start, verdict = course(*steps, (61, REPORTS))
    assert (start.phase, verdict.state, start.failures) == (Phase.LATE, State.RECOVERING, 0)
    assert not verdict.is_usable
    assert said(*steps, (61, REPORTS)) == ("reports starting", "has not come up within 60 s")
    assert course(*steps, (61, REPORTS), (62, GOOD))[0].phase is Phase.NONE
    gone, _ = course(*steps, (61, REPORTS), (62, REFUSED))
    assert gone.phase is Phase.FAILED


def test_a_suspended_process_makes_no_start_late() -> None:
    """It was not able to see the first response."""
    unseen = Observation(Finding.UNSEEN, ("not checked",))
    start, _ = course((0, BEGUN), (10, REPORTS), (300, unseen), (301, REPORTS))
    assert start.phase is Phase.STARTING
    assert course((0, BEGUN), (10, REPORTS), (300, unseen), (316, REPORTS))[0].phase is Phase.LATE


def test_a_program_that_cannot_be_run_says_so_once() -> None:
    """There is neither an exit code nor output."""
    assert said((0, BEGUN), (0, NOT_RUN)) == NOT_RUN.reasons
    assert said((0, BEGUN), (0, NOT_RUN), (1, BEGUN), (1, NOT_RUN)) == (
        "cannot be started: No such file or directory: /x (2 times in a row)",
    )


def test_a_shortage_of_this_process_is_no_failure_of_the_start() -> None:
    """The back end has done nothing wrong."""
    start, _ = course((0, BEGUN), (0, SHORT))
    assert (start.phase, start.failures, start.is_short) == (Phase.FAILED, 0, True)
    assert said((0, BEGUN), (0, SHORT)) == SHORT.reasons
    mixed, _ = course((0, BEGUN), (1, EXITED), (2, BEGUN), (2, SHORT))
    assert mixed.failures == 1
    assert said((0, BEGUN), (1, EXITED), (2, BEGUN), (2, SHORT)) == SHORT.reasons


@given(
    st.lists(
        st.tuples(
            st.floats(0, 40),
            st.sampled_from([BEGUN, GOOD, REFUSED, MISSED, REPORTS, EXITED, SHORT, NOT_RUN]),
        ),
        max_size=30,
    )
)
def test_no_course_of_events_makes_a_start_contradict_the_verdict(
    steps: list[tuple[float, Observation]],
) -> None:
    """What is up has no start under way; a failed start is unhealthy; what is late is not used."""
    now, timed = 0.0, []
    for pause, observation in steps:
        now += pause
        timed.append((now, observation))
    start, verdict = course(*timed)
    if verdict.state in {State.HEALTHY, State.DEGRADED}:
        assert start.phase in {Phase.NONE, Phase.FAILED} or verdict.missed
    if start.phase is Phase.FAILED:
        assert start.failures or start.is_short
        assert start.why or start.is_short
        assert verdict.state is State.UNHEALTHY
    if start.phase is Phase.LATE:
        assert not verdict.is_usable
    assert reasons_of(start, verdict, LIMITS.start) or verdict.state is State.HEALTHY


def test_a_late_first_start_counts_as_down() -> None:
    """Before, nothing is known about it; so a service that never comes up has an incident."""
    before = follow_course(Course(since=0), State.RECOVERING, 10)
    assert before.standing is Standing.UNKNOWN
    after = follow_course(before, State.RECOVERING, 60, is_overdue=True)
    assert (after.standing, after.wrong_since) == (Standing.DOWN, 60)


class Programs:
    """Children that write a line and end with a code, until ``ends`` is None; then they run."""

    def __init__(self) -> None:
        self.ends: int | None = 3
        self.network = Network(one=refused)

    async def __call__(
        self,
        _spec: ProcessSpec,
        *,
        on_line: Callable[[str, str], None],
        on_started: Callable[[int], None],
        **_rest: Any,
    ) -> int:
        on_started(7)
        on_line("stderr", "\x1b[31mloads the model\x1b[0m from https://me:secret@hub/x")
        on_line("stderr", '{"event": "cannot load", "level": "error", "error": "no such model"}')
        await trio.sleep(1)
        if self.ends is not None:
            return self.ends
        self.network.hosts["one"] = healthy
        await trio.sleep_forever()
        raise AssertionError


def with_child(programs: Programs) -> Bench:
    """Return a health service with one child."""
    return Bench(
        network=programs.network,
        services={"audio-service": {"url": "http://one:5001"}},
        processes={"audio-service": ProcessSpec(("engine",))},
        policy=RecoveryPolicy(),
        run_child=programs,
    )


def shown(bench: Bench) -> StartStatistics:
    """Return the start that the statistics have."""
    found = bench.instance().start
    assert isinstance(found, StartStatistics)
    return found


async def test_a_child_that_ends_in_its_first_start_is_shown_with_why_and_its_pause() -> None:
    """The statistics tell starting, failed and starting again apart, and forget all once it is up."""
    programs = Programs()
    bench = with_child(programs)
    async with bench.running():
        await trio.sleep(0.5)
        assert (shown(bench).phase, shown(bench).failures, shown(bench).is_first) == (Phase.STARTING, 0, True)
        assert bench.service().state is State.UNKNOWN
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        start = shown(bench)
        assert (start.phase, start.code, start.failures, start.limit) == (Phase.FAILED, 3, 1, 60)
        assert start.output == ("loads the model from https://••••@hub/x", "cannot load: no such model")
        assert bench.service().reason == (
            "failed to start: process ended with code 3; its last output: cannot load: no such model"
        )
        recovery = bench.service().recovery
        assert recovery is not None
        assert recovery.next_in == pytest.approx(1.0, abs=0.1)
        await bench.health.wait_for("audio-service", State.RECOVERING)
        assert (shown(bench).phase, shown(bench).failures) == (Phase.STARTING, 1)
        programs.ends = None
        await bench.health.wait_for("audio-service", State.HEALTHY)
        assert not isinstance(bench.instance().start, StartStatistics)


async def test_a_child_that_never_responds_within_its_limit_is_ended_and_started_again() -> None:
    """It runs and is silent: that is a failed start too."""

    async def deaf(_spec: ProcessSpec, **more: Any) -> int:
        more["on_line"]("stdout", "waits for a lock")
        more["on_started"](8)
        await trio.sleep_forever()
        raise AssertionError

    bench = Bench(
        network=Network(one=refused),
        services={"audio-service": {"url": "http://one:5001"}},
        processes={"audio-service": ProcessSpec(("engine",))},
        policy=RecoveryPolicy(verify_limit=30.0),
        run_child=deaf,
    )
    async with bench.running():
        began = trio.current_time()
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert trio.current_time() - began == pytest.approx(30, abs=1.5)
        await trio.sleep(0.5)
        start = shown(bench)
        assert (start.phase, start.failures, start.code) == (Phase.FAILED, 1, None)
        assert start.why.startswith("no usable response within 30 s (the last check: ")
        assert start.output == ("waits for a lock",)
        await bench.health.wait_for("audio-service", State.RECOVERING)
        assert bench.instance().restarts == 1


async def test_what_reports_starting_for_ever_is_late_and_keeps_running() -> None:
    """Nobody ends an engine that loads; it is shown as late."""
    programs = Programs()
    programs.ends = None
    bench = Bench(
        network=Network(one=answers(200, {"status": "starting"})),
        services={"audio-service": {"url": "http://one:5001"}},
        processes={"audio-service": ProcessSpec(("engine",))},
        policy=RecoveryPolicy(verify_limit=30.0),
        run_child=programs,
    )
    async with bench.running():
        await trio.sleep(29)
        assert shown(bench).phase is Phase.STARTING
        await trio.sleep(60)
        assert shown(bench).phase is Phase.LATE
        assert bench.instance().restarts == 0
        assert bench.service().state is State.RECOVERING
        assert bench.service().reason == "reports starting; has not come up within 30 s"

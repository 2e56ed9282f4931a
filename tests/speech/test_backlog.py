from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.speech.backlog import (
    POISONED,
    Backlog,
    Decision,
    Finished,
    GiveUp,
    MarkGap,
    Publish,
    Transcribe,
    Wait,
)


def backlog(
    *, interval: float = 1.0, shortest: float = 1.0, buffer: float = 60.0, revises: bool = True
) -> Backlog:
    return Backlog(
        revision_interval=interval, shortest_interval=shortest, buffer_seconds=buffer, revises=revises
    )


def say(waiting: Backlog, number: int, *, now: float, seconds: float = 2.0) -> None:
    """Add an utterance that ends at ``now``, without any request for it."""
    waiting.started(number, now)
    waiting.ended(number, seconds=seconds, now=now, speculation="none")


def ask(waiting: Backlog, expected: Transcribe, *, now: float, seconds: float = 2.0) -> None:
    assert waiting.next(now) == expected
    waiting.request_queued(expected, now, seconds=seconds)


def test_nothing_to_do() -> None:
    waiting = backlog()
    assert waiting.next(0) == Wait(None)
    waiting.stream_ended()
    assert waiting.next(0) == Finished()


def test_a_revision_is_due_an_interval_after_speech_began_and_after_the_last() -> None:
    waiting = backlog()
    waiting.started(1, 10.0)
    assert waiting.next(10.0) == Wait(11.0)
    ask(waiting, Transcribe("revision", 1), now=11.0)
    waiting.succeeded(11.25)
    assert waiting.next(11.25) == Wait(12.0)
    assert (waiting.revisions, waiting.revisions_dropped) == (1, 0)


@pytest.mark.parametrize(
    ("took", "period"), [(0.05, 0.5), (0.2, 0.5), (0.3, 0.75), (0.39, 0.975), (0.8, 1.6), (3.0, 6.0)]
)
def test_the_interval_follows_what_a_revision_costs(took: float, period: float) -> None:
    """From 0.5 s to 1 s; an engine that is too slow for that has half of its time for others."""
    waiting = backlog(shortest=0.5)
    waiting.started(1, 0.0)
    assert waiting.next(0.0) == Wait(0.5)
    ask(waiting, Transcribe("revision", 1), now=0.5)
    waiting.succeeded(0.5 + took)
    decision = waiting.next(0.5 + took)
    assert isinstance(decision, Wait)
    # What was due while the request was under way is counted from when it was due.
    assert decision.until == pytest.approx(0.5 + period)


def test_a_paid_back_end_has_no_more_than_one_revision_in_an_interval() -> None:
    waiting = backlog(shortest=1.0)
    waiting.started(1, 0.0)
    ask(waiting, Transcribe("revision", 1), now=1.0)
    waiting.succeeded(1.1)
    assert waiting.next(1.1) == Wait(2.0)


def test_revisions_leave_the_engine_half_of_its_time() -> None:
    """One that took 3 s is followed 3 s later; those that were due meanwhile are dropped, and counted."""
    waiting = backlog()
    waiting.started(1, 0.0)
    ask(waiting, Transcribe("revision", 1), now=1.0)
    waiting.succeeded(4.0)
    assert waiting.next(4.0) == Wait(7.0)
    ask(waiting, Transcribe("revision", 1), now=7.0)
    assert waiting.revisions_dropped == 5


def test_a_pause_takes_a_revisions_place() -> None:
    waiting = backlog()
    waiting.started(1, 0.0)
    ask(waiting, Transcribe("revision", 1), now=1.0)
    assert waiting.paused(1, 1.5) == 1.5
    waiting.cancelled(1.5)
    ask(waiting, Transcribe("speculation", 1), now=1.5)
    waiting.succeeded(1.7)
    assert waiting.next(1.7) == Wait(None)
    assert waiting.revisions_dropped == 1


def test_a_speculation_under_way_becomes_the_final() -> None:
    """It is not requested again, and it may fail like a final."""
    waiting = backlog()
    waiting.started(1, 0.0)
    assert waiting.paused(1, 0.5) is None
    ask(waiting, Transcribe("speculation", 1), now=0.5)
    assert waiting.ended(1, seconds=0.6, now=0.9, speculation="under way") is None
    assert waiting.under_way == Transcribe("final", 1)
    waiting.failed(1.2, unanswered=True)
    assert waiting.next(1.2) == MarkGap(1)


def test_a_finished_speculation_is_the_final_at_once() -> None:
    waiting = backlog()
    waiting.started(1, 0.0)
    waiting.paused(1, 0.5)
    ask(waiting, Transcribe("speculation", 1), now=0.5)
    waiting.succeeded(0.6)
    assert waiting.ended(1, seconds=0.6, now=0.9, speculation="done") is None
    assert waiting.next(0.9) == Publish(1)
    waiting.published(1)
    assert waiting.next(0.9) == Wait(None)


def test_a_speculation_that_was_wrong_is_a_revision() -> None:
    """It may finish, but a new pause replaces it; and no revision follows it at once."""
    waiting = backlog()
    waiting.started(1, 0.0)
    waiting.paused(1, 0.9)
    ask(waiting, Transcribe("speculation", 1), now=0.9)
    waiting.resumed(1.1)
    assert waiting.under_way == Transcribe("revision", 1)
    assert waiting.paused(1, 1.5) == 1.5
    waiting.cancelled(1.5)
    ask(waiting, Transcribe("speculation", 1), now=1.5)
    waiting.succeeded(1.6)
    waiting.resumed(1.7)
    assert waiting.next(1.7) == Wait(2.5)


def after_a_cancel(took: float) -> Backlog:
    """Return a backlog whose engine needs 1 s a second; the request after a cancel took so long."""
    waiting = backlog()
    say(waiting, 1, now=0.0)
    ask(waiting, Transcribe("final", 1), now=0.0, seconds=1.0)
    waiting.succeeded(1.0)
    waiting.published(1)
    waiting.started(2, 1.0)
    ask(waiting, Transcribe("revision", 2), now=2.0, seconds=3.0)
    assert waiting.paused(2, 2.1) == 2.1
    waiting.cancelled(2.1)
    ask(waiting, Transcribe("speculation", 2), now=2.1, seconds=3.0)
    waiting.succeeded(2.1 + took)
    waiting.resumed(2.1 + took)
    return waiting


def test_an_engine_that_ignores_cancels_is_not_overloaded() -> None:
    """A response that took as long as both: one cancelled request at a time from then on."""
    waiting = after_a_cancel(took=5.9)
    ask(waiting, Transcribe("revision", 2), now=20.0, seconds=3.0)
    assert waiting.paused(2, 20.5) == 20.5
    waiting.cancelled(20.5)
    ask(waiting, Transcribe("speculation", 2), now=20.5, seconds=3.0)
    waiting.resumed(20.7)
    assert waiting.paused(2, 22.0) == 23.0
    assert waiting.under_way == Transcribe("revision", 2)


def test_an_engine_that_stops_when_cancelled_is_cancelled_at_once() -> None:
    """A response in its own time: there is nothing to wait for."""
    waiting = after_a_cancel(took=3.0)
    ask(waiting, Transcribe("revision", 2), now=20.0, seconds=3.0)
    assert waiting.paused(2, 20.5) == 20.5
    waiting.cancelled(20.5)
    ask(waiting, Transcribe("speculation", 2), now=20.5, seconds=3.0)
    waiting.resumed(20.7)
    assert waiting.paused(2, 22.0) == 22.0


def test_an_utterance_cut_for_length_takes_a_revisions_place() -> None:
    waiting = backlog()
    waiting.started(1, 0.0)
    ask(waiting, Transcribe("revision", 1), now=1.0)
    assert waiting.ended(1, seconds=7, now=1.1, speculation="none") == 1.1
    waiting.started(2, 1.1)
    waiting.cancelled(1.1)
    ask(waiting, Transcribe("final", 1), now=1.1)


def test_a_final_under_way_is_never_cancelled() -> None:
    waiting = backlog()
    say(waiting, 1, now=0.0)
    ask(waiting, Transcribe("final", 1), now=0.0)
    waiting.started(2, 0.5)
    assert waiting.paused(2, 1.0) is None
    assert waiting.ended(2, seconds=1, now=1.5, speculation="none") is None


def test_finals_go_before_what_is_being_spoken() -> None:
    waiting = backlog()
    say(waiting, 1, now=0.0)
    waiting.started(2, 0.0)
    waiting.paused(2, 5.0)
    assert waiting.next(5.0) == Transcribe("final", 1)


def test_a_failure_waits_longer_each_time_and_marks_one_gap() -> None:
    """0.5, 1, 2, 2 s; a success begins anew."""
    waiting = backlog()
    say(waiting, 1, now=0.0)
    now = 0.0
    for number, delay in enumerate((0.5, 1, 2, 2)):
        ask(waiting, Transcribe("final", 1), now=now)
        waiting.failed(now, unanswered=True)
        if number == 0:
            assert waiting.next(now) == MarkGap(1)
            waiting.marked(1)
        assert waiting.next(now) == Wait(now + delay)
        assert waiting.is_failing
        now += delay
    ask(waiting, Transcribe("final", 1), now=now)
    waiting.succeeded(now)
    assert waiting.next(now) == Publish(1)
    waiting.published(1)
    assert not waiting.is_failing
    assert waiting.next(now) == Wait(None)


def test_utterances_behind_a_failed_one_are_marked_without_a_request() -> None:
    """While the back end is away, what ends is a gap at once; but one hiccup of a revision is none."""
    waiting = backlog()
    waiting.started(1, 0.0)
    ask(waiting, Transcribe("revision", 1), now=1.0)
    waiting.failed(1.0, unanswered=True)
    waiting.ended(1, seconds=1, now=1.1, speculation="none")
    assert waiting.next(1.1) == Wait(1.5)
    ask(waiting, Transcribe("final", 1), now=1.5)
    waiting.failed(1.5, unanswered=True)
    assert waiting.next(1.5) == MarkGap(1)
    waiting.marked(1)
    say(waiting, 2, now=1.6)
    assert waiting.next(1.6) == MarkGap(2)
    waiting.marked(2)
    assert waiting.next(1.6) == Wait(2.5)


def test_what_is_older_than_the_buffer_is_given_up() -> None:
    waiting = backlog()
    say(waiting, 1, now=0.0)
    ask(waiting, Transcribe("final", 1), now=59.0)
    waiting.failed(59.0, unanswered=True)
    waiting.marked(1)
    assert waiting.next(59.4) == Wait(59.5)
    ask(waiting, Transcribe("final", 1), now=59.5)
    waiting.failed(59.5, unanswered=True)
    assert waiting.next(59.5) == Wait(60.0)
    assert waiting.next(60.0) == GiveUp(1, "late")
    waiting.given_up(1)
    assert waiting.waiting == 0


def test_more_speech_than_the_buffer_costs_the_oldest() -> None:
    """Neither the one being requested nor a transcribed one; their seconds no longer wait."""
    waiting = backlog(buffer=10)
    say(waiting, 1, now=0.0, seconds=4)
    ask(waiting, Transcribe("final", 1), now=0.0)
    for number in (2, 3, 4):
        say(waiting, number, now=1.0, seconds=4)
        lost = waiting.overflow()
        assert lost == {2: [], 3: [2], 4: [3]}[number]
    assert waiting.waiting_seconds == 8
    waiting.succeeded(2.0)
    assert waiting.next(2.0) == Publish(1)
    waiting.published(1)
    assert waiting.next(2.0) == GiveUp(2, "late")
    waiting.given_up(2)
    assert waiting.next(2.0) == GiveUp(3, "late")
    waiting.given_up(3)
    assert waiting.next(2.0) == Transcribe("final", 4)


def test_a_refusal_is_given_up_at_once() -> None:
    waiting = backlog()
    say(waiting, 1, now=0.0)
    say(waiting, 2, now=0.0)
    ask(waiting, Transcribe("final", 1), now=0.0)
    waiting.refused(0.1)
    assert waiting.next(0.1) == GiveUp(1, "refused")
    waiting.given_up(1)
    assert waiting.next(0.1) == Transcribe("final", 2)


def test_a_refused_revision_is_not_repeated_for_that_utterance() -> None:
    waiting = backlog()
    waiting.started(1, 0.0)
    ask(waiting, Transcribe("revision", 1), now=1.0)
    waiting.refused(1.0)
    waiting.paused(1, 2.0)
    assert waiting.next(9.0) == Wait(None)
    waiting.ended(1, seconds=9, now=9.0, speculation="none")
    assert waiting.next(9.0) == Transcribe("final", 1)


def fail_until_younger(waiting: Backlog) -> float:
    """Fail the oldest often enough that a younger one is requested."""
    now = 0.0
    for _ in range(POISONED):
        ask(waiting, Transcribe("final", 1), now=now)
        waiting.failed(now, unanswered=False)
        for number in (1, 2):
            waiting.marked(number)
        now += 2
    ask(waiting, Transcribe("final", 2), now=now)
    return now


def test_an_utterance_that_alone_fails_is_given_up() -> None:
    waiting = backlog()
    say(waiting, 1, now=0.0)
    say(waiting, 2, now=0.0)
    now = fail_until_younger(waiting)
    waiting.succeeded(now)
    ask(waiting, Transcribe("final", 1), now=now)
    waiting.failed(now, unanswered=False)
    assert waiting.next(now) == GiveUp(1, "poisoned")
    waiting.given_up(1)
    assert waiting.next(now) == Publish(2)


def test_an_utterance_that_failed_while_all_did_is_not_given_up() -> None:
    """The back end was mended just before the younger was tried: the older gets its turn and place."""
    waiting = backlog()
    say(waiting, 1, now=0.0)
    say(waiting, 2, now=0.0)
    now = fail_until_younger(waiting)
    waiting.succeeded(now)
    ask(waiting, Transcribe("final", 1), now=now)
    waiting.succeeded(now)
    assert waiting.next(now) == Publish(1)
    waiting.published(1)
    assert waiting.next(now) == Publish(2)


def test_when_both_fail_they_take_turns() -> None:
    waiting = backlog()
    say(waiting, 1, now=0.0)
    say(waiting, 2, now=0.0)
    now = fail_until_younger(waiting)
    asked = []
    for _ in range(6):
        waiting.failed(now, unanswered=False)
        now += 2
        decision = waiting.next(now)
        assert isinstance(decision, Transcribe)
        asked.append(decision.number)
        waiting.request_queued(decision, now, seconds=2.0)
    assert asked == [2, 2, 1, 1, 1, 2]


def test_a_recording_has_no_revisions() -> None:
    waiting = backlog(revises=False)
    waiting.started(1, 0.0)
    assert waiting.next(5.0) == Wait(None)
    waiting.paused(1, 5.0)
    assert waiting.next(5.0) == Wait(None)
    waiting.ended(1, seconds=5, now=5.5, speculation="none")
    assert waiting.next(5.5) == Transcribe("final", 1)
    assert waiting.revisions_dropped == 0


@pytest.mark.parametrize("wrong", [lambda w: w.succeeded(0.0), lambda w: w.paused(7, 0.0)])
def test_impossible_events_raise(wrong: Callable[[Backlog], object]) -> None:
    with pytest.raises(AssertionError):
        wrong(backlog())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("start", "pause", "resume", "end", "answer", "away", "unusable", "refuse", "tick")),
        st.floats(0.0, 4.0),
    ),
    max_size=80,
)


class Life:
    """A speaker, a back end and a stream around a backlog."""

    def __init__(self, buffer: float) -> None:
        self.waiting = Backlog(revision_interval=1.0, shortest_interval=0.5, buffer_seconds=buffer)
        self.buffer = buffer
        self.now = 0.0
        self.count = 0
        self.speaking = False
        self.paused = False
        self.settled: list[int] = []
        self.marked: list[int] = []

    def carry_out(self) -> Decision:
        """Do what needs no back end, until there is something to ask or to wait for."""
        while True:
            decision = self.waiting.next(self.now)
            match decision:
                case Publish(number):
                    self.waiting.published(number)
                    self.settled.append(number)
                case GiveUp(number):
                    self.waiting.given_up(number)
                    self.settled.append(number)
                case MarkGap(number):
                    self.waiting.marked(number)
                    self.marked.append(number)
                case Transcribe():
                    self.waiting.request_queued(decision, self.now, seconds=2.0)
                    return decision
                case _:
                    assert (
                        not isinstance(decision, Wait) or decision.until is None or decision.until > self.now
                    )
                    return decision

    def start(self) -> float | None:
        if not self.speaking:
            self.count += 1
            self.speaking, self.paused = True, False
            self.waiting.started(self.count, self.now)
        return None

    def pause(self) -> float | None:
        if not self.speaking or self.paused:
            return None
        self.paused = True
        return self.waiting.paused(self.count, self.now)

    def resume(self) -> float | None:
        if self.paused:
            self.paused = False
            self.waiting.resumed(self.now)
        return None

    def end(self) -> float | None:
        if not self.speaking:
            return None
        self.speaking = self.paused = False
        cancels = self.waiting.ended(self.count, seconds=2.0, now=self.now, speculation="none")
        self.waiting.overflow()
        assert self.waiting.waiting_seconds <= self.buffer + 2.0
        return cancels

    def answer(self) -> float | None:
        if self.waiting.under_way is not None:
            self.waiting.succeeded(self.now)
        return None

    def away(self) -> float | None:
        if self.waiting.under_way is not None:
            self.waiting.failed(self.now, unanswered=True)
        return None

    def unusable(self) -> float | None:
        if self.waiting.under_way is not None:
            self.waiting.failed(self.now, unanswered=False)
        return None

    def refuse(self) -> float | None:
        if self.waiting.under_way is not None:
            self.waiting.refused(self.now)
        return None

    def step(self, what: str) -> None:
        """Have one thing happen; take back what it makes useless; do what follows."""
        at = None if what == "tick" else getattr(self, what)()
        if at is not None:
            self.now = max(self.now, at)
            assert self.waiting.under_way is not None
            assert self.waiting.under_way.kind != "final"
            self.waiting.cancelled(self.now)
        if self.waiting.under_way is None:
            self.carry_out()

    def finish(self) -> None:
        """Let the back end answer everything until nothing waits."""
        self.step("end")
        self.waiting.stream_ended()
        for _ in range(500):
            self.answer()
            decision = self.carry_out()
            if isinstance(decision, Finished):
                return
            if isinstance(decision, Wait):
                assert decision.until is not None
                self.now = decision.until
        raise AssertionError(self.waiting)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, buffer=st.sampled_from((5.0, 20.0, 60.0)))
def test_every_utterance_ends_once_and_in_order(steps: list[tuple[str, float]], buffer: float) -> None:
    """Whatever speakers and back ends do: each utterance is published or given up, once, in order."""
    life = Life(buffer)
    for what, pause in steps:
        life.now += pause
        life.step(what)
    life.finish()
    assert life.settled == list(range(1, life.count + 1))
    assert len(life.marked) == len(set(life.marked))
    assert life.waiting.revisions_dropped >= 0

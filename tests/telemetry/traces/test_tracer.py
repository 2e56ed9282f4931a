import subprocess
import sys
from collections.abc import Callable

import pytest
import trio

from orch.telemetry.traces import OFF, Span, Tracer
from orch.telemetry.traces.callers import CallersLimit
from orch.telemetry.traces.span import MOST_ATTRIBUTES, MOST_EVENTS, MOST_LINKS

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
RECORDED, NOT_RECORDED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


class Clocks:
    """Trio's clock and the wall clock, as a test sets them."""

    def __init__(self) -> None:
        self.now, self.wall = 100.0, 1_700_000_000.0


def tracer(
    ended: list[Span],
    *,
    ratio: float = 1.0,
    per_second: float = 10.0,
    clocks: Clocks | None = None,
    chance: Callable[[], float] = lambda: 0.5,
) -> Tracer:
    times = clocks or Clocks()
    return Tracer(
        ended.append,
        ratio=lambda: ratio,
        callers_per_second=lambda: per_second,
        clock=lambda: times.now,
        wall=lambda: times.wall,
        chance=chance,
    )


def begun(made: Tracer, name: str = "work", *, parent: str | None = None) -> Span:
    span = made.start(name, parent=parent)
    assert span is not None
    return span


def test_off_begins_nothing() -> None:
    """Whatever a caller wants."""
    assert not OFF.is_on
    assert OFF.start("work") is None
    assert OFF.start("work", parent=RECORDED, attributes={"a": 1}) is None
    assert OFF.admit(RECORDED) == RECORDED


def test_a_share_of_the_traces_that_begin_here_is_recorded() -> None:
    """The share is that of the settings, from none to all."""
    assert tracer([], ratio=0.6).start("work") is not None
    assert tracer([], ratio=0.5).start("work") is None
    assert tracer([], ratio=0.0, chance=lambda: 0.0).start("work") is None
    assert tracer([], ratio=1.0, chance=lambda: 0.999999).start("work") is not None


def test_a_part_of_a_trace_is_recorded_as_the_trace_is() -> None:
    """The one who began it has decided."""
    assert tracer([], ratio=0.0).start("work", parent=RECORDED) is not None
    assert tracer([], ratio=1.0).start("work", parent=NOT_RECORDED) is None


def test_a_child_names_its_parent() -> None:
    """Both are of one trace, and have ids of their own."""
    made = tracer([])
    parent = begun(made)
    child = begun(made, parent=parent.traceparent)
    assert child.trace_id == parent.trace_id
    assert child.parent == parent.context
    assert child.context.span_id != parent.context.span_id
    assert parent.parent is None


def test_an_invalid_parent_begins_a_trace() -> None:
    """W3C Trace Context §4.2: the trace is restarted."""
    span = begun(tracer([]), parent="nonsense")
    assert span.parent is None
    assert tracer([], ratio=0.0).start("work", parent="nonsense") is None


def test_callers_have_a_limit_of_recorded_traces() -> None:
    """One who flags each request as recorded does not fill the collector; after a second there are more."""
    clocks = Clocks()
    made = tracer([], per_second=3, clocks=clocks)
    assert [made.admit(RECORDED) for _ in range(5)] == [RECORDED] * 3 + [NOT_RECORDED] * 2
    assert made.callers.refused == 2
    clocks.now += 1 / 3 + 0.001
    assert [made.admit(RECORDED) for _ in range(2)] == [RECORDED, NOT_RECORDED]
    clocks.now += 3_600
    assert [made.admit(RECORDED) for _ in range(5)].count(RECORDED) == 3


def test_the_limit_of_callers_concerns_only_recorded_traces() -> None:
    """What is not recorded costs nothing; what is invalid begins a trace by the share."""
    made = tracer([], per_second=0)
    assert made.admit(RECORDED) == NOT_RECORDED
    assert made.admit(NOT_RECORDED) == NOT_RECORDED
    assert made.admit("nonsense") == "nonsense"
    assert made.callers.refused == 1


def test_the_limit_of_callers_goes_on_after_a_clock_that_goes_back() -> None:
    """Nothing is refused for ever, and nothing given twice."""
    limit = CallersLimit()
    assert limit.admits(100.0, 1.0)
    assert not limit.admits(50.0, 1.0)
    assert limit.admits(51.0, 1.0)


def test_a_limit_below_one_a_second_admits_one_now_and_then() -> None:
    """0.1 is one in ten seconds."""
    limit = CallersLimit()
    admitted = sum(limit.admits(float(second), 0.1) for second in range(100))
    assert 9 <= admitted <= 11


def test_a_span_ends_once_and_then_stays_as_it_is() -> None:
    """It may be on its way to the collector."""
    ended: list[Span] = []
    span = begun(tracer(ended))
    span.set("a", 1)
    span.end()
    span.end()
    span.set("a", 2)
    span.event("late")
    span.failed("late")
    assert ended == [span]
    assert (span.attributes, span.events, span.failure) == ({"a": 1}, [], None)


def test_a_span_does_not_end_before_it_began() -> None:
    """Where a caller's times are wrong."""
    span = tracer([]).start("work", started_at=50.0)
    assert span is not None
    span.end(at=40.0)
    assert span.ended == 50.0


def test_a_span_is_bounded() -> None:
    """A loop that notes too much costs no more memory."""
    span = tracer([]).start("work", links=[RECORDED] * (MOST_LINKS + 3) + ["nonsense"])
    assert span is not None
    for number in range(1_000):
        span.set(f"a{number}", number)
        span.event(f"e{number}")
    span.set("a0", "again")
    assert (len(span.attributes), span.dropped_attributes) == (MOST_ATTRIBUTES, 1_000 - MOST_ATTRIBUTES)
    assert (len(span.events), span.dropped_events) == (MOST_EVENTS, 1_000 - MOST_EVENTS)
    assert (len(span.links), span.dropped_links) == (MOST_LINKS, 3)
    assert span.attributes["a0"] == "again"


def test_the_attributes_of_a_span_are_its_own() -> None:
    """What the caller does with its mapping later changes nothing."""
    given: dict[str, str] = {"a": "1"}
    span = tracer([]).start("work", attributes=given)
    assert span is not None
    given["a"] = "2"
    assert span.attributes == {"a": "1"}


def test_an_exception_marks_the_span_with_its_class_alone() -> None:
    """Its words may contain an address with a key, or what somebody said."""
    ended: list[Span] = []
    with pytest.raises(ValueError, match="secret"), begun(tracer(ended)):
        raise ValueError("secret")
    assert (ended[0].failure, ended[0].attributes) == ("ValueError", {"error.type": "ValueError"})


def test_an_exception_in_a_group_marks_the_span() -> None:
    """A nursery wraps what its tasks raise."""
    ended: list[Span] = []
    with pytest.raises(ExceptionGroup), begun(tracer(ended)):
        raise ExceptionGroup("all", [ExceptionGroup("some", [KeyError("x")])])
    assert ended[0].failure == "KeyError"


async def test_a_cancelled_span_ends_and_is_no_failure() -> None:
    """A client that leaves is nobody's fault."""
    ended: list[Span] = []
    with trio.CancelScope() as scope, begun(tracer(ended)):
        scope.cancel()
        await trio.sleep_forever()
    assert (ended[0].failure, ended[0].attributes) == (None, {"orch.cancelled": True})
    assert ended[0].ended is not None


def test_times_follow_the_wall_clock_and_lengths_do_not() -> None:
    """A clock that jumps moves later spans, and makes none of them longer or negative."""
    clocks = Clocks()
    made = tracer([], clocks=clocks)
    first = begun(made)
    clocks.wall -= 3_600
    clocks.now += 2
    made.follow_clock()
    second = begun(made)
    first.end()
    assert first.ended is not None
    assert first.ended - first.began == 2
    assert first.epoch + first.began == 1_700_000_000
    assert second.epoch + second.began == pytest.approx(1_700_000_000 - 3_600)


def test_a_clock_that_is_slewed_is_not_followed_at_each_step() -> None:
    """Spans of one trace would overlap by microseconds."""
    clocks = Clocks()
    made = tracer([], clocks=clocks)
    first = begun(made)
    clocks.wall += 0.01
    made.follow_clock()
    assert begun(made).epoch == first.epoch


@pytest.mark.process
def test_traces_that_are_off_import_nothing_of_opentelemetry() -> None:
    """Off costs nothing: neither memory nor the time of the import."""
    code = (
        "import sys, orch.tree, orch.telemetry.traces.service, orch.wiring.build;"
        "found = [name for name in sys.modules if name.startswith(('opentelemetry', 'requests', 'google.'))];"
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)

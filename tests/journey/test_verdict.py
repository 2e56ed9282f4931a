"""What a journey's course says about the service, and what operators are told."""

import datetime as dt
from itertools import pairwise, product

import pytest
from msgspec.structs import replace

from orch.journey.record import OUTCOMES, JourneyRecord
from orch.journey.verdict import Step, Verdict, Walked, judge, own_address, reason_off
from orch.settings import Monitoring, Orchestration, Service, Settings
from orch.settings.journey import Journey
from orch.settings.probe_structs import MaintenanceWindow
from orch.telemetry.names import journey as names
from tests.fakes.readings import values

STEPS: tuple[Step | None, ...] = (None, "session", "connection", "join", "speech")
OF_STEP = {
    None: "no_session",
    "session": "no_connection",
    "connection": "not_joined",
    "join": "speech_refused",
    "speech": "no_caption",
}


def test_every_course_has_one_outcome() -> None:
    """A caption is a success whatever else happened; a disturbed journey without one says nothing."""
    seen = set()
    for reached, captioned_at, is_lost, is_disturbed in product(
        STEPS, (None, 3.5), (False, True), (False, True)
    ):
        walked = Walked(
            reached=reached,
            spoken_at=2.0,
            captioned_at=captioned_at,
            is_lost=is_lost,
            reason="It failed.",
            is_disturbed=is_disturbed,
        )
        verdict = judge(walked, within=20)
        seen.add(verdict.outcome)
        if captioned_at is not None:
            assert verdict == Verdict(outcome="captioned", is_success=True, caption_seconds=1.5)
        elif is_disturbed:
            assert verdict == Verdict(outcome="not_judged", is_success=None)
        else:
            assert verdict.is_success is False
            assert verdict.outcome == ("speech_lost" if is_lost else OF_STEP[reached])
            assert verdict.caption_seconds is None
            assert verdict.reason.endswith(": It failed")
    assert seen == set(OUTCOMES)


def test_a_caption_that_is_there_before_the_speech_has_ended_took_no_time() -> None:
    """Its time is neither negative nor unknown."""
    assert judge(Walked(spoken_at=None, captioned_at=3.0), within=20).caption_seconds == 0
    assert judge(Walked(spoken_at=3.5, captioned_at=3.0), within=20).caption_seconds == 0


def test_a_journey_without_a_reason_says_how_long_it_was_waited() -> None:
    """Operators read why in any case."""
    assert judge(Walked(reached="speech"), within=20).reason == "no final caption arrived: 20 s had passed"
    assert judge(Walked(reason="  "), within=2.5).reason == "no session was created: 2.5 s had passed"


def settings(enabled: str, **service: object) -> Settings:
    """Return settings with, or (without arguments) without an audio-service."""
    journey = Journey(enabled=enabled)  # type: ignore[arg-type]
    return Settings(
        orchestration=Orchestration(monitoring=Monitoring(journey=journey)),
        services={"audio-service": Service(url="http://a", **service)} if service else {},  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("enabled", "service", "url", "words"),
    [
        ("auto", {"billing": "free"}, "http://h:1", ""),
        ("on", {"billing": "free"}, "http://h:1", ""),
        ("on", {"billing": "paid"}, "http://h:1", ""),
        ("auto", {"billing": "paid"}, "http://h:1", "may cost money"),
        ("auto", {"api_key": "sk-1"}, "http://h:1", "may cost money"),
        ("off", {"billing": "free"}, "http://h:1", "switched off"),
        ("auto", {}, "http://h:1", "no audio-service"),
        ("on", {}, "http://h:1", "no audio-service"),
        ("on", {"billing": "free"}, None, "address"),
    ],
)
def test_journeys_are_made_where_they_can_and_may_be(
    enabled: str, service: dict[str, object], url: str | None, words: str
) -> None:
    """Not without an audio-service, nor for money that nobody decided to spend."""
    said = reason_off(settings(enabled, **service), url, 0.0)
    assert bool(said) == bool(words)
    assert words in said


def test_no_journeys_are_made_while_the_back_end_is_maintained() -> None:
    """A planned time raises no alert; before and after it there are journeys."""
    window = MaintenanceWindow(start="2026-12-01T02:00", minutes=30, title="new engine")
    current = settings("on", maintenance=(window,))
    begins = dt.datetime(2026, 12, 1, 2, tzinfo=dt.UTC).timestamp()
    assert "maintenance: new engine" in reason_off(current, "http://h:1", begins + 60)
    for at in (begins - 1, begins + 1800):
        assert reason_off(current, "http://h:1", at) == ""


@pytest.mark.parametrize(
    ("own", "bound", "address"),
    [
        ((), ("http://0.0.0.0:3000",), "http://127.0.0.1:3000"),
        ((), ("https://[::]:3000",), "https://[::1]:3000"),
        ((), ("http://192.0.2.7:80", "http://127.0.0.1:80"), "http://192.0.2.7:80"),
        (("http://127.0.0.1:3101",), ("http://0.0.0.0:3000",), "http://127.0.0.1:3101"),
        ((), ("unix:/run/orch.sock", "http://[2001:db8::1]:3000"), "http://[2001:db8::1]:3000"),
        ((), ("unix:/run/orch.sock",), None),
        ((), (), None),
    ],
)
def test_a_worker_connects_to_itself(own: tuple[str, ...], bound: tuple[str, ...], address: str) -> None:
    """To the port that is its own, if it has one."""
    assert own_address(own, bound) == address


GOOD = Verdict(outcome="captioned", is_success=True, caption_seconds=0.84)
BAD = Verdict(outcome="no_caption", is_success=False, reason="no final caption arrived: 20 s had passed")
VOID = Verdict(outcome="not_judged", is_success=None)


def test_only_changes_make_events() -> None:
    """One when journeys begin to fail, one when they succeed again. A journey that says nothing: none."""
    record = JourneyRecord()
    course = (GOOD, GOOD, BAD, VOID, BAD, BAD, VOID, GOOD, GOOD, BAD)
    events = [record.add(verdict, 1000.0 + 60 * place) for place, verdict in enumerate(course)]
    assert [event and event.severity for event in events] == [
        None,
        None,
        "bad",
        None,
        None,
        None,
        None,
        "ok",
        None,
        "bad",
    ]
    assert events[2] is not None
    assert events[2].text.endswith("got no caption: no final caption arrived: 20 s had passed.")
    assert events[7] is not None
    assert events[7].text.endswith("is captioned again, after 5 minutes; it took 0.8 s.")
    statistics = record.statistics("")
    assert {name: count for name, count in statistics.outcomes.items() if count} == {
        "captioned": 4,
        "no_caption": 4,
        "not_judged": 2,
    }
    assert statistics.failing_since == 1540
    assert statistics.last == BAD
    assert statistics.last_at == 1540


def test_the_first_journey_makes_an_event_only_if_it_fails() -> None:
    """A service that starts well has nothing to report."""
    assert JourneyRecord().add(GOOD, 1.0) is None
    assert JourneyRecord().add(VOID, 1.0) is None
    assert JourneyRecord().add(BAD, 1.0) is not None


def test_a_clock_that_jumps_back_leaves_a_sentence_that_can_be_read() -> None:
    """Not "after -600 minutes"."""
    record = JourneyRecord()
    record.add(BAD, 100_000.0)
    event = record.add(GOOD, 64_000.0)
    assert event is not None
    assert "after 1 minute;" in event.text


def test_once_no_journeys_are_made_nothing_is_known_of_the_present() -> None:
    """The counts stay, as counters do; the last result goes."""
    record = JourneyRecord()
    record.add(BAD, 1.0)
    record.forget_last()
    statistics = record.statistics("It is switched off.")
    assert (statistics.last, statistics.last_at, statistics.failing_since) == (None, None, None)
    assert statistics.outcomes["no_caption"] == 1
    assert statistics.off == "It is switched off."
    assert record.add(BAD, 2.0) is not None


def test_a_verdict_does_not_depend_on_the_order_of_what_is_missing() -> None:
    """Each step that was reached moves the blame to a later one."""
    outcomes = [judge(Walked(reached=step), within=1).outcome for step in STEPS]
    assert len(set(outcomes)) == len(STEPS)
    for earlier, later in pairwise(STEPS):
        one, other = (judge(replace(Walked(), reached=step), within=1) for step in (earlier, later))
        assert one.outcome != other.outcome


def test_success_is_said_only_of_what_was_tried() -> None:
    """Before the first journey, and while none are made, there is no such series: no alert, no comfort."""
    record = JourneyRecord()
    assert values(record.readings(), names.JOURNEY_SUCCESS) == {}
    assert values(record.readings(), names.JOURNEY_AT) == {(): 0}
    record.add(VOID, 1.0)
    assert values(record.readings(), names.JOURNEY_SUCCESS) == {}
    record.add(GOOD, 2.0)
    assert values(record.readings(), names.JOURNEY_SUCCESS) == {(): 1}
    record.add(BAD, 3.0)
    assert values(record.readings(), names.JOURNEY_SUCCESS) == {(): 0}
    assert values(record.readings(), names.JOURNEY_AT) == {(): 2}
    assert values(record.readings(), names.JOURNEY_SECONDS) == {(): (1, 0.84)}
    record.forget_last()
    assert values(record.readings(), names.JOURNEY_SUCCESS) == {}


def test_every_outcome_has_a_series_from_the_start() -> None:
    """The table's closed list is the verdict's."""
    assert names.OUTCOMES == OUTCOMES
    counts = values(JourneyRecord().readings(), names.JOURNEYS)
    assert counts == {(outcome,): 0 for outcome in OUTCOMES}


def test_of_several_workers_the_event_names_the_one_that_failed() -> None:
    """Each is its own user: one may fail while the others do not."""
    record = JourneyRecord("Worker 1 at vm")
    failed, again = record.add(BAD, 1.0), record.add(GOOD, 100.0)
    assert failed is not None
    assert failed.text.startswith("Test speech, sent to Worker 1 at vm as users send theirs, got no caption")
    assert again is not None
    assert again.text.startswith(
        "Test speech, sent to Worker 1 at vm as users send theirs, is captioned again"
    )

"""When incidents open, change and close."""

from msgspec.structs import replace

from orch.health.health_events import RecoveryStep, Stage
from orch.health.incidents.courses import FLAPS, Course, follow
from orch.health.incidents.records import ENTRIES, EntryKind, Impact, Incident
from orch.health.incidents.rules import IncidentTimes, View, review, with_note
from orch.health.verdict import State

TIMES = IncidentTimes(open_after=10, degraded_after=60, close_after=120)
UP = follow(Course(since=0.0), State.HEALTHY, 1.0)
DOWN = follow(UP, State.UNHEALTHY, 100.0)


def only(course: Course, now: float, *incidents: Incident, **view: object) -> tuple[Incident, ...]:
    """Return what changes for one service."""
    return review(incidents, {"a": View(course=course, **view)}, TIMES, now)  # type: ignore[arg-type]


def outage() -> Incident:
    (opened,) = only(DOWN, 110.0, reason="refused at http://one")
    return replace(opened, number=1)


def test_an_outage_opens_after_a_while_and_begins_when_it_began() -> None:
    """A restart that takes a moment is no incident."""
    assert only(UP, 1e6) == ()
    assert only(DOWN, 109.9) == ()
    found = outage()
    assert (found.began, found.impact, found.worst, found.is_open) == (
        100.0,
        Impact.OUTAGE,
        Impact.OUTAGE,
        True,
    )
    assert found.entries[0].text == "a does not serve requests: refused at http://one."


def test_an_incident_is_not_opened_again_while_it_is_open() -> None:
    """Nothing changes as long as nothing happens."""
    assert only(DOWN, 1e6, outage()) == ()


def test_something_wrong_that_lasts_opens_whatever_it_is() -> None:
    """Degraded for a minute, or degraded and down by turns; less is none."""
    degraded = follow(UP, State.DEGRADED, 100.0)
    assert only(degraded, 159.9) == ()
    assert only(degraded, 160.0)[0].impact is Impact.DEGRADED
    turns = follow(follow(degraded, State.UNHEALTHY, 150.0), State.DEGRADED, 155.0)
    assert only(turns, 160.0)[0].began == 100.0


def test_a_service_that_falls_again_and_again_has_an_incident() -> None:
    """However short each fall is; once it is closed, it is not opened before the next fall."""
    course = UP
    for number in range(FLAPS):
        course = follow(follow(course, State.HEALTHY, 10.0 * number + 5), State.UNHEALTHY, 10.0 * number + 10)
    (opened,) = only(course, 51.0)
    assert opened.began == 50.0
    up = follow(course, State.HEALTHY, 52.0)
    (again,) = only(up, 60.0, opened)
    (closed,) = only(up, 172.0, again)
    assert (closed.ended, only(up, 173.0)) == (52.0, ())


def test_services_have_incidents_at_the_same_time() -> None:
    """Each its own; one that ends leaves the other open."""
    views = {"a": View(course=DOWN), "b": View(course=follow(UP, State.UNHEALTHY, 105.0))}
    opened = review((), views, TIMES, 120.0)
    assert [(each.service, each.began) for each in opened] == [("a", 100.0), ("b", 105.0)]
    views["a"] = View(course=follow(DOWN, State.HEALTHY, 130.0))
    changed = review(opened, views, TIMES, 131.0)
    assert [(each.service, each.impact) for each in changed] == [("a", Impact.RECOVERED)]


def test_it_closes_once_the_service_has_been_up_for_long_enough() -> None:
    """It ended when the service came back; falling again meanwhile starts the time anew."""
    up = follow(DOWN, State.HEALTHY, 200.0)
    (watched,) = only(up, 201.0, outage())
    assert (watched.impact, watched.worst, watched.is_open) == (Impact.RECOVERED, Impact.OUTAGE, True)
    assert only(up, 319.0, watched) == ()
    again = follow(follow(up, State.DEGRADED, 310.0), State.HEALTHY, 315.0)
    assert only(again, 330.0, watched) == ()
    (closed,) = only(up, 320.0, watched)
    assert (closed.ended, closed.entries[-1].kind) == (200.0, EntryKind.CLOSED)
    assert [entry.impact for entry in closed.entries] == [Impact.OUTAGE, Impact.RECOVERED, Impact.RECOVERED]


def test_what_is_not_known_neither_closes_nor_changes_an_incident() -> None:
    """After a restart of this service nothing is known of the back end for a moment."""
    unknown = Course(since=500.0)
    assert only(unknown, 1e6, outage()) == ()
    starting = follow(unknown, State.RECOVERING, 501.0)
    assert only(starting, 1e6, outage()) == ()
    (back,) = only(follow(starting, State.HEALTHY, 510.0), 511.0, outage())
    assert back.entries[-1].at == 510.0


def test_during_maintenance_nothing_opens_and_what_is_open_goes_on() -> None:
    """It opens when the window ends, if the service is still down."""
    assert only(DOWN, 1e6, is_in_maintenance=True) == ()
    up = follow(DOWN, State.HEALTHY, 200.0)
    (watched,) = only(up, 201.0, outage(), is_in_maintenance=True)
    (closed,) = only(up, 400.0, watched, is_in_maintenance=True)
    assert not closed.is_open
    assert len(only(DOWN, 1e6)) == 1


def test_a_service_that_leaves_the_settings_has_its_incident_closed() -> None:
    """It says why."""
    (closed,) = review((outage(),), {}, TIMES, 300.0)
    assert closed.ended == 300.0
    assert "no longer in the settings" in closed.entries[-1].text


def step(at: float, stage: Stage = Stage.HOOK) -> RecoveryStep:
    return RecoveryStep(at=at, service="a", stage=stage, attempt=1, text=f"step at {at}")


def test_steps_of_the_recovery_are_entries_once_each_and_in_order() -> None:
    """Those before the incident was opened too, and none of an earlier recovery."""
    steps = (step(50.0), step(101.0), step(105.0))
    (opened,) = only(DOWN, 110.0, steps=steps)
    assert [entry.at for entry in opened.entries] == [100.0, 101.0, 105.0]
    assert only(DOWN, 111.0, opened, steps=steps) == ()
    (more,) = only(DOWN, 112.0, opened, steps=(*steps, step(111.0, Stage.FAILED)))
    assert [entry.stage for entry in more.entries[1:]] == [Stage.HOOK, Stage.HOOK, Stage.FAILED]


def test_a_long_incident_keeps_its_beginning_its_notes_and_the_newest_entries() -> None:
    """What is dropped is counted."""
    incident = with_note(outage(), "we look", 102.0)
    for number in range(ENTRIES + 30):
        steps = (step(200.0 + number),)
        (incident,) = only(DOWN, 1e6, incident, steps=steps)
    assert len(incident.entries) == ENTRIES
    assert incident.dropped == 32
    assert [entry.kind for entry in incident.entries[:2]] == [EntryKind.OPENED, EntryKind.NOTE]
    assert incident.entries[-1].at == 200.0 + ENTRIES + 29


def test_a_reason_of_any_length_is_shortened() -> None:
    """A back end chooses its words, not how much room they take."""
    (found,) = only(DOWN, 110.0, reason="x" * 100_000)
    assert len(found.entries[0].text) == 600

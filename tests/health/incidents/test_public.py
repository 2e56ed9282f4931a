"""What guests read of incidents: nothing in operators' words."""

import msgspec
import pytest

from orch.health.health_events import Stage
from orch.health.incidents.courses import Standing
from orch.health.incidents.public import (
    PAST_DAYS,
    UPDATES,
    Happened,
    PublicState,
    public_announcements,
    public_incidents,
    public_state,
    worst,
)
from orch.health.incidents.records import DAY, Announcement, Entry, EntryKind, Impact
from tests.fakes.incidents import outage

NOW = 1_795_000_000.0
NAMES = {"audio-service": ""}


def test_no_word_of_an_operator_a_back_end_or_a_hook_is_public() -> None:
    """Notes, post-mortems, reasons, addresses and instances stay out; what happened is told by its kind."""
    is_open, past = public_incidents([outage(NOW), outage(NOW, number=2, is_open=False)], NAMES, NOW)
    assert [each.happened for each in is_open[0].updates] == [Happened.RESTARTING, Happened.OUTAGE]
    assert past[0].updates[0].happened is Happened.CLOSED
    said = msgspec.json.encode((is_open, past)).decode()
    for word in ("gpu-1", "refused", "Ann", "rack", "disk", "docker", "8000", "img"):
        assert word not in said


def test_only_services_that_are_listed_are_public() -> None:
    """And of what is over, only the last days."""
    assert public_incidents([outage(NOW)], {"translation-service": ""}, NOW) == ((), ())
    old = outage(NOW - PAST_DAYS * DAY - 200, is_open=False)
    assert public_incidents([old], NAMES, NOW) == ((), ())


def test_the_same_update_is_not_repeated_and_only_the_newest_are_shown() -> None:
    """A back end that is restarted a hundred times has one line for it, or a few by turns."""
    incident = outage(NOW)
    hooks = [
        Entry(at=NOW + number, kind=EntryKind.RECOVERY, stage=stage, text="x")
        for number in range(40)
        for stage in (Stage.HOOK, Stage.VERIFYING)
    ]
    turns = [
        Entry(at=NOW + 100 + number, kind=EntryKind.CHANGED, impact=impact, text="x")
        for number in range(20)
        for impact in (Impact.DEGRADED, Impact.OUTAGE)
    ]
    once = msgspec.structs.replace(incident, entries=(*incident.entries, *hooks))
    assert len(public_incidents([once], NAMES, NOW)[0][0].updates) == 2
    often = msgspec.structs.replace(incident, entries=(*incident.entries, *turns))
    assert len(public_incidents([often], NAMES, NOW)[0][0].updates) == UPDATES


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), PublicState.UNKNOWN),
        ((PublicState.OPERATIONAL,), PublicState.OPERATIONAL),
        ((PublicState.OPERATIONAL, PublicState.UNKNOWN), PublicState.UNKNOWN),
        ((PublicState.MAINTENANCE, PublicState.DEGRADED), PublicState.DEGRADED),
        ((PublicState.OUTAGE, PublicState.DEGRADED), PublicState.OUTAGE),
    ],
)
def test_the_whole_is_as_its_worst_service(states: tuple[PublicState, ...], expected: PublicState) -> None:
    """Of no service nothing is claimed."""
    assert worst(states) is expected


def test_maintenance_comes_before_everything_else() -> None:
    """What is switched off on purpose is no outage."""
    assert public_state(Standing.DOWN, is_in_maintenance=True) is PublicState.MAINTENANCE
    assert public_state(Standing.DOWN, is_in_maintenance=False) is PublicState.OUTAGE
    assert public_state(Standing.UNKNOWN, is_in_maintenance=False) is PublicState.UNKNOWN


def test_announcements_are_shown_as_they_were_written() -> None:
    """They are for guests."""
    (shown,) = public_announcements([Announcement(number=3, kind="outage", text="We move.", at=1.0)])
    assert (shown.number, shown.kind, shown.text, shown.until) == (3, "outage", "We move.", None)

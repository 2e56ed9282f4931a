"""Who spoke when, from stored events."""

from orch.bots import stored_timeline
from orch.bots.stored_timeline import Span, StoredTimeline
from orch.stores.bot_records import SessionEvent

STARTED = 1_764_444_000.0


def event(
    at: float, kind: str | None, who: object = "ann", name: object = "Ann", *, of: str = "participant"
) -> SessionEvent:
    return SessionEvent(
        event_id=str(at),
        session_id="s1",
        event_type=of,
        event_subtype=kind,
        at=STARTED + at,
        source_component="pipeline",
        event_data={"speaker_id": who, "name": name},
    )


def timeline(*events: SessionEvent, ended: float | None = None) -> dict[str, list[list[Span]]]:
    collected = StoredTimeline(STARTED)
    collected.add(events)
    return {
        each.name: [each.present, each.spoke, each.presented]
        for each in collected.finish(None if ended is None else STARTED + ended)
    }


def test_spans_are_between_their_events() -> None:
    """Of each participant, of each kind."""
    assert timeline(
        event(0, "join"), event(1, "speech_on"), event(1.5, "join", "bob", "Bob"), event(2, "speech_off"),
        event(3, "screenshare_on"), event(4, "speech_on"), event(5.25, "speech_off"),
        event(6, "screenshare_off"), event(7, "leave"), event(8, "leave", "bob", "Bob"),
    ) == {
        "Ann": [[(0, 7)], [(1, 2), (4, 5.25)], [(3, 6)]],
        "Bob": [[(1.5, 8)], [], []],
    }  # fmt: skip


def test_what_has_not_ended_ends_with_the_session_or_goes_on() -> None:
    """The end of a bot that was lost is that of its session."""
    events = (event(0, "join"), event(1, "speech_on"))
    assert timeline(*events) == {"Ann": [[(0, None)], [(1, None)], []]}
    assert timeline(*events, ended=9) == {"Ann": [[(0, 9)], [(1, 9)], []]}


def test_events_out_of_order_and_of_other_kinds_harm_nothing() -> None:
    """An end without a beginning, two beginnings, other types, data that is none."""
    assert timeline(
        event(1, "speech_off"), event(2, "speech_on"), event(3, "speech_on"), event(4, "speech_off"),
        event(5, "update"), event(6, None), event(7, "speech_on", of="state"), event(8, "join", 5),
        event(9, "join", "x", None), event(-1, "join"), event(-2, "leave"),
    ) == {"Ann": [[(0, 0)], [(2, 4)], []]}  # fmt: skip


def test_who_spoke_most_comes_first_under_the_last_name() -> None:
    """Seconds are those of ended spans."""
    collected = StoredTimeline(STARTED)
    collected.add([event(0, "speech_on"), event(1, "speech_off")])
    collected.add([event(1, "speech_on", "bob", "Bob"), event(3, "speech_off", "bob", "Robert")])
    assert [(each.name, each.seconds) for each in collected.finish(None)] == [("Robert", 2.0), ("Ann", 1.0)]


def test_spans_are_bounded() -> None:
    """A list that is not complete says so."""
    collected = StoredTimeline(STARTED)
    for number in range(stored_timeline.MOST_SPANS + 1):
        collected.add([event(number, "speech_on"), event(number + 0.5, "speech_off")])
    assert not collected.is_complete
    assert len(collected.finish(None)[0].spoke) == stored_timeline.MOST_SPANS

"""The events an operator reads."""

from hypothesis import given
from hypothesis import strategies as st

from orch.telemetry.events import KEPT, Event, EventLog, without_surplus


def test_what_clients_cause_does_not_push_out_the_news_of_a_back_end() -> None:
    """However many slow clients are disconnected, other events stay, also on the page."""
    log = EventLog(wall=lambda: 1.0)
    log.record("bad", "audio-service", "The audio-service does not answer.")
    log.record("info", "connections", "An operator closed 192.0.2.1.")
    for number in range(1_000):
        log.record("warn", "connections", f"192.0.2.{number % 200} was too slow and was closed.")
    for latest in (log.latest(), log.latest(KEPT)):
        assert [event.text for event in latest[-2:]] == [
            "An operator closed 192.0.2.1.",
            "The audio-service does not answer.",
        ]
        assert latest[0].number == 1_002
    assert len(log.latest(10_000)) == KEPT
    assert len(log.latest()) == 50


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(0, 20))
def test_events_stay_in_order_and_no_more_are_dropped_than_must_be(subjects: list[str], limit: int) -> None:
    """Of each subject the newest stay, and none has more than it must while another lost some."""
    events = [
        Event(number=place, at=0.0, severity="info", subject=subject, text="")
        for place, subject in enumerate(subjects)
    ]
    left = without_surplus(events, limit)
    assert len(left) == min(limit, len(events))
    assert left == [event for event in events if event in left]
    for subject in "abc":
        mine = [event for event in events if event.subject == subject]
        stayed = [event for event in left if event.subject == subject]
        assert stayed == mine[len(mine) - len(stayed) :]
        if len(stayed) < len(mine):
            most = max(sum(event.subject == other for event in left) for other in "abc")
            assert most <= len(stayed) + 1

"""When a bot leaves by itself, and when it must not."""

import pytest

from orch.bots.ends import EndReason
from orch.bots.leave_rules import (
    Company,
    Departure,
    LeaveRules,
    departure,
    is_bot,
    with_capture,
    with_participants,
    with_refusal,
    with_speech,
)

RULES = LeaveRules()
NEW = Company(admitted=100)


def seen(company: Company, others: list[str] | None, now: float, own: tuple[str, ...] = ()) -> Company:
    return with_participants(company, others, RULES, now, own)


def test_a_bot_in_a_meeting_of_which_nothing_is_known_stays() -> None:
    """No list was read, nothing was captured."""
    assert departure(NEW, RULES) is None


def test_nobody_came() -> None:
    """From the admission on, however often the empty list is read."""
    company = seen(seen(NEW, [], 110), [], 500)
    assert departure(company, RULES) == Departure(1300, EndReason.NOBODY_CAME)


def test_bots_alone_are_nobody() -> None:
    """Two bots do not keep each other waiting."""
    company = seen(NEW, ["Fireflies.ai Notetaker"], 110)
    assert departure(company, RULES) == Departure(1300, EndReason.NOBODY_CAME)


def test_everyone_left() -> None:
    """Counted from the first list without others."""
    company = seen(seen(seen(NEW, ["Ana"], 110), [], 200), [], 201)
    assert departure(company, RULES) == Departure(202, EndReason.ALONE)


def test_one_who_is_back_in_time_keeps_the_bot() -> None:
    """And the next time counts from its own begin."""
    company = seen(seen(seen(NEW, ["Ana"], 110), [], 200), ["Ana"], 201)
    assert departure(company, RULES) is None
    assert departure(seen(company, [], 300), RULES) == Departure(302, EndReason.ALONE)


def test_only_bots_left() -> None:
    """Ours, which have any name, and those of others."""
    company = seen(NEW, ["Ana", "Otter.ai", "Captions"], 110)
    company = seen(company, ["Otter.ai", "Captions"], 200, own=("Captions",))
    assert departure(company, RULES) == Departure(260, EndReason.ONLY_BOTS)
    assert departure(seen(company, ["Otter.ai", "Captions", "Bo"], 210, own=("Captions",)), RULES) is None
    # Without knowing of our own, "Captions" is a person.
    assert departure(seen(company, ["Otter.ai", "Captions"], 210), RULES) is None


def test_a_list_that_cannot_be_read_is_no_reason_to_leave() -> None:
    """The counting begins again with the next one that can be."""
    company = seen(seen(seen(NEW, ["Ana"], 110), [], 200), None, 201)
    assert departure(company, RULES) is None
    assert departure(seen(company, [], 250), RULES) == Departure(252, EndReason.ALONE)


def test_silence_counts_only_after_the_first_twenty_minutes_and_while_it_captures() -> None:
    """Speech begins the counting again."""
    company = with_capture(seen(NEW, ["Ana"], 110), 120, captures=True)
    assert departure(company, RULES) == Departure(100 + 1200 + 3600, EndReason.SILENCE)
    company = with_speech(company, 2000)
    assert departure(company, RULES) == Departure(2000 + 3600, EndReason.SILENCE)
    paused = with_capture(company, 2500, captures=False)
    assert departure(paused, RULES) is None
    assert with_speech(paused, 2600) == paused
    assert departure(with_capture(paused, 3000, captures=True), RULES) == Departure(6600, EndReason.SILENCE)


def test_a_refusal_to_record_counts_from_the_first() -> None:
    """And is forgotten when it is allowed."""
    company = with_refusal(with_refusal(NEW, 200, is_refused=True), 210, is_refused=True)
    assert departure(company, RULES) == Departure(230, EndReason.RECORDING_REFUSED)
    assert departure(with_refusal(company, 215, is_refused=False), RULES) is None


def test_of_several_reasons_the_first_in_time_counts() -> None:
    """Silence is far off when everyone has left."""
    company = with_capture(seen(NEW, ["Ana"], 110), 120, captures=True)
    assert departure(seen(company, [], 4000), RULES) == Departure(4002, EndReason.ALONE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ana García", False),
        ("Otter.ai", True),
        ("Bo's Fireflies.ai Notetaker", True),
        ("READ.AI meeting notes", True),
        ("note taker", True),
        ("Graine Murphy", False),
        ("Li Gong", False),
        ("Gong.io", True),
        ("Talbot", False),
        ("李雷", False),
        ("", False),
    ],
)
def test_bots_are_known_by_their_names(name: str, *, expected: bool) -> None:
    """Whole words only: people are called Talbot and Gong."""
    assert is_bot(name, RULES) is expected

"""Events in any order with any content: no error, an audit that is consistent, bounded memory."""

import random

import pytest

from orch.bots.correlation.changes import CARRIED
from orch.bots.correlation.correlator import Correlator
from orch.bots.correlation.events import (
    Caption,
    Correction,
    Event,
    Layout,
    Level,
    Mark,
    Owner,
    Participant,
    Segment,
    Tick,
)
from orch.bots.correlation.exports import FORMATS, export
from orch.bots.correlation.record import Record
from orch.protocol.messages import Word

TEXTS = (
    "",
    "yes",
    "…",
    "the harbour committee",
    "東京へ行く",
    "yes yes yes yes",
    "a\x00b",
    "harbour maintenance costs",
)
NAMES = ("Ana", "ana", "", "Ben", "名前", "  ")
LAYOUTS: tuple[Layout, ...] = ("own", "rotating", "mixed")


def any_caption(dice: random.Random, at: float) -> Caption:
    text = " ".join(dice.choices(TEXTS, k=dice.randrange(4)))
    began = at - dice.uniform(-1, 3) if dice.random() < 0.2 else None
    key = f"k{dice.randrange(6)}"
    return Caption(at=at, caption_id=key, name=dice.choice(NAMES), text=text, began=began)


def any_segment(dice: random.Random, at: float, channel: str) -> Segment:
    texts = " ".join(dice.choices(TEXTS, k=dice.randrange(5))).split()
    start = at - dice.uniform(-1, 6)
    words = tuple(
        Word(text=text, start=start + dice.uniform(-0.2, index), end=start + dice.uniform(-1, index + 1))
        for index, text in enumerate(texts)
    )
    key = f"s{dice.randrange(12)}"
    return Segment(at=at, segment_id=key, channel=channel, words=words, layout=dice.choice(LAYOUTS))


def any_correction(dice: random.Random, at: float) -> Correction:
    first = dice.randrange(6)
    key = f"s{dice.randrange(12)}"
    return Correction(at=at, by="op", segment_id=key, first=first, last=first + dice.randrange(3), name="Ana")


def any_event(dice: random.Random, now: float) -> Event:
    at = max(0.0, now + dice.choice((0.0, 0.0, -3.0)))
    who = f"p{dice.randrange(3)}"
    channel = f"c{dice.randrange(3)}"
    is_on = dice.random() < 0.7
    name = dice.choice(NAMES)
    events: tuple[Event, ...] = (
        Participant(at=at, participant_id=who, name=name, is_present=is_on),
        any_caption(dice, at),
        any_caption(dice, at),
        any_segment(dice, at, channel),
        any_segment(dice, at, channel),
        Mark(at=at, participant_id=who, is_on=is_on),
        Level(at=at, channel=channel, time=at + dice.uniform(-2, 2), dbfs=dice.uniform(-90, 0)),
        Owner(at=at, channel=channel, participant_id=who if is_on else None),
        any_correction(dice, at) if is_on else Tick(at=at),
    )
    return dice.choice(events)


@pytest.mark.parametrize("seed", range(6))
def test_the_audit_is_consistent_whatever_is_fed(seed: int) -> None:
    """Each change's old name is what the words had, and the exports can be written."""
    dice = random.Random(seed)
    correlator, record = Correlator(), Record()
    now = 0.0
    for _ in range(250):
        now += dice.choice((0.0, 0.1, 0.4, 2.0, 2.0, 90.0 if dice.random() < 0.1 else 0.3))
        event = any_event(dice, now)
        changes = correlator.feed(event)
        for change in changes:
            names = {
                word.name for word in record.segments[change.segment_id].words[change.first : change.last + 1]
            }
            if change.reason != CARRIED:
                assert names == {change.old}
            assert change.old != change.new or change.reason == "settled" or change.source == "person"
            assert 0 <= change.confidence <= 1
            record.apply(None, [change])
        if isinstance(event, Segment):
            carried = [change for change in changes if change.reason == CARRIED]
            record.changes = record.changes[: len(record.changes) - len(carried)]
            record.apply(event, carried)
    record.apply(None, correlator.finish())
    statistics = correlator.statistics()
    assert statistics.live_words == 0
    assert statistics.words >= statistics.settled >= statistics.settled_named
    assert len(correlator._timeline) == 0
    assert not any(channel.runs for channel in correlator._channels.values())
    for kind in FORMATS:
        export(record, kind, session_id="m")

"""Meetings whose speech is known: what the timeline says of it, from leaking marks and late captions."""

from collections import defaultdict
from random import Random

import pytest

from orch.bots.speaker_ids import speaker_id
from orch.bots.timeline import (
    Timeline,
    TimelineEvent,
    at,
    ended,
    speaking_times,
    with_caption,
    with_marks,
    with_participants,
)

Spans = dict[str, list[tuple[float, float]]]
NAMES = {key: f"Name {key}" for key in "abcd"}


def spoken(random: Random, seconds: float) -> Spans:
    """Return turns of a, b and c of 1 to 15 seconds, some of which overlap; d only listens."""
    spans: Spans = defaultdict(list)
    now, last = 2.0, ""
    while now < seconds:
        speaker = random.choice([each for each in "abc" if each != last])
        length = random.uniform(1, 15)
        spans[speaker].append((now, now + length))
        now += length + random.choice((-1.5, 0.5, 1, 3)) * random.random()
        last = speaker
    return spans


def observed(spans: Spans, random: Random, *, captions: bool) -> tuple[list[TimelineEvent], float]:
    """Return the events of a meeting in which marks flicker and leak, and captions are 0.5 to 2.5 s late."""
    end = max(stop for found in spans.values() for _, stop in found) + 10
    lit = {
        key: [(start + random.uniform(0, 0.3), stop + random.uniform(-0.2, 0.2)) for start, stop in found]
        for key, found in spans.items()
    }
    leaks = defaultdict(list)
    for key, found in spans.items():
        for start, stop in found:
            if random.random() < 0.3:
                other = random.choice([each for each in NAMES if each != key])
                leaks[other].append((start + random.uniform(0, 1), stop))
    arrivals: list[tuple[float, str, list[float]]] = []
    for key, found in spans.items():
        for start, stop in found if captions else []:
            words: list[float] = []
            said = start + 0.35
            while said < stop:
                words.append(said + random.uniform(0.5, 2.5))
                arrivals.append((max(words), NAMES[key], sorted(words)))
                said += random.uniform(0.25, 0.6)
    arrivals = sorted(each for each in arrivals if random.random() > 0.1)
    timeline, events = with_participants(Timeline(delay=1.5), NAMES, 0)
    steps = [step / 10 for step in range(int(end * 10))]
    for now in steps:
        while arrivals and arrivals[0][0] <= now:
            arrival, name, words = arrivals.pop(0)
            timeline, found_events = with_caption(timeline, name, words, arrival)
            events += found_events
        marked = [
            key
            for key in NAMES
            if any(start <= now < stop for start, stop in [*lit.get(key, ()), *leaks[key]])
            and random.random() > 0.1
        ]
        timeline, found_events = with_marks(timeline, marked, now)
        events += found_events
    timeline, found_events = at(timeline, end)
    events += found_events
    return [*events, *ended(timeline, end)[1]], end


@pytest.mark.parametrize("seed", range(6))
def test_speaking_times_are_those_that_were_spoken(seed: int) -> None:
    """Each speaker's time within 10 %, and at most 5 % of it for one who only listened."""
    random = Random(seed)
    spans = spoken(random, 120)
    events, end = observed(spans, random, captions=True)
    times = speaking_times(events, end)
    total = sum(stop - start for found in spans.values() for start, stop in found)
    for key, found in spans.items():
        truth = sum(stop - start for start, stop in found)
        assert times[speaker_id(NAMES[key], key)] == pytest.approx(truth, rel=0.1, abs=1)
    assert times.get(speaker_id(NAMES["d"], "d"), 0) < 0.05 * total

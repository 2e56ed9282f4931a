"""Names the speaker of each transcribed word while a meeting goes on. Pure.

Live, the service feeds events as they arrive and a :class:`Tick` in pauses, and stores the changes it gets.
Offline, the stored events are replayed in the same order with the same result: decisions are made at
multiples of :data:`STEP` between the events, never when one happens to be fed.

Words, captions and marks are live for :data:`HORIZON` seconds. Then their names are settled, and only a short
summary of each segment is stored, so that memory and the time for an event do not depend on how long the
meeting has lasted. Two things still name settled words: a channel whose speaker becomes known later, and a
person.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from orch.bots.correlation.alignment import MOST_DELAY
from orch.bots.correlation.caption_matches import CaptionMatches
from orch.bots.correlation.changes import CARRIED, Settled, change_of, grouped
from orch.bots.correlation.channels import Channel
from orch.bots.correlation.events import (
    Caption,
    Change,
    Correction,
    Event,
    Level,
    Mark,
    Name,
    Owner,
    Participant,
    Segment,
    Tick,
)
from orch.bots.correlation.naming import CONFIDENT, decision, propose
from orch.bots.correlation.offsets import OffsetEstimate
from orch.bots.correlation.roster import Roster
from orch.bots.correlation.scoring import Scorer
from orch.bots.correlation.signals import SpeakingMarks
from orch.bots.correlation.tally import AttributionTally
from orch.bots.correlation.words import LiveWord, Run, Timeline, live_words

STEP: Final = 0.25
HORIZON: Final = 60.0
#: Captions are taken to be on while one arrived within so many seconds.
CAPTIONS_ON: Final = 30.0
#: Seconds that a name without captions waits for marks, and besides the captions' delay for captions.
MARKS_WAIT: Final = 1.2
CAPTIONS_WAIT: Final = 1.8
TOUCHED: Final = 2.0
LEARN_FROM: Final = 0.9
SETTLED_MOVE: Final = 0.03
MOST_CHANNELS: Final = 256
MOST_WORDS: Final = 20_000
"""Live words; beyond, the oldest are settled early. 200 people speaking at once have fewer."""


class CorrelationStatistics(Struct, frozen=True, kw_only=True):
    """Counts since the start, what is live, and the delays of captions and marks."""

    words: int
    live_words: int
    settled: int
    settled_named: int
    revised: int
    captions: OffsetEstimate
    marks: OffsetEstimate


class Correlator:
    """Attributes words to speakers. ``feed`` is the whole interface. Not for use by several threads.

    ``tally``: counts for several meetings together.

    The mutable state is the live words with their runs and captions, the channels, the marks, and the summary
    of settled segments.
    """

    def __init__(self, tally: AttributionTally | None = None) -> None:
        self._tally = AttributionTally() if tally is None else tally
        self._roster = Roster()
        self._marks = SpeakingMarks()
        self._channels: dict[str, Channel] = {}
        self._timeline = Timeline()
        self._segments: OrderedDict[str, list[LiveWord]] = OrderedDict()
        self._captions = CaptionMatches(self._timeline)
        self._settled = Settled()
        self._scorer = Scorer(self._roster, self._marks, self._others)
        self._step: int | None = None
        self._now = 0.0
        self._has_work = False
        self._counts = {"words": 0, "settled": 0, "settled_named": 0, "revised": 0}

    def feed(self, event: Event) -> tuple[Change, ...]:
        """Apply an event, after all decisions that were due before it. Returns the changes of names.

        Events are in the order of ``at``; an event with an earlier time is applied as if it came now.
        """
        changes = self._advance(event.at)
        changes += self._apply(event)
        revised = sum(
            each.last - each.first + 1 for each in changes if each.is_revision and each.source != "person"
        )
        self._counts["revised"] += revised
        self._tally.revised += revised
        return tuple(changes)

    def finish(self) -> tuple[Change, ...]:
        """Settle everything: nothing more will be fed."""
        changes = self._advance(self._now + 2 * STEP + CAPTIONS_WAIT + MOST_DELAY)
        changes += self._settle_before(math.inf)
        return tuple(changes)

    def statistics(self) -> CorrelationStatistics:
        """Return counts and delays."""
        return CorrelationStatistics(
            words=self._counts["words"],
            live_words=sum(map(len, self._segments.values())),
            settled=self._counts["settled"],
            settled_named=self._counts["settled_named"],
            revised=self._counts["revised"],
            captions=self._captions.delay.estimate,
            marks=self._marks.lag,
        )

    # Events

    def _apply(self, event: Event) -> list[Change]:
        match event:
            case Participant():
                self._participant(event)
            case Caption():
                self._captions.revise(event)
                self._has_work = True
            case Segment():
                return self._segment(event)
            case Mark():
                self._marks.mark(event.participant_id, event.at, is_on=event.is_on)
                self._touch(event.at)
            case Level():
                self._channel(event.channel).levels.add(event.time, event.dbfs)
            case Owner():
                self._channel(event.channel).owners.append((event.at, event.participant_id))
                self._touch(event.at)
            case Correction():
                return self._correct(event)
            case Tick():
                pass
        return []

    def _participant(self, event: Participant) -> None:
        mere = self._roster.update(event.participant_id, event.name, event.at, is_present=event.is_present)
        if mere is not None:
            for channel in self._channels.values():
                channel.rename(mere, event.participant_id)
                for run in channel.runs:
                    run.is_dirty = True
        self._has_work = True

    def _segment(self, event: Segment) -> list[Change]:
        self._settled.forget(event.segment_id)
        old = self._segments.pop(event.segment_id, [])
        for word in old:
            self._remove(word, is_settled=False)
        channel = self._channel(event.channel)
        channel.layout = event.layout
        words = live_words(event.segment_id, event.channel, event.words)
        self._counts["words"] += len(words) - len(old)
        for word in words:
            word.received = event.at
            word.run = channel.add(word)
            self._timeline.add(word)
        if words:
            self._segments[event.segment_id] = words
            self._captions.expect(words)
        self._has_work = True
        changes = self._carry(old, words, event.at)
        if len(self._timeline) > MOST_WORDS:
            changes += self._settle_oldest()
        return changes

    def _carry(self, old: list[LiveWord], words: list[LiveWord], at: float) -> list[Change]:
        """Keep the names of a segment's former version for the words that are still there."""
        found = []
        position = 0
        for word in words:
            same = next(
                (
                    index
                    for index in range(position, min(len(old), position + 12))
                    if old[index].units == word.units and abs(old[index].start - word.start) < 1.0
                ),
                None,
            )
            if same is None:
                continue
            position = same + 1
            before = old[same]
            word.is_pinned = before.is_pinned
            if before.shown is not None:
                word.name, word.confidence = before.shown, before.shown_confidence
                word.source, word.kind = before.source, before.kind
                found.append(change_of(word, before.shown, at, reason=CARRIED))
        return grouped(found)

    def _correct(self, event: Correction) -> list[Change]:
        new = None
        if event.name is not None:
            new = Name(name=event.name, participant_id=event.participant_id)
        words = self._segments.get(event.segment_id)
        if words is None:
            return self._settled.correct(event, new)
        found = []
        for word in words[max(0, event.first) : event.last + 1]:
            word.is_pinned = True
            word.name, word.confidence, word.source, word.kind = new, 1.0, "person", "none"
            found.append(change_of(word, new, event.at, by=f"person:{event.by}"))
        return grouped(found)

    # Decisions

    def _advance(self, now: float) -> list[Change]:
        """Make the decisions at all steps up to a time."""
        self._now = max(self._now, now)
        last = math.floor(self._now / STEP)
        if self._step is None:
            self._step = last
        changes: list[Change] = []
        while self._step < last:
            if not self._has_work:
                self._step = last
                break
            self._step += 1
            changes += self._decide(self._step * STEP)
        return changes

    def _decide(self, now: float) -> list[Change]:
        self._captions.advance(now)
        self._score()
        changes = self._shown(now)
        changes += self._settle_before(now - HORIZON)
        self._has_work = bool(self._segments) or self._captions.is_open
        return changes

    def _score(self) -> None:
        """Score the runs whose evidence has changed, and those of other channels at the same time, twice."""
        dirty = [
            (channel, run) for channel in self._channels.values() for run in channel.runs if run.is_dirty
        ]
        if not dirty:
            return
        runs = {id(run): (channel, run) for channel, run in dirty}
        for _, run in dirty:
            for other in self._others(run):
                runs[id(other)] = (self._channels[other.channel], other)
        owned = {id(channel): channel for channel, _ in dirty if channel.layout == "own"}
        for channel in owned.values():
            for run in channel.runs:
                runs[id(run)] = (channel, run)
        for _ in range(2):
            for channel, run in runs.values():
                self._scorer.score(run, channel)
        for channel, run in runs.values():
            run.is_dirty = False
            owner = channel.owner(run.start)
            is_mixed = channel.layout == "mixed"
            propose(run, self._roster, usual=channel.usual(), owner=owner, is_mixed=is_mixed)

    def _shown(self, now: float) -> list[Change]:
        """Return the names that are shown, replaced or withdrawn now."""
        wait = MARKS_WAIT
        if now - self._captions.newest < CAPTIONS_ON:
            estimate = self._captions.delay.estimate
            wait = estimate.offset + 2 * estimate.spread + CAPTIONS_WAIT
        found = []
        for words in self._segments.values():
            for word in words:
                if word.is_pinned:
                    continue
                name = decision(word, is_ripe=now >= word.end + wait)
                if name != word.shown:
                    found.append(change_of(word, name, now))
        return grouped(found)

    def _settle_before(self, before: float) -> list[Change]:
        """Settle the segments that are older than a time."""
        due = [
            segment_id
            for segment_id, words in self._segments.items()
            if max(words[0].received, *(word.end for word in words)) < before
        ]
        changes: list[Change] = []
        for segment_id in due:
            changes += self._settle(self._segments.pop(segment_id))
        if due or before == math.inf:
            changes += self._name_pending()
            self._forget(before)
        return changes

    def _settle_oldest(self) -> list[Change]:
        _, words = self._segments.popitem(last=False)
        return self._settle(words)

    def _settle(self, words: list[LiveWord]) -> list[Change]:
        """Store the final names of a segment's words, learn from them, and forget them."""
        changes = []
        for word in words:
            is_same = word.name is not None and word.shown is not None and word.name.name == word.shown.name
            if is_same and not word.is_pinned and abs(word.confidence - word.shown_confidence) > SETTLED_MOVE:
                changes.append(change_of(word, word.shown, self._now, reason="settled"))
            if is_same and word.confidence >= LEARN_FROM and word.name is not None:
                self._learn(word, word.name)
            self._counts["settled"] += 1
            if word.shown is None:
                self._tally.unknown += 1
            else:
                self._counts["settled_named"] += 1
                self._tally.named += 1
        self._settled.add(words)
        channel = self._channels[words[0].channel]
        if channel.layout == "own":
            for first, last in self._settled.unnamed(words[0].segment_id):
                channel.pending.append((words[0].segment_id, first, last))
        for word in words:
            self._remove(word, is_settled=True)
        return grouped(changes)

    def _learn(self, word: LiveWord, name: Name) -> None:
        """Observe marks while someone surely speaks."""
        if name.participant_id is None:
            return
        self._marks.learn(name.participant_id, word.start, word.end)
        run = word.run
        if run is not None and run.is_whole and run.words[0] is word:
            self._marks.learn_onset(name.participant_id, word.start)

    def _name_pending(self) -> list[Change]:
        """Name settled words on channels whose speaker is known by now."""
        changes: list[Change] = []
        for channel in self._channels.values():
            usual = channel.usual() if channel.pending else {}
            if not usual:
                continue
            key = max(usual, key=lambda each: usual[each])
            name = self._roster.name(key)
            if usual[key] < CONFIDENT or name is None:
                continue
            while channel.pending:
                segment_id, first, last = channel.pending.popleft()
                changes += self._settled.name(segment_id, first, last, name, usual[key], self._now)
        return changes

    # State

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel("rotating")
            idle = [key for key, each in self._channels.items() if key != name and not each.runs]
            if len(self._channels) > MOST_CHANNELS and idle:
                del self._channels[idle[0]]
        return channel

    def _others(self, run: Run) -> Iterable[Run]:
        """Return the runs of other channels at the same time; not of mixed ones, which prove nothing here."""
        found = []
        for name, channel in self._channels.items():
            if name == run.channel or channel.layout == "mixed":
                continue
            for other in reversed(channel.runs):
                if other.end < run.start:
                    break
                if other.start < run.end:
                    found.append(other)
        return found

    def _touch(self, at: float) -> None:
        """Score runs again that a mark at this time may belong to."""
        for channel in self._channels.values():
            for run in reversed(channel.runs):
                if run.end < at - TOUCHED:
                    break
                run.is_dirty = True

    def _remove(self, word: LiveWord, *, is_settled: bool) -> None:
        """Remove a word; a run that is settled as a whole is evidence of its channel's speaker."""
        self._timeline.forget(word)
        run, word.run = word.run, None
        if run is None:
            return
        at = next(index for index, each in enumerate(run.words) if each is word)
        del run.words[at]
        run.is_whole = False
        if len(run.rows) > at:
            del run.rows[at]
        if not run.words:
            channel = self._channels[word.channel]
            if is_settled:
                channel.settle(run)
            channel.runs.remove(run)

    def _forget(self, before: float) -> None:
        self._marks.forget(before - HORIZON)
        for channel in self._channels.values():
            channel.levels.forget(before - HORIZON)

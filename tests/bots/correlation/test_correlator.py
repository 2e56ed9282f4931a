import random
from dataclasses import dataclass, field

import msgspec
import pytest

from orch.bots.correlation.correlator import HORIZON, Correlator
from orch.bots.correlation.events import (
    Caption,
    Change,
    Correction,
    Event,
    Layout,
    Mark,
    Owner,
    Participant,
    Segment,
    Tick,
)
from orch.bots.correlation.record import Record, correlate
from orch.protocol.messages import Word
from tests.fakes.scripted_meetings import CHARACTERS, Scene, meeting

LONG = "the committee approved seventeen proposals concerning harbour maintenance yesterday"
OTHER = "several engineers questioned whether winter deadlines remain realistic anymore"


@dataclass
class Bot:
    """A correlator with a record of what it was fed and returned."""

    correlator: Correlator = field(default_factory=Correlator)
    record: Record = field(default_factory=Record)
    events: list[Event] = field(default_factory=list)

    def feed(self, event: Event) -> tuple[Change, ...]:
        changes = self.correlator.feed(event)
        self.record.apply(event, changes)
        self.events.append(event)
        return changes

    def joined(self, *people: tuple[str, str]) -> None:
        for participant_id, name in people:
            self.feed(Participant(at=0, participant_id=participant_id, name=name))

    def said(
        self, text: str, start: float, channel: str = "c", *, layout: Layout = "rotating", name: str = ""
    ) -> str:
        """Transcribe words, three a second; ``name``: with a caption a second late."""
        texts = text.split()
        end = start + len(texts) / 3
        segment_id = f"{channel}-{start}"
        for index in range(len(texts) if name else 0):
            at = start + (index + 1) / 3 + 1
            shown = " ".join(texts[: index + 1])
            self.feed(Caption(at=at, caption_id=segment_id, name=name, text=shown))
        words = tuple(
            Word(text=each, start=start + index / 3, end=start + (index + 1) / 3)
            for index, each in enumerate(texts)
        )
        self.feed(Segment(at=end + 1.5, segment_id=segment_id, channel=channel, words=words, layout=layout))
        return segment_id

    def marked(self, who: str, start: float, end: float) -> None:
        self.feed(Mark(at=start + 0.25, participant_id=who, is_on=True))
        self.feed(Mark(at=end + 0.25, participant_id=who, is_on=False))

    def waited(self, until: float) -> None:
        self.feed(Tick(at=until))

    def finish(self) -> None:
        self.record.apply(None, self.correlator.finish())

    def names(self, segment_id: str) -> set[str | None]:
        words = self.record.segments[segment_id].words
        return {None if word.name is None else word.name.name for word in words}


def test_a_caption_with_the_same_words_names_them() -> None:
    """On an anonymous channel, without marks."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    first = bot.said(LONG, 2, name="Ana")
    second = bot.said(OTHER, 8, name="Ben")
    bot.waited(20)
    assert bot.names(first) == {"Ana"}
    assert bot.names(second) == {"Ben"}
    word = bot.record.segments[first].words[0]
    assert (word.source, word.kind) == ("captions", "exact")
    assert word.name is not None
    assert word.name.participant_id == "p1"
    assert word.confidence > 0.95


def test_without_evidence_the_name_is_withheld() -> None:
    """And it is no change: there was none before."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    segment = bot.said(LONG, 2)
    bot.finish()
    assert bot.names(segment) == {None}
    assert bot.record.changes == []


def test_a_caption_without_a_name_gives_none() -> None:
    """The page shows the text a moment before the name; an empty name must not be shown."""
    bot = Bot()
    bot.joined(("p1", "Ana"))
    segment = bot.said(LONG, 2, name=" ")
    bot.waited(9)
    assert bot.names(segment) == {None}
    bot.feed(Caption(at=9.5, caption_id=segment, name="Ana", text=LONG))
    bot.waited(12)
    assert bot.names(segment) == {"Ana"}
    assert bot.correlator.statistics().captions.offset == pytest.approx(1.0)


def test_two_marks_at_once_are_no_name() -> None:
    """One of them leaks, and nothing says which."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    bot.feed(Mark(at=2.25, participant_id="p1", is_on=True))
    bot.feed(Mark(at=2.25, participant_id="p2", is_on=True))
    segment = bot.said(LONG, 2)
    bot.finish()
    assert bot.names(segment) == {None}


def test_a_name_from_marks_waits_for_captions_and_is_never_sure() -> None:
    """A mark may be someone else's; captions come later and prove more."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    bot.said(OTHER, 0.5, "d", name="Ben")
    bot.marked("p1", 8, 11)
    segment = bot.said(LONG, 8)
    assert bot.names(segment) == {None}
    bot.waited(16)
    assert bot.names(segment) == {"Ana"}
    assert all(word.source == "marks" for word in bot.record.segments[segment].words)
    assert all(word.confidence < 0.95 for word in bot.record.segments[segment].words)


def test_a_name_from_a_mark_is_revised_by_a_late_caption_with_an_audit_trail() -> None:
    """Who, when, why, old and new."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    bot.marked("p2", 2, 6)
    segment = bot.said(LONG, 2)
    bot.waited(10)
    assert bot.names(segment) == {"Ben"}
    for index in range(len(LONG.split())):
        shown = " ".join(LONG.split()[: index + 1])
        bot.feed(Caption(at=10 + index / 3, caption_id="late", name="Ana", text=shown))
    bot.waited(20)
    assert bot.names(segment) == {"Ana"}
    revisions = [change for change in bot.record.changes if change.is_revision]
    revised = {index for change in revisions for index in range(change.first, change.last + 1)}
    assert revised == set(range(len(LONG.split())))
    named = [change for change in bot.record.changes if change.new is not None and change.new.name == "Ana"]
    for change in named:
        assert change.by == "captions"
        assert 10 < change.at <= 20
        assert change.reason == "captions have the same words"
    assert {change.old.name for change in revisions if change.old is not None} == {"Ben"}


def test_namesakes_share_the_name_and_not_the_identity() -> None:
    """The name is right whichever of them it was; the id is given only where marks tell."""
    bot = Bot()
    bot.joined(("p1", "Anna Kovács"), ("p2", "Anna  Kovács"), ("p3", "Ben"))
    alone = bot.said(LONG, 2, name="Anna Kovács")
    bot.feed(Mark(at=8.25, participant_id="p2", is_on=True))
    told = bot.said(OTHER, 8, name="Anna Kovács")
    bot.feed(Mark(at=12, participant_id="p2", is_on=False))
    bot.waited(20)
    assert {word.name and word.name.participant_id for word in bot.record.segments[alone].words} == {None}
    assert {word.name and word.name.participant_id for word in bot.record.segments[told].words} == {"p2"}


def test_similar_names_are_different_people() -> None:
    """One letter is enough."""
    bot = Bot()
    bot.joined(("p1", "Ana Kovacs"), ("p2", "Anna Kovacs"))
    segment = bot.said(LONG, 2, name="Ana Kovacs")
    bot.waited(12)
    assert bot.names(segment) == {"Ana Kovacs"}


def test_a_track_names_words_that_nothing_else_names_also_earlier_ones() -> None:
    """Its speaker is learned from several runs; words that were settled long ago are named then."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    early = bot.said(LONG, 2, layout="own")
    bot.waited(2 * HORIZON)
    assert bot.names(early) == {None}
    for index in range(4):
        bot.said(OTHER, 130 + 8 * index, layout="own", name="Ana")
    late = bot.said("certainly", 170, layout="own")
    bot.waited(300)
    assert bot.names(late) == {"Ana"}
    assert bot.names(early) == {"Ana"}
    change = next(each for each in bot.record.changes if each.segment_id == early)
    assert (change.old, change.source, change.is_revision) == (None, "track", False)


def test_one_run_does_not_name_a_track_for_good() -> None:
    """A mark may be missing while another is lit."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    bot.marked("p2", 2, 6)
    bot.said(LONG, 2, layout="own")
    for index in range(4):
        bot.marked("p1", 10 + 8 * index, 14 + 8 * index)
        bot.said(OTHER, 10 + 8 * index, layout="own")
    last = bot.said("certainly", 60, layout="own")
    bot.finish()
    assert bot.names(last) == {"Ana"}


def test_the_pages_owner_of_a_track_counts_from_then_on() -> None:
    """Until the page shows another one, or none."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    bot.feed(Owner(at=1, channel="c", participant_id="p1"))
    first = bot.said(LONG, 2)
    bot.feed(Owner(at=9, channel="c", participant_id="p2"))
    second = bot.said(OTHER, 10)
    bot.feed(Owner(at=18, channel="c", participant_id=None))
    third = bot.said(LONG, 20)
    bot.finish()
    assert [bot.names(each) for each in (first, second, third)] == [{"Ana"}, {"Ben"}, {None}]
    assert bot.record.segments[first].words[0].source == "owner"


def test_nobody_speaks_on_two_channels() -> None:
    """Two marks and two channels: who has captions on one is not on the other."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    bot.marked("p1", 2, 6)
    bot.correlator.feed(Tick(at=1))
    first = bot.said(LONG, 2, "a", name="Ana")
    bot.feed(Mark(at=8.2, participant_id="p1", is_on=True))
    bot.feed(Mark(at=8.2, participant_id="p2", is_on=True))
    one = bot.said(LONG, 8, "a", name="Ana")
    other = bot.said(OTHER, 8, "b")
    bot.finish()
    assert [bot.names(each) for each in (first, one, other)] == [{"Ana"}, {"Ana"}, {"Ben"}]


def test_a_person_corrects_live_and_settled_words_and_that_stays() -> None:
    """Signals do not change it again; the trail has who it was."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    segment = bot.said(LONG, 2, name="Ana")
    bot.waited(8)
    correction = Correction(
        at=8, by="op", segment_id=segment, first=0, last=99, name="Ben", participant_id="p2"
    )
    (change,) = bot.feed(correction)
    assert change.old is not None
    assert (change.old.name, change.by) == ("Ana", "person:op")
    bot.waited(3 * HORIZON)
    assert bot.names(segment) == {"Ben"}
    (change,) = bot.feed(Correction(at=300, by="op", segment_id=segment, first=1, last=2, name=None))
    assert change.old is not None
    assert (change.old.name, change.first, change.last) == ("Ben", 1, 2)
    assert bot.names(segment) == {"Ben", None}
    assert bot.feed(Correction(at=301, by="op", segment_id="none", first=0, last=1, name="Ana")) == ()


def test_words_that_a_person_left_without_a_name_get_none_from_the_track() -> None:
    """Also when its speaker becomes known later."""
    bot = Bot()
    bot.joined(("p1", "Ana"))
    early = bot.said(LONG, 2, layout="own")
    bot.feed(Correction(at=10, by="op", segment_id=early, first=0, last=1, name=None))
    for index in range(4):
        bot.said(OTHER, 130 + 8 * index, layout="own", name="Ana")
    bot.waited(400)
    words = bot.record.segments[early].words
    assert [word.name is None for word in words[:3]] == [True, True, False]


def test_a_revised_transcript_keeps_the_names_of_its_words() -> None:
    """A final text replaces a growing one; readers see no name vanish."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    segment = bot.said(LONG, 2, name="Ana")
    bot.waited(9)
    old = bot.record.segments[segment].words
    words = (
        *(each.word for each in old),
        Word(text="indeed", start=old[-1].word.end, end=old[-1].word.end + 0.3),
    )
    bot.feed(Segment(at=9.1, segment_id=segment, channel="c", words=words))
    assert [each.name is None for each in bot.record.segments[segment].words] == [False] * len(old) + [True]
    bot.waited(15)
    assert bot.names(segment) == {"Ana"}
    assert not any(change.is_revision for change in bot.record.changes)


def test_versions_of_a_growing_segment_are_one_run_of_evidence() -> None:
    """A transcript that grows in ten versions must not make a track's speaker sure."""
    bot = Bot()
    bot.joined(("p1", "Ana"), ("p2", "Ben"))
    bot.marked("p2", 2, 6)
    words = tuple(
        Word(text=each, start=2 + at / 3, end=2 + (at + 1) / 3) for at, each in enumerate(LONG.split())
    )
    for version in range(1, len(words) + 1):
        bot.feed(Segment(at=7 + version, segment_id="s", channel="c", words=words[:version], layout="own"))
    silent = bot.said("certainly", 30, layout="own")
    bot.finish()
    assert bot.names("s") == {"Ben"}
    assert bot.record.segments[silent].words[0].confidence < 0.95


def test_a_segment_may_be_replaced_by_nothing() -> None:
    """The engine takes its words back."""
    bot = Bot()
    segment = bot.said(LONG, 2, name="Ana")
    bot.feed(Segment(at=9, segment_id=segment, channel="c", words=()))
    bot.finish()
    assert bot.record.segments[segment].words == []
    assert bot.correlator.statistics().live_words == 0


def test_decisions_do_not_depend_on_ticks() -> None:
    """A stored meeting has no ticks, and the same record at its end."""
    scripted = meeting(Scene(seconds=40, seed=3))
    bot = Bot()
    dice = random.Random(1)
    now = 0.0
    for event in scripted.events:
        while now < event.at:
            bot.waited(now)
            now += dice.uniform(0.05, 1.5)
        bot.feed(event)
    bot.finish()
    stored = msgspec.json.decode(msgspec.json.encode(scripted.events), type=list[Event])
    offline = correlate(stored)
    assert offline.changes == bot.record.changes
    assert offline.segments == bot.record.segments


def test_events_with_earlier_times_are_applied_now() -> None:
    """Two sources share a clock badly."""
    bot = Bot()
    bot.joined(("p1", "Ana"))
    bot.waited(50)
    segment = bot.said(LONG, 44, name="Ana")
    bot.waited(60)
    assert bot.names(segment) == {"Ana"}


def test_scripts_without_spaces_are_aligned_by_letters() -> None:
    """The engine's words are longer than a letter."""
    bot = Bot()
    text = "".join(CHARACTERS[3:27])
    for index in range(1, 25):
        bot.feed(Caption(at=3 + index / 6, caption_id="k", name="林", text=text[:index]))
    words = tuple(
        Word(text=text[at : at + 3], start=2 + at / 6, end=2 + (at + 3) / 6) for at in range(0, 24, 3)
    )
    bot.feed(Segment(at=8, segment_id="s", channel="c", words=words))
    bot.waited(14)
    assert bot.names("s") == {"林"}


def test_three_hours_need_no_more_memory_than_ten_minutes() -> None:
    """What is live, and what is stored of captions and marks, is bounded; segments are summarised."""
    bot = Correlator()
    sizes = []
    for index in range(1, 121):
        at = 90.0 * index
        words = tuple(
            Word(text=f"word{index}{each}", start=at + each, end=at + each + 0.5) for each in range(3)
        )
        bot.feed(Mark(at=at, participant_id="p1", is_on=True))
        bot.feed(
            Caption(at=at + 2, caption_id=f"k{index}", name="Ana", text=" ".join(each.text for each in words))
        )
        bot.feed(Mark(at=at + 3, participant_id="p1", is_on=False))
        bot.feed(Segment(at=at + 4, segment_id=f"s{index}", channel=f"c{index % 3}", words=words))
        live = len(bot._timeline) + len(bot._segments) + bot._captions.size()
        sizes.append(live + sum(len(each.runs) for each in bot._channels.values()))
    assert max(sizes[15:]) <= max(sizes[:15])
    assert bot.statistics().settled == bot.statistics().words - bot.statistics().live_words
    assert bot.statistics().live_words <= 12


def test_a_flood_of_words_settles_the_oldest_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound whatever is fed."""
    monkeypatch.setattr("orch.bots.correlation.correlator.MOST_WORDS", 50)
    bot = Correlator()
    words = tuple(Word(text="again", start=5.0, end=5.1) for _ in range(10))
    for index in range(30):
        bot.feed(Segment(at=6, segment_id=f"s{index}", channel="c", words=words))
    assert bot.statistics().live_words <= 60
    assert bot.statistics().words == 300

"""Schedules of meetings: exact, reproducible, and full of what makes captions and marks hard to read."""

from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.sandbox.meeting import schedule as s
from orch.sandbox.meeting.captioning import Revision
from orch.sandbox.meeting.script import (
    Captions,
    Channels,
    Clip,
    InterfaceText,
    Marks,
    Outage,
    Participant,
    Presenting,
    Say,
    Script,
    ScriptError,
    Stay,
    Word,
)
from orch.sandbox.meeting.speech_times import spread, utterances
from orch.sandbox.meeting.truth import as_json, truth

TEN = "one two three four five six seven eight nine ten"
LIBRARY = {
    "ten": Clip(file="ten.wav", seconds=5.0, words=TEN),
    "timed": Clip(
        file="timed.wav",
        seconds=2.0,
        words=(Word(word="good", begin=0.25, end=0.5), Word(word="morning", begin=0.75, end=1.5)),
    ),
    "cough": Clip(noise=0.1, seconds=1.0),
}
ANA, BO, CY = (Participant(id=name.lower(), name=name) for name in ("Ana", "Bo", "Cy"))


def script(*says: Say, **more: Any) -> Script:
    """Return a script of three people."""
    return Script(**{"participants": (ANA, BO, CY), "says": says, **more})


def planned(*says: Say, **more: Any) -> s.Schedule:
    """Return its schedule."""
    return s.schedule(script(*says, **more), LIBRARY)


def of(kind: type[s.Happening], what: s.Schedule) -> list[Any]:
    """Return the happenings of a kind."""
    return [each for each in what.happenings if isinstance(each, kind)]


def many(count: int, gap: float = 0.2) -> tuple[Say, ...]:
    """Return utterances by three people in turn."""
    return tuple(Say(who=("ana", "bo", "cy")[index % 3], clip="ten", gap=gap) for index in range(count))


def by_block(what: s.Schedule) -> dict[int, list[Revision]]:
    """Return the revisions of each block."""
    found: dict[int, list[Revision]] = defaultdict(list)
    for each in what.revisions:
        found[each.block].append(each)
    return found


def test_words_have_the_times_of_their_clip() -> None:
    (said,) = planned(Say(who="ana", clip="timed", at=10)).utterances
    assert [(word.word, word.begin, word.end) for word in said.words] == [
        ("good", 10.25, 10.5),
        ("morning", 10.75, 11.5),
    ]
    assert (said.begin, said.end, said.text) == (10, 12, "good morning")


def test_words_without_times_are_spread_over_the_speech_by_their_lengths() -> None:
    words = spread("a bbbb", (1.0, 4.0))
    assert [(word.begin, word.end) for word in words] == [(1.0, 2.0), (2.0, 4.0)]
    assert spread("  ", (0, 1)) == ()


def test_an_utterance_follows_the_one_before_it_in_the_list() -> None:
    """A negative gap is an overlap."""
    said = planned(
        Say(who="ana", clip="ten", at=1),
        Say(who="bo", clip="ten", gap=0.5),
        Say(who="cy", clip="ten", gap=-2),
    ).utterances
    assert [each.begin for each in said] == [1, 6.5, 9.5]


def test_what_is_said_can_differ_from_the_clip() -> None:
    (said,) = planned(Say(who="ana", clip="ten", at=0, words="something else")).utterances
    assert said.text == "something else"
    (said,) = planned(
        Say(who="ana", clip="own"), clips={"own": Clip(file="a", seconds=1, words="mine")}
    ).utterances
    assert said.text == "mine"


@pytest.mark.parametrize(
    ("says", "more", "path"),
    [
        ([Say(who="ana", clip="none")], {}, "says[0].clip"),
        ([Say(who="ana", clip="own")], {"clips": {"own": Clip(file="a")}}, "clips.own.seconds"),
        ([Say(who="ana", clip="ten", at=0), Say(who="ana", clip="ten", at=4)], {}, "says[1]"),
        ([Say(who="ana", clip="ten", at=0)], {"ends": 4.0}, "says[0]"),
        ([Say(who="ana", clip="timed", words=(Word(word="a", begin=0, end=3),))], {}, "says[0].words"),
        (
            [Say(who="ana", clip="ten", at=2)],
            {"participants": (Participant(id="ana", name="Ana", present=(Stay(leaves=6),)),)},
            "says[0]",
        ),
        (
            [Say(who="ana", clip="ten", at=2)],
            {"participants": (Participant(id="ana", name="Ana", present=(Stay(joins=3),)),)},
            "says[0]",
        ),
    ],
)
def test_what_cannot_be_played_is_a_fault(says: list[Say], more: dict[str, Any], path: str) -> None:
    with pytest.raises(ScriptError) as caught:
        planned(*says, **more)
    assert [fault.path for fault in caught.value.faults] == [path]


HARD = Captions(
    loss=0.1,
    utterances_lost=0.1,
    corrections=0.2,
    splits=0.4,
    longest=6,
    wrong_speaker=0.2,
    jitter=0.3,
    drift_ppm=200,
)


def test_a_script_has_one_schedule() -> None:
    """The same bytes for the same seed; another seed draws otherwise."""
    first = as_json(truth(planned(*many(30), captions=HARD, marks=Marks(leak=0.5))))
    assert first == as_json(truth(planned(*many(30), captions=HARD, marks=Marks(leak=0.5))))
    assert first != as_json(truth(planned(*many(30), captions=HARD, marks=Marks(leak=0.5), seed=1)))


def test_a_changed_utterance_changes_no_other() -> None:
    """What is drawn for an utterance depends on the seed and its number alone."""
    says = many(20, gap=30)
    first = planned(*says, captions=HARD)
    other = planned(*says[:-1], Say(who="ana", clip="timed", gap=30), captions=HARD)
    texts = [
        [(each.at, each.text) for each in what.revisions if 19 not in each.utterances]
        for what in (first, other)
    ]
    # The vocabulary that wrong words are drawn from has grown by two words.
    assert len(texts[0]) == len(texts[1])
    assert [at for at, _ in texts[0]] == [at for at, _ in texts[1]]


def test_captions_grow_word_by_word_and_end_as_a_sentence() -> None:
    what = planned(Say(who="ana", clip="ten", at=1), captions=Captions(jitter=0))
    shown = [each.text for each in of(s.Captioned, what)]
    assert len(shown) > 8
    assert shown[-1] == "One two three four five six seven eight nine ten."
    assert all(TEN.startswith(text) for text in shown[:-1])
    assert shown[0] == "one"
    assert sorted(shown[:-1], key=len) == shown[:-1]


def test_a_word_is_never_captioned_before_it_was_said() -> None:
    """Each revision is at least the delay after the end of its last word."""
    what = planned(*many(12), captions=Captions(delay=0.8, jitter=0.3))
    said = {each.number: each for each in what.utterances}
    for each in what.revisions:
        words = said[each.utterances[-1]].words
        assert each.at >= words[len(each.text.split()) - 1].end + 0.5 - 1e-6


@given(
    delay=st.floats(0, 5),
    jitter=st.floats(0, 3),
    interval=st.floats(0.05, 2),
    settles=st.floats(0, 3),
    share=st.floats(0, 1),
    longest=st.integers(0, 5),
    continues=st.sampled_from([0.0, 2.0]),
    gap=st.floats(-4, 4),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_parameters_blocks_grow_in_time(
    delay: float,
    jitter: float,
    interval: float,
    settles: float,
    share: float,
    longest: int,
    continues: float,
    gap: float,
) -> None:
    """Within a block times rise strictly and revisions count up; all of each utterance is in its blocks."""
    how = Captions(
        delay=delay,
        jitter=jitter,
        interval=interval,
        settles=settles,
        splits=share,
        corrections=share,
        longest=longest,
        continues_within=continues,
        punctuated=False,
    )
    what = planned(Say(who="bo", clip="timed", at=5), *many(5, gap=max(gap, -0.3)), captions=how)
    words: Counter[str] = Counter()
    for block in by_block(what).values():
        assert all(before.at < after.at for before, after in pairwise(block))
        assert [each.revision for each in block] == list(range(len(block)))
        assert block[-1].is_final
        assert longest == 0 or len(block[-1].text.split()) <= longest
        words.update(block[-1].text.split())
    assert words == Counter(word.word for each in what.utterances for word in each.words)


def test_a_wrong_word_is_corrected_in_the_final_revision() -> None:
    what = planned(Say(who="ana", clip="ten", at=1), captions=Captions(corrections=1, jitter=0))
    shown = [each.text for each in what.revisions]
    assert shown[-1] == "One two three four five six seven eight nine ten."
    assert shown[0] != "one"
    assert any(not TEN.startswith(text) for text in shown[:-1])
    corrected = [text for text in shown if text.startswith("one two ")]
    assert corrected, "a word is corrected while later ones arrive"


def test_an_utterance_can_be_split_into_blocks() -> None:
    what = planned(*many(6), captions=Captions(splits=1))
    assert all(len(each.captions) == 2 for each in truth(what).utterances)
    what = planned(*many(3), captions=Captions(longest=3))
    assert [len(each.captions) for each in truth(what).utterances] == [4, 4, 4]


def test_a_block_goes_on_if_its_speaker_does() -> None:
    """Not if somebody else has spoken since, nor after too long."""
    says = [
        Say(who="ana", clip="timed"),
        Say(who="ana", clip="timed", gap=1),
        Say(who="ana", clip="timed", gap=3),
    ]
    what = planned(*says, captions=Captions(continues_within=2))
    finals = [block[-1].text for block in by_block(what).values()]
    assert finals == ["Good morning. Good morning.", "Good morning."]
    assert truth(what).utterances[0].captions == ("Good morning. Good morning.",)
    says = [
        Say(who="ana", clip="timed"),
        Say(who="bo", clip="timed", gap=-1),
        Say(who="ana", clip="timed", gap=0),
    ]
    assert len(by_block(planned(*says, captions=Captions(continues_within=2)))) == 3


def test_lost_captions_do_not_arrive_and_the_truth_knows_it() -> None:
    what = planned(*many(60), captions=Captions(loss=0.1))
    lost = [each for each in what.revisions if each.is_lost]
    assert 0.05 < len(lost) / len(what.revisions) < 0.15
    arrived = {(each.block, each.revision) for each in of(s.Captioned, what)}
    assert not arrived & {(each.block, each.revision) for each in lost}
    assert len(arrived) + len(lost) == len(what.revisions)
    what = planned(*many(60), captions=Captions(utterances_lost=0.3))
    without = [each for each in truth(what).utterances if not each.captions]
    assert 8 < len(without) < 28


def test_captions_stand_under_another_name_by_chance() -> None:
    told = truth(planned(*many(60), captions=Captions(wrong_speaker=0.25)))
    wrong = [each for each in told.utterances if each.captioned_as != (each.who,)]
    assert 6 < len(wrong) < 26


def test_the_captions_clock_drifts() -> None:
    says = [Say(who="ana", clip="timed", at=0), Say(who="ana", clip="timed", at=10_000)]
    still, drifting = (planned(*says, captions=Captions(drift_ppm=ppm)).revisions for ppm in (0, 200))
    assert drifting[-1].at - still[-1].at == pytest.approx(2.0, abs=0.01)


def test_languages_without_spaces_have_captions_without() -> None:
    clips = {"ni": Clip(file="a", seconds=2, words="你好 世界")}
    what = planned(Say(who="ana", clip="ni"), clips=clips, speech_language="zh-CN")
    assert what.revisions[-1].text == "你好世界。"


def test_noise_has_neither_words_nor_captions() -> None:
    what = planned(Say(who="ana", clip="cough"))
    assert what.utterances[0].words == ()
    assert what.revisions == ()
    assert len(of(s.Spoken, what)) == 1


def test_few_blocks_are_visible_and_each_disappears() -> None:
    what = planned(*many(20, gap=-3.3), captions=Captions(removed_after=60))
    visible: set[int] = set()
    for each in what.happenings:
        if isinstance(each, s.Captioned):
            visible.add(each.block)
        elif isinstance(each, s.CaptionRemoved):
            assert each.block in visible
            visible.discard(each.block)
        assert len(visible) <= s.MOST_BLOCKS
    assert visible == set()


def test_each_speaker_has_a_track_while_present() -> None:
    people = (ANA, Participant(id="bo", name="Bo", present=(Stay(leaves=9), Stay(joins=12))))
    what = planned(
        Say(who="bo", clip="ten", at=1),
        Say(who="ana", clip="ten", at=3),
        Say(who="bo", clip="ten", at=13),
        participants=people,
    )
    opened = {each.channel: (each.at, each.who) for each in of(s.ChannelOpened, what)}
    assert opened == {0: (0, "ana"), 1: (0, "bo"), 2: (12, "bo")}
    assert [(each.at, each.channel) for each in of(s.ChannelClosed, what)] == [(9, 1)]
    assert [each.channel for each in of(s.Spoken, what)] == [1, 0, 2]


def test_the_pool_rotates_among_more_speakers_than_it_has_tracks() -> None:
    """A channel is no person; a speaker who was not displaced keeps it."""
    what = planned(*many(9), channels=Channels(mode="rotating", size=2))
    assert [each.channel for each in of(s.Spoken, what)] == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    what = planned(*many(9), channels=Channels(mode="rotating", size=3))
    assert [each.channel for each in of(s.Spoken, what)] == [0, 1, 2] * 3
    assert {each.who for each in of(s.ChannelOpened, what)} == {None}


def test_two_utterances_at_once_never_share_a_track_of_the_pool() -> None:
    what = planned(*many(30, gap=-3.3), channels=Channels(mode="rotating", size=2))
    busy: dict[int, float] = {}
    missing = 0
    for each in of(s.Spoken, what):
        if each.channel is None:
            missing += 1
            continue
        assert busy.get(each.channel, 0.0) <= each.at
        busy[each.channel] = each.at + each.seconds
    assert missing, "more speak at once than the pool has tracks"
    assert {each.channel for each in truth(what).utterances} == {0, 1, None}


def test_a_mixed_channel_carries_everybody() -> None:
    what = planned(*many(4), channels=Channels(mode="mixed"))
    assert {each.channel for each in of(s.Spoken, what)} == {0}


def test_a_meeting_can_be_without_sound() -> None:
    what = planned(*many(3), channels=Channels(mode="none"))
    assert of(s.ChannelOpened, what) == []
    assert [each.channel for each in of(s.Spoken, what)] == [None] * 3


def test_marks_follow_speech_late_and_leak_onto_others() -> None:
    what = planned(Say(who="ana", clip="ten", at=1), marks=Marks(delay=0.2, hang=0.5))
    assert [(each.at, each.who, each.is_leak) for each in of(s.MarkOn, what)] == [(1.2, "ana", False)]
    assert [(each.at, each.who) for each in of(s.MarkOff, what)] == [(6.5, "ana")]
    told = truth(planned(*many(60, gap=5), marks=Marks(leak=0.3)))
    assert 8 < told.leaked_marks < 28
    assert of(s.MarkOn, planned(*many(5), marks=Marks(missing=1))) == []


def test_a_mark_is_never_switched_on_twice() -> None:
    what = planned(*many(60, gap=-3.3), marks=Marks(leak=1))
    lit: set[str] = set()
    for each in what.happenings:
        if isinstance(each, s.MarkOn):
            assert each.who not in lit
            lit.add(each.who)
        elif isinstance(each, s.MarkOff):
            lit.remove(each.who)
    assert lit == set()


def test_nothing_follows_the_end() -> None:
    what = planned(
        Say(who="ana", clip="ten", at=1),
        captions=Captions(
            interface=(InterfaceText(at=2, text="You are muted"), InterfaceText(at=90, text="late"))
        ),
        ends=20.0,
    )
    assert isinstance(what.happenings[-1], s.Ended)
    assert what.seconds == 20
    assert [each.text for each in of(s.InterfaceShown, what)] == ["You are muted"]


def test_all_else_happens_at_its_time() -> None:
    what = planned(
        network=(Outage(drops=5, returns=8), Outage(drops=9)),
        presenting=(Presenting(who="bo", at=2, until=4),),
        removal=30.0,
    )
    told = [(type(each), each.at) for each in what.happenings if each.at > 0]
    assert told == [
        (s.PresentingStarted, 2),
        (s.PresentingStopped, 4),
        (s.NetworkDropped, 5),
        (s.NetworkReturned, 8),
        (s.NetworkDropped, 9),
        (s.GuestsRemoved, 30),
    ]
    assert [each.is_final for each in of(s.NetworkDropped, what)] == [False, True]


def test_happenings_are_in_order_and_survive_json() -> None:
    what = planned(*many(20), captions=HARD, marks=Marks(leak=0.4), channels=Channels(mode="rotating"))
    assert [each.at for each in what.happenings] == sorted(each.at for each in what.happenings)
    kinds: Callable[[bytes], Any] = msgspec.json.decode
    assert {each["kind"] for each in kinds(msgspec.json.encode(what.happenings))} >= {"spoken", "captioned"}


def test_the_truth_has_each_word_with_its_speaker_and_time() -> None:
    told = truth(planned(Say(who="bo", clip="timed", at=3)))
    (said,) = told.utterances
    assert (said.who, said.name, said.channel, said.captions) == ("bo", "Bo", 1, ("Good morning.",))
    assert msgspec.json.decode(as_json(told))["utterances"][0]["words"][1] == {
        "word": "morning",
        "begin": 3.75,
        "end": 4.5,
    }


def test_utterances_are_ordered_by_their_beginnings() -> None:
    said = utterances(script(Say(who="ana", clip="ten", at=9), Say(who="bo", clip="ten", at=1)), LIBRARY)
    assert [each.number for each in said] == [1, 0]

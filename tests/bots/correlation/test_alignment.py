from orch.bots.correlation.alignment import align
from orch.bots.correlation.caption_words import CaptionWord
from orch.bots.correlation.offsets import OffsetEstimate
from orch.bots.correlation.units import units_of
from orch.bots.correlation.words import Timeline, Unit, live_words
from orch.protocol.messages import Word

KNOWN = OffsetEstimate(time=0.0, offset=1.0, drift=0.0, spread=0.1, samples=50, is_known=True)
UNKNOWN = OffsetEstimate(time=0.0, offset=1.5, drift=0.0, spread=0.8, samples=0, is_known=False)


def units(*said: tuple[str, float, str]) -> list[Unit]:
    """Return what channels said from a time on, three words a second."""
    timeline = Timeline()
    for text, start, channel in said:
        words = tuple(
            Word(text=each, start=start + index / 3, end=start + (index + 1) / 3)
            for index, each in enumerate(text.split())
        )
        for word in live_words(f"{channel}-{start}", channel, words):
            timeline.add(word)
    return timeline.between(0, 1e9)


def caption(text: str, start: float, delay: float = 1.0) -> list[CaptionWord]:
    """Return a caption of words said from a time on, three a second."""
    return [CaptionWord(unit, start + (index + 1) / 3 + delay) for index, unit in enumerate(units_of(text))]


def matched(
    text: str, start: float, found: list[Unit], estimate: OffsetEstimate = KNOWN
) -> list[tuple[str, str]]:
    pairs = align(caption(text, start), found, estimate).pairs
    return [(pair.word.channel, pair.word.units[0]) for pair in pairs]


def test_equal_words_are_paired_in_order() -> None:
    """Words of which one side has another are left out."""
    found = units(("we should move the launch to friday", 5, "a"))
    assert [unit for _, unit in matched("we could move the lunch to Friday", 5, found)] == [
        "we",
        "move",
        "the",
        "to",
        "friday",
    ]


def test_the_time_decides_between_equal_phrases() -> None:
    """Two people say the same, one after the other."""
    found = units(("i agree", 5, "a"), ("i agree", 8, "b"))
    assert matched("I agree", 5, found) == [("a", "i"), ("a", "agree")]
    assert matched("I agree", 8, found) == [("b", "i"), ("b", "agree")]


def test_words_of_another_speaker_may_stand_between() -> None:
    """People speak at once on one channel."""
    found = units(("budget meeting tomorrow afternoon", 5, "mix"), ("nobody listens anyway", 5.1, "mix"))
    assert len(matched("budget meeting tomorrow afternoon", 5, found)) == 4
    assert len(matched("nobody listens anyway", 5.1, found)) == 3


def test_a_few_common_words_are_no_match() -> None:
    """They are in everyone's speech."""
    found = units(("the of and a in that", 5, "a"))
    assert matched("the lawyers of Lisbon and their fees in that", 5, found) == []


def test_nothing_matches_far_from_the_known_delay() -> None:
    """The same words ten seconds before are other words."""
    found = units(("budget meeting tomorrow afternoon", 5, "a"))
    assert matched("budget meeting tomorrow afternoon", 15, found) == []
    assert matched("budget meeting tomorrow afternoon", 8, found) == []


def test_while_the_delay_is_unknown_telling_captions_find_it() -> None:
    """Short ones must wait; long ones are samples."""
    found = units(("budget meeting tomorrow afternoon", 5, "a"), ("yes okay", 7, "a"))
    long = align(caption("budget meeting tomorrow afternoon", 5, 4.0), found, UNKNOWN)
    assert [round(pair.arrived - pair.end, 3) for pair in long.pairs] == [4.0] * 4
    assert all(pair.is_telling for pair in long.pairs)
    assert align(caption("yes okay", 7), found, UNKNOWN).pairs == ()


def test_endings_may_differ() -> None:
    """A stem counts less than a word, and is no sample of the delay."""
    found = units(("planning meetings tomorrows afternoon", 5, "a"))
    alignment = align(caption("planned meeting tomorrow afternoon", 5), found, KNOWN)
    assert len(alignment.pairs) == 4
    assert [pair.is_telling for pair in alignment.pairs][:3] == [False] * 3
    exact = align(caption("planning meetings tomorrows afternoon", 5), found, KNOWN)
    assert exact.reliability > alignment.reliability


def test_nothing_is_aligned_with_nothing() -> None:
    """Empty captions, and moments without a transcript."""
    assert align([], units(("hello", 5, "a")), KNOWN).pairs == ()
    assert align(caption("hello", 5), [], KNOWN).pairs == ()


def test_words_with_impossible_times_are_mended() -> None:
    """Engines report times that run backwards or are no numbers."""
    nan = float("nan")
    words = live_words(
        "s",
        "c",
        (
            Word(text="a", start=1, end=0.5),
            Word(text="b", start=nan, end=nan),
            Word(text="c", start=2, end=99),
        ),
    )
    assert [(word.start, word.end) for word in words] == [(1, 1), (1, 1), (2, 32)]


def test_a_word_that_is_forgotten_leaves_the_others() -> None:
    """Of the same time, too."""
    timeline = Timeline()
    words = [
        *live_words("s", "a", (Word(text="x y", start=1, end=2),)),
        *live_words("t", "b", (Word(text="z", start=1, end=2),)),
    ]
    for word in words:
        timeline.add(word)
    timeline.forget(words[0])
    assert [unit.text for unit in timeline.between(0, 9)] == ["z"]
    assert len(timeline) == 1

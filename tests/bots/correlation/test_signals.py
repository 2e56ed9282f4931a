import pytest

from orch.bots.correlation.signals import MARK_LAG, MOST_MARKED, MOST_SPANS, ChannelLevels, SpeakingMarks


def marked(*spans: tuple[str, float, float]) -> SpeakingMarks:
    """Return marks that are late by the expected lag."""
    marks = SpeakingMarks()
    for who, start, end in spans:
        marks.mark(who, start + MARK_LAG, is_on=True)
        marks.mark(who, end + MARK_LAG, is_on=False)
    return marks


def test_a_mark_is_evidence_for_one_and_its_absence_against() -> None:
    """Of someone who was never marked nothing is known."""
    marks = marked(("ana", 1, 2), ("ben", 8, 9))
    assert marks.lit("ana", 1, 2) == pytest.approx(1)
    assert marks.lit("ana", 1.5, 2.5) == pytest.approx(0.5)
    assert marks.evidence("ana", 1, 2) > 1
    assert marks.evidence("ben", 1, 2) < -1
    assert marks.evidence("chen", 1, 2) == 0.0


def test_a_mark_that_is_still_on_counts() -> None:
    """Live, most marks have no end yet; a repeated begin or end changes nothing."""
    marks = SpeakingMarks()
    marks.mark("ana", 1.0, is_on=False)
    marks.mark("ana", 1.0, is_on=True)
    marks.mark("ana", 3.0, is_on=True)
    assert marks.lit("ana", 2, 3) == 1.0


def test_a_mark_that_leaks_proves_little_after_a_while() -> None:
    """It was lit while others surely spoke."""
    marks = marked(*[("host", float(at), at + 5.0) for at in range(0, 100, 5)])
    before = marks.evidence("host", 40, 41)
    for at in range(0, 100, 5):
        marks.mark("ana", at + MARK_LAG, is_on=True)
        marks.mark("ana", at + 5 + MARK_LAG, is_on=False)
        marks.learn("ana", at, at + 5)
    assert marks.evidence("host", 40, 41) < before / 3
    assert marks.evidence("ana", 40, 41) > 1.5


def test_the_lag_of_marks_is_measured() -> None:
    """From the beginnings of speech of people who surely spoke."""
    marks = SpeakingMarks()
    for index in range(20):
        start = 10.0 * index
        marks.mark("ana", start + 0.8, is_on=True)
        marks.mark("ana", start + 3.0, is_on=False)
        marks.learn_onset("ana", start)
    assert marks.lag.is_known
    assert marks.lag.offset == pytest.approx(0.8, abs=0.05)


def test_a_lag_that_drifts_is_followed_for_hours() -> None:
    """A clock that is off by 400 millionths is four seconds late after three hours."""
    marks = SpeakingMarks()
    for index in range(1_080):
        start = 10.0 * index
        late = 0.3 + 400e-6 * start
        marks.mark("ana", start + late, is_on=True)
        marks.mark("ana", start + late + 2, is_on=False)
        marks.learn_onset("ana", start)
        marks.forget(start - 120)
    assert marks.lag.offset == pytest.approx(0.3 + 400e-6 * 10_790, abs=0.05)
    assert marks.lag.drift == pytest.approx(400e-6, abs=10e-6)


def test_old_marks_are_forgotten_and_flicker_is_bounded() -> None:
    """Memory holds the last minutes."""
    marks = marked(*[("ana", at / 10, at / 10 + 0.05) for at in range(2 * MOST_SPANS)])
    assert len(marks._marks["ana"].spans) == MOST_SPANS
    marks.forget(1_000)
    assert not marks._marks["ana"].spans


def test_participants_with_marks_are_bounded() -> None:
    """Everyone who rejoins has another id."""
    marks = marked(*[(f"p{each}", each, each + 0.5) for each in range(MOST_MARKED + 5)])
    assert len(marks.known()) == MOST_MARKED
    assert "p0" not in marks.known()
    assert f"p{MOST_MARKED + 4}" in marks.known()


def test_silence_is_relative_to_the_channels_speech() -> None:
    """A quiet channel's speech is no silence."""
    for loud in (-10.0, -45.0):
        levels = ChannelLevels()
        for step in range(1, 51):
            levels.add(step / 10, loud - 30 if 20 < step <= 27 else loud)
        assert levels.silence(1.0, 4.0) == pytest.approx(0.7)
        assert levels.silence(3.0, 4.0) == 0.0


def test_what_levels_do_not_cover_is_unknown() -> None:
    """Then the pause between the words counts."""
    levels = ChannelLevels()
    assert levels.silence(0, 1) is None
    levels.add(1.0, -20.0)
    levels.add(0.5, -20.0)
    assert levels.silence(3, 4) is None

"""What Prometheus reads of speech and translations, from real streams on a virtual clock."""

from typing import Any

import pytest
import trio

from orch.problems import ProblemError
from orch.speech.captions import Origin
from orch.speech.results import Transcription
from orch.speech.statistics import EngineCounters
from orch.speech.translation_counters import LONGEST_CODE, OTHER, TranslationCounters
from orch.telemetry.names import speech as names
from orch.telemetry.names import translation as translation_names
from orch.telemetry.names.metric import Name
from tests.fakes.readings import values
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import BackEnds, Room, Session, speak

SPOKEN = pcm(silence(0.5), voice(1), silence(1), voice(1), silence(1))
AWAY = ProblemError("service_unavailable", "Away.", service="translation-service")


def read(room: Room, name: Name) -> dict[tuple[str, ...], Any]:
    """Return the values of a metric by labels; of a histogram the number and the sum."""
    return values(room.speech.readings(), name)


async def test_captions_their_words_and_their_times_are_counted() -> None:
    """The histogram has the time from the end of the speech; late ones are counted apart."""
    room = Room(back_ends=BackEnds(hear=lambda pcm: "four words of speech", confidence=0.5))
    await speak(room.stream(), SPOKEN)
    assert read(room, names.FINALS) == {(): 2}
    assert read(room, names.WORDS) == {(): 8}
    assert read(room, names.CONFIDENCE) == {(): (2, 1.0)}
    ((count, total),) = read(room, names.CAPTION_SECONDS).values()
    assert count == 2
    assert 0.2 < total < 2
    assert read(room, names.CAPTIONS_LATE) == {(): 0}
    room.back_ends.audio_delay = lambda seconds: 5.0
    await speak(room.stream(name="s2"), SPOKEN)
    assert read(room, names.CAPTIONS_LATE) == {(): 2}
    assert read(room, names.CAPTION_SECONDS)[()][0] == 4


async def test_the_engine_s_time_is_that_of_whole_utterances() -> None:
    """Divided by the seconds of speech it is the real-time factor, here a half."""
    room = Room(back_ends=BackEnds(audio_delay=lambda seconds: seconds / 2))
    await speak(room.stream(), SPOKEN)
    (audio,) = read(room, names.AUDIO_SECONDS).values()
    (engine,) = read(room, names.ENGINE_SECONDS).values()
    assert audio >= 2
    assert engine == pytest.approx(audio / 2, rel=0.01)


async def test_utterances_without_words_and_lost_ones_are_counted() -> None:
    """An engine that recognises nothing is not one that is away."""
    room = Room(back_ends=BackEnds(hear=lambda pcm: ""))
    await speak(room.stream(), SPOKEN)
    assert read(room, names.EMPTY) == {(): 2}
    assert read(room, names.FINALS) == {(): 0}
    room.back_ends.audio_error = ProblemError("refused", "No.", service="audio-service")
    await speak(room.stream(name="s2"), SPOKEN)
    assert read(room, names.LOST) == {(): 2}
    (lost,) = read(room, names.LOST_SECONDS).values()
    assert lost >= 2
    assert read(room, names.EMPTY) == {(): 2}


async def test_speech_that_waits_is_that_of_all_streams_and_of_the_one_with_the_most() -> None:
    """What an alert on near losses needs: one stream may be near while most are not."""
    room = Room()
    room.back_ends.audio_error = ProblemError("service_unavailable", "Away.", service="audio-service")
    async with trio.open_nursery() as nursery:
        for name in ("s1", "s2"):
            nursery.start_soon(speak, room.stream(name=name), SPOKEN)
        await trio.sleep(12)
        (waiting,) = read(room, names.SPEECH_WAITING).values()
        (longest,) = read(room, names.SPEECH_LONGEST).values()
        assert waiting == pytest.approx(2 * longest)
        assert longest > 1
        assert read(room, names.SPEECH_BUFFER) == {(): 60}
        assert read(room, names.STREAMS) == {(): 2}
        nursery.cancel_scope.cancel()


async def test_test_speech_counts_nowhere() -> None:
    """Its stream has counters of its own."""
    room = Room()
    stream = room.speech.stream(
        Origin(
            session_id="j",
            stream_id="j1",
            started=0,
            source_language="en",
            participant_id="p",
            is_synthetic=True,
        ),
        sample_rate=16_000,
        output=room.session,
    )
    await speak(stream, SPOKEN)
    assert room.session.finals()
    for name in (names.FINALS, names.UTTERANCES, names.WORDS, names.AUDIO_SECONDS, names.REVISIONS):
        assert read(room, name) == {(): 0}
    assert read(room, names.CAPTION_SECONDS) == {(): (0, 0)}


async def test_translations_are_counted_by_pair() -> None:
    """Each request; those that failed too; the time of each that readers got."""
    room = Room(session=Session(targets=("es", "de")))
    await speak(room.stream(), SPOKEN)
    assert read(room, translation_names.TRANSLATIONS) == {(OTHER,): 0, ("en-de",): 2, ("en-es",): 2}
    assert set(read(room, translation_names.TRANSLATION_FAILURES).values()) == {0}
    count, total = read(room, translation_names.TRANSLATION_SECONDS)[("en-es",)]
    assert count == 2
    assert total == pytest.approx(0.1, abs=0.02)
    room.back_ends.translation_error = ProblemError("refused", "No pair.", service="translation-service")
    await speak(room.stream(name="s2"), SPOKEN)
    assert read(room, translation_names.TRANSLATIONS)[("en-es",)] == 4
    assert read(room, translation_names.TRANSLATION_FAILURES)[("en-es",)] == 2
    assert read(room, translation_names.TRANSLATION_SECONDS)[("en-es",)][0] == 2


async def test_both_back_ends_have_a_series_from_the_start() -> None:
    """Before the first request: Prometheus sees the first refusal."""
    room = Room()
    both = {("audio-service",): 0, ("translation-service",): 0}
    assert read(room, names.SPEECH_REFUSED) == both
    assert read(room, names.SPEECH_REFUSING) == both
    room.back_ends.audio_error = ProblemError("bad_gateway", "No.", service="audio-service")
    with trio.move_on_after(10):
        await speak(room.stream(), SPOKEN)
    assert read(room, names.SPEECH_REFUSED)[("audio-service",)] > 0
    assert read(room, names.SPEECH_REFUSING)[("audio-service",)] == 1


def test_the_pairs_are_bounded_whatever_languages_are_asked_for() -> None:
    """Ten thousand pairs, with quotes, newlines and 10 kB in them: the first ones and ``other``."""
    counters = TranslationCounters()
    for number in range(10_000):
        counters.of("en", f'x"\n{number}' + "y" * 10_000).requests += 1
    found = list(counters.readings())
    assert len(found) == 3 * (translation_names.PAIRS + 1)
    assert all(len(reading.labels[0]) <= 2 * LONGEST_CODE + 1 for reading in found)
    assert sum(values(found, translation_names.TRANSLATIONS).values()) == 10_000


def test_a_pair_is_the_same_however_it_is_spelled() -> None:
    """``EN`` to ``es`` is ``en-es``; an unknown language is ``auto``."""
    counters = TranslationCounters()
    assert counters.of("EN", "Es") is counters.of("en", "es")
    assert counters.of(None, "es") is not counters.of("en", "es")
    assert ("auto-es",) in {reading.labels for reading in counters.readings()}


def test_an_engine_s_odd_values_do_not_break_the_figures() -> None:
    """A clock that went back, and a confidence that is none."""
    engine = EngineCounters()
    engine.responded(audio=1.0, took=-5.0)
    engine.recognised(Transcription("one two", confidence=7.0))
    engine.recognised(Transcription("three", confidence=float("nan")))
    assert (engine.audio_seconds, engine.engine_seconds, engine.words) == (1.0, 0.0, 3)
    assert engine.confidence.count == 0

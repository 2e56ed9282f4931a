"""One stream from sound to captions, on a virtual clock, with fake back ends at the gateway's seam."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import pytest
import trio
from msgspec import UNSET

from orch.problems import ProblemError
from orch.protocol.messages import AudioStatus, Transcript
from orch.settings import Orchestration, Service
from orch.settings import Speech as SpeechSettings
from orch.speech.captions import Origin
from orch.speech.requests import AUDIO
from tests.fakes.running import run
from tests.fakes.sounds import Samples, noise, pcm, silence, voice
from tests.fakes.speech_back_ends import BackEnds, FakeAnswer, Room, Session, play, speak, words_of

AWAY = ProblemError("service_unavailable", "audio-service is not answering.", service="audio-service")
TWO = pcm(silence(0.5), voice(2), silence(1), voice(1.5), silence(1))


def whole(data: bytes, message: Transcript) -> str:
    """Return what the fake recognises in exactly the audio of a caption."""
    return words_of(data[round(message.start * 16_000) * 2 : round(message.end * 16_000) * 2])


def assert_order(kept: Sequence[Transcript]) -> None:
    """Each utterance has one final, in the order spoken, and revisions only rise."""
    finals = [message.segment_id for message in kept if message.final]
    assert finals == sorted(set(finals), key=lambda name: int(name.rpartition("-")[2]))
    last: dict[str, int] = {}
    for message in kept:
        assert message.revision > last.get(message.segment_id, 0)
        last[message.segment_id] = message.revision


def statuses(room: Room) -> list[AudioStatus]:
    return [told.message for told in room.session.statuses() if isinstance(told.message, AudioStatus)]


def turns(count: int, spoken: float, still: float) -> list[Samples]:
    """Return speech and silence in turn."""
    return [part for _ in range(count) for part in (voice(spoken), silence(still))]


async def test_speech_becomes_finals_with_exact_extents() -> None:
    """Two sentences, two finals: text, times, language, words and confidence as the back end gave them."""
    room = Room()
    stream = room.stream()
    await speak(stream, TWO)
    first, second = room.session.finals()
    assert (first.segment_id, second.segment_id) == ("s1-1", "s1-2")
    for final in (first, second):
        assert final.text == whole(TWO, final)
        assert (final.language, final.confidence) == ("en", 0.75)
        assert (final.speaker, final.participant_id) == ("Ann", "p1")
        assert final.stream_started == 1_700_000_000_000
        (word,) = final.words
        assert word.start == pytest.approx(final.start + 0.25)
        assert word.confidence == 0.5
    assert first.start == pytest.approx(0.2, abs=0.05)
    assert first.end == pytest.approx(2.6, abs=0.05)
    assert stream.seconds == len(TWO) / 32_000
    assert stream.lost_seconds == 0
    assert_order(room.session.kept())


async def test_revisions_grow_about_once_a_second_and_are_not_stored() -> None:
    """From a paid back end; the final replaces them under the same name."""
    room = Room()
    room.settings.current = msgspec.structs.replace(
        room.settings.current,
        services={**room.settings.current.services, AUDIO: Service(url="http://a", api_key="k")},
    )
    await speak(room.stream(), pcm(silence(0.5), voice(5), silence(1)))
    revisions = room.session.revisions()
    assert 4 <= len(revisions) <= 6
    assert [message.revision for message in revisions] == list(range(1, len(revisions) + 1))
    assert all(not message.final and message.segment_id == "s1-1" for message in revisions)
    ends = [message.end for message in revisions]
    assert ends == sorted(ends)
    (final,) = room.session.finals()
    assert final.revision == revisions[-1].revision + 1


async def test_a_fast_engine_that_is_not_paid_has_revisions_twice_as_often() -> None:
    """Words are shown sooner for it."""
    room = Room()
    await speak(room.stream(), pcm(silence(0.5), voice(5), silence(1)))
    revisions = room.session.revisions()
    assert 8 <= len(revisions) <= 11
    *growing, _pause = revisions
    assert all(later.end - earlier.end > 0.4 for earlier, later in pairwise(growing))


@pytest.mark.parametrize(("engine", "added"), [(0.6, 0.13), (1.5, 0.13), (0.05, 0.55)])
async def test_the_hangover_hides_behind_the_engine(engine: float, added: float) -> None:
    """The final comes at most 150 ms after the engine could have given it, or when the hangover is over."""
    room = Room(back_ends=BackEnds(audio_delay=lambda seconds: engine))
    await speak(room.stream(), pcm(silence(0.5), voice(2), silence(3)))
    (final,) = room.session.finals()
    spoken = 0.5 + 2
    assert room.session.at(final) - spoken == pytest.approx(
        engine + added if engine > 0.4 else added, abs=0.06
    )
    statistics = room.speech.statistics()
    assert statistics.caption_p50_ms == pytest.approx(1000 * (room.session.at(final) - spoken), abs=40)


async def test_a_correct_speculation_is_requested_once() -> None:
    """The response about the pause is the final: the same audio is not sent twice."""
    room = Room()
    await speak(room.stream(), pcm(silence(0.5), voice(0.8), silence(2)))
    lengths = [asked.seconds for asked in room.back_ends.audio()]
    assert len(lengths) == len(set(lengths)) == 2, "a revision, and the pause"
    assert len(room.session.finals()) == 1


async def test_speech_that_resumes_makes_the_speculation_a_revision() -> None:
    """A pause inside a sentence shows the text so far; the final is about the whole."""
    room = Room()
    data = pcm(silence(0.5), voice(0.8), silence(0.35), voice(0.8), silence(2))
    await speak(room.stream(), data)
    (final,) = room.session.finals()
    assert final.text == whole(data, final)
    assert final.end - final.start > 2
    (revision, *_) = room.session.revisions()
    assert revision.end < final.end - 0.8


async def test_a_revision_under_way_is_cancelled_at_a_pause() -> None:
    """A slow revision does not stand in the final's way."""
    room = Room(back_ends=BackEnds(audio_delay=lambda seconds: 3.0))
    await speak(room.stream(), pcm(silence(0.5), voice(1.5), silence(6)))
    assert room.back_ends.cancelled == 1
    (final,) = room.session.finals()
    assert room.session.at(final) == pytest.approx(0.5 + 1.5 + 0.1 + 3.0, abs=0.06)
    assert room.speech.statistics().revisions_dropped >= 1


async def test_how_long_an_utterance_has_waited_counts_from_its_last_speech() -> None:
    """While it is spoken nothing waits, however long it is; after it time counts, not length."""
    room = Room(back_ends=BackEnds(audio_delay=lambda seconds: 3.0))
    waited = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak, room.stream(), pcm(silence(0.5), voice(4), silence(6)))
        for _ in range(9):
            await trio.sleep(1)
            waited.append(room.speech.statistics().waiting_longest)
    assert waited[:4] == [0, 0, 0, 0]
    assert max(waited) == pytest.approx(2.5, abs=0.6)
    assert waited[-1] == 0


async def test_a_slow_back_end_costs_revisions_never_finals() -> None:
    """At half the speed of speech, all finals come, in order; revisions are dropped and counted."""
    room = Room(back_ends=BackEnds(audio_delay=lambda seconds: 2 * seconds))
    data = pcm(silence(0.5), *turns(8, 1.5, 0.7))
    await speak(room.stream(), data)
    assert len(room.session.finals()) == 8
    assert_order(room.session.kept())
    assert all(final.text == whole(data, final) for final in room.session.finals())
    statistics = room.speech.statistics()
    assert statistics.revisions_dropped > 3
    assert statistics.lost == 0
    assert room.back_ends.most_in_flight == 1
    waiting = [
        told.message.waiting_seconds
        for told in room.session.statuses()
        if isinstance(told.message, AudioStatus)
    ]
    assert max(waiting) > 3
    assert waiting[-1] == 0


@pytest.mark.parametrize("kind", ["away", "broken"])
async def test_speech_during_ten_seconds_of_failure_is_transcribed_later(kind: str) -> None:
    """A gap is marked at once, and replaced under its name when the back end returns. Nothing comes twice."""
    room = Room(session=Session(targets=("es",)))
    error: ProblemError | FakeAnswer = AWAY if kind == "away" else FakeAnswer(500, b"oh")
    room.back_ends.audio_error = error
    data = pcm(silence(0.5), *turns(5, 1, 1))

    async def mend() -> None:
        await trio.sleep(10)
        room.back_ends.audio_error = None

    async with trio.open_nursery() as nursery:
        nursery.start_soon(mend)
        await speak(room.stream(), data)
    kept = room.session.kept()
    gaps = [message for message in kept if message.error is not None]
    assert len(gaps) == len({gap.segment_id for gap in gaps}) >= 4
    for gap in gaps:
        assert gap.error is not None
        assert not gap.final
        assert gap.text == ""
        assert not gap.error.final
        assert gap.error.service == "audio-service"
        assert gap.error.code == ("service_unavailable" if kind == "away" else "bad_gateway")
    finals = room.session.finals()
    assert len(finals) == 5
    assert all(final.text == whole(data, final) and final.error is None for final in finals)
    assert_order(kept)
    assert room.session.at(finals[0]) < 12.5
    assert len(room.session.translations()) == 5
    assert room.speech.statistics().lost == 0
    asked = [one.at for one in room.back_ends.audio() if one.at < 10]
    assert max(later - earlier for earlier, later in pairwise(asked[2:])) <= 2.3


async def test_speech_older_than_the_buffer_is_reported_as_lost() -> None:
    """After 70 s, speech older than the buffer is a final gap; later speech is transcribed."""
    room = Room()
    room.back_ends.audio_error = AWAY
    early = pcm(silence(0.5), voice(1), silence(1))
    late = pcm(voice(1), silence(1))

    async def mend() -> None:
        await trio.sleep(70)
        room.back_ends.audio_error = None

    stream = room.stream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mend)
        await nursery.start(stream.run)
        await play(stream, early)
        await play(stream, pcm(silence(40)))
        await play(stream, late)
        stream.end()
    lost, written = room.session.finals()
    assert lost.error is not None
    assert (lost.error.code, lost.error.final, lost.text) == ("speech_lost", True, "")
    assert lost.error.detail == "This could not be transcribed in time."
    assert room.session.at(lost) == pytest.approx(62, abs=3)
    assert written.error is None
    assert room.session.at(written) < 73
    assert stream.lost_seconds == pytest.approx(lost.end - lost.start)
    statistics = room.speech.statistics()
    assert (statistics.lost, statistics.finals) == (1, 1)
    assert_order(room.session.kept())


@pytest.mark.limit(2000)
async def test_a_hanging_back_end_does_not_lose_more_than_the_buffer() -> None:
    """Sound that comes faster than spoken overflows the buffer: the oldest is lost and marked, in order."""
    room = Room(back_ends=BackEnds(audio_delay=lambda seconds: 20))
    stream = room.stream()
    part = pcm(voice(4), silence(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, part)
        for _ in range(30):
            stream.feed(part)
        held = stream._utterances.audio_bytes
        assert held <= (60 + 15) * 32_000
        stream.end()
    finals = room.session.finals()
    assert len(finals) == 31
    assert_order(room.session.kept())
    lost = [final for final in finals if final.error is not None]
    assert len(lost) > 15
    assert stream.lost_seconds == pytest.approx(sum(final.end - final.start for final in lost), abs=0.1)


async def test_a_refusal_is_final_and_in_words_for_everyone() -> None:
    """422 is not retried: the gap is final, and later speech is still requested."""
    room = Room()
    body = msgspec.json.encode({"code": "unsupported_language", "detail": "Start it with -l de."})
    room.back_ends.audio_error = FakeAnswer(422, body)
    await speak(room.stream(source_language="de"), TWO)
    kept = room.session.kept()
    assert len(kept) == 2
    for gap in kept:
        assert gap.error is not None
        assert gap.final
        assert (gap.error.code, gap.error.detail, gap.error.final) == (
            "unsupported_language",
            "The language that is spoken here cannot be transcribed.",
            True,
        )
    assert len(room.back_ends.audio()) <= 6


async def test_one_utterance_that_breaks_the_back_end_does_not_hold_up_the_others() -> None:
    """If others succeed and this one fails, this one is given up, in its place."""
    room = Room()
    data = pcm(
        silence(0.5),
        voice(1, frequency=120),
        *[part for _ in range(4) for part in (silence(1), voice(2))],
        silence(1),
    )
    room.back_ends.refuse_audio = lambda audio: FakeAnswer(500, b"") if len(audio) < 1.6 * 32_000 else None
    stream = room.stream()
    await speak(stream, data)
    finals = room.session.finals()
    assert len(finals) == 5
    assert finals[0].error is not None
    assert (finals[0].error.code, finals[0].error.final) == ("bad_gateway", True)
    assert all(final.error is None for final in finals[1:])
    assert room.session.at(finals[1]) < 15
    assert_order(room.session.kept())


async def test_noise_that_has_no_words_shows_nothing() -> None:
    """An empty text is no caption."""
    room = Room(back_ends=BackEnds(hear=lambda audio: "  "), session=Session(targets=("es",)))
    await speak(room.stream(), TWO)
    assert room.session.kept() == []
    assert room.session.revisions() == []
    assert room.session.translations() == []


async def test_an_empty_final_removes_what_was_shown() -> None:
    """If a revision had text and the final has none, readers are sent the empty final."""
    back_ends = BackEnds(hear=lambda audio: "hm well" if len(audio) < 2.2 * 32_000 else "")
    room = Room(back_ends=back_ends, session=Session(targets=("es",)))
    await speak(room.stream(), pcm(silence(0.5), voice(3), silence(1)))
    assert room.session.revisions()
    (final,) = room.session.finals()
    assert (final.text, final.error, final.corrects) == ("", None, True)
    assert room.session.translations() == []


COUNTED = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass
class Counting(BackEnds):
    """Recognises a word in each half second of speech, the last one perhaps before it is over.

    ``said``: the seconds of speech before the utterance; ``is_timed``: whether words have times.
    """

    said: float = 0.0
    is_timed: bool = True

    def __post_init__(self) -> None:
        self.hear = lambda pcm: " ".join(word["word"] for word in self.recognised(pcm))
        self.timed = lambda pcm: self.recognised(pcm) if self.is_timed else []

    def recognised(self, pcm: bytes) -> list[dict[str, Any]]:
        end = self.said + len(pcm) / 32_000
        return [
            {
                "word": word,
                "start": max(0.0, at / 2 - self.said),
                "end": at / 2 + 0.5 - self.said,
                "confidence": 0.8,
            }
            for at, word in enumerate(COUNTED)
            if self.said <= at / 2 + 0.25 < end
        ]


async def test_words_on_which_two_revisions_agree_are_settled_and_stay() -> None:
    """Their number is in the message, rises, and they are in the final."""
    room = Room(back_ends=Counting())
    await speak(room.stream(), pcm(silence(0.5), voice(5), silence(1)))
    revisions = room.session.revisions()
    assert revisions[0].settled == 0
    before = 0
    (final,) = room.session.finals()
    for revision in revisions:
        assert isinstance(revision.settled, int)
        assert before <= revision.settled <= len(revision.text.split())
        assert final.text.split()[: revision.settled] == revision.text.split()[: revision.settled]
        before = revision.settled
    assert before >= 8
    assert (final.settled, final.corrects) == (UNSET, UNSET)


async def test_a_final_that_is_less_sure_keeps_settled_words_and_a_surer_one_corrects() -> None:
    """What readers have read for seconds is not replaced by another guess."""
    for sure, expected in ((0.7, "one two three"), (0.9, "one too three")):

        class Doubting(Counting):
            # A word is another one in the whole utterance.
            def recognised(self, pcm: bytes, sure: float = sure) -> list[dict[str, Any]]:
                words = super().recognised(pcm)
                if len(pcm) > 5 * 32_000:
                    words[1] |= {"word": "too", "confidence": sure}
                return words

        room = Room(back_ends=Doubting())
        await speak(room.stream(), pcm(silence(0.5), voice(5), silence(1)))
        (final,) = room.session.finals()
        assert final.text.startswith(expected)
        assert final.corrects is (True if sure > 0.8 else UNSET)


@dataclass
class Cut(Counting):
    """Goes on counting in the second part of a cut utterance."""

    room: Room = field(init=False)

    def recognised(self, pcm: bytes) -> list[dict[str, Any]]:
        ended = [message for message in self.room.session.kept() if not message.segment_id.endswith("-2")]
        self.said = ended[-1].end - ended[-1].start if ended else 0.0
        return super().recognised(pcm)


def cut_room() -> tuple[Room, Cut]:
    """Return a room where utterances are cut after 4 s, with an engine that takes 0.3 s."""
    engine = Cut(audio_delay=lambda seconds: 0.3)
    room = engine.room = Room(back_ends=engine)
    room.settings.current = msgspec.structs.replace(
        room.settings.current, orchestration=Orchestration(speech=SpeechSettings(max_utterance=4))
    )
    return room, engine


@pytest.mark.parametrize("is_timed", [True, False])
async def test_nothing_vanishes_where_a_long_utterance_is_cut(is_timed: Any) -> None:
    """Words after the cut are shown in the next line right after the final that ends before them."""
    room, engine = cut_room()
    engine.is_timed = is_timed
    await speak(room.stream(), pcm(silence(0.5), voice(5), silence(1)))
    told = [each.message for each in room.session.told if isinstance(each.message, Transcript)]
    first = next(at for at, message in enumerate(told) if message.final)
    shown, final, carried = told[first - 1 : first + 2]
    assert (shown.segment_id, final.segment_id, carried.segment_id) == ("s1-1", "s1-1", "s1-2")
    assert not carried.final
    assert f"{final.text} {carried.text}" == shown.text
    assert isinstance(shown.settled, int)
    assert carried.settled == shown.settled - len(final.text.split())
    assert room.session.at(carried) == room.session.at(final), "readers never miss them"
    assert (carried.start, carried.end) == (final.end, shown.end)
    assert " ".join(final.text for final in room.session.finals()) == " ".join(COUNTED[:11])


async def test_revisions_of_a_long_utterance_send_its_end_and_show_it_whole() -> None:
    """An engine takes longer for longer sound. The final transcribes all of it."""
    spoken = pcm(silence(0.5), voice(12) + noise(12, -60), silence(1))

    def timed(sound: bytes) -> list[dict[str, Any]]:
        """Return a word for each half second of what is spoken: word 4 is said from 2 to 2.5 s."""
        begin = spoken.index(sound[-6400:]) / 32_000 + 0.2 - len(sound) / 32_000 - 0.5
        words = [(at, at / 2 - begin) for at in range(24) if at / 2 >= begin - 0.01]
        return [
            {"word": f"{at}", "start": max(start, 0.0), "end": start + 0.5, "confidence": 0.9}
            for at, start in words
            if start + 0.5 <= len(sound) / 32_000
        ]

    room = Room(
        back_ends=BackEnds(timed=timed, hear=lambda sound: " ".join(word["word"] for word in timed(sound)))
    )
    await speak(room.stream(), spoken)
    requests = [(asked.seconds, "interim" in asked.fields) for asked in room.back_ends.audio()]
    assert max(seconds for seconds, is_interim in requests if is_interim) <= 8.1
    assert max(seconds for seconds, is_interim in requests if not is_interim) >= 12
    (final,) = room.session.finals()
    assert final.text.split() == [str(at) for at in range(24)]
    settled = 0
    for revision in room.session.revisions():
        assert revision.text.split() == [str(at) for at in range(len(revision.text.split()))]
        assert isinstance(revision.settled, int)
        assert revision.settled >= settled
        settled = revision.settled
        assert [word.start for word in revision.words] == sorted(word.start for word in revision.words)
    assert settled >= 20


async def test_nothing_after_a_cut_vanishes_where_the_back_end_fails() -> None:
    """The gap replaces the first part only."""
    room, engine = cut_room()
    stream = room.stream()
    engine.refuse_audio = lambda pcm: FakeAnswer(500, b"") if len(stream._utterances) > 1 else None
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(silence(0.5), voice(4.5)))
        nursery.cancel_scope.cancel()
    told = [each.message for each in room.session.told if isinstance(each.message, Transcript)]
    first = next(at for at, message in enumerate(told) if message.error)
    shown, gap, carried = told[first - 1 : first + 2]
    assert (gap.segment_id, carried.segment_id) == ("s1-1", "s1-2")
    assert carried.text
    assert shown.text.endswith(f" {carried.text}")
    assert carried.start == gap.end


async def test_nothing_is_shown_in_a_language_that_is_a_guess() -> None:
    """With "detect", an engine that is not sure yet may write another language's words."""
    back_ends = BackEnds(hear=lambda _: "something", language="yo", language_probability=0.43)
    room = Room(back_ends=back_ends, session=Session(targets=("es",)))
    await speak(room.stream(), pcm(silence(0.5), voice(3), silence(1)))
    assert room.session.revisions() == []
    (final,) = room.session.finals()
    assert (final.text, final.language) == ("something", None)


async def test_revisions_are_requested_in_the_language_that_is_known() -> None:
    """Detection costs time and may flip. A pause is detected again, and a final's language is the new one."""
    back_ends = BackEnds(hear=lambda _: "some thing", language="fr", language_probability=0.9)
    room = Room(back_ends=back_ends)

    def hear(_audio: bytes) -> str:
        back_ends.language = "de" if room.session.finals() else "fr"
        return "some thing"

    back_ends.hear = hear
    await speak(room.stream(), pcm(silence(0.5), voice(3), silence(1), *turns(2, 3, 1)))
    requested = [(asked.fields["language"], asked.seconds) for asked in room.back_ends.audio()]
    languages = [language for language, _ in requested]
    assert languages[0] == "auto"
    assert languages[1] == "fr"
    assert set(languages) == {"auto", "fr", "de"}
    assert [final.language for final in room.session.finals()] == ["fr", "de", "de"]
    ends = [at for at, language in enumerate(languages) if language == "auto"]
    assert len(ends) <= 1 + 3, "the first revision, and three pauses"


async def test_a_doubtful_language_becomes_the_last_certain_one() -> None:
    back_ends = BackEnds(hear=lambda _: "something", language="en")
    room = Room(back_ends=back_ends, session=Session(targets=("es",)))
    stream = room.stream()

    def doubt(_audio: bytes) -> str:
        if len(room.session.finals()) == 1:
            back_ends.language, back_ends.language_probability = "yo", 0.43
        return "something"

    back_ends.hear = doubt
    await speak(stream, pcm(silence(0.5), voice(3), silence(2), voice(3), silence(1)))
    assert [final.language for final in room.session.finals()] == ["en", "en"]


async def test_confidence_is_the_back_ends_or_its_words_and_language_the_back_ends_or_the_speakers() -> None:
    """Without a confidence of its own, an utterance has the mean of its words, which is 0.5 here."""
    for source, language in (("auto", None), ("fr", "fr")):
        room = Room(back_ends=BackEnds(language=None, confidence=None))
        await speak(room.stream(source_language=source), TWO)
        assert {final.confidence for final in room.session.finals()} == {0.5}
        assert {final.language for final in room.session.finals()} == {language}
        assert {asked.fields["language"] for asked in room.back_ends.audio()} == {source}


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
async def test_other_rates_reach_the_back_end_at_16_khz_with_the_same_times(rate: int) -> None:
    room = Room()
    data = pcm(silence(0.5, rate), voice(2, rate), silence(1, rate))
    stream = room.stream(sample_rate=rate)
    await speak(stream, data, rate=rate)
    (final,) = room.session.finals()
    assert final.start == pytest.approx(0.2, abs=0.05)
    assert final.end == pytest.approx(2.6, abs=0.05)
    assert stream.seconds == pytest.approx(3.5, abs=0.001)


async def test_odd_bytes_and_late_bytes_are_refused() -> None:
    """Half a sample, or sound after the end, changes nothing."""
    room = Room()
    stream = room.stream()
    with pytest.raises(ProblemError) as caught:
        stream.feed(b"\x00\x00\x00")
    assert caught.value.code == "odd_byte_count"
    stream.end()
    stream.end()
    with pytest.raises(ProblemError) as caught:
        stream.feed(b"\x00\x00")
    assert caught.value.code == "audio_not_started"
    await stream.run()
    assert room.session.told == []


async def test_status_is_published_when_it_changes_at_most_once_a_second() -> None:
    room = Room()
    room.back_ends.audio_error = AWAY
    stream = room.stream()
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(silence(0.5), voice(2), silence(3)))
        room.back_ends.audio_error = None
        await play(stream, pcm(silence(5)))
        stream.end()
    times = [told.at for told in room.session.statuses()]
    assert all(later - earlier >= 0.999 for earlier, later in pairwise(times))
    messages = statuses(room)
    assert any(message.speaking for message in messages)
    assert any(message.waiting_for == "audio-service" for message in messages)
    assert messages[-1].waiting_for is None
    assert messages[-1].waiting_seconds == 0
    assert all(message.timestamp > 0 for message in messages)


@pytest.mark.limit(2000)
async def test_a_recording_is_read_no_faster_than_it_is_transcribed() -> None:
    """Paced feeding waits; nothing is lost at any engine speed, and there are no revisions."""
    room = Room(back_ends=BackEnds(audio_delay=lambda seconds: 10 * seconds))
    stream = room.stream()
    data = pcm(silence(0.5), *turns(20, 2, 1))
    most = 0.0
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        for begin in range(0, len(data), 64_000):
            await stream.feed_paced(data[begin : begin + 64_000])
            most = max(most, stream.waiting_seconds)
        stream.end()
    assert most < 8
    finals = room.session.finals()
    assert len(finals) == 20
    assert all(final.error is None for final in finals)
    assert room.session.revisions() == []
    assert len(room.back_ends.audio()) == 20
    assert room.speech.statistics().caption_p50_ms is None


async def test_feeding_a_recording_ends_when_the_stream_is_cancelled() -> None:
    """A stream whose run is over does not leave its feeder waiting for ever."""
    room = Room(back_ends=BackEnds(audio_delay=lambda seconds: 1000))
    stream = room.stream()
    data = pcm(*turns(9, 2, 1))

    async def feed() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await stream.feed_paced(data)

    async with trio.open_nursery() as outer:
        outer.start_soon(feed)
        with trio.move_on_after(5):
            await stream.run()
    assert room.speech.statistics().streams == 0


@pytest.mark.slow
def test_a_stream_can_be_cancelled_at_any_moment() -> None:
    """Whenever the stream is cancelled, no request stays open, and what was published is in order."""

    async def main(after: float) -> None:
        room = Room(session=Session(targets=("es", "fr"), publishing=0.01))
        room.back_ends.audio_error = AWAY if after > 3 else None
        stream = room.stream()
        with trio.move_on_after(after) as scope:
            await speak(stream, TWO)
        assert scope.cancelled_caught
        assert room.back_ends.in_flight == 0
        assert room.speech.statistics().streams == 0
        assert_order(room.session.kept())

    for step in range(1, 60):
        run(main, step * 0.0973)


async def test_what_publish_raises_leaves_run() -> None:
    """A session that has ended is its owner's business: the error is passed on, and nothing stays open."""
    room = Room()

    async def publish(message: object) -> int:
        raise ProblemError("unknown_session", "It has ended.")

    room.session.publish = publish  # type: ignore[method-assign]  # a session that has ended
    with pytest.raises(ExceptionGroup) as caught:
        await speak(room.stream(), TWO)
    assert caught.group_contains(ProblemError, match="ended")
    assert room.speech.statistics().streams == 0


@pytest.mark.limit(5000)
@pytest.mark.slow
async def test_a_thousand_utterances_keep_nothing() -> None:
    """A day's speech leaves no segment, no arrival and no task behind."""
    room = Room(session=Session(targets=("es",)))
    stream = room.stream()
    data = pcm(voice(0.6), silence(0.7))
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        tasks = trio.lowlevel.current_statistics().tasks_living
        for _ in range(1000):
            await play(stream, data, block=0.1)
            assert len(stream._utterances) <= 2
            assert len(stream._sound) <= 1
            assert stream._sound.stored_arrivals < 60
            assert stream._sound.stored_samples < 16 * 16_000
            room.back_ends.asked.clear()
        await play(stream, pcm(silence(1)))
        assert trio.lowlevel.current_statistics().tasks_living <= tasks
        stream.end()
    assert len(room.session.finals()) == 1000
    assert len(room.session.translations()) == 1000
    assert room.speech.statistics().finals == 1000


async def test_settings_are_those_of_the_moment_the_stream_begins() -> None:
    room = Room()
    room.settings.current = msgspec.structs.replace(
        room.settings.current, orchestration=Orchestration(speech=SpeechSettings(max_utterance=2))
    )
    await speak(room.stream(), pcm(silence(0.5), voice(5), silence(1)))
    assert all(final.end - final.start <= 2 for final in room.session.finals())
    ends = [(final.start, final.end) for final in room.session.finals()]
    assert all(earlier[1] == later[0] for earlier, later in pairwise(ends))


async def test_hiss_causes_no_request() -> None:
    room = Room()
    await speak(room.stream(), pcm(noise(5, -40)))
    assert room.back_ends.asked == []


async def test_a_gap_stands_in_its_place_whatever_the_rate() -> None:
    """Lost audio is a final gap between the speech before and after it, at the right time."""
    room = Room()
    stream = room.stream(sample_rate=44_100)
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(voice(2, rate=44_100)), rate=44_100)
        stream.skip(7.25, ProblemError("speech_lost", "It was lost.", service="speaker"))
        assert stream.received_seconds == pytest.approx(9.25, abs=1e-9)
        await play(stream, pcm(voice(2, rate=44_100), silence(1, rate=44_100)), rate=44_100)
        stream.end()
    first, gap, last = room.session.finals()
    assert first.text
    assert first.end == pytest.approx(2, abs=0.01)
    assert gap.error is not None
    assert (gap.error.service, gap.error.final, gap.text) == ("speaker", True, "")
    assert gap.start == pytest.approx(2, abs=0.001)
    assert gap.end == pytest.approx(9.25, abs=0.001)
    assert last.start == pytest.approx(9.25, abs=0.01)
    assert stream.lost_seconds == pytest.approx(7.25, abs=0.001)
    assert_order(room.session.kept())


async def test_a_stream_is_released_before_the_word_that_is_being_spoken() -> None:
    """Whole utterances are published here; the current one is removed, and left to another stream."""
    room = Room()
    stream = room.stream()
    sound = pcm(silence(0.5), voice(2), silence(1), voice(2.5))
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, sound)
        assert room.session.revisions()[-1].segment_id == "s1-2"
        assert stream.settled_seconds == pytest.approx(3.2, abs=0.05)
        at = stream.release()
    assert at == stream.received_seconds == pytest.approx(3.2, abs=0.05)
    first, taken_back = room.session.finals()
    assert first.text == whole(sound, first)
    assert (taken_back.segment_id, taken_back.text, taken_back.error) == ("s1-2", "", None)


async def test_what_is_settled_is_published() -> None:
    """Speech that waits for the back end is received, but not settled."""
    room = Room(back_ends=BackEnds(audio_delay=lambda _: 5.0))
    stream = room.stream()
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(silence(0.5), voice(2), silence(2)))
        assert stream.settled_seconds == pytest.approx(0.2, abs=0.05)
        await play(stream, pcm(silence(8)))
        assert stream.settled_seconds > 11
        stream.end()


async def test_a_stream_without_new_sound_causes_no_request() -> None:
    """A connection that froze in the middle of a word costs the back end nothing."""
    room = Room()
    stream = room.stream()
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(silence(0.5), voice(2)))
        await trio.sleep(2)
        asked = len(room.back_ends.audio())
        shown = room.session.revisions()[-1]
        assert shown.end == pytest.approx(2.5, abs=0.05)
        await trio.sleep(20)
        assert len(room.back_ends.audio()) == asked
        await play(stream, pcm(voice(3), silence(1)))
        stream.end()
    assert len(room.back_ends.audio()) > asked + 1
    assert len(room.session.finals()) == 1
    assert stream.revisions_dropped <= 2


async def test_a_new_name_holds_from_the_next_line_on() -> None:
    room = Room()
    stream = room.stream()
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(voice(2), silence(1)))
        stream.rename("Mollie")
        await play(stream, pcm(voice(2), silence(1)))
        stream.end()
    assert [final.speaker for final in room.session.finals()] == ["Ann", "Mollie"]


async def test_what_waits_in_all_streams_is_bounded_in_sum() -> None:
    """The stream with the most waiting speech gives up its oldest; one with little loses nothing."""
    room = Room(back_ends=BackEnds(audio_error=AWAY))
    room.settings.current = msgspec.structs.replace(
        room.settings.current,
        orchestration=Orchestration(speech=SpeechSettings(max_waiting_seconds=20)),
    )
    honest, flood = room.stream(name="honest"), room.stream(name="flood")
    async with trio.open_nursery() as nursery:
        await nursery.start(honest.run)
        await nursery.start(flood.run)
        honest.feed(pcm(voice(3), silence(1)))
        flood.feed(pcm(*turns(15, 2, 1)))
        await trio.sleep(1)
        assert room.speech.statistics().waiting_seconds <= 20
        assert honest.waiting_seconds > 3
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_an_honest_speaker_beside_ten_that_never_stop() -> None:
    """With an engine that serves four at a time, first come first served, its final is about as soon."""

    class Engine(BackEnds):
        async def _answer(self, *question: Any) -> FakeAnswer:
            async with engine:
                return await super()._answer(*question)

    engine = trio.CapacityLimiter(4)

    room = Room(back_ends=Engine(audio_delay=lambda seconds: 0.4 * seconds))
    async with trio.open_nursery() as nursery:
        for number in range(10):
            flood = room.speech.stream(
                Origin(
                    session_id="session",
                    stream_id=f"f{number}",
                    started=0,
                    source_language="en",
                    speaker="Eve",
                    participant_id=f"e{number}",
                ),
                sample_rate=16_000,
                output=room.session,
                address="192.0.2.66",
            )
            await nursery.start(flood.run)
            nursery.start_soon(play, flood, pcm(*turns(20, 2.5, 0.6)))
        await trio.sleep(20)
        honest = room.stream(name="honest")
        await nursery.start(honest.run)
        began = trio.current_time()
        await play(honest, pcm(silence(0.5), voice(2), silence(4)))
        (final,) = [each for each in room.session.finals() if each.segment_id.startswith("honest")]
        assert room.session.at(final) - began - 2.5 < 0.4 * 2.5 + 0.7
        nursery.cancel_scope.cancel()

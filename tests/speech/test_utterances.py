"""The one owner of a stream's utterances: segments and backlog stay in step, whatever happens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.audio.segmenter import Pause, Resumed, SpeechStarted, Utterance
from orch.problems import ProblemError
from orch.settings import Vad
from orch.speech.backlog import Finished, GiveUp, MarkGap, Publish, Transcribe, Wait
from orch.speech.results import Transcription
from orch.speech.sound_queue import Gap, SoundEnded, SoundQueue
from orch.speech.utterances import CancelRequest, KeepRequest, PromoteRequest, RequestChange, Utterances

RATE = 16_000
AWAY = ProblemError("service_unavailable", "Away.", service="audio-service")
UNUSABLE = ProblemError("bad_gateway", "Unusable.", service="audio-service")
REFUSED = ProblemError("unsupported_language", "No.", service="audio-service")
WORDS = Transcription(text="words")


class Sound(SoundQueue):
    """A sound queue whose position the test sets."""

    def __init__(self) -> None:
        super().__init__(sample_rate=RATE, vad=Vad(), max_utterance=15.0)
        self.at = 0

    @property
    def position(self) -> int:
        return self.at

    @property
    def settled(self) -> int:
        return self.at

    def growing(self) -> tuple[int, int, bytes] | None:
        return 0, self.at, b"\0\0" * 160

    def arrived_at(self, sample: int) -> float:
        return 0.0

    def drop_current(self) -> int:
        return self.at


def utterances(buffer_seconds: float = 60.0) -> tuple[Utterances, Sound]:
    sound = Sound()
    held = Utterances(sound, revision_interval=1.0, shortest_interval=1.0, buffer_seconds=buffer_seconds)
    return held, sound


def ended(start: int, end: int) -> Utterance:
    return Utterance(start=start, end=end, speech_end=end, pcm=b"\0\0" * (end - start), cut=False)


def test_a_speculation_about_the_whole_utterance_becomes_its_final() -> None:
    """Requested in the pause, it is under way when the utterance ends: readers wait for it."""
    held, sound = utterances()
    held.apply(SpeechStarted(start=0), 0.0)
    assert held.apply(Pause(start=0, end=RATE, pcm=b"\0\0" * RATE), 1.0) is None
    decision = held.next(1.0)
    assert decision == Transcribe("speculation", 1)
    request = held.request_queued(decision, 1.0)
    assert (request.end, request.is_final) == (RATE, False)
    sound.at = RATE
    assert held.apply(ended(0, RATE), 1.5) == PromoteRequest()
    assert held.succeeded(WORDS, 1.6, is_cancelled=False) is None, "it is the final, and no revision"
    assert held.next(1.6) == Publish(1)
    held.published(1)
    assert len(held) == 0


def test_a_speculation_that_is_being_cancelled_is_not_waited_for() -> None:
    held, _ = utterances()
    held.apply(SpeechStarted(start=0), 0.0)
    held.apply(Pause(start=0, end=RATE, pcm=b"\0\0" * RATE), 1.0)
    decision = held.next(1.0)
    assert isinstance(decision, Transcribe)
    held.request_queued(decision, 1.0)
    assert held.apply(ended(0, RATE), 1.5, is_cancelled=True) == CancelRequest(1.5)
    held.cancelled(1.5)
    assert held.next(1.5) == Transcribe("final", 1)


def test_a_pause_that_is_resumed_keeps_the_request() -> None:
    held, sound = utterances()
    held.apply(SpeechStarted(start=0), 0.0)
    sound.at = RATE
    decision = held.next(1.0)
    assert decision == Transcribe("revision", 1)
    held.request_queued(decision, 1.0)
    assert held.apply(Pause(start=0, end=RATE, pcm=b""), 1.1) == CancelRequest(1.1)
    assert held.apply(Resumed(start=0), 1.1) == KeepRequest()
    shown = held.succeeded(WORDS, 1.2, is_cancelled=False)
    assert shown is held[1]


def test_no_revision_is_requested_of_the_same_sound() -> None:
    """Without new sound another would be the same."""
    held, sound = utterances()
    held.apply(SpeechStarted(start=0), 0.0)
    sound.at = RATE
    decision = held.next(1.0)
    assert isinstance(decision, Transcribe)
    held.request_queued(decision, 1.0)
    held.succeeded(WORDS, 1.1, is_cancelled=False)
    assert held.next(5.0) == Wait(None)
    sound.at += 160
    held.sound_arrived(5.0)
    assert held.next(6.0) == Transcribe("revision", 1)


def test_released_sound_removes_what_readers_see_of_the_current_utterance() -> None:
    """It ends without words where the other stream begins."""
    held, sound = utterances()
    held.apply(SpeechStarted(start=0), 0.0)
    sound.at = 800
    assert held.release(1.0) is None
    assert held.next(1.0) == Publish(1)
    assert held[1].transcription == Transcription(text="")
    assert held[1].end == 800
    held.published(1)
    assert held.next(1.0) == Finished()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("start", "pause", "resume", "end", "gap", "answer", "away", "unusable", "refuse", "shed", "tick")
        ),
        st.floats(0.0, 4.0),
    ),
    max_size=60,
)


class Stream:
    """A speaker, a back end and a stream around the utterances."""

    def __init__(self) -> None:
        self.held, self.sound = utterances(buffer_seconds=20.0)
        self.now = 0.0
        self.began: int | None = None
        self.is_paused = False
        self.is_requested = False
        self.count = 0
        self.settled: list[int] = []

    def step(self, what: str) -> None:
        self.sound.at += 400
        self.held.sound_arrived(self.now)
        self.respond(what)
        change = self.speak(what)
        if isinstance(change, CancelRequest) and self.is_requested:
            self.now = max(self.now, change.at)
            self.is_requested = False
            self.held.cancelled(self.now)
        if not self.is_requested:
            self.carry_out()
        # In step: one segment for each utterance in the backlog, and the current one.
        assert len(self.held) == self.held.waiting + (self.began is not None)
        assert self.held.audio_bytes <= (20.0 + 1) * RATE * 2

    def speak(self, what: str) -> RequestChange | None:
        match what:
            case "start" if self.began is None:
                self.began, self.is_paused = self.sound.at, False
                self.count += 1
                return self.held.apply(SpeechStarted(start=self.began), self.now)
            case "pause" if self.began is not None and not self.is_paused:
                self.is_paused = True
                return self.held.apply(Pause(start=0, end=self.sound.at, pcm=b"\0\0"), self.now)
            case "resume" if self.began is not None and self.is_paused:
                self.is_paused = False
                return self.held.apply(Resumed(start=0), self.now)
            case "end" if self.began is not None:
                event = ended(self.began, self.began + 4000)
                self.began = None
                return self.held.apply(event, self.now)
            case "gap" if self.began is None:
                self.count += 1
                gap = Gap(self.sound.at, self.sound.at + 400, AWAY)
                return self.held.apply(gap, self.now)
            case _:
                return None

    def respond(self, what: str) -> None:
        if what == "shed":
            self.held.shed(1.0)
        elif what in ("answer", "away", "unusable", "refuse") and self.is_requested:
            self.is_requested = False
            if what == "answer":
                self.held.succeeded(WORDS, self.now, is_cancelled=False)
            else:
                error = {"away": AWAY, "unusable": UNUSABLE, "refuse": REFUSED}[what]
                self.held.failed(error, self.now)

    def carry_out(self) -> bool:
        """Do what needs no back end; return whether everything is done."""
        while True:
            decision = self.held.next(self.now)
            match decision:
                case Publish(number):
                    assert self.held[number].transcription is not None
                    self.held.published(number)
                    self.settled.append(number)
                case GiveUp(number):
                    self.held.given_up(number)
                    self.settled.append(number)
                case MarkGap(number):
                    self.held.marked(number)
                case Transcribe():
                    self.held.request_queued(decision, self.now)
                    self.held.request_sent(self.now)
                    self.is_requested = True
                    return False
                case Wait(until):
                    assert until is None or until > self.now
                    return False
                case Finished():
                    return True


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_segments_and_backlog_stay_in_step(steps: list[tuple[str, float]]) -> None:
    """Whatever speakers and back ends do: each utterance is published or given up, once, in order."""
    stream = Stream()
    for what, pause in steps:
        stream.now += pause
        stream.step(what)
    stream.step("end")
    stream.held.apply(SoundEnded(), stream.now)
    for _ in range(500):
        if stream.is_requested:
            stream.is_requested = False
            stream.held.succeeded(WORDS, stream.now, is_cancelled=False)
        if stream.carry_out():
            break
        stream.now += 1.0
    else:
        pytest.fail(repr(stream.held))
    assert stream.settled == list(range(1, stream.count + 1))
    assert len(stream.held) == 0

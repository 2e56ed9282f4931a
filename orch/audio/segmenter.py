"""Finds where speech begins and ends in a stream of samples. Pure.

The problem: an engine transcribes *utterances*, but a microphone gives samples without end. An utterance
that begins late loses its first consonant; one that ends early loses its last; one that ends late makes the
reader wait; noise mistaken for speech makes an engine invent words.

The naive answer is an energy threshold. It fails three ways: a fan is above it for ever, a quiet speaker
below it, and every stop consonant ("t" is 60 ms of nothing) ends a word. So, frame by frame
(``frame_duration`` ms, or what a model takes):

1. *Activity* (:mod:`orch.audio.voice_activity`): a frame is **loud** where speech may begin, and **active**
   where it goes on, by its distance from the noise or by a model. ``aggressiveness`` picks the thresholds.
2. *Onset*: speech is believed once the last second holds ``min_speech_duration`` of active frames, one of
   them loud, without a hole of more than 200 ms. By distance from the noise alone, hums and clicks would
   pass. So there at least ``voiced`` ms of them must repeat with a period between ``voice_freq_min`` and
   ``voice_freq_max`` (normalised autocorrelation, a peak after a dip: rumble has no dip, a click no period, a
   hiss neither), and their level must not be steady (mains hum repeats like a voice, but no voice holds its
   level to 0.75 dB). Everything else is silence. At aggressiveness 0, and where a model decides, neither is
   required.
3. *Pre-roll*: the utterance begins up to 300 ms before its first active frame, as far as that was silence.
4. *End*: ``tail`` (100 ms) after the last active frame the utterance may be over: :class:`Pause`, with
   exactly the extent it will have if so. If nothing is active until ``max_silence_duration`` has passed, it
   is over: :class:`Utterance`. Otherwise :class:`Resumed`. In a pause two active frames in a row resume;
   one alone is a tick.
5. *Cut*: an utterance that would exceed ``max_utterance`` ends at its quietest 100 ms in its second half,
   and what remains is the next one.

Without a model, whispering is missed (except at aggressiveness 0) and music passes as speech.

The result is a *partition*: every sample is in exactly one :class:`Silence` or :class:`Utterance`, in
order; and all of it is decided by frames counted from the first sample, so the sizes of the blocks change
nothing.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil

import numpy as np

from orch.audio.periodicity import is_periodic
from orch.audio.speech_thresholds import (
    FULL_SCALE,
    ONSET_HOLE,
    ONSET_WINDOW,
    PRE_ROLL,
    SMOOTH_FRAMES,
    STEADY_DB,
    TAIL,
)
from orch.audio.voice_activity import Activity, NoiseActivity, VoiceActivity
from orch.settings import Vad


@dataclass(frozen=True, slots=True)
class Silence:
    """No speech from sample ``start`` up to ``end``; emitted when it is over, or at the end of the stream."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """An utterance begins at sample ``start``."""

    start: int


@dataclass(frozen=True, slots=True)
class Pause:
    """The utterance may be over; if so, this is the whole of it."""

    start: int
    end: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Resumed:
    """The utterance was not over: its speaker went on after a pause."""

    start: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """A whole utterance, from sample ``start`` up to ``end``; ``speech_end``: end of its last active frame.

    ``cut``: it was too long; the next utterance continues it without a gap.
    """

    start: int
    end: int
    speech_end: int
    pcm: bytes
    cut: bool


Event = Silence | SpeechStarted | Pause | Resumed | Utterance


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame of the last seconds of silence, in which speech may have begun."""

    start: int
    level: float
    active: bool
    loud: bool
    voiced: bool


class Segmenter:
    """PCM in (16-bit little-endian mono, ``sample_rate`` Hz), events out; ``max_utterance`` in seconds.

    ``activity``: decides which frames are speech; by their distance from the noise if not given.

    Memory: the current utterance (``max_utterance`` and one hangover at most), or in silence the onset's
    window and the pre-roll.
    """

    def __init__(
        self, *, sample_rate: int, vad: Vad, max_utterance: float, activity: VoiceActivity | None = None
    ) -> None:
        self.sample_rate = sample_rate
        self._vad = vad
        self._activity = activity or NoiseActivity(sample_rate=sample_rate, vad=vad)
        self._frame = self._activity.frame
        seconds = self._frame / sample_rate
        self._tail = ceil(TAIL / seconds)
        self._hangover = max(self._tail, ceil(vad.max_silence_duration / 1000 / seconds))
        self._min_speech = ceil(vad.min_speech_duration / 1000 / seconds)
        self._voiced_needed = ceil(self._activity.voiced / 1000 / seconds)
        self._hole = ceil(ONSET_HOLE / seconds)
        self._pre_roll = round(PRE_ROLL * sample_rate)
        self._longest = round(max_utterance * sample_rate)
        self._quiet_span = max(1, ceil(0.1 / seconds))
        # The mutable state. `_pcm` holds the input from sample `_base` on; `_decided` is the first sample
        # that is in no Silence or Utterance yet; frames up to `_at` have been looked at.
        self._pcm = bytearray()
        self._base = 0
        self._decided = 0
        self._at = 0
        window = max(ceil(ONSET_WINDOW / seconds), 2 * self._min_speech)
        self._onset: deque[_Frame] = deque(maxlen=window)
        self._utterance: int | None = None
        self._utterance_levels: list[float] = []  # of the frames from `_first_level_at` on
        self._first_level_at = 0
        self._speech_end = 0
        self._silent_frames = 0
        self._ticks = 0
        self._paused = False

    @property
    def position(self) -> int:
        """The number of samples fed."""
        return self._base + len(self._pcm) // 2

    @property
    def speaking_since(self) -> int | None:
        """The first sample of the current utterance, or None."""
        return self._utterance

    @property
    def settled(self) -> int:
        """The first sample that an utterance to come, or the current one, may still contain."""
        if self._utterance is not None:
            return self._utterance
        oldest = self._onset[0].start if self._onset else self._at
        return min(self.position, max(self._decided, oldest - self._pre_roll))

    @property
    def stored_samples(self) -> int:
        """How many samples are held in memory."""
        return len(self._pcm) // 2

    def growing(self) -> tuple[int, int, bytes] | None:
        """Return the current utterance so far: start, end, PCM; None in silence."""
        if self._utterance is None:
            return None
        end = min(self._at, self._speech_end + self._tail * self._frame)
        return self._utterance, end, self._cut_out(self._utterance, end)

    def feed(self, pcm: bytes) -> list[Event]:
        """Process samples; return the events they complete. ValueError: half a sample."""
        if len(pcm) % 2:
            raise ValueError("16-bit samples have an even number of bytes")
        self._pcm += pcm
        events: list[Event] = []
        # The frames of this block are read from one view, which is released before the buffer changes size.
        first = self._at - self._base
        count = (len(self._pcm) // 2 - first) // self._frame
        if count:
            whole = np.frombuffer(
                bytes(self._pcm[first * 2 : (first + count * self._frame) * 2]), dtype="<i2"
            )
            frames = whole.astype(np.float64).reshape(count, self._frame) / FULL_SCALE
            for activity in self._activity.decide(frames):
                self._apply(activity, events)
                self._forget()
        return events

    def flush(self) -> list[Event]:
        """Return the rest; the input ends here."""
        events: list[Event] = []
        if self._utterance is not None:
            end = min(self.position, self._speech_end + self._tail * self._frame)
            self._finish(end, events, cut=False)
        if self._decided < self.position:
            events.append(Silence(self._decided, self.position))
        self._base = self._decided = self._at = self.position
        self._pcm.clear()
        self._onset.clear()
        return events

    def skip(self, samples: int) -> None:
        """Count samples that were lost, after :meth:`flush`: the input goes on after them."""
        assert self._utterance is None, self  # noqa: S101 - the caller has flushed
        self._base = self._decided = self._at = self.position + samples

    def drop(self) -> int:
        """Forget the samples that are in no event yet; return the first of them, where the input ends now."""
        settled = self.settled
        self._utterance = None
        self._pcm.clear()
        self._onset.clear()
        self._base = self._decided = self._at = settled
        return settled

    def _apply(self, activity: Activity, events: list[Event]) -> None:
        """Act on the next frame."""
        start = self._at
        self._at += self._frame
        if self._utterance is None:
            self._listen(start, activity, events)
        else:
            self._utterance_levels.append(activity.level)
            self._follow(events, is_active=activity.is_active)

    def _listen(self, start: int, activity: Activity, events: list[Event]) -> None:
        """In silence: decide whether speech begins with this frame."""
        is_voiced = activity.is_active and self._voiced_needed > 0 and self._is_voiced(start + self._frame)
        self._onset.append(_Frame(start, activity.level, activity.is_active, activity.is_loud, is_voiced))
        if not activity.is_active:
            return
        run = self._run()
        active = [frame for frame in run if frame.active]
        if len(active) < self._min_speech or sum(frame.voiced for frame in run) < self._voiced_needed:
            return
        if not any(frame.loud for frame in run) or (self._voiced_needed and _is_steady(active)):
            return
        begin = max(self._decided, run[0].start - self._pre_roll)
        if begin > self._decided:
            events.append(Silence(self._decided, begin))
        self._decided = begin
        self._begin(begin, [frame.level for frame in run], run[0].start)
        self._speech_end = self._at
        events.append(SpeechStarted(begin))

    def _run(self) -> list[_Frame]:
        """Return the frames since the last hole, from its first active one on."""
        frames = list(self._onset)
        begin = len(frames)
        hole = 0
        for index in range(len(frames) - 1, -1, -1):
            if frames[index].active:
                hole = 0
                begin = index
            else:
                hole += 1
                if hole > self._hole:
                    break
        return frames[begin:]

    def _begin(self, start: int, levels: list[float], first_level_at: int) -> None:
        self._utterance = start
        self._utterance_levels = levels
        self._first_level_at = first_level_at
        self._silent_frames = 0
        self._ticks = 0
        self._paused = False
        self._onset.clear()

    def _follow(self, events: list[Event], *, is_active: bool) -> None:
        """In an utterance: decide whether it pauses, goes on, ends or is too long."""
        assert self._utterance is not None  # noqa: S101 - what the caller has just looked at
        self._ticks = self._ticks + 1 if is_active else 0
        if is_active and (not self._paused or self._ticks > 1):
            if self._paused:
                events.append(Resumed(self._utterance))
            self._paused = False
            self._silent_frames = 0
            self._speech_end = self._at
            # More than once where a pause, up to its end no part of it, has made it much too long.
            while self._at + self._tail * self._frame - self._utterance > self._longest:
                self._cut(events)
            return
        self._silent_frames += 1
        end = self._speech_end + self._tail * self._frame
        if not self._paused and self._silent_frames >= self._tail:
            self._paused = True
            events.append(Pause(self._utterance, end, self._cut_out(self._utterance, end)))
        if self._silent_frames >= self._hangover:
            self._finish(end, events, cut=False)

    def _cut(self, events: list[Event]) -> None:
        """End the utterance at its quietest point in its second half; go on with the rest."""
        assert self._utterance is not None  # noqa: S101 - only one that is there gets too long
        middle = self._utterance + self._longest // 2
        power = np.square(np.asarray(self._utterance_levels))
        span = self._quiet_span
        first = max(0, ceil((middle - self._first_level_at) / self._frame))
        limit = (self._utterance + self._longest - self._first_level_at) // self._frame
        last = min(len(power) - span, limit - span // 2)  # so that neither part is too long, or empty
        quietest = last
        if first < last:
            smooth = np.convolve(power, np.ones(span), mode="valid")[first : last + 1]
            quietest = first + int(np.argmin(smooth))
        centre = quietest + span // 2
        at = self._first_level_at + centre * self._frame
        levels = self._utterance_levels[centre:]
        speech_end = self._speech_end
        self._finish(at, events, cut=True)
        self._begin(at, levels, at)
        self._speech_end = speech_end
        events.append(SpeechStarted(at))

    def _finish(self, end: int, events: list[Event], *, cut: bool) -> None:
        assert self._utterance is not None  # noqa: S101 - only one that is there ends
        pcm = self._cut_out(self._utterance, end)
        events.append(Utterance(self._utterance, end, min(end, self._speech_end), pcm, cut))
        self._decided = end
        self._utterance = None
        self._utterance_levels = []

    def _cut_out(self, start: int, end: int) -> bytes:
        return bytes(self._pcm[(start - self._base) * 2 : (end - self._base) * 2])

    def _forget(self) -> None:
        """Free samples that can be in no utterance any more."""
        needed = self.settled
        # In steps, because each removal moves what remains.
        if needed - self._base >= self.sample_rate // 4:
            del self._pcm[: (needed - self._base) * 2]
            self._base = needed

    def _is_voiced(self, end: int) -> bool:
        """Return whether the last two longest periods (at least 40 ms) repeat at a voice's rate."""
        length = max(round(0.04 * self.sample_rate), ceil(2 * self.sample_rate / self._vad.voice_freq_min))
        begin = max(self._base, end - length)
        block = np.frombuffer(self._cut_out(begin, end), dtype="<i2").astype(np.float64)
        return is_periodic(
            block, self.sample_rate, lowest=self._vad.voice_freq_min, highest=self._vad.voice_freq_max
        )


def _is_steady(active: list[_Frame]) -> bool:
    """Return whether the level hardly moves after its rise; False where there are too few frames."""
    levels = [frame.level for frame in active[2:]]  # the first two are the rise
    return len(levels) >= SMOOTH_FRAMES and bool(np.std(20 * np.log10(levels)) < STEADY_DB)

"""Measures sound: levels, loudness, peaks, noise, speech and spectrum. Pure.

Everything is defined here or where it is measured:

- ``rms_db``: 10 log10 of the mean square of all samples of all channels, dBFS (a full-scale sine has -3.01).
- ``peak_db``: the highest magnitude of a sample; ``true_peak_db``: between the samples too (BS.1770).
- ``crest_factor_db``: peak less RMS.
- ``clipping_count``: samples of magnitude 0.99 or more, of all channels.
- ``dc_offset``: the mean of all samples.
- ``loudness``: ``orch/audio/loudness.py``. ``snr_db``, ``noise_floor_db``: ``orch/audio/snr.py``.
- ``vad_confidence``: the mean confidence of speech while there is speech (of all samples if there is none).
- ``speech_segments``: where the VAD stage decides for speech, in seconds.
- ``phase_correlation``: of two channels, mean(l r) / sqrt(mean(l l) mean(r r)); -1 for opposites.
- ``spectrum_db``: FFT of 2048 samples, Hann window, half overlapped; the mean power of each line, in dBFS of
  a sine (a full-scale sine on a line has 0 dB).

Lists and figures of a sound of any length take the same memory, except the segments: of more than
:data:`MOST_SEGMENTS` the first are returned, and ``speech_segment_count`` counts all.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from orch.audio.loudness import LoudnessMeter
from orch.audio.snr import NoiseRatioMeter
from orch.audio.stages.stage import Activity, Signal

CLIPPED: Final = 0.99
FFT: Final = 2048
MOST_SEGMENTS: Final = 2_000
LOWEST_DB: Final = -120.0
"""What digital silence has."""
_PIECE: Final = 1 << 16


class Segment(Struct, frozen=True):
    """Speech from ``start`` to ``end``, in seconds."""

    start: float
    end: float


class Analysis(Struct, frozen=True, kw_only=True):
    """What was measured. None where there is nothing to say; ``reasons`` has why, by field."""

    duration: float
    sample_rate: int
    channels: int
    rms_db: float
    peak_db: float
    true_peak_db: float
    crest_factor_db: float
    clipping_count: int
    dc_offset: float
    loudness_momentary_max: float | None
    loudness_short_term_max: float | None
    loudness_integrated: float | None
    loudness_range: float | None
    snr_db: float | None
    snr_confidence: float
    noise_floor_db: float | None
    vad_confidence: float | None
    speech_segments: tuple[Segment, ...]
    speech_segment_count: int
    phase_correlation: float | None
    spectrum_db: tuple[float, ...]
    reasons: dict[str, str]


def decibels(power: float) -> float:
    """Return a power in dBFS, at least :data:`LOWEST_DB`."""
    return max(LOWEST_DB, 10 * math.log10(power)) if power > 0 else LOWEST_DB


@dataclass(slots=True)
class _Segments:
    """Speech segments in samples; ``begun``: where the one that goes on began."""

    found: list[tuple[int, int]]
    count: int = 0
    begun: int | None = None

    def add(self, start: int, speech: npt.NDArray[np.bool_]) -> None:
        """Add the decisions for the samples from ``start`` on."""
        edges = np.flatnonzero(np.diff(np.concatenate(([self.begun is not None], speech)).astype(np.int8)))
        for edge in edges.tolist():
            if self.begun is None:
                self.begun = start + edge
            else:
                self._end(start + edge)

    def _end(self, end: int) -> None:
        if self.begun is not None and len(self.found) < MOST_SEGMENTS:
            self.found.append((self.begun, end))
        self.count += 1
        self.begun = None

    def until(self, end: int) -> "_Segments":
        """Return the segments of a sound that ends there."""
        whole = _Segments(list(self.found), self.count, self.begun)
        if whole.begun is not None:
            whole._end(end)
        return whole


class Analyzer:
    """Measures a sound of ``channels`` at ``sample_rate`` Hz, block by block.

    The mutable state: sums, the meters, the spectrum's sum and its unfinished frame, the segments.
    """

    def __init__(self, sample_rate: int, channels: int = 1) -> None:
        self._rate = sample_rate
        self._channels = channels
        self._count = 0
        self._square = self._sum = 0.0
        self._peak = 0.0
        self._clipped = 0
        self._products = np.zeros(3)
        self._loudness = LoudnessMeter(sample_rate, channels)
        self._noise = NoiseRatioMeter(sample_rate)
        self._window = np.hanning(FFT + 1)[:-1]
        self._pending = np.zeros(0)
        self._lines = np.zeros(FFT // 2 + 1)
        self._frames = 0
        self._segments = _Segments([])
        self._confidence = np.zeros(2)
        self._speaking = 0
        self._has_activity = False

    def add(self, samples: npt.NDArray[np.floating], activity: Activity | None = None) -> None:
        """Measure the next samples: shape (channels, samples); ``activity``: of the same samples."""
        for begin in range(0, samples.shape[1], _PIECE):
            part = slice(begin, begin + _PIECE)
            self._add(
                samples[:, part].astype(np.float64),
                activity and Activity(activity.confidence[part], activity.speech[part]),
            )

    def _add(self, samples: Signal, activity: Activity | None) -> None:
        magnitudes = np.abs(samples)
        self._square += float(np.sum(samples * samples))
        self._sum += float(samples.sum())
        self._peak = max(self._peak, float(magnitudes.max(initial=0)))
        self._clipped += int(np.count_nonzero(magnitudes >= CLIPPED))
        if self._channels == 2:  # noqa: PLR2004 - left and right
            left, right = samples
            self._products += (left @ right, left @ left, right @ right)
        self._loudness.add(samples)
        mono = samples.mean(axis=0)
        self._noise.add(mono, activity)
        self._add_spectrum(mono)
        if activity is not None:
            self._has_activity = True
            self._segments.add(self._count, activity.speech)
            speaking = int(np.count_nonzero(activity.speech))
            self._speaking += speaking
            self._confidence += (
                float(activity.confidence[activity.speech].sum()),
                float(activity.confidence.sum()),
            )
        self._count += samples.shape[1]

    def _add_spectrum(self, mono: Signal) -> None:
        pending = np.concatenate((self._pending, mono))
        hop = FFT // 2
        count = (len(pending) - FFT) // hop + 1
        if count > 0:
            frames = np.lib.stride_tricks.sliding_window_view(pending, FFT)[::hop][:count]
            lines = np.fft.rfft(frames * self._window, axis=1)
            self._lines += (lines.real**2 + lines.imag**2).sum(axis=0)
            self._frames += count
            pending = pending[count * hop :]
        self._pending = pending

    def result(self) -> Analysis:
        """Return what was measured so far; the sound may go on."""
        reasons: dict[str, str] = {}
        loudness, noise = self._loudness.result(), self._noise.result()
        total = max(1, self._count * self._channels)
        rms, peak = decibels(self._square / total), decibels(self._peak**2)
        if noise.reason is not None:
            reasons["snr_db"] = noise.reason
        if loudness.integrated is None:
            reasons["loudness_integrated"] = "nothing is longer than 0.4 s and louder than -70 LUFS"
        if loudness.range is None:
            reasons["loudness_range"] = "nothing is longer than 3 s and louder than -70 LUFS"
        segments = self._segments.until(self._count)
        confidence = self._vad_confidence()
        if confidence is None:
            reasons["vad_confidence"] = "the voice activity stage is off"
        correlation = self._correlation(reasons)
        return Analysis(
            duration=self._count / self._rate,
            sample_rate=self._rate,
            channels=self._channels,
            rms_db=rms,
            peak_db=peak,
            true_peak_db=decibels(loudness.true_peak**2),
            crest_factor_db=peak - rms,
            clipping_count=self._clipped,
            dc_offset=self._sum / total,
            loudness_momentary_max=loudness.momentary_max,
            loudness_short_term_max=loudness.short_term_max,
            loudness_integrated=loudness.integrated,
            loudness_range=loudness.range,
            snr_db=noise.snr_db,
            snr_confidence=noise.confidence,
            noise_floor_db=noise.noise_floor_db,
            vad_confidence=confidence,
            speech_segments=tuple(
                Segment(start / self._rate, end / self._rate) for start, end in segments.found
            ),
            speech_segment_count=segments.count,
            phase_correlation=correlation,
            spectrum_db=self._spectrum(),
            reasons=reasons,
        )

    def _vad_confidence(self) -> float | None:
        if not self._has_activity or not self._count:
            return None
        of_speech, of_all = self._confidence.tolist()
        return of_speech / self._speaking if self._speaking else of_all / self._count

    def _correlation(self, reasons: dict[str, str]) -> float | None:
        between, left, right = self._products.tolist()
        if self._channels != 2:  # noqa: PLR2004 - left and right
            reasons["phase_correlation"] = f"it is defined for two channels; there are {self._channels}"
        elif left * right > 0:
            return max(-1.0, min(1.0, between / math.sqrt(left * right)))
        else:
            reasons["phase_correlation"] = "a channel is silent"
        return None

    def _spectrum(self) -> tuple[float, ...]:
        """Return the level of each line; nothing where not one frame was complete."""
        if not self._frames:
            return ()
        scale = (2 / float(self._window.sum())) ** 2
        levels = 10 * np.log10(np.maximum(self._lines / self._frames * scale, 10 ** (LOWEST_DB / 10)))
        return tuple(np.round(levels, 2).tolist())

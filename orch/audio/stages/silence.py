"""Trims silence and shortens pauses. Pure.

The level of each frame of 10 ms, counted from the first sample, decides what it is::

    level = 10 log10(mean x²)                                    dBFS
    silence:  level < threshold
    breath:   threshold <= level < breathThreshold, and no voice
    sound:    everything else; with voice activity only what is voice

Without voice activity a breath is known by its surroundings: a sound between two silences that stays under
``breathThreshold`` and is no longer than :data:`LONGEST_BREATH`. Breaths count as silence, or with
``keepBreaths`` as sound.

Of a pause of ``minDuration`` or longer, ``padDuration`` after the sound before it and ``padDuration`` before
the next sound stay; what is between them is cut. Of the silence before the first and after the last sound one
padding stays, where the start and the end are trimmed. Over a cut one side fades into the other within
:data:`FADE`, linearly: background noise of both sides goes on without a click. The trimmed start fades in,
the trimmed end out.

**Counts.** What is cut is missing in the output; ``state.cuts`` has the cuts of the last call. Frames are
returned when they are complete; in a pause, its first padding apart, with the next sound. At most
``minDuration`` or twice the padding, whichever is longer, and a breath are held; without ``trimEnd`` up to
:data:`LONGEST_END` of silence.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from orch.audio.parameters import Silence
from orch.audio.stages.envelope import SILENCE_DB
from orch.audio.stages.stage import Activity, Block
from orch.audio.time_map import Cut

FRAME: Final = 0.01
"""Seconds."""
FADE: Final = 0.005
"""Seconds."""
LONGEST_BREATH: Final = 0.6
"""Seconds."""
LONGEST_END: Final = 10.0
"""Seconds of silence that can be returned at the end, where it is not trimmed."""

_NO_SAMPLES: Final = np.zeros(0, np.float32)
_UNKNOWN: Final = -1


@dataclass(frozen=True, slots=True)
class SilenceState:
    """Where the stream is.

    ``rest``: samples of the unfinished frame, which begins at ``position``; ``rest_voice``: 1 where voice is,
    0 where none is, -1 where it is not known. ``written``: samples of output. ``leading``: no sound yet.
    ``pause``: frames of silence up to here, of which ``returned`` were returned; ``breath``: frames since of
    what may be a breath. ``held``: samples up to ``position`` that are not returned yet. ``joint``: the first
    samples of what was dropped, from ``joint_from`` on; empty if nothing was. ``cuts``: of the last call.
    """

    rest: Block = field(default_factory=lambda: _NO_SAMPLES)
    rest_voice: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    position: int = 0
    written: int = 0
    leading: bool = True
    pause: int = 0
    returned: int = 0
    breath: int = 0
    held: Block = field(default_factory=lambda: _NO_SAMPLES)
    joint: Block = field(default_factory=lambda: _NO_SAMPLES)
    joint_from: int = 0
    cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True)
class SilenceStage:
    """Cuts silence out."""

    parameters: Silence
    sample_rate: int

    @cached_property
    def frame(self) -> int:
        """Samples of a frame."""
        return max(1, round(FRAME * self.sample_rate))

    @cached_property
    def _powers(self) -> tuple[float, float]:
        """The mean squares at the two thresholds: of silence and of breath."""
        p = self.parameters
        return 10 ** (p.threshold / 10), 10 ** (p.breath_threshold / 10)

    @property
    def latency(self) -> int:
        """Samples by which sound is late: those of a frame."""
        return self.frame

    def initial(self) -> SilenceState:
        """Return the state before the first sample."""
        return SilenceState()

    def process(
        self, block: Block, state: SilenceState, activity: Activity | None = None
    ) -> tuple[Block, SilenceState]:
        """Return the samples that are certain to stay, and the state after the block."""
        joined = np.concatenate((state.rest, block)) if len(state.rest) else block
        if activity is not None:
            voice = activity.speech.view(np.int8)
        else:
            voice = np.full(len(block), _UNKNOWN, np.int8)
        if len(state.rest_voice):
            voice = np.concatenate((state.rest_voice, voice))
        count = len(joined) // self.frame
        used = count * self.frame
        frames = joined[:used].reshape(count, self.frame)
        kinds = self._kinds(frames, voice[:used].reshape(count, self.frame)) if count else []
        if not state.leading and not state.pause and "silence" not in kinds:
            # Most of the time: everything stays as it is.
            written = state.written + used
            rest, rest_voice = joined[used:], voice[used:]
            return joined[:used], SilenceState(
                rest, rest_voice, state.position + used, written, leading=False
            )
        cutter = _Cutter(self, state)
        for frame, kind in zip(frames, kinds, strict=True):
            cutter.add(frame, kind)
        return cutter.result(joined[used:], voice[used:])

    def flush(self, state: SilenceState) -> tuple[Block, SilenceState]:
        """Return what stays of the rest; the end is one of a pause, too."""
        cutter = _Cutter(self, state)
        if len(state.rest):
            kinds = self._kinds(state.rest[None, :], state.rest_voice[None, :])
            cutter.add(state.rest, kinds[0])
        cutter.end()
        return cutter.result(_NO_SAMPLES, state.rest_voice[:0])

    def adopted(self, state: SilenceState) -> SilenceState:
        """Return the state: other parameters apply from the next frame on."""
        return state

    def reduction(self, state: SilenceState) -> float:
        """Return 0, or :data:`SILENCE_DB` while something is being cut."""
        return SILENCE_DB if len(state.joint) else 0.0

    def _kinds(self, frames: Block, voice: npt.NDArray[np.int8]) -> list[str]:
        """Return what each frame is; ``voice`` has a value for each sample."""
        wanted = self.parameters
        silence, breath = self._powers
        wide = frames.astype(np.float64)
        wide *= wide
        powers: list[float] = (np.add.reduce(wide, axis=1) / frames.shape[1]).tolist()
        voices: list[int] | None = None
        kinds = []
        for index, power in enumerate(powers):
            if not power >= silence:
                kinds.append("silence")
                continue
            is_faint = power < breath
            if wanted.use_voice_activity:
                voices = voices or np.maximum.reduce(voice, axis=1).tolist()
                if voices[index] != _UNKNOWN:
                    is_sound = voices[index] or (is_faint and wanted.keep_breaths)
                    kinds.append("sound" if is_sound else "silence")
                    continue
            kinds.append("breath" if is_faint and not wanted.keep_breaths else "sound")
        return kinds


class _Cutter:
    """Decides frame by frame what is returned, held and cut.

    The mutable state: that of the stage, and the parts of the output.
    """

    def __init__(self, stage: SilenceStage, state: SilenceState) -> None:
        self._frame = stage.frame
        self._fade = round(FADE * stage.sample_rate)
        self._pad = stage.parameters.pad_duration // 10
        self._shortest = stage.parameters.min_duration // 10
        self._trim_start = stage.parameters.trim_start
        self._end = 0 if stage.parameters.trim_end else round(LONGEST_END * stage.sample_rate)
        self._parts: list[Block] = []
        self._cuts: list[Cut] = []
        self._position = state.position
        self._written = state.written
        self._leading = state.leading
        self._pause = state.pause
        self._returned = state.returned
        self._breath = state.breath
        self._held = state.held
        self._joint = state.joint
        self._joint_from = state.joint_from

    def result(self, rest: Block, rest_voice: npt.NDArray[np.int8]) -> tuple[Block, SilenceState]:
        """Return the output and the state."""
        if len(self._parts) > 1:
            out = np.concatenate(self._parts)
        else:
            out = self._parts[0] if self._parts else _NO_SAMPLES
        state = SilenceState(
            rest,
            rest_voice,
            self._position,
            self._written,
            self._leading,
            self._pause,
            self._returned,
            self._breath,
            self._held,
            self._joint,
            self._joint_from,
            tuple(self._cuts),
        )
        return out, state

    def add(self, frame: Block, kind: str) -> None:
        """Add a frame."""
        self._position += len(frame)
        if not (self._leading or self._pause) and kind != "silence":
            self._give(frame)
            return
        self._held = np.concatenate((self._held, frame))
        if kind == "silence":
            self._pause += self._breath + 1
            self._breath = 0
            self._silent()
            return
        self._breath += 1
        if kind == "sound" or self._breath > round(LONGEST_BREATH / FRAME):
            self._resume(self._breath * self._frame)

    def end(self) -> None:
        """End the stream: nothing follows."""
        if not (self._leading or self._pause):
            return
        if self._breath:
            self._pause += self._breath
            self._breath = 0
            self._silent()
        if self._leading and self._trim_start:
            if self._position:
                self._cuts.append(Cut(self._written, 0, self._position))
        elif self._end:
            self._join()
        else:
            if not len(self._joint):
                self._joint, self._joint_from = self._held[: self._fade], self._position - len(self._held)
            if len(self._joint):
                self._give((self._joint * (1 - self._rise(len(self._joint)))).astype(np.float32))
                begin = self._joint_from + len(self._joint)
                if begin < self._position:
                    self._cuts.append(Cut(self._written, begin, self._position))
        self._held = self._joint = _NO_SAMPLES

    def _silent(self) -> None:
        """Return or drop what is certain after one more silent frame."""
        if self._leading and not self._trim_start:
            self._join()
            return
        early = min(self._pad, self._pause) - self._returned
        if not self._leading and not len(self._joint) and early > 0:
            self._returned += early
            self._give(self._held[: early * self._frame])
            self._held = self._held[early * self._frame :]
        self._drop(after=0, spare=self._end)

    def _drop(self, after: int, spare: int) -> None:
        """Drop what is cut: all that is held before the padding, or ``spare`` samples, and ``after``."""
        if not self._leading and (self._pause < self._shortest or self._pause <= 2 * self._pad):
            return
        surplus = len(self._held) - after - max(self._pad * self._frame, 0 if self._leading else spare)
        if surplus <= 0:
            return
        if not len(self._joint):
            self._joint_from = self._position - len(self._held)
            # Before the first sound there is nothing to fade out.
            self._joint = np.zeros(self._fade, np.float32) if self._leading else self._held[: self._fade]
        self._held = self._held[surplus:].copy()

    def _resume(self, after: int) -> None:
        """Return the end of the pause and the sound, which is the last ``after`` samples of what is held."""
        if self._trim_start or not self._leading:
            self._drop(after, spare=0)
        self._join()
        self._leading = False
        self._pause = self._returned = self._breath = 0

    def _join(self) -> None:
        """Return what is held, after a cut if something was dropped before it."""
        held = self._held
        count = min(len(self._joint), len(held))
        if len(self._joint):
            self._cuts.append(Cut(self._written, self._joint_from, self._position - len(held)))
        if count:
            rise = self._rise(len(self._joint))[:count]
            mixed = self._joint[:count] * (1 - rise) + held[:count] * rise
            held = np.concatenate((mixed.astype(np.float32), held[count:]))
        self._give(held)
        self._held = self._joint = _NO_SAMPLES

    def _rise(self, count: int) -> npt.NDArray[np.float64]:
        return (np.arange(count) + 0.5) / max(1, count)

    def _give(self, samples: Block) -> None:
        if len(samples):
            self._parts.append(samples)
            self._written += len(samples)

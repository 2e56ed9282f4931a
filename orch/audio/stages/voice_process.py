"""The stage *voiceProcess*: pitch, isolation and expander. Pure.

In this order:

1. In spectra of frames of :data:`SECONDS`, four over each sample: voice isolation
   (``harmonic_percussive.py``), pitch and formants (``pitch_shift.py``). With none of them the audio is
   delayed as long, unchanged.
2. On steps of a millisecond: the expander (``expander.py``).
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from orch.audio.parameters import VoiceProcessing
from orch.audio.stages.delay import delayed
from orch.audio.stages.expander import Expander, ExpanderState
from orch.audio.stages.harmonic_percussive import FRAMES, masks, width
from orch.audio.stages.pitch_shift import ShiftState, envelope, formant_gains, shifted
from orch.audio.stages.stage import Activity, Block, Signal
from orch.audio.stages.stft import Spectra, Stft, StftState

SECONDS: Final = 0.048
"""Four periods of 85 Hz: the partials of a deep voice are apart."""
OVERLAP: Final = 4


@dataclass(frozen=True, slots=True)
class VoiceProcessState:
    """``spectral``: None while nothing is done in spectra, and ``held`` delays. ``magnitudes``: the last."""

    spectral: StftState | None
    magnitudes: Signal
    shift: ShiftState
    held: Block
    expander: ExpanderState


@dataclass(frozen=True)
class VoiceProcessStage:
    """The stage at a sample rate (Hz)."""

    parameters: VoiceProcessing
    sample_rate: int
    stft: Stft = field(init=False, repr=False, compare=False)
    _expander: Expander = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stft", Stft.of_rate(self.sample_rate, OVERLAP, SECONDS))
        object.__setattr__(self, "_expander", Expander(self.parameters.expander_gate, self.sample_rate))

    @property
    def latency(self) -> int:
        """Samples by which the output is late."""
        return self.stft.latency + self._expander.latency

    @property
    def ratio(self) -> float:
        """By how much pitch moves."""
        return 1.0 if self.parameters.preserve_pitch else math.exp2(self.parameters.pitch_shift_cents / 1200)

    @property
    def formant_ratio(self) -> float:
        """By how much formants move."""
        with_pitch = math.pow(self.ratio, 1 - self.parameters.formant_preservation)
        return with_pitch * math.exp2(self.parameters.formant_shift / 12)

    @property
    def _is_spectral(self) -> bool:
        return self.parameters.voice_isolation.enabled or self.ratio != 1 or self.formant_ratio != 1

    def initial(self) -> VoiceProcessState:
        """Return the state before the first sample."""
        return VoiceProcessState(
            spectral=self.stft.initial() if self._is_spectral else None,
            magnitudes=np.zeros((FRAMES - 1, self.stft.bins)),
            shift=ShiftState.at_rest(self.stft.bins),
            held=np.zeros(self.stft.latency, np.float32),
            expander=self._expander.initial(),
        )

    def adopted(self, state: VoiceProcessState) -> VoiceProcessState:
        """Return the state of a stage with other parameters; spectra begin again where there were none."""
        if not self._is_spectral:
            return replace(state, spectral=None)
        return state if state.spectral is not None else replace(state, spectral=self.stft.initial())

    def reduction(self, state: VoiceProcessState) -> float:
        """Return the gain of the expander in dB."""
        return state.expander.gain

    def process(
        self,
        block: Block,
        state: VoiceProcessState,
        activity: Activity | None = None,  # noqa: ARG002 - of the protocol
    ) -> tuple[Block, VoiceProcessState]:
        """Return the processed block and the state after it."""
        out, held = delayed(block, state.held)
        spectral = state.spectral
        if spectral is not None:
            spectra, spectral = self.stft.analyse(block, spectral)
            spectra, state = self._changed(spectra, state)
            out, spectral = self.stft.synthesise(spectra, len(block), spectral)
        expanded, expander = self._expander.process(out.astype(np.float64), state.expander)
        after = VoiceProcessState(spectral, state.magnitudes, state.shift, held, expander)
        return expanded.astype(np.float32), after

    def flush(self, state: VoiceProcessState) -> tuple[Block, VoiceProcessState]:
        """Return the last samples."""
        return self.process(np.zeros(self.latency, np.float32), state)

    def _changed(self, spectra: Spectra, state: VoiceProcessState) -> tuple[Spectra, VoiceProcessState]:
        if not len(spectra):
            return spectra, state
        isolation = self.parameters.voice_isolation
        if isolation.enabled:
            magnitudes = np.abs(spectra)
            lasting = masks(magnitudes, state.magnitudes, width(self.sample_rate, self.stft.size))
            kept = lasting if isolation.algorithm == "harmonic" else 1 - lasting
            spectra = spectra * (1 - isolation.strength * (1 - kept))
            history = np.concatenate((state.magnitudes, magnitudes))[-(FRAMES - 1) :]
            state = replace(state, magnitudes=history)
        ratio, formants = self.ratio, self.formant_ratio
        if math.isclose(ratio, 1, abs_tol=1e-12) and math.isclose(formants, 1, abs_tol=1e-12):
            return spectra, state
        out = np.empty_like(spectra)
        shift = state.shift
        for index, spectrum in enumerate(spectra):
            gains = None
            if not math.isclose(ratio, formants, abs_tol=1e-12):
                smooth = envelope(np.abs(spectrum), self.stft.size, self.sample_rate)
                gains = formant_gains(smooth, moved=ratio, wanted=formants)
            if ratio != 1:
                spectrum, shift = shifted(  # noqa: PLW2901 - the same spectrum, moved
                    spectrum, shift, ratio=ratio, hop=self.stft.hop, size=self.stft.size
                )
            out[index] = spectrum if gains is None else spectrum * gains
        return out, replace(state, shift=shift)

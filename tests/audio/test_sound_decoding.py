"""Files are decoded for the pipeline at their own rate, with their channels and their precision."""

import io

import av
import numpy as np
import numpy.typing as npt
import pytest

from orch.audio.conversion import pieces
from orch.audio.decoder_frames import MOST_PCM, Facts
from orch.audio.decoding import Decoder
from orch.audio.downmix import Downmix
from orch.audio.refusals import RefusedError
from tests.fakes.wav_files import tones, wav_file


def decoded(data: bytes, *, longest: float = 60) -> tuple[npt.NDArray[np.float64], Facts, Decoder]:
    """Return the samples, shape (samples, channels), and the facts."""
    decoder = Decoder(io.BytesIO(data), longest=longest, keeps_sound=True)
    blocks = list(decoder.blocks())
    assert all(0 < len(block) <= MOST_PCM for block in blocks)
    facts = decoder.sound_facts
    samples = np.frombuffer(b"".join(blocks), "<f4").reshape(-1, facts.channels)
    return samples.astype(np.float64), facts, decoder


@pytest.mark.parametrize(
    ("form", "error"),
    [("8", 2**-8), ("16", 2**-16), ("24", 2**-24), ("32", 2**-25), ("float", 0.0), ("double", 2**-25)],
)
def test_no_precision_is_lost(form: str, error: float) -> None:
    """Floats are what they were; integers are off by their own rounding alone."""
    sound = tones(16000, 0.25)
    given = sound.astype(np.float32).astype(np.float64) if form == "float" else sound
    samples, _, _ = decoded(wav_file(given, 16000, form))
    assert np.abs(samples - given).max() <= error


def test_floats_beyond_full_scale_stay() -> None:
    """They are no fault of the file; the pipeline's measures show them."""
    samples, _, _ = decoded(wav_file(tones(16000, 0.1) * 6, 16000, "float"))
    assert samples.max() == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize(
    ("own", "rate"),
    [
        (8000, 8000),
        (11025, 11025),
        (44100, 44100),
        (48000, 48000),
        (88200, 48000),
        (192000, 48000),
        (6000, 8000),
    ],
)
def test_the_rate_stays_from_8_to_48_khz(own: int, rate: int) -> None:
    """Higher ones become 48 kHz: the length in seconds and the level stay."""
    samples, facts, _ = decoded(wav_file(tones(own, 0.5), own))
    assert (facts.rate, facts.own_rate) == (rate, own)
    assert len(samples) / rate == pytest.approx(0.5, abs=0.002)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_stay_apart(channels: int) -> None:
    """Each has its own level in its own place."""
    sound = tones(16000, 0.25, channels)
    samples, facts, _ = decoded(wav_file(sound, 16000, "float"))
    assert facts.channels == channels
    assert np.abs(samples - sound).max() < 1e-6


def test_more_channels_are_refused() -> None:
    """The limit is stated."""
    with pytest.raises(RefusedError, match="9 channels; the pipeline supports up to 8") as refused:
        decoded(wav_file(tones(8000, 0.25, 9), 8000))
    assert refused.value.code == "not_audio"


def test_at_most_the_given_length_is_read() -> None:
    """The rest is left out, and said to be."""
    samples, facts, decoder = decoded(wav_file(tones(44100, 2), 44100), longest=1.5)
    assert len(samples) == 1.5 * 44100
    assert decoder.end.limited
    assert facts.seconds == pytest.approx(2)


def test_one_channel_of_floats_is_mixed_as_one_of_integers() -> None:
    """The channel with sound counts, whatever the sample format."""
    sound = np.stack([tones(16000, 1)[:, 0], np.zeros(16000)])
    floats = Downmix(2).mix(sound.astype(np.float32))
    integers = Downmix(2).mix((sound * 32768).astype(np.int16))
    assert floats.dtype == np.float32
    assert np.abs(floats * 32768 - integers).max() <= 1
    opposite = np.stack([sound[0], -sound[0]]).astype(np.float32)
    assert np.array_equal(np.abs(Downmix(2).mix(opposite)), np.abs(opposite[0]))


@pytest.mark.parametrize("channels", [7, 8, 9])
def test_recordings_of_many_channels_are_mixed(channels: int) -> None:
    """PyAV crashes on planes of eight channels, so that none are made."""
    decoder = Decoder(io.BytesIO(wav_file(tones(16000, 0.25, channels), 16000)), longest=60)
    samples = np.frombuffer(b"".join(decoder.blocks()), "<i2")
    assert len(samples) == 4000
    assert np.abs(samples).max() > 1000


@pytest.mark.parametrize("channels", [2, 8])
def test_planes_become_interleaved(channels: int) -> None:
    """Frames of codecs with planes (FLAC, AAC) are read so, too."""
    sound = tones(16000, 0.25, channels).astype(np.float32)
    layout = "stereo" if channels == 2 else "7.1"
    frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout=layout)
    frame.sample_rate = 16000
    (planes,) = av.AudioResampler(format="fltp", layout=layout, rate=16000).resample(frame)
    for piece in pieces(planes, 1000):
        values = piece.to_ndarray()
        read = values.T if piece.format.is_planar else values.reshape(-1, channels)
        assert np.array_equal(read, sound[1000:])

import io
import wave

from orch.speech.wav import wav


def test_a_wav_file_holds_exactly_the_samples() -> None:
    """Python's own reader gives back rate, width, channels and every byte."""
    pcm = bytes(range(200))
    with wave.open(io.BytesIO(wav(pcm, 16_000))) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16_000, 2, 1)
        assert file.readframes(file.getnframes()) == pcm

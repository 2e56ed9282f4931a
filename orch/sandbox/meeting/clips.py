"""The recordings that scripts play: those that ship, those of a folder, and noise."""

import io
import wave
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import av
import msgspec
import numpy as np
from msgspec import Struct, structs

from orch.sandbox.meeting.script import Clip, Script, ScriptError
from orch.settings import Fault
from orch.settings.yaml_parser import NotYamlError, read_yaml

LARGEST: Final = 64 * 2**20
"""Bytes of one recording."""

NOISE_RATE: Final = 16_000

_SHIPPED: Final = Path(str(files("orch.sandbox.meeting"))) / "clips"
_SAMPLE: Final = Path(str(files("orch.speech"))) / "sample.wav"
_KINDS: Final = {".wav": "audio/wav", ".opus": "audio/ogg", ".ogg": "audio/ogg", ".flac": "audio/flac"}


class Recording(Struct, frozen=True):
    """The bytes of a clip and their media type."""

    data: bytes
    media_type: str


class ClipLibrary:
    """The clips of one folder (``clips.yaml`` lists them), with their lengths.

    ``folder`` None: the clips that ship. Files are read when they are first needed. The mutable state is the
    lengths that are known.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _SHIPPED
        self.clips: Mapping[str, Clip] = self._listed()

    def _listed(self) -> Mapping[str, Clip]:
        listing = self._folder / "clips.yaml"
        if not listing.is_file():
            return {}
        try:
            clips = msgspec.convert(read_yaml(listing.read_text(encoding="utf-8")), dict[str, Clip])
        except (NotYamlError, msgspec.ValidationError) as error:
            raise ScriptError([Fault(listing.name, f"expected clips: {error}")]) from None
        return {name: self._with_length(clip, f"clips.{name}") for name, clip in clips.items()}

    def complete(self, script: Script) -> Script:
        """Return the script with the length of each of its clips. Raises :class:`ScriptError`."""
        faults: list[Fault] = []
        clips = {}
        for name, clip in script.clips.items():
            try:
                clips[name] = self._with_length(clip, f"clips.{name}")
            except ScriptError as error:
                faults += error.faults
        if faults:
            raise ScriptError(faults)
        return structs.replace(script, clips=clips)

    def _with_length(self, clip: Clip, path: str) -> Clip:
        if clip.noise or clip.seconds is not None:
            return clip
        try:
            return structs.replace(clip, seconds=_length(self._path(clip)))
        except (OSError, ValueError) as error:
            expected = f"expected a recording (WAV, Opus or FLAC) in {self._folder.name}: {error}"
            raise ScriptError([Fault(f"{path}.file", expected)]) from None

    def recording(self, clip: Clip) -> Recording:
        """Return the bytes of a clip. OSError if its file cannot be read."""
        if clip.noise:
            return Recording(_noise(clip), "audio/wav")
        path = self._path(clip)
        return Recording(path.read_bytes(), _KINDS[path.suffix])

    def _path(self, clip: Clip) -> Path:
        """Return the file of a clip, which is below the folder, whatever links are in it."""
        if self._folder == _SHIPPED and clip.file == _SAMPLE.name:
            return _SAMPLE
        path = (self._folder / clip.file).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise ValueError(f"{clip.file} is outside of the folder")
        if path.suffix not in _KINDS:
            raise ValueError(f"{clip.file} has none of the endings {', '.join(_KINDS)}")
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{clip.file} has more than {LARGEST >> 20} MiB")
        return path


def _length(path: Path) -> float:
    """Return the seconds of a recording. ValueError if it is none."""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            samples = sum(frame.samples / frame.sample_rate for frame in container.decode(stream))
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(str(error)) from error
    if samples <= 0:
        raise ValueError(f"{path.name} has no sound")
    return round(float(samples), 6)


def _noise(clip: Clip) -> bytes:
    """Return white noise as a WAV file: the same for the same amplitude and length."""
    count = round((clip.seconds or 0.0) * NOISE_RATE)
    drawn = np.random.default_rng(count).uniform(-clip.noise, clip.noise, count)
    samples = (drawn * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(NOISE_RATE)
        writer.writeframes(samples.tobytes())
    return file.getvalue()

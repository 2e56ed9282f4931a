"""Reads recordings: any file people have, as 16 kHz mono PCM.

FFmpeg's libraries (PyAV) do the reading, in a worker thread, a second of sound at a time. They are told
which demuxer to use (``containers.py``), so that what is uploaded cannot have them open other files.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeVar

import av
import trio

from orch.problems import ProblemError
from orch.speech.containers import HEAD_BYTES, container, id3_length
from orch.speech.resampling import BACK_END_RATE

CHUNK_SECONDS: Final = 1.0
_MOST_DAMAGE: Final = (
    200  # packets in a row that cannot be decoded, before the rest is given up: some seconds
)
_CLOSING: Final = 5.0  # s
# A whole file may be a little shorter than it says: encoders count their padding.
_SHORT_SECONDS: Final = 0.25
_SHORT_SHARE: Final = 0.01
# Of these FFmpeg guesses the length from the bit rate, where the file does not say it.
_GUESSED_LENGTH: Final = frozenset({"mp3", "aac", "amr"})

KINDS: Final = "WAV, MP3, FLAC, Ogg, WebM, Matroska, MP4, M4A, 3GP, AAC, AIFF, CAF, AMR and AU"

T = TypeVar("T")


@dataclass(slots=True)
class _Damage:
    """What could not be read: since which second of what was read, and what FFmpeg says."""

    at: float
    reason: str


class Recording:
    """An open recording. ``seconds``: how long it says it is, None where it does not say (browsers' WebM).

    Made by :func:`open_recording`.
    """

    def __init__(self, decoder: "_Decoder", first: bytes) -> None:
        self._decoder = decoder
        self._first = first
        self._samples = 0
        self.format = decoder.format
        self.seconds = decoder.seconds

    @property
    def seconds_read(self) -> float:
        """How much sound was returned."""
        return self._samples / BACK_END_RATE

    async def read(self) -> bytes:
        """Return about the next second: 16-bit little-endian mono PCM at 16 kHz; nothing at the end.

        ProblemError ``not_audio`` at the end of a damaged file, after all that could be read of it was
        returned. A cancelled read loses at most the second that it was about.
        """
        chunk, self._first = self._first, b""
        if not chunk:
            chunk = await _in_thread(self._decoder.next_chunk)
        self._samples += len(chunk) // 2
        if not chunk:
            self._check_whole()
        return chunk

    def _check_whole(self) -> None:
        """Raise what is missing, if anything is."""
        damage = self._decoder.damage
        if damage is not None:
            what = f"The recording is damaged at {damage.at:.1f} s: {damage.reason}."
        elif (
            self.seconds is not None
            and self.format not in _GUESSED_LENGTH
            and self.seconds_read < self.seconds * (1 - _SHORT_SHARE) - _SHORT_SECONDS
        ):
            what = f"The recording is damaged: it says that it is {self.seconds:.1f} s long."
        else:
            return
        raise ProblemError(
            "not_audio",
            f"{what} {self.seconds_read:.1f} s of it could be read.",
            seconds_read=round(self.seconds_read, 3),
        )


@asynccontextmanager
async def open_recording(file: BinaryIO) -> AsyncIterator[Recording]:
    """Open a recording; ``file`` must be seekable, and stays its opener's to close.

    ProblemError ``not_audio``: it is none of the containers we read, holds no sound track, or nothing of it
    can be decoded; ``empty_audio``: it has no bytes, or no samples.
    """
    decoder = await _in_thread(lambda: _Decoder(file))
    try:
        first = await _in_thread(decoder.next_chunk)
        if not first:
            if decoder.damage is not None:
                raise ProblemError("not_audio", f"The recording cannot be read: {decoder.damage.reason}.")
            raise ProblemError("empty_audio", "The recording has no samples.")
        yield Recording(decoder, first)
    finally:
        with trio.move_on_after(_CLOSING, shield=True):
            await _in_thread(decoder.close)


async def _in_thread(work: Callable[[], T]) -> T:
    """Run FFmpeg's work where it blocks nobody. Each call is short, so a cancel waits for its end."""
    return await trio.to_thread.run_sync(work)


class _Decoder:
    """Blocking: opens a container, and gives its sound track a second at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self.format = _recognise(file)
        self.damage: _Damage | None = None
        try:
            self._container: Any = av.open(file, mode="r", format=self.format, metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise ProblemError("not_audio", f"The recording cannot be read: {_reason(error)}.") from error
        try:
            track = _sound_track(self._container)
            self.seconds = _seconds(self._container, track)
            self._resampler = _resampler()
            self._shape: tuple[str, str, int] | None = None
            self._blocks = self._decode(track)
        except BaseException:
            self.close()
            raise
        self._given = 0

    def close(self) -> None:
        """Let go of FFmpeg's memory; the file stays open."""
        self._container.close()

    def next_chunk(self) -> bytes:
        """Return the next second or what is left of it; nothing at the end."""
        parts = []
        count = 0
        for block in self._blocks:
            parts.append(block)
            count += len(block) // 2
            self._given += len(block) // 2
            if count >= CHUNK_SECONDS * BACK_END_RATE:
                break
        return b"".join(parts)

    def _decode(self, track: Any) -> Iterator[bytes]:
        """Give block by block; what is damaged is passed over and remembered, as players do."""
        in_a_row = 0
        packets = self._container.demux(track)
        while True:
            try:
                packet = next(packets, None)
                frames = [] if packet is None else packet.decode()
                in_a_row = 0
            except av.EOFError:
                break
            except (av.FFmpegError, ValueError) as error:
                self._note(error)
                in_a_row += 1
                if in_a_row >= _MOST_DAMAGE:
                    break
                continue
            if packet is None:
                break
            for frame in frames:
                yield from self._converted(frame)
        yield from self._converted(None)

    def _converted(self, frame: Any) -> Iterator[bytes]:
        """Give a frame at our rate; None: what the resampler still holds."""
        if frame is not None:
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if shape != self._shape:
                # Recordings glued together: the next one may have another rate or other channels.
                if self._shape is not None:
                    yield from self._resampled(None)
                self._resampler = _resampler()
                self._shape = shape
        yield from self._resampled(frame)

    def _resampled(self, frame: Any) -> Iterator[bytes]:
        try:
            for converted in self._resampler.resample(frame):
                yield bytes(converted.planes[0])[: converted.samples * 2]
        except (av.FFmpegError, ValueError) as error:
            self._note(error)
            self._resampler = _resampler()

    def _note(self, error: Exception) -> None:
        if self.damage is None:
            self.damage = _Damage(at=self._given / BACK_END_RATE, reason=_reason(error))


def _resampler() -> Any:
    return av.AudioResampler(format="s16", layout="mono", rate=BACK_END_RATE)


def _recognise(file: BinaryIO) -> str:
    """Return which demuxer reads the file."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise ProblemError("empty_audio", "The upload has no bytes.")
    tag = id3_length(head)
    if tag:
        file.seek(tag)
        # Where the tag is followed by padding, it is MP3's: no other container is tagged so by anyone.
        head = file.read(HEAD_BYTES)
    found = container(head) or ("mp3" if tag else None)
    file.seek(0)
    if found is None:
        raise ProblemError("not_audio", f"The upload is no recording that can be read. Those are: {KINDS}.")
    return found


def _sound_track(source: Any) -> Any:
    track = source.streams.best("audio")
    if track is None:
        raise ProblemError("not_audio", "The recording holds no sound track.")
    return track


def _seconds(source: Any, track: Any) -> float | None:
    """Return the length that the track, or else its container, says it has."""
    if track.duration is not None and track.time_base is not None:
        return float(track.duration * track.time_base)
    return None if source.duration is None else source.duration / av.time_base


def _reason(error: Exception) -> str:
    """Return FFmpeg's sentence without the path and the code around it."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split()) or type(error).__name__

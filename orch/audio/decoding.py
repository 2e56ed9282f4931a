"""Decodes a recording with FFmpeg's libraries (PyAV). Blocking; only ``decoder_process.py`` imports it.

The demuxer is given by name (``containers.py``) and only audio decoders are allowed, so that an upload cannot
make the libraries open other files or decode video. Audio is converted a second at a time, whatever the size
of the file's packets.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, BinaryIO, Final

import av
import numpy as np
import numpy.typing as npt

from orch.audio.containers import HEAD_BYTES, SCANNED_BYTES, ape_length, container, find_mpeg, id3_length
from orch.audio.conversion import Converter, is_audible
from orch.audio.decoder_frames import End, Facts
from orch.audio.lengths import declared
from orch.audio.refusals import RefusedError
from orch.audio.sound_conversion import SoundConverter
from orch.audio.timeline import Timeline

KINDS: Final = "WAV, MP3, FLAC, Ogg, WebM, Matroska, MP4, MOV, M4A, 3GP, AAC, AIFF, CAF, AMR and AU"

LOWEST_RATE: Final = 4_000
HIGHEST_RATE: Final = 384_000
MOST_CHANNELS: Final = 32
_MOST_STREAMS: Final = 64
_MOST_TRACKS: Final = 8  # sound tracks that are compared
_COMPARED_SECONDS: Final = 120.0
_MOST_DAMAGE: Final = 200  # packets in a row that cannot be decoded: some seconds
_MOST_TAGS: Final = 4
# A sound track without pictures that begins later than this was cut out of a longer one.
_LATEST_START: Final = 600.0
# Formats whose tracks have a declared length, rather than FFmpeg's estimate.
_SAY_LENGTH: Final = frozenset({"mov", "aiff", "caf", "au"})


# Formats with their own timestamps; in others FFmpeg counts them, and a jump means missing audio.
_HAVE_CLOCK: Final = frozenset({"mov", "matroska", "ogg"})


def nothing_read(end: End, whole: float | None) -> RefusedError:
    """Return the error for a recording without a single sample."""
    if end.reason:
        return RefusedError("not_audio", f"The recording cannot be read: {end.reason}.")
    if end.cut:
        return RefusedError("not_audio", f"The recording cannot be read: {end.cut}.")
    if whole:
        return RefusedError(
            "not_audio", f"The recording claims to be {whole:.1f} s long, but nothing of it can be read."
        )
    return RefusedError("empty_audio", "The recording has no samples.")


class _Window(io.RawIOBase):
    """A part of a file from an offset on, with its own position, as FFmpeg reads it."""

    def __init__(self, file: BinaryIO, begin: int) -> None:
        super().__init__()
        self._file = file
        self._begin = begin
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self._file.seek(self._begin + self._at)
        data = self._file.read(size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_CUR:
            offset += self._at
        elif whence == os.SEEK_END:
            offset += self._file.seek(0, os.SEEK_END) - self._begin
        self._at = max(0, offset)
        return self._at

    def tell(self) -> int:
        return self._at


@dataclass(slots=True)
class _Damage:
    at: float
    reason: str


class Decoder:
    """An open recording; at most ``longest`` seconds are read.

    ``keeps_sound``: as :class:`SoundConverter` converts it, rather than for a back end.
    """

    def __init__(self, file: BinaryIO, *, longest: float, keeps_sound: bool = False) -> None:
        self._file = file
        self._longest = longest
        self._converter = SoundConverter(self._note) if keeps_sound else Converter(self._note)
        self._given = 0
        self._damage: _Damage | None = None
        self._is_limited = False
        self._timeline = Timeline()
        self._name, self._begin = _recognise(file)
        source = self._open()
        tracks = list(source.streams.audio)
        if not tracks:
            raise RefusedError("not_audio", "The recording has no audio track.")
        readable = [number for number, track in enumerate(tracks) if track.codec_context is not None]
        if not readable:
            raise RefusedError("not_audio", "The recording's audio codec is not supported.")
        best = source.streams.best("audio")
        chosen = tracks.index(best) if best in tracks else readable[0]
        chosen = chosen if chosen in readable else readable[0]
        if len(readable) > 1:
            source.close()
            chosen = self._with_sound(chosen, readable, longest)
            source = self._open()
            tracks = list(source.streams.audio)
        self._source, self._track = source, tracks[chosen]
        _check(self._track.codec_context.sample_rate, self._track.codec_context.channels)
        self._zero = _zero(source, self._track, self._name)
        self._cut = ""
        self.facts = self._facts(chosen, len(tracks))
        self._timeline = Timeline(length=self.facts.seconds, has_clock=self._name in _HAVE_CLOCK)

    @property
    def sound_facts(self) -> Facts:
        """The facts, with the rate and the channels of the blocks: known with the first of them."""
        converter = self._converter
        return replace(
            self.facts, rate=converter.rate, channels=converter.channels, own_rate=converter.own_rate
        )

    @property
    def end(self) -> End:
        """How reading has ended."""
        damage = self._damage
        return End(
            damaged_at=None if damage is None else round(damage.at, 3),
            reason="" if damage is None else damage.reason,
            cut=self._cut,
            limited=self._is_limited,
        )

    def blocks(self) -> Iterator[bytes]:
        """Yield the audio in blocks of the converter's size."""
        waiting: list[npt.NDArray[Any]] = []
        count = 0
        for part in self._parts():
            left = int(self._longest * self._converter.rate) - self._given
            if len(part) > left:
                self._is_limited = True
            kept = part[:left]
            self._given += len(kept)
            waiting.append(kept)
            count += len(kept)
            size = self._converter.block
            while count >= size:
                whole = np.concatenate(waiting)
                yield whole[:size].astype(self._converter.dtype).tobytes()
                waiting, count = [whole[size:]], count - size
            if self._is_limited:
                break
        if count:
            yield np.concatenate(waiting).astype(self._converter.dtype).tobytes()

    def _open(self) -> Any:
        try:
            return av.open(
                _Window(self._file, self._begin),
                mode="r",
                format=self._name,
                metadata_errors="replace",
                options={"codec_whitelist": _sound_decoders(), "max_streams": str(_MOST_STREAMS)},
            )
        except (av.FFmpegError, ValueError) as error:
            raise _no_memory(error) or RefusedError(
                "not_audio", f"The recording cannot be read: {_reason(error)}."
            ) from error

    def _facts(self, chosen: int, tracks: int) -> Facts:
        said = declared(self._name, self._read_at, self._size(), begin=self._begin)
        self._cut = (said.cut or "") if said is not None else ""
        whole = said.seconds if said is not None else None
        if whole is None:
            whole = self._track_length()
        seconds = whole
        if seconds is None and self._name in {"matroska", "ogg"} and self._source.duration:
            # Matroska counts from the zero of its timestamps, which need not begin there.
            before = self._zero if self._name == "matroska" else 0.0
            seconds = self._source.duration / av.time_base - before
        return Facts(
            format=self._name,
            seconds=_sane(seconds),
            whole=_sane(whole),
            tracks=tracks,
            track=chosen + 1,
        )

    def _track_length(self) -> float | None:
        """Return the declared end of the track, in seconds."""
        if self._name == "matroska":
            until = _tagged(self._track.metadata)
            return None if until is None else until - self._zero
        track = self._track
        if self._name not in _SAY_LENGTH or not track.duration or track.time_base is None:
            return None
        start = 0.0 if track.start_time is None else float(track.start_time * track.time_base) - self._zero
        return max(0.0, start) + float(track.duration * track.time_base)

    def _read_at(self, place: int, length: int) -> bytes:
        self._file.seek(place)
        return self._file.read(length)

    def _size(self) -> int:
        return self._file.seek(0, os.SEEK_END)

    def _with_sound(self, preferred: int, tracks: list[int], longest: float) -> int:
        """Return which track carries sound: the preferred one, unless another has more than twice as much."""
        source = self._open()
        compared = sorted(tracks, key=lambda each: each != preferred)[:_MOST_TRACKS]
        streams = {source.streams.audio[each].index: each for each in compared}
        heard = dict.fromkeys(compared, 0.0)
        seen = dict.fromkeys(compared, 0.0)
        try:
            for frame, stream in self._frames(source, [source.streams.audio[each] for each in compared]):
                which = streams[stream.index]
                seconds = frame.samples / frame.sample_rate
                seen[which] += seconds
                heard[which] += seconds if is_audible(frame) else 0
                furthest = max(seen.values())
                if furthest >= longest or (furthest >= _COMPARED_SECONDS and any(heard.values())):
                    break
        finally:
            source.close()
            self._damage = None  # it will occur again when the track is read
        most = max(compared, key=lambda each: heard[each])
        return preferred if heard[preferred] * 2 >= heard[most] else most

    def _frames(self, source: Any, streams: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield decoded frames; damaged packets are skipped and noted, as players do."""
        for stream in streams:
            stream.thread_type = "NONE"
        packets = source.demux(*streams)
        in_a_row = 0
        while in_a_row < _MOST_DAMAGE:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                decoded = packet.decode()
            except av.EOFError:
                return
            except (av.FFmpegError, ValueError) as error:
                self._note(error)
                in_a_row += 1
                continue
            in_a_row = 0
            for frame in decoded:
                if not frame.samples:
                    continue
                _check(frame.sample_rate, frame.layout.nb_channels)
                yield frame, packet.stream

    def _parts(self) -> Iterator[npt.NDArray[Any]]:
        """Yield the audio placed by its timestamps, with silence in gaps."""
        converter = self._converter
        try:
            for frame, _ in self._frames(self._source, [self._track]):
                converter.begin(frame)
                at = None if frame.pts is None else float(frame.pts * frame.time_base) - self._zero
                placing = self._timeline.place(at, frame.samples / frame.sample_rate)
                if placing.silence:
                    if self._name not in _HAVE_CLOCK and at is not None:
                        self._note_at("what belongs there cannot be read")
                    yield from converter.flush()
                    yield from converter.silence(round(placing.silence * converter.rate))
                yield from converter.convert(frame, dropped=round(placing.drop * frame.sample_rate))
        except RefusedError as refused:  # in the middle of it
            if not self._given:
                raise
            self._note_at(str(refused).rstrip("."))
        yield from converter.flush()

    def _note(self, error: Exception) -> None:
        failure = _no_memory(error)
        if failure is not None:
            raise failure from error
        self._note_at(_reason(error))

    def _note_at(self, reason: str) -> None:
        if self._damage is None:
            # Samples are collected until a second is complete.
            self._damage = _Damage(max(self._given / self._converter.rate, self._timeline.end), reason)


def _check(rate: int, channels: int) -> None:
    """Refuse rates and channels out of bounds, which would cost too much. Zero: not known yet."""
    if rate and not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise RefusedError(
            "unsupported_sample_rate",
            f"The recording has {rate} samples a second; {LOWEST_RATE} to {HIGHEST_RATE} are supported.",
        )
    if channels > MOST_CHANNELS:
        raise RefusedError(
            "not_audio", f"The recording has {channels} channels; up to {MOST_CHANNELS} are supported."
        )


def _zero(source: Any, track: Any, name: str) -> float:
    """Return which of the container's times is zero: that of its pictures, where it has any."""
    start = 0.0 if source.start_time is None else source.start_time / av.time_base
    if not any(each.type == "video" for each in source.streams) and name in {"mov", "matroska"}:
        own = Fraction(0) if track.start_time is None else track.start_time * (track.time_base or 0)
        return 0.0 if 0 <= own <= _LATEST_START else start
    return start


def _recognise(file: BinaryIO) -> tuple[str, int]:
    """Return which demuxer reads the file, and where its sound begins, behind tags and junk."""
    begin = 0
    for _ in range(_MOST_TAGS):
        file.seek(begin)
        head = file.read(HEAD_BYTES)
        if not head and not begin:
            raise RefusedError("empty_audio", "The upload is empty.")
        tag = id3_length(head) or ape_length(head)
        if not tag:
            break
        begin += tag
    found = container(head)
    if found is not None and (begin == 0 or found in {"mp3", "aac", "flac"}):
        return found, begin
    if found is not None:
        return found, 0
    file.seek(begin)
    mpeg = find_mpeg(file.read(SCANNED_BYTES))
    if mpeg is not None:
        return mpeg[0], begin + mpeg[1]
    if begin:
        # No other container has such tags.
        return "mp3", begin
    raise RefusedError(
        "not_audio", f"The upload is not a recording in a supported format. Supported are: {KINDS}."
    )


def _tagged(metadata: Any) -> float | None:
    """Parse Matroska's tag DURATION: ``00:00:10.800000000``."""
    for name, value in dict(metadata).items():
        if name.upper() == "DURATION":
            parts = str(value).split(":")
            try:
                hours, minutes, seconds = (float(part) for part in parts)
            except ValueError:
                return None
            return hours * 3600 + minutes * 60 + seconds
    return None


def _sane(seconds: float | None) -> float | None:
    return round(seconds, 6) if seconds is not None and 0 <= seconds < 1e9 else None  # noqa: PLR2004 - thirty years


def _sound_decoders() -> str:
    names = []
    for name in av.codecs_available:
        try:
            codec = av.Codec(name, "r")
        except (av.FFmpegError, ValueError):
            continue
        if codec.type == "audio":
            names.append(codec.name)
            names.append(name)
    return ",".join(sorted(set(names)))


def _no_memory(error: Exception) -> RefusedError | None:
    if getattr(error, "errno", None) == 12:  # noqa: PLR2004 - ENOMEM
        return RefusedError("recording_too_costly", "Decoding it takes too much memory.")
    return None


def _reason(error: Exception) -> str:
    """Return FFmpeg's sentence without the path and the code around it."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200] or type(error).__name__

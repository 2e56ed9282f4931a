"""The files of one bot's recording: opened when there is something to hear, written, closed. Blocks.

A track's file begins with its first audible sound, and the mix's with the first of all; from there on what is
missing is silence, so that a time in the file is a time in the session. Called in a thread, one call at a
time.

Error handling: a file that cannot be written is closed as ``incomplete``, with the reason, and what follows
goes into another one, which is tried every :data:`RETRY_AFTER` s. Nothing is raised.
"""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from orch.bots.observations import (
    Layout,
    Observation,
    OwnerSeen,
    PeopleSeen,
    Sound,
    SoundLost,
    TrackBegan,
    TrackEnded,
)
from orch.bots.recordings.alignment import RATE, Alignment, Placed
from orch.bots.recordings.encoding import Encoder, Format, Samples, encoder
from orch.bots.recordings.files import Output, create, digest
from orch.bots.recordings.mixing import Mixer
from orch.bots.recordings.names import SEALED, file_name, folder_name

AUDIBLE: Final = 50
"""Largest sample (of 32,767) of silence: a track is recorded from its first louder one on."""

MOST_OPEN: Final = 32
"""Files open at a time; beyond it the one is closed that was silent longest."""

RETRY_AFTER: Final = 30.0

_SILENCE: Final = 10 * RATE
_NAME_TRIES: Final = 1_000
_KINDS: Final[dict[Layout, str]] = {"own": "speaker", "rotating": "channel", "mixed": "meeting"}

Status = Literal["recording", "complete", "incomplete"]


class Dropped(Struct, frozen=True):
    """Sound that could not wait any longer for the disk."""

    track: str
    samples: int


class Take(Struct, frozen=True, kw_only=True):
    """A file as it is now. ``start``: seconds from the session's start; ``samples``: its length.

    ``lost``: samples of silence in place of sound; ``reason``: why it is incomplete.
    """

    number: int
    path: str
    name: str
    kind: str
    status: Status
    start: float
    samples: int = 0
    lost: int = 0
    size: int = 0
    digest: str = ""
    reason: str = ""
    track: str = ""
    participant_id: str = ""
    participant_name: str = ""


class _File:
    """An open file. ``silent``: samples of silence at its end, so far."""

    def __init__(self, take: Take, encoder: Encoder) -> None:
        self.take = take
        self.encoder = encoder
        self.samples = self.lost = self.dropped = self.silent = 0

    def write(self, samples: Samples) -> None:
        self.encoder.write(samples)
        self.samples += len(samples)

    def write_silence(self, count: int) -> None:
        while count > 0:
            self.write(np.zeros(min(count, _SILENCE), dtype=np.int16))
            count -= _SILENCE


class Takes:
    """The files. The mutable state is those that are open, the tracks' places, and the mix.

    ``opens``: opens a file that does not exist yet.
    """

    def __init__(
        self,
        session_id: str,
        folder: Path,
        *,
        audio: Literal["none", "mixed", "per_speaker", "both"],
        kind: Format,
        key: bytes | None = None,
        opens: Callable[[Path, bytes | None], Output] = create,
    ) -> None:
        self._folder = folder.absolute() / folder_name(session_id)
        self._is_mixed = audio in ("mixed", "both")
        self._is_per_speaker = audio in ("per_speaker", "both")
        self._kind: Format = kind
        self._key = key
        self._opens = opens
        self._number = 0
        self._tracks: dict[str, Alignment] = {}
        self._layouts: dict[str, Layout] = {}
        self._owners: dict[str, str] = {}
        self._people: dict[str, str] = {}
        self._files: dict[str, _File] = {}
        self._mixer = Mixer()
        self._mixed_at = 0
        self._retry_at = 0.0
        self._changed: list[Take] = []
        self.fault = ""

    def apply(self, observations: Iterable[Observation | Dropped]) -> None:
        """Record what was observed."""
        for each in observations:
            match each:
                case Sound():
                    self._hear(each)
                case TrackBegan():
                    self._layouts[each.track] = each.layout
                case TrackEnded():
                    self._end(each.track)
                case OwnerSeen():
                    self._own(each)
                case PeopleSeen() if each.people is not None:
                    self._people |= {person.id: person.name for person in each.people}
                case Dropped():
                    if (file := self._files.get(each.track)) is not None:
                        file.dropped += each.samples
                    if (mix := self._files.get("")) is not None:
                        mix.dropped += each.samples
                case SoundLost() | _:
                    pass  # the next sound's number says so, too

    def changed(self) -> list[Take]:
        """Return the files that were begun or closed since the last call."""
        found, self._changed = self._changed, []
        return found

    def open_files(self) -> Iterator[Take]:
        """Yield the open files as they are now."""
        for file in self._files.values():
            yield _as_now(file)

    def finish(self) -> None:
        """Close all files."""
        for piece in self._mixer.finish():
            self._write_mix(piece)
        for track in list(self._files):
            self._close(track)

    def _hear(self, sound: Sound) -> None:
        samples = np.frombuffer(sound.pcm[: len(sound.pcm) // 2 * 2], dtype="<i2").astype(
            np.int16, copy=False
        )
        track = self._tracks.setdefault(sound.track, Alignment())
        placed = track.place(sound.at, sound.first, samples)
        if placed is None:
            return
        if self._is_per_speaker:
            self._record(sound.track, placed, sound.at)
        if self._is_mixed:
            for piece in self._mixer.add(placed.first, placed.samples):
                self._write_mix(piece, sound.at)

    def _record(self, track: str, placed: Placed, at: float) -> None:
        is_audible = bool(np.abs(placed.samples.astype(np.int32)).max() > AUDIBLE)
        file = self._files.get(track)
        if file is None:
            if not is_audible:
                return
            file = self._open(track, _KINDS[self._layouts.get(track, "own")], placed.first, at)
            if file is None:
                return
        else:
            file.lost += placed.silence
        file.silent = 0 if is_audible else file.silent + len(placed.samples)
        with _failing(self, track, at):
            if file.samples:
                file.write_silence(placed.silence)
            file.write(placed.samples)

    def _write_mix(self, piece: Samples, at: float | None = None) -> None:
        """Append to the mix. ``at``: None: at the end, when no other file is begun any more."""
        assert self._mixer.first is not None, "there is a piece"  # noqa: S101 - an invariant
        first = self._mixer.first + self._mixed_at
        self._mixed_at += len(piece)
        file = self._files.get("")
        if file is None:
            file = self._open("", "mixed", first, at or first / RATE)
        if file is not None:
            with _failing(self, "", at or first / RATE):
                file.write(piece)

    def _open(self, track: str, kind: str, first: int, at: float) -> _File | None:
        """Begin a file; None: it cannot be written now."""
        if at < self._retry_at:
            return None
        if len(self._files) >= MOST_OPEN:
            self._close(max(self._files, key=lambda each: (each != "", self._files[each].silent)))
        owner = self._owners.get(track, "")
        name = self._people.get(owner, "")
        try:
            path, made = self._create(kind, name)
        except OSError as error:
            self._fail(_reason(error), at)
            return None
        take = Take(
            number=self._number,
            path=str(path),
            name=path.name.removesuffix(SEALED),
            kind=kind,
            status="recording",
            start=first / RATE,
            track=track,
            participant_id=owner,
            participant_name=name,
        )
        file = self._files[track] = _File(take, made)
        self._changed.append(take)
        self.fault = ""
        return file

    def _create(self, kind: str, name: str) -> tuple[Path, Encoder]:
        """Create a file with a number that none has, as the bot may have been here before."""
        for _ in range(_NAME_TRIES):
            self._number += 1
            own = file_name(self._number, kind, name, self._kind)
            path = self._folder / (own + (SEALED if self._key else ""))
            try:
                output = self._opens(path, self._key)
            except FileExistsError:
                continue
            try:
                return path, encoder(self._kind, output)
            except OSError:
                with suppress(OSError):
                    output.close()
                path.unlink(missing_ok=True)
                raise
        raise OSError(errno.EEXIST, "all names are taken")

    def _own(self, seen: OwnerSeen) -> None:
        self._owners[seen.track] = seen.participant_id or ""
        file = self._files.get(seen.track)
        if file is not None and seen.participant_id and not file.take.participant_id:
            name = self._people.get(seen.participant_id, "")
            file.take = replace(file.take, participant_id=seen.participant_id, participant_name=name)

    def _end(self, track: str) -> None:
        self._tracks.pop(track, None)
        self._layouts.pop(track, None)
        if track in self._files:
            self._close(track)
        self._owners.pop(track, None)

    def _close(self, track: str, reason: str = "") -> None:
        file = self._files.pop(track)
        try:
            file.encoder.close()
        except OSError as error:
            reason = reason or _reason(error)
        if not reason and file.dropped:
            reason = f"{file.dropped / RATE:.1f} s are silent: the disk was too slow."
        take = _as_now(file)
        try:
            size, found = digest(Path(take.path))
        except OSError as error:
            size, found, reason = 0, "", reason or f"The file is gone: {error.strerror}."
        status: Status = "incomplete" if reason else "complete"
        self._changed.append(replace(take, status=status, size=size, digest=found, reason=reason))

    def _fail(self, reason: str, at: float) -> None:
        self.fault = reason
        self._retry_at = at + RETRY_AFTER

    def fail(self, track: str, error: OSError, at: float) -> None:
        """Close a file that cannot be written."""
        self._fail(_reason(error), at)
        self._close(track, _reason(error))


class _failing:  # noqa: N801 - a context manager, used as a function
    """Closes the file of a track whose block fails."""

    def __init__(self, takes: Takes, track: str, at: float) -> None:
        self._takes = takes
        self._track = track
        self._at = at

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, OSError):
            return False
        self._takes.fail(self._track, error, self._at)
        return True


def _as_now(file: _File) -> Take:
    return replace(file.take, samples=file.samples, lost=file.lost)


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full."
    return f"The file cannot be written: {error.strerror or error}."

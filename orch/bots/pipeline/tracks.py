"""The tracks of a meeting's sound: each is transcribed by a speech stream of its own.

A meeting has a track for each participant, most of them silent for long, or a few that speakers share in
turn. A stream costs memory and a place of a voice model, so a track gets one when there is sound on it, with
the second before, and loses it after :data:`IDLE` seconds without.

Bounded: :data:`MOST_TRACKS` tracks are followed, :data:`MOST_STREAMS` have a stream. A track beyond that gets
one when another is idle; until then its sound is counted as unheard, and nothing is queued for it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog
import trio

from orch.bots.observations import Layout, Sound, SoundLost, TrackBegan
from orch.bots.pipeline.levels import Levels
from orch.bots.pipeline.speech_gate import QUIETEST
from orch.bots.pipeline.track_clock import RATE, TrackClock
from orch.bots.pipeline.track_output import TrackOutput
from orch.problems import ProblemError
from orch.protocol.identifiers import new_stream_name
from orch.speech.captions import Origin
from orch.speech.languages import AUTO
from orch.speech.service import SpeechService, SpeechStream
from orch.telemetry.boundaries import Boundary

MOST_TRACKS: Final = 256
MOST_OWNED: Final = 256
"""Tracks whose owners are known, also before they begin; beyond, the first is forgotten."""
MOST_STREAMS: Final = 32
IDLE: Final = 120.0
SPARE_AFTER: Final = 5.0
"""Seconds of silence after which a track's stream may be ended for another track."""
BEFORE: Final = 1.0
"""Seconds of sound before the first audible one that a stream receives: its measure of the background."""
CROWDED: Final = 0.05
"""Seconds that a track's sender waits while more of its sound is queued than should be."""

_log = structlog.get_logger("bots")


class OpenStream:
    """A stream of a track. ``first``: the number of its first sample, of the track's."""

    def __init__(self, speech: SpeechStream, output: TrackOutput, first: int) -> None:
        self.speech = speech
        self.output = output
        self.first = first
        self.is_open = True


class HeardTrack:
    """One track, from its begin to its end.

    ``channel``: its name in what the bot publishes; no other track of the session has it. ``position``: the
    number of the next sample. ``heard_at``: when it was audible last, in seconds of its own. ``is_paused``:
    what comes before its next sound was not to be heard.
    """

    def __init__(self, channel: str, layout: Layout) -> None:
        self.channel = channel
        self.layout: Layout = layout
        self.clock = TrackClock()
        self.levels = Levels()
        self.position: int | None = None
        self.begun = 0
        self.heard_at = float("-inf")
        self.stream: OpenStream | None = None
        self.owner: str | None = None
        self.is_paused = False
        self._before: deque[bytes] = deque()
        self._kept = 0

    @property
    def seconds(self) -> float:
        """How much of it has passed."""
        return 0.0 if self.position is None else (self.position - self.begun) / RATE

    @property
    def silent_for(self) -> float:
        """For how long it was not audible."""
        return self.seconds - self.heard_at

    @property
    def is_crowded(self) -> bool:
        """Whether more of its sound is queued than should be."""
        return self.stream is not None and self.stream.is_open and self.stream.speech.is_crowded

    def remember(self, pcm: bytes) -> None:
        """Keep the last second, for a stream that opens with the next sound."""
        self._before.append(pcm)
        self._kept += len(pcm)
        while self._kept - len(self._before[0]) >= round(BEFORE * RATE) * 2:
            self._kept -= len(self._before.popleft())

    def before(self) -> bytes:
        """Return what was kept, and forget it."""
        kept = b"".join(self._before)
        self._before.clear()
        self._kept = 0
        return kept


class Tracks:
    """The mutable state is the tracks, by the meeting's name of each, and their streams."""

    def __init__(
        self,
        *,
        session_id: str,
        started: float,
        speech: SpeechService,
        language: str,
        output: Callable[[HeardTrack], TrackOutput],
        leveled: Callable[[HeardTrack, float, float, float], None],
        boundary: Boundary,
        links: Sequence[str] = (),
    ) -> None:
        """Set up.

        ``output``: where the captions of a track go. ``leveled``: receives its levels: at, time, dBFS.
        ``links``: the ``traceparent`` of what its streams belong to.
        """
        self._links = links
        self._session_id = session_id
        self._started = started
        self._speech = speech
        self.language = language
        self._output = output
        self._leveled = leveled
        self._boundary = boundary
        self._tracks: dict[str, HeardTrack] = {}
        self._owners: dict[str, str] = {}
        self._streams: set[OpenStream] = set()
        self._done = trio.lowlevel.ParkingLot()
        self._nursery: trio.Nursery | None = None
        self._count = 0
        self.sound = self.lost = self.unheard = 0
        self.failures = 0

    def __repr__(self) -> str:
        return f"<Tracks {len(self._tracks)}, {len(self._streams)} streams>"

    def __len__(self) -> int:
        return len(self._tracks)

    @property
    def streams(self) -> int:
        """How many streams are open or still being transcribed."""
        return len(self._streams)

    @property
    def is_failing(self) -> bool:
        """Whether a stream waits for an audio-service that does not respond."""
        return any(each.speech.waits_since is not None for each in self._streams)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run streams until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def find(self, name: str) -> HeardTrack | None:
        """Return a track by the meeting's name of it."""
        return self._tracks.get(name)

    # What is observed

    def began(self, seen: TrackBegan) -> HeardTrack | None:
        """Begin a track. None: there are too many.

        One of this name goes on if its layout is known better now, else it ends.
        """
        track = self._tracks.get(seen.track)
        if track is not None and track.layout != seen.layout:
            track.layout = seen.layout
            return track
        if track is not None:
            self.ended(seen.track)
        if len(self._tracks) >= MOST_TRACKS:
            _log.warning("track not followed", tracks=len(self._tracks))
            return None
        self._count += 1
        track = self._tracks[seen.track] = HeardTrack(f"track-{self._count}", seen.layout)
        track.owner = self._owners.get(seen.track)
        return track

    def own(self, name: str, participant_id: str | None) -> HeardTrack | None:
        """Note whose a track is, also one that begins later. None: it is not live."""
        self._owners.pop(name, None)
        if participant_id is not None:
            self._owners[name] = participant_id
        if len(self._owners) > MOST_OWNED:
            del self._owners[next(iter(self._owners))]
        track = self._tracks.get(name)
        if track is not None:
            track.owner = participant_id
        return track

    def ended(self, name: str) -> None:
        """End a track; what has arrived is transcribed."""
        track = self._tracks.pop(name, None)
        self._owners.pop(name, None)
        if track is not None:
            self._end(track)

    def end_all(self) -> None:
        """End all streams; the tracks get others with the next sound."""
        for track in self._tracks.values():
            self._end(track)
            track.before()
            track.is_paused = True

    def forget(self) -> None:
        """End all tracks: the bot is no longer in the call."""
        for name in tuple(self._tracks):
            self.ended(name)

    async def lost_sound(self, seen: SoundLost) -> None:
        """Note that samples are missing."""
        track = self._tracks.get(seen.track)
        if track is not None and seen.samples > 0:
            self._at(track, seen.first + seen.samples)
            await trio.lowlevel.checkpoint()

    async def heard(self, seen: Sound) -> None:
        """Apply sound of a track; return when more of it may come."""
        track = self._tracks.get(seen.track)
        if track is None:
            self.unheard += len(seen.pcm) // 2
            return
        pcm = self._new_part(track, seen)
        if not pcm or track.position is None:
            return
        track.position += len(pcm) // 2
        self.sound += len(pcm) // 2
        track.clock.arrived(seen.at, track.position)
        measured = track.levels.add(pcm)
        if measured is not None:
            time = track.clock.time_of(track.begun + measured.end)
            self._leveled(track, seen.at, time, measured.dbfs)
            if measured.dbfs >= QUIETEST:
                track.heard_at = track.seconds
        self._feed(track, pcm)
        if track.is_crowded:
            await trio.sleep(CROWDED)
        await trio.lowlevel.checkpoint()

    def _new_part(self, track: HeardTrack, seen: Sound) -> bytes:
        """Return the samples that did not arrive before; note those that are missing before them."""
        if track.position is None:
            track.position = track.begun = seen.first
        self._at(track, seen.first)
        track.is_paused = False
        return seen.pcm[max(0, track.position - seen.first) * 2 :]

    def _at(self, track: HeardTrack, position: int) -> None:
        """Note that the next sample is ``position``: those before it that did not arrive are lost."""
        if track.position is None:
            track.position = track.begun = position
        missing = position - track.position
        if missing <= 0:
            return
        track.position = position
        track.levels.skip(missing)
        if track.is_paused:  # what came meanwhile was not to be heard
            return
        self.lost += missing
        if track.stream is not None and track.stream.is_open:
            track.stream.speech.skip(missing / RATE, _lost())

    def _feed(self, track: HeardTrack, pcm: bytes) -> None:
        stream = track.stream
        if stream is not None and not stream.is_open:
            stream = track.stream = None
        if stream is not None and track.silent_for > IDLE:
            self._end(track)
            stream = None
        if stream is None:
            track.remember(pcm)
            if track.silent_for > BEFORE:
                return
            if not self._has_room(track):
                self.unheard += len(pcm) // 2
                return
            pcm = track.before()
            stream = track.stream = self._open(track, len(pcm) // 2)
        stream.speech.feed(pcm)

    # Streams

    def _has_room(self, track: HeardTrack) -> bool:
        """Return whether another stream may be opened; one that is idle is ended for it."""
        if len(self._streams) < MOST_STREAMS:
            return True
        using = [each for each in self._tracks.values() if each.stream is not None and each is not track]
        idle = max(using, key=lambda each: each.silent_for, default=None)
        if idle is not None and idle.silent_for > SPARE_AFTER:
            self._end(idle)
        return len(self._streams) < MOST_STREAMS

    def _open(self, track: HeardTrack, samples: int) -> OpenStream:
        if self._nursery is None or track.position is None:
            raise trio.ClosedResourceError
        first = track.position - samples
        output = self._output(track)
        stream_id = new_stream_name()
        started = self._started + track.clock.time_of(first)
        origin = Origin(
            session_id=self._session_id,
            stream_id=stream_id,
            started=round(started * 1000),
            source_language=self.language,
            participant_id=track.channel,  # somebody speaks: it is no recording
        )
        try:
            speech = self._speech.stream(origin, sample_rate=RATE, output=output, links=self._links)
        except ProblemError as error:
            if error.code != "unsupported_language":
                raise
            _log.warning("language of a bot not offered", language=self.language, reason=error.detail)
            self.language = AUTO
            speech = self._speech.stream(
                replace(origin, source_language=AUTO), sample_rate=RATE, output=output, links=self._links
            )
        stream = OpenStream(speech, output, first)
        output.attach(stream.first)
        self._streams.add(stream)
        self._nursery.start_soon(self._run, stream)
        return stream

    def _end(self, track: HeardTrack) -> None:
        stream, track.stream = track.stream, None
        if stream is not None and stream.is_open:
            stream.is_open = False
            stream.speech.end()

    async def _run(self, stream: OpenStream) -> None:
        """Run a stream to its end, whatever happens in it: the boundary of one stream."""
        try:
            await stream.speech.run()
        except* Exception:  # noqa: BLE001 - one stream's boundary: the meeting goes on, with another stream
            self.failures += 1
            self._boundary.count()
            _log.exception("stream of a bot failed", session_id=self._session_id)
        finally:
            stream.is_open = False
            self._streams.discard(stream)
            self._done.unpark_all()

    async def drain(self) -> None:
        """Wait until all that has arrived on ended streams is transcribed."""
        while self._streams:
            await self._done.park()


def _lost() -> ProblemError:
    return ProblemError("speech_lost", "Sound of the meeting was lost on its way here.", service="bot")

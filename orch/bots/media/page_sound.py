"""The sound of one page: which tracks there are, and which samples of them are missing. Pure.

Samples are numbered from each track's begin by the page, also those that it has to drop. So whatever is lost,
in the page, on the way or here, is a jump of the numbers, and becomes a :class:`SoundLost`. Times are seconds
since the epoch here; a channel makes the bot's own of them.

A page is not trusted with more than its own sound: what it sends is bounded by the time that has passed.
"""

from typing import Final

from msgspec import Struct

from orch.bots.media.frames import (
    MOST_TRACKS,
    RATE,
    Frame,
    Numbered,
    ProtocolError,
    TrackShown,
)
from orch.bots.media.layouts import Layouts
from orch.bots.observations import Layout, Sound, SoundLost, SoundObservation, TrackBegan, TrackEnded

SLACK: Final = 10.0
"""Seconds by which a track's sound may be ahead of the clock: what a page stores while it cannot send."""

FASTEST: Final = 1.01
"""How much faster than the clock sound may be; sound devices differ by 0.0002."""

OLDEST: Final = 60.0
"""Seconds that sound can be old; a page whose clock is elsewhere is taken to have captured it just now."""


class _Track(Struct):
    """A live track. ``next``: the number of the next sample. ``shown``: the layout last published."""

    name: str
    id: str
    since: float
    base: int
    next: int = 0
    shown: Layout | None = None


class PageSound:
    """The tracks of one channel, over all of its pages and connections.

    Methods return what follows, in order. ProtocolError: the connection must be closed; nothing has changed.

    The mutable state is the live tracks by the page's numbers, and the number of the next message.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._layouts = Layouts()
        self._page = ""
        self._message = 0
        self.samples = 0
        """Samples that have arrived, with silence."""
        self.lost = 0
        """Samples that are missing."""

    def __repr__(self) -> str:
        return f"<PageSound {len(self._tracks)} tracks, {self.samples} samples, {self.lost} lost>"

    @property
    def tracks(self) -> int:
        """How many tracks are live."""
        return len(self._tracks)

    def connect(self, page: str, tracks: tuple[TrackShown, ...], now: float) -> list[SoundObservation]:
        """Apply the first text of a connection: the tracks of a page that connects, or connects again."""
        if len({each.number for each in tracks}) != len(tracks):
            raise ProtocolError("two tracks have one number")
        self._message = 0
        found: list[SoundObservation] = []
        shown = {each.number: each.id for each in tracks}
        for number, track in list(self._tracks.items()):
            if page != self._page or shown.get(number) != track.id:
                found += self.end(number, now)
        self._page = page
        for each in tracks:
            if each.number not in self._tracks:
                self.begin(each, now)
        return found

    def begin(self, shown: TrackShown, now: float) -> None:
        """Add a track. It is published with its first samples, when all that began with it are known."""
        if shown.number in self._tracks:
            raise ProtocolError("a track begins twice")
        if len(self._tracks) >= MOST_TRACKS:
            raise ProtocolError("too many tracks")
        names = {each.name for each in self._tracks.values()}
        plain = shown.id if shown.id.isprintable() and shown.id else f"track-{shown.number}"
        name, more = plain, 1
        while name in names:
            more += 1
            name = f"{plain}#{more}"
        self._tracks[shown.number] = _Track(name, shown.id, now, shown.heard)
        self._layouts.begin(name)

    def end(self, number: int, now: float) -> list[SoundObservation]:
        """Return the end of a track, if it was published."""
        track = self._tracks.pop(number, None)
        if track is None:
            return []
        self._layouts.end(track.name)
        return [] if track.shown is None else [TrackEnded(at=now, track=track.name)]

    def end_all(self, now: float) -> list[SoundObservation]:
        """Return the ends of all tracks: the page has gone."""
        found: list[SoundObservation] = []
        for number in list(self._tracks):
            found += self.end(number, now)
        return found

    def own(self, name: str, now: float, *, is_owned: bool) -> list[SoundObservation]:
        """Note whether the meeting's page shows a track as one participant's."""
        self._layouts.own(name, is_owned=is_owned)
        return self._relayout(now)

    def receive(self, message: Numbered, now: float) -> list[SoundObservation]:
        """Apply a binary message of the page."""
        if message.number != self._message:
            raise ProtocolError(f"message {message.number} instead of {self._message}")
        expected: dict[int, int] = {}
        for frame in message.frames:
            track = self._tracks.get(frame.track)
            if track is None:
                continue  # it has ended, and its last samples crossed
            if frame.first < expected.get(frame.track, track.next):
                raise ProtocolError("samples arrive twice")
            end = frame.first + frame.samples
            if end - track.base > ((now - track.since) * FASTEST + SLACK) * RATE:
                raise ProtocolError("sound arrives faster than time passes")
            expected[frame.track] = end
        self._message += 1
        found: list[SoundObservation] = []
        for frame in message.frames:
            track = self._tracks.get(frame.track)
            if track is not None:
                found += self._add(track, frame, now)
        return found

    def _add(self, track: _Track, frame: Frame, now: float) -> list[SoundObservation]:
        at = frame.captured if now - OLDEST <= frame.captured <= now else now
        found: list[SoundObservation] = []
        if track.shown is None:
            track.shown = self._layouts.layout(track.name)
            found += self._relayout(now)
            found.append(TrackBegan(at=at - frame.samples / RATE, track=track.name, layout=track.shown))
        if frame.first > track.next:
            missing = frame.first - track.next
            self.lost += missing
            begin = at - frame.samples / RATE
            found.append(SoundLost(at=begin, track=track.name, first=track.next, samples=missing))
        pcm = frame.pcm if frame.pcm is not None else bytes(2 * frame.samples)
        self.samples += frame.samples
        track.next = frame.first + frame.samples
        found.append(Sound(at=at, track=track.name, first=frame.first, pcm=pcm))
        return found

    def _relayout(self, now: float) -> list[SoundObservation]:
        """Return the tracks again whose layout is known better than when they were published."""
        found: list[SoundObservation] = []
        for track in self._tracks.values():
            layout = self._layouts.layout(track.name)
            if track.shown not in (None, layout):
                track.shown = layout
                found.append(TrackBegan(at=now, track=track.name, layout=layout))
        return found

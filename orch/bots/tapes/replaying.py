"""Replays a tape: the same minutes as live, from the tape's lines and its clock alone. Pure."""

from collections.abc import Iterable

from orch.bots.observations import (
    CaptionReceived,
    CaptionsSeen,
    ChatSeen,
    ConnectionSeen,
    MarksSeen,
    Over,
    PeopleSeen,
    PlaceSeen,
    RecordingAnswered,
)
from orch.bots.pipeline.effects import Effect, Keep
from orch.bots.pipeline.minutes import Minutes, Track
from orch.bots.tapes.lines import (
    Began,
    Capturing,
    Disconnected,
    Finished,
    Leveled,
    Line,
    Missed,
    Owned,
    TapeError,
    Ticked,
    Transcribed,
    Translated,
)
from orch.bots.tapes.notes import Notes


class Replay:
    """The mutable state is the minutes, what they have noted, and how many lines the tape lacks."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.missed = 0
        self.is_finished = False
        self._minutes: Minutes | None = None

    def feed(self, line: Line) -> None:
        """Apply the next line. Raises :class:`~orch.bots.tapes.lines.TapeError` if it cannot be next."""
        if isinstance(line, Began):
            self._minutes = Minutes(
                session_id=line.session_id,
                started=line.started,
                own=line.own,
                run=line.run,
                next_caption=line.next_caption,
                next_segment=line.next_segment,
            )
            return
        if self._minutes is None:
            raise TapeError("expected the begin of a tape")
        for effect in self._applied(self._minutes, line):
            if isinstance(effect, Keep):
                self.notes.add(effect.record)

    def _applied(self, minutes: Minutes, line: Line) -> list[Effect]:
        match line:
            case (
                PlaceSeen()
                | Over()
                | ConnectionSeen()
                | PeopleSeen()
                | MarksSeen()
                | CaptionsSeen()
                | CaptionReceived()
                | ChatSeen()
                | RecordingAnswered()
            ):
                return minutes.page(line)
            case Transcribed():
                track = Track(line.channel, line.layout, line.base)
                return minutes.transcript(track, line.message, line.at)
            case Translated():
                return minutes.translation(line.message, line.at)
            case Ticked():
                return minutes.tick(line.at)
            case Leveled():
                return minutes.level(line.at, line.channel, line.time, line.dbfs)
            case Owned():
                return minutes.owner(line.at, line.channel, line.participant_id)
            case Capturing():
                return minutes.capture(line.at, on=line.is_on)
            case Disconnected():
                return minutes.disconnected(line.at)
            case Finished():
                self.is_finished = True
                return minutes.finish(line.at)
            case Missed():
                self.missed += line.lines
        return []  # sound, and whose it is, have reached the minutes as levels, owners and transcripts


def replay(lines: Iterable[Line]) -> Replay:
    """Return the replay of a whole tape. Raises :class:`~orch.bots.tapes.lines.TapeError`."""
    played = Replay()
    for line in lines:
        played.feed(line)
    return played

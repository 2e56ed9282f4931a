"""Replays a tape: the same minutes as live, from the tape's lines and its clock alone. Pure."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from orch.bots.observations import PageObservation
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
                language=line.language,
            )
            return
        if self._minutes is None:
            raise TapeError("expected the begin of a tape")
        for effect in self._applied(self._minutes, line):
            if isinstance(effect, Keep):
                self.notes.add(effect.record)

    def _applied(self, minutes: Minutes, line: Line) -> list[Effect]:
        if isinstance(line, Missed):
            self.missed += line.lines
        elif isinstance(line, Finished):
            self.is_finished = True
            return minutes.finish(line.at)
        elif isinstance(line, PageObservation):
            return minutes.page(line)
        else:
            play = _PLAYED.get(type(line))
            if play is not None:
                return play(minutes, line)
        return []  # sound, and whose it is, have reached the minutes as levels, owners and transcripts


_PLAYED: Final[dict[type, Callable[[Minutes, Any], list[Effect]]]] = {
    Transcribed: lambda minutes, line: minutes.transcript(
        Track(line.channel, line.layout, line.base), line.message, line.at
    ),
    Translated: lambda minutes, line: minutes.translation(line.message, line.at),
    Ticked: lambda minutes, line: minutes.tick(line.at),
    Leveled: lambda minutes, line: minutes.level(line.at, line.channel, line.time, line.dbfs),
    Owned: lambda minutes, line: minutes.owner(line.at, line.channel, line.participant_id),
    Capturing: lambda minutes, line: minutes.capture(line.at, on=line.is_on),
    Disconnected: lambda minutes, line: minutes.disconnected(line.at),
}


def replay(lines: Iterable[Line]) -> Replay:
    """Return the replay of a whole tape. Raises :class:`~orch.bots.tapes.lines.TapeError`."""
    played = Replay()
    for line in lines:
        played.feed(line)
    return played

"""Minutes whose inputs are put on a tape, as far as they may be. Pure: where lines go is the caller's."""

from collections.abc import Callable, Iterable

from orch.bots.correlation.tally import AttributionTally
from orch.bots.observations import PageObservation
from orch.bots.pipeline.effects import Effect
from orch.bots.pipeline.minutes import Minutes, Track
from orch.bots.tapes.discretion import Discretion
from orch.bots.tapes.lines import (
    Began,
    Capturing,
    Disconnected,
    Finished,
    Leveled,
    Line,
    Owned,
    Ticked,
    Transcribed,
    Translated,
)
from orch.protocol.messages import Transcript, Translation


class TapedMinutes(Minutes):
    """Minutes that pass each call on to ``put`` before they apply it.

    :mod:`orch.bots.tapes.discretion` says what is left out.
    """

    def __init__(
        self,
        put: Callable[[Line], None],
        *,
        session_id: str,
        started: float,
        own: Iterable[str],
        run: str,
        next_caption: int = 0,
        next_segment: int = 0,
        language: str | None = None,
        tally: AttributionTally | None = None,
    ) -> None:
        """Begin the tape. The other arguments are those of :class:`Minutes`."""
        began = Began(
            session_id=session_id,
            started=started,
            own=tuple(own),
            run=run,
            next_caption=next_caption,
            next_segment=next_segment,
            language=language,
        )
        super().__init__(
            session_id=session_id,
            started=started,
            own=began.own,
            run=run,
            next_caption=next_caption,
            next_segment=next_segment,
            language=language,
            tally=tally,
        )
        self._discretion = Discretion()
        self._put = put
        self.tape(began)

    def tape(self, line: Line) -> None:
        """Put a line on the tape that these minutes do not need: sound."""
        for each in self._discretion.passed(line):
            self._put(each)

    def capture(self, now: float, *, on: bool) -> list[Effect]:
        """Begin or end to listen."""
        self.tape(Capturing(at=now, is_on=on))
        return super().capture(now, on=on)

    def page(self, seen: PageObservation) -> list[Effect]:
        """Apply what the page shows."""
        self.tape(seen)
        return super().page(seen)

    def owner(self, at: float, channel: str, meeting_id: str | None) -> list[Effect]:
        """Apply whose a channel is."""
        self.tape(Owned(at=at, channel=channel, participant_id=meeting_id))
        return super().owner(at, channel, meeting_id)

    def level(self, at: float, channel: str, time: float, dbfs: float) -> list[Effect]:
        """Apply the level of a channel."""
        self.tape(Leveled(at=at, channel=channel, time=time, dbfs=dbfs))
        return super().level(at, channel, time, dbfs)

    def tick(self, now: float) -> list[Effect]:
        """Apply that time has passed."""
        self.tape(Ticked(at=now))
        return super().tick(now)

    def disconnected(self, now: float) -> list[Effect]:
        """Apply that the bot is no longer in the call."""
        self.tape(Disconnected(at=now))
        return super().disconnected(now)

    def transcript(self, track: Track, message: Transcript, now: float) -> list[Effect]:
        """Apply a transcript of a track."""
        self.tape(
            Transcribed(at=now, channel=track.channel, layout=track.layout, base=track.base, message=message)
        )
        return super().transcript(track, message, now)

    def translation(self, message: Translation, now: float) -> list[Effect]:
        """Apply a translation."""
        self.tape(Translated(at=now, message=message))
        return super().translation(message, now)

    def finish(self, now: float) -> list[Effect]:
        """Apply the end."""
        self.tape(Finished(at=now))
        return super().finish(now)

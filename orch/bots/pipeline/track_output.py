"""Where the captions of a track go: through the gate, into the minutes."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import msgspec
import trio
from msgspec import UNSET

from orch.bots.pipeline import speech_gate
from orch.bots.pipeline.effects import Effect
from orch.bots.pipeline.minutes import Minutes, Track
from orch.bots.pipeline.outbox import Outbox
from orch.bots.pipeline.ports import HubSession
from orch.bots.pipeline.speech_gate import Judged, Sound
from orch.bots.pipeline.track_clock import RATE
from orch.protocol.messages import AudioStatus, SpeakerIdentified, Transcript, Translation, TranslationUsage
from orch.protocol.terms import Terms
from orch.speech.output import CaptionOutput

if TYPE_CHECKING:
    from orch.bots.pipeline.tracks import HeardTrack


class Readers:
    """The languages of a bot's captions: those asked for, the camera's, and those that are read."""

    def __init__(
        self, hub: HubSession, targets: Callable[[], Collection[str]], camera: Callable[[], str | None]
    ) -> None:
        self._hub = hub
        self._targets = targets
        self._camera = camera

    def languages(self) -> Collection[str]:
        """Return the languages to translate finals into now."""
        camera = self._camera()
        asked_for = frozenset(self._targets()) | frozenset(self._hub.languages())
        return asked_for | ({camera} if camera else frozenset())

    def growing_languages(self) -> Collection[str]:
        """Return the languages to translate growing lines into now."""
        camera = self._camera()
        return frozenset(self._hub.growing_languages()) | ({camera} if camera else frozenset())

    def terms(self) -> Terms:
        """Return the names and terms of the hub's session."""
        return self._hub.terms()


class TrackOutput:
    """The :class:`~orch.speech.output.CaptionOutput` of one stream of a track.

    The mutable state is where the stream begins, whether its last final was withheld, and how many words of
    others were.
    """

    def __init__(
        self,
        track: "HeardTrack",
        *,
        minutes: Minutes,
        outbox: Outbox,
        hub: HubSession,
        readers: Readers,
        done: Callable[[Sequence[Effect]], None],
        withheld: Callable[[str], None],
        translate: Callable[[Transcript, CaptionOutput], None],
        clock: Callable[[], float],
    ) -> None:
        """``done``: applies effects. ``withheld``: counts texts the gate stopped, by reason.

        ``translate``: translates a final that the gate has shortened.
        """
        self._track = track
        self._minutes = minutes
        self._outbox = outbox
        self._hub = hub
        self._readers = readers
        self._done = done
        self._withheld = withheld
        self._translate = translate
        self._clock = clock
        self._first = 0
        self._is_stopped = False

    def attach(self, first: int) -> None:
        """Note the number of the stream's first sample, of the track's."""
        self._first = first

    def languages(self) -> Collection[str]:
        """Return what the last final is translated into: nothing, where none of it was said."""
        return () if self._is_stopped else self._readers.languages()

    def growing_languages(self) -> Collection[str]:
        """Return what growing lines are translated into."""
        return self._readers.growing_languages()

    def terms(self) -> Terms:
        """Return names and terms."""
        return self._readers.terms()

    async def publish(self, message: Transcript | Translation | SpeakerIdentified) -> None:
        """Apply a final, or a translation of one; wait while too much waits to be stored or published."""
        await self._outbox.room()
        if isinstance(message, Transcript):
            judged = self._judged(message)
            self._is_stopped = judged.text != message.text
            if judged.text and self._is_stopped:
                shortened = _with(message, judged)
                self._apply(shortened)
                self._translate(shortened, _Shortened(self))
            else:
                self._apply(_with(message, judged))
        elif isinstance(message, Translation):
            self._done(self._minutes.translation(message, self._clock()))
        await trio.lowlevel.checkpoint()

    def send(self, message: Transcript | Translation | TranslationUsage | AudioStatus) -> None:
        """Apply a revision, or a translation of one. How far the stream is concerns nobody in the session."""
        if isinstance(message, Transcript):
            judged = self._judged(message)
            if judged.text:
                self._apply(_with(message, judged))
        elif isinstance(message, Translation):
            self._done(self._minutes.translation(message, self._clock()))
        elif isinstance(message, TranslationUsage):
            self._hub.send(message)

    def acknowledge(self, status: AudioStatus) -> None:
        """Nobody stores the sound to send it again."""

    def readers_of_shortened(self) -> Collection[str]:
        """Return the languages of a final that the gate has shortened."""
        return self._readers.languages()

    def _judged(self, message: Transcript) -> Judged:
        if message.error is not None or not message.text:
            return Judged(message.text, message.words)
        levels = self._track.levels
        begin = (self._first - self._track.begun) / RATE
        judged = speech_gate.judge(
            message.text,
            message.words,
            start=message.start,
            end=message.end,
            confidence=message.confidence,
            sound=Sound(lambda start, end: levels.between(begin + start, begin + end), levels.floor()),
        )
        if judged.reason and message.final:
            self._withheld(judged.reason)
        return judged

    def _apply(self, message: Transcript) -> None:
        track = self._track
        place = Track(track.channel, track.layout, track.clock.time_of(self._first))
        self._done(self._minutes.transcript(place, message, self._clock()))


class _Shortened:
    """The output of a final that the gate has shortened: its stream would translate what nobody said."""

    def __init__(self, output: TrackOutput) -> None:
        self._output = output

    def languages(self) -> Collection[str]:
        return self._output.readers_of_shortened()

    def growing_languages(self) -> Collection[str]:
        return ()

    def terms(self) -> Terms:
        return self._output.terms()

    async def publish(self, message: Transcript | Translation | SpeakerIdentified) -> None:
        await self._output.publish(message)

    def send(self, message: Transcript | Translation | TranslationUsage | AudioStatus) -> None:
        self._output.send(message)

    def acknowledge(self, status: AudioStatus) -> None:
        """Nobody stores the sound to send it again."""


class UnheardOutput:
    """Where translations of the meeting's captions go, while the meeting is not heard."""

    def __init__(
        self,
        *,
        minutes: Minutes,
        outbox: Outbox,
        readers: Readers,
        done: Callable[[Sequence[Effect]], None],
        clock: Callable[[], float],
    ) -> None:
        self._minutes = minutes
        self._outbox = outbox
        self._done = done
        self._clock = clock
        self.languages = readers.languages
        self.growing_languages = readers.growing_languages
        self.terms = readers.terms

    async def publish(self, message: Transcript | Translation | SpeakerIdentified) -> None:
        """Apply a translation."""
        await self._outbox.room()
        self.send(message)
        await trio.lowlevel.checkpoint()

    def send(self, message: object) -> None:
        """Apply a translation."""
        if isinstance(message, Translation):
            self._done(self._minutes.translation(message, self._clock()))

    def acknowledge(self, status: AudioStatus) -> None:
        """Nobody speaks to it."""


def _with(message: Transcript, judged: Judged) -> Transcript:
    """Return a transcript with what remains of it; which words are settled is not known of a part."""
    if judged.text == message.text:
        return message
    return msgspec.structs.replace(message, text=judged.text, words=judged.words, settled=UNSET)

"""What a bot notes of its meeting: observations and transcripts in, records and messages out. Pure.

All signals meet here: the page's captions become utterances, participants and marks the timeline, and
everything that says who speaks goes to the correlation, whose changes of names go into the records, messages
and lines that they concern. Nothing here waits; effects are done by the shell, in order.

While the bot does not listen (it is paused, or not allowed to capture yet), participants are followed, and
nothing is stored or sent; of captions see :mod:`orch.bots.pipeline.pauses`.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from orch.bots import captions
from orch.bots.caption_blocks import Utterance
from orch.bots.captions import Captions
from orch.bots.correlation.correlator import Correlator
from orch.bots.correlation.events import Caption, Change, Event, Layout, Level, Name, Owner, Segment, Tick
from orch.bots.correlation.tally import AttributionTally
from orch.bots.observations import (
    CaptionReceived,
    CaptionsSeen,
    ChatSeen,
    MarksSeen,
    PageObservation,
    PeopleSeen,
)
from orch.bots.pipeline.caption_lines import DEAF, caption_line, line_message
from orch.bots.pipeline.effects import Effect, Keep, Publish, Redraw, Send, Tell, Translate
from orch.bots.pipeline.happenings import Happenings
from orch.bots.pipeline.minute_records import (
    MinuteRecords,
    attribution_payload,
    transcript_payload,
    translation_payload,
)
from orch.bots.pipeline.named_records import NamedRecords
from orch.bots.pipeline.pauses import LATE, Pauses
from orch.bots.pipeline.people import People
from orch.bots.pipeline.segments import Segment as Line
from orch.bots.pipeline.segments import Segments, changed, timed_words
from orch.bots.pipeline.speech_gate import QUIETEST
from orch.bots.shown import QualityShown
from orch.bots.timeline import TimelineEvent
from orch.bots.webhooks.payloads import Trigger
from orch.protocol.messages import Transcript, Translation

ESTIMATE_EVERY: Final = 5.0
"""Seconds after which the captions' delay is looked up again."""
CAPTIONS_KNOWN: Final = 512
"""Captions of which it is known what was sent; the captions' module revises fewer."""
VOICES: Final = 256
"""Tracks of which it is known whose they are."""


@dataclass(frozen=True, slots=True)
class Track:
    """A track of sound, as its transcripts name it. ``base``: its stream's begin, on the session's clock."""

    channel: str
    layout: Layout
    base: float


class Minutes:
    """The mutable state is that of its parts: captions, people, segments, names, pauses; all are bounded."""

    def __init__(
        self,
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
        """Begin; it does not listen yet.

        ``started``: of the session, seconds since the epoch. ``own``: the bot's names. ``run``: distinguishes
        the ids of this worker's records from those of one that had the session before; ``next_caption``,
        ``next_segment``: the first numbers that are free in the store. ``language``: of the meeting's
        captions, if it is known. ``tally``: counts the words of several meetings.
        """
        self._session_id, self._started, self._run = session_id, started, run
        self._language = language
        self._audible_at = float("-inf")
        self._first_caption = next_caption
        self.people = People(frozenset(own))
        self.segments = Segments(self.people.named)
        self._captions = Captions()
        self._sent: OrderedDict[int, tuple[str, str, bool]] = OrderedDict()
        self._correlator = Correlator(tally)
        self._records = MinuteRecords(session_id, started, run)
        self._happenings = Happenings(self.people, self._records, started)
        self._names = NamedRecords(session_id, started, next_segment, self.people.named)
        self._pauses = Pauses(float("-inf"))
        self._delay: float | None = None
        self._estimate_at = float("-inf")
        self._voices: dict[str, Name] = {}
        self.utterances = 0

    @property
    def is_capturing(self) -> bool:
        """Whether it listens."""
        return not self._pauses.is_paused

    def capture(self, now: float, *, on: bool) -> list[Effect]:
        """Begin or end to listen; the participants are stored when it begins."""
        if on == self.is_capturing:
            return []
        if not on:
            self._pauses.begin(now)
            return []
        estimate = self._correlator.statistics().captions
        self._pauses.end(now, late=estimate.offset + 2 * estimate.spread if estimate.is_known else LATE)
        return self._happenings.present()

    # What is observed

    def page(self, seen: PageObservation) -> list[Effect]:
        """Apply what the page shows; what does not concern captions and people changes nothing."""
        match seen:
            case PeopleSeen():
                return self._people(seen)
            case MarksSeen():
                marks, events = self.people.marked(seen)
                return [effect for mark in marks for effect in self._feed(mark)] + self._timeline(events)
            case CaptionsSeen():
                own = self.people.own
                self._captions, revised = captions.observe(self._captions, seen.blocks, seen.at, own)
                return self._captioned(revised, seen.at)
            case CaptionReceived():
                return self._received(seen)
            case ChatSeen():
                return self._chat(seen)
            case _:
                return []

    def owner(self, at: float, channel: str, meeting_id: str | None) -> list[Effect]:
        """Apply that a channel is a participant's, or nobody's any more."""
        speaker = None if meeting_id is None else self.people.id_of(meeting_id)
        return self._feed(Owner(at=at, channel=channel, participant_id=speaker))

    def level(self, at: float, channel: str, time: float, dbfs: float) -> list[Effect]:
        """Apply the level of a channel at a time of the session."""
        if dbfs >= QUIETEST:
            self._audible_at = at
        return self._feed(Level(at=at, channel=channel, time=time, dbfs=dbfs))

    def tick(self, now: float) -> list[Effect]:
        """Apply that time has passed."""
        found: list[Effect] = []
        due = captions.next_settled_at(self._captions)
        if due is not None and due <= now:
            self._captions, revised = captions.settle(self._captions, now)
            found += self._captioned(revised, now)
        found += self._timeline(self.people.at(now))
        found += self._feed(Tick(at=now))
        if now >= self._estimate_at:
            self._estimate_at = now + ESTIMATE_EVERY
            estimate = self._correlator.statistics().captions
            if estimate.is_known:
                self._delay = estimate.offset
                self.people.delayed(estimate.offset)
        return found

    def disconnected(self, now: float) -> list[Effect]:
        """Apply that the bot is no longer in the call: it sees nobody any more."""
        return self._timeline(self.people.ended(now))

    def finish(self, now: float) -> list[Effect]:
        """Apply the end: all is final."""
        self._captions, revised = captions.settle(self._captions, now + captions.SETTLED + 1)
        found = self._captioned(revised, now)
        found += self._changes(self._correlator.finish())
        found += self._timeline(self.people.ended(now))
        stored = [each for each in self.people.everyone() if each.joined_at is not None or each.spoke]
        return found + [Keep(self._records.participant(each, now)) for each in stored]

    # What is known

    def voice(self, channel: str, layout: Layout, owner: str | None) -> tuple[str | None, str | None]:
        """Return name and id of who is heard on a channel; None: not known, or it changes."""
        speaker = None if owner is None else self.people.id_of(owner)
        known = None if speaker is None else self.people.get(speaker)
        if known is not None:
            return known.name, known.speaker_id
        found = self._voices.get(channel) if layout == "own" else None
        return (None, None) if found is None else (found.name, found.participant_id)

    def quality(self) -> QualityShown:
        """Return how well words are attributed."""
        known = self._correlator.statistics()
        delay = known.captions
        return QualityShown(
            words=known.words,
            named=self.segments.named,
            revised=known.revised,
            offset=round(delay.offset, 3) if delay.is_known else None,
            drift_ppm=round(delay.drift * 1e6, 1) if delay.is_known else None,
        )

    # Transcripts

    def transcript(self, track: Track, message: Transcript, now: float) -> list[Effect]:
        """Apply a transcript of a track: a revision, a final, a gap; its speaker is filled in."""
        message = msgspec.structs.replace(message, participant_id=None, speaker=None)
        if message.error is not None:
            return [Publish(message, track.channel)]
        line = self.segments.get(message.segment_id)
        if not message.text and (line is None or not line.text):
            return []
        if line is None:
            line = Line(message.segment_id, track.channel, track.layout, start=0.0, end=0.0)
            self.segments.add(line)
            self.utterances += 1
        was_final = line.is_final
        line.replace(message, track.base)
        event = Segment(
            at=now,
            segment_id=line.segment_id,
            channel=track.channel,
            words=timed_words(message, track.base),
            layout=track.layout,
        )
        found = self._worded(line, event, was_final=was_final)
        name = line.speaker.name
        message = msgspec.structs.replace(message, speaker=None if name is None else name.name)
        found.insert(0, Publish(message, track.channel) if message.final else Send(message))
        if message.final and message.text:
            found.append(Tell(Trigger.TRANSCRIPT, self._started + now, transcript_payload(line)))
        found.append(Redraw(line.segment_id))
        return found

    def _worded(self, line: Line, event: Segment, *, was_final: bool) -> list[Effect]:
        """Give a segment its words; return what its names, and those of others that were due, change."""
        changes = self._correlator.feed(event)
        is_carried = self._names.is_carried
        before = [each for each in changes if not is_carried(each, event)]
        if not was_final:
            before = [each for each in before if each.segment_id != line.segment_id]
        found = self._changes(before)
        self.segments.reword(line, event.words)
        carried = [each for each in changes if is_carried(each, event)]
        for each in carried:
            self.segments.apply(each)
        if line.is_final and (line.text or line.index is not None):
            found.append(self._utterance(line, event.at))
            found += [Keep(each) for each in self._names.apply(line, event, carried, offset=self._delay)]
        return found

    def translation(self, message: Translation, now: float) -> list[Effect]:
        """Apply a translation of a segment; one of a segment without words is dropped."""
        line = self.segments.get(message.segment_id)
        if line is None or not line.text:
            return []
        language = message.target_language
        if message.error is not None:
            if message.error.final:
                line.untranslated.add(language)
            return [Publish(message, line.channel), Redraw(line.segment_id)]
        if message.growing is True:
            if language not in line.translated:
                line.translations[language] = message.text
            return [Send(message), Redraw(line.segment_id)]
        line.translations[language] = message.text
        line.translated.add(language)
        payload = translation_payload(line, language, message.revision)
        return [
            Publish(message, line.channel),
            *self._translation(line, language, now, message.confidence),
            Tell(Trigger.TRANSLATION, self._started + now, payload),
            Redraw(line.segment_id),
        ]

    def _utterance(self, line: Line, at: float) -> Keep:
        return Keep(self._records.utterance(line, self._names.index(line), at))

    def _translation(self, line: Line, language: str, at: float, confidence: float | None) -> list[Effect]:
        if line.index is None and line.source is None:
            return []
        source = line.source or self._names.transcript_id(line)
        return [Keep(self._records.translation(line, source, language, at, confidence))]

    # Names

    def _feed(self, event: Event) -> list[Effect]:
        return self._changes(self._correlator.feed(event))

    def _changes(self, changes: Sequence[Change]) -> list[Effect]:
        """Apply changes of names to the lines, records and messages of their segments."""
        found: list[Effect] = []
        for segment_id, each in changed(changes).items():
            line = self.segments.get(segment_id)
            if line is None:
                found += [Keep(record) for record in self._names.late(segment_id, each)]
                continue
            before = line.speaker.name
            for change in each:
                self.segments.apply(change)
            name = line.speaker.name
            if line.is_final:
                found += self._renamed(line, each, has_another=name != before)
            if name != before:
                found.append(Redraw(segment_id))
            if name is not None and line.layout == "own":
                self._voices[line.channel] = name
                while len(self._voices) > VOICES:
                    del self._voices[next(iter(self._voices))]
        return found

    def _renamed(self, line: Line, changes: Sequence[Change], *, has_another: bool) -> list[Effect]:
        """Publish who said a final, and store it."""
        at = changes[-1].at
        is_revised = any(each.is_revision for each in changes)
        found: list[Effect] = [
            Publish(self._names.attribution(line, is_revised=is_revised), line.channel),
            *(Keep(each) for each in self._names.apply(line, None, changes, offset=self._delay)),
        ]
        if has_another:
            found.append(self._utterance(line, at))
            for language in sorted(line.translated & line.translations.keys()):
                found += self._translation(line, language, at, None)
        payload = attribution_payload(line, changes)
        found.append(Tell(Trigger.ATTRIBUTION, self._started + at, payload))
        return found

    # Captions

    def _received(self, seen: CaptionReceived) -> list[Effect]:
        message = seen.message
        if not message.speaker:
            message = msgspec.structs.replace(message, speaker=self.people.name_of(message.device))
        self._captions, revised = captions.receive(self._captions, message, seen.at, self.people.own)
        return self._captioned(revised, seen.at)

    def _captioned(self, revised: Iterable[Utterance], now: float) -> list[Effect]:
        found: list[Effect] = []
        for each in map(self._pauses.heard, revised):
            known = self._sent.get(each.number)
            state = (each.speaker, each.text, each.is_final)
            if known == state or (known is None and not each.text):
                continue
            self._sent[each.number] = state
            while len(self._sent) > CAPTIONS_KNOWN:
                self._sent.popitem(last=False)
            found += self._feed(
                Caption(at=now, caption_id=str(each.number), name=each.speaker, text=each.text)
            )
            found += self._timeline(self.people.captioned(each.speaker, each.words_at, now))
            index = self._first_caption + each.number - 1
            speaker = self.people.named(each.speaker) if each.speaker else None
            message = self._records.caption_message(each, index, speaker)
            is_stored = each.is_final or (known is not None and known[2])
            found.append(Publish(message) if is_stored else Send(message))
            found.append(Keep(self._records.caption(each, index, speaker, now)))
            if each.is_final and now - self._audible_at > DEAF:
                found += self._unheard(each, index, speaker, now)
        return found

    def _unheard(self, each: Utterance, index: int, speaker: str | None, now: float) -> list[Effect]:
        """Have a caption be a line of the transcript: the meeting is not heard."""
        line = caption_line(
            each,
            session_id=self._session_id,
            run=self._run,
            index=index,
            speaker=speaker,
            language=self._language,
        )
        self.utterances += self.segments.get(line.segment_id) is None
        self.segments.add(line)
        final = line_message(line, session_id=self._session_id, started=self._started)
        found: list[Effect] = [Publish(final, line.channel), Redraw(line.segment_id)]
        if line.text:
            found.append(Translate(final))
            found.append(Tell(Trigger.TRANSCRIPT, self._started + now, transcript_payload(line)))
        return found

    # People

    def _people(self, seen: PeopleSeen) -> list[Effect]:
        changes, events = self.people.saw(seen)
        found = [effect for event in changes.events for effect in self._feed(event)]
        found += self._timeline(events)
        if self.is_capturing:
            for speaker in changes.renamed:
                found += self._happenings.renamed(speaker, seen.at)
        return found

    def _timeline(self, events: Iterable[TimelineEvent]) -> list[Effect]:
        if not self.is_capturing:
            return []
        return [effect for event in events for effect in self._happenings.of(event)]

    def _chat(self, seen: ChatSeen) -> list[Effect]:
        if seen.is_own:  # what the bot announces comes before it captures; nobody else is in it
            return [Keep(self._records.wrote(seen, None)), Publish(self._records.wrote_message(seen, None))]
        if not self.is_capturing or seen.sender in self.people.own:
            return []
        return self._happenings.wrote(seen)

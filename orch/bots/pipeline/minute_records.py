"""The records, messages and webhooks that say what was noted of a meeting. Pure."""

from collections.abc import Sequence
from typing import Final, Literal

from orch.bots.caption_blocks import Utterance
from orch.bots.correlation.events import Change
from orch.bots.observations import ChatSeen
from orch.bots.pipeline.people import Stored
from orch.bots.pipeline.segments import Segment
from orch.bots.webhooks import payloads
from orch.bots.webhooks.payloads import Trigger
from orch.protocol.meeting_messages import ParticipantEvent
from orch.protocol.messages import MeetingCaption, MeetingChat, MeetingParticipant
from orch.stores import bot_records as records

WEBHOOKS: Final[
    dict[ParticipantEvent, tuple[Trigger, Literal["join", "leave", "speech_start", "speech_stop"]]]
] = {
    "join": (Trigger.JOIN_LEAVE, "join"),
    "leave": (Trigger.JOIN_LEAVE, "leave"),
    "speech_on": (Trigger.SPEECH_START_STOP, "speech_start"),
    "speech_off": (Trigger.SPEECH_START_STOP, "speech_stop"),
}
LONGEST_CHAT: Final = 10_000


class MinuteRecords:
    """Makes records of one session. The mutable state is the number of the last event.

    ``started``: of the session, seconds since the epoch. ``run``: distinguishes the ids of its events.
    """

    def __init__(self, session_id: str, started: float, run: str) -> None:
        self.session_id = session_id
        self.started = started
        self._run = run
        self._events = 0

    def _event_id(self) -> str:
        self._events += 1
        return f"{self.session_id}/{self._run}/{self._events}"

    def participant(self, known: Stored, now: float) -> records.Participant:
        """Return what is stored about a participant."""
        return records.Participant(
            participant_id=f"{self.session_id}/{known.speaker_id}",
            session_id=self.session_id,
            display_name=known.name,
            at=self.started + now,
            google_participant_id=known.meeting_id or None,
            join_time=None if known.joined_at is None else self.started + known.joined_at,
            leave_time=None if known.left_at is None else self.started + known.left_at,
            total_speaking_time=round(known.spoke, 3),
            participant_metadata={"speaker_id": known.speaker_id},
        )

    def happened(self, event: ParticipantEvent, speaker: str, name: str, at: float) -> records.SessionEvent:
        """Return the event of a participant."""
        return records.SessionEvent(
            event_id=self._event_id(),
            session_id=self.session_id,
            event_type="participant",
            event_subtype=event,
            event_data={"speaker_id": speaker, "name": name, "at": round(at, 3)},
            at=self.started + at,
            source_component="pipeline",
        )

    def happened_message(
        self, event: ParticipantEvent, speaker: str, name: str, at: float
    ) -> MeetingParticipant:
        """Return the same as a message."""
        return MeetingParticipant(
            timestamp=0,
            session_id=self.session_id,
            event=event,
            speaker_id=speaker,
            name=name,
            at=round(at, 3),
        )

    def wrote(self, seen: ChatSeen, speaker: str | None) -> records.SessionEvent:
        """Return what somebody wrote in the chat."""
        return records.SessionEvent(
            event_id=self._event_id(),
            session_id=self.session_id,
            event_type="chat",
            event_data={
                "id": seen.id,
                "sender": seen.sender,
                "speaker_id": speaker,
                "text": seen.text[:LONGEST_CHAT],
                "private": seen.is_private,
                "own": seen.is_own,
                "at": round(seen.at, 3),
            },
            at=self.started + seen.at,
            source_component="pipeline",
        )

    def wrote_message(self, seen: ChatSeen, speaker: str | None) -> MeetingChat:
        """Return the same as a message."""
        return MeetingChat(
            timestamp=0,
            session_id=self.session_id,
            message_id=seen.id,
            text=seen.text[:LONGEST_CHAT],
            sender=seen.sender,
            speaker_id=speaker,
            private=seen.is_private,
            own=seen.is_own,
            at=round(seen.at, 3),
        )

    def caption(self, each: Utterance, index: int, speaker: str | None, now: float) -> records.Utterance:
        """Return a caption of the meeting; its times are those of its arrival."""
        return records.Utterance(
            session_id=self.session_id,
            source_type="google_meet",
            segment_index=index,
            transcript_text=each.text,
            start_time=round(max(0.0, each.started), 3),
            end_time=round(max(0.0, each.started, each.updated), 3),
            at=self.started + now,
            revision=each.revision,
            is_final=each.is_final,
            language_code=each.language,
            speaker_id=speaker,
            speaker_name=each.speaker or None,
            processing_metadata={"route": each.source},
        )

    def caption_message(self, each: Utterance, index: int, speaker: str | None) -> MeetingCaption:
        """Return the same as a message."""
        return MeetingCaption(
            timestamp=0,
            session_id=self.session_id,
            caption_id=str(index),
            revision=each.revision,
            final=each.is_final,
            text=each.text,
            speaker=each.speaker,
            speaker_id=speaker or "",
            start=round(each.started, 3),
            end=round(each.updated, 3),
            language=each.language,
        )

    def utterance(self, line: Segment, index: int, at: float) -> records.Utterance:
        """Return a final as it is now, as its next revision."""
        line.stored += 1
        speaker = line.speaker
        name = speaker.name
        return records.Utterance(
            session_id=self.session_id,
            source_type="whisper_service",
            segment_index=index,
            transcript_text=line.text,
            start_time=round(max(0.0, line.start), 3),
            end_time=round(max(0.0, line.start, line.end), 3),
            at=self.started + at,
            revision=line.stored,
            language_code=line.language,
            speaker_id=None if name is None else name.participant_id,
            speaker_name=None if name is None else name.name,
            confidence_score=line.confidence,
            processing_metadata={
                "segment": line.segment_id,
                "channel": line.channel,
                "layout": line.layout,
                "speaker_confidence": round(speaker.confidence, 3),
                "words": [[each.text, round(each.start, 3), round(each.end, 3)] for each in line.words],
            },
        )

    def translation(
        self, line: Segment, source: str, language: str, at: float, confidence: float | None
    ) -> records.Translation:
        """Return a translation of a final, whose id is ``source``."""
        name = line.speaker.name
        return records.Translation(
            session_id=self.session_id,
            source_transcript_id=source,
            translated_text=line.translations[language],
            target_language=language,
            start_time=round(max(0.0, line.start), 3),
            end_time=round(max(0.0, line.start, line.end), 3),
            at=self.started + at,
            revision=line.stored,
            source_language=line.language,
            translation_confidence=confidence,
            translation_service="translation-service",
            speaker_id=None if name is None else name.participant_id,
            speaker_name=None if name is None else name.name,
        )


def transcript_payload(line: Segment) -> payloads.Transcript:
    """Return a final as a webhook has it."""
    speaker = line.speaker
    return payloads.Transcript(
        segment_id=line.segment_id,
        revision=line.revision,
        is_final=line.is_final,
        text=line.text,
        language=line.language,
        start=line.start,
        end=line.end,
        speaker_id=None if speaker.name is None else speaker.name.participant_id,
        speaker_name=None if speaker.name is None else speaker.name.name,
        speaker_confidence=None if speaker.name is None else round(speaker.confidence, 3),
        confidence=line.confidence,
        words=tuple(
            payloads.Word(
                text=word.text,
                start=word.start,
                end=word.end,
                speaker_name=None if named.name is None else named.name.name,
            )
            for word, named in zip(line.words, line.names, strict=True)
        ),
    )


def translation_payload(line: Segment, language: str, revision: int) -> payloads.Translation:
    """Return a translation as a webhook has it."""
    name = line.speaker.name
    return payloads.Translation(
        segment_id=line.segment_id,
        revision=revision,
        is_final=True,
        text=line.translations[language],
        source_language=line.language,
        target_language=language,
        start=line.start,
        end=line.end,
        speaker_id=None if name is None else name.participant_id,
        speaker_name=None if name is None else name.name,
    )


def chat_payload(seen: ChatSeen, speaker: str) -> payloads.ChatMessage:
    """Return what somebody wrote as a webhook has it."""
    return payloads.ChatMessage(
        message_id=seen.id,
        text=seen.text[:LONGEST_CHAT],
        sender_id=speaker,
        sender_name=seen.sender,
        to="only_bot" if seen.is_private else "everyone",
        at=seen.at,
    )


def attribution_payload(line: Segment, changes: Sequence[Change]) -> payloads.Attribution:
    """Return the webhook of names that have changed in a line."""
    return payloads.Attribution(
        segment_id=line.segment_id,
        revision=line.attribution,
        changes=tuple(
            payloads.RevisedName(
                first_word=each.first,
                last_word=each.last,
                old_name=None if each.old is None else each.old.name,
                new_name=None if each.new is None else each.new.name,
                confidence=round(each.confidence, 3),
            )
            for each in changes
        ),
        reason=changes[-1].reason,
    )

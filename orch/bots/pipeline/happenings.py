"""What participants do, as it is stored, published and sent to webhooks. Pure."""

from typing import Final

from orch.bots.observations import ChatSeen
from orch.bots.pipeline.effects import Effect, Keep, Publish, Tell
from orch.bots.pipeline.minute_records import WEBHOOKS, MinuteRecords, chat_payload
from orch.bots.pipeline.people import People
from orch.bots.timeline import Kind, TimelineEvent
from orch.bots.webhooks import payloads
from orch.bots.webhooks.payloads import Trigger
from orch.protocol.meeting_messages import ParticipantEvent

EVENTS: Final[dict[Kind, ParticipantEvent]] = {
    Kind.JOIN: "join",
    Kind.LEAVE: "leave",
    Kind.START_PRESENTING: "screenshare_on",
    Kind.STOP_PRESENTING: "screenshare_off",
    Kind.SPEAKING_START: "speech_on",
    Kind.SPEAKING_END: "speech_off",
}


class Happenings:
    """Of one session; it has no state of its own. ``started``: of the session, seconds since the epoch."""

    def __init__(self, people: People, records: MinuteRecords, started: float) -> None:
        self._people = people
        self._records = records
        self._started = started

    def of(self, event: TimelineEvent) -> list[Effect]:
        """Return what an event of the timeline has stored and sent."""
        found: list[Effect] = []
        known = self._people.get(event.speaker)
        if known is not None and event.kind in (Kind.JOIN, Kind.LEAVE, Kind.SPEAKING_END):
            found.append(Keep(self._records.participant(known, event.at)))
        return found + self._told(EVENTS[event.kind], event.speaker, event.name, event.at)

    def present(self) -> list[Effect]:
        """Return what stores that those who are in the meeting have joined it."""
        joined = [
            TimelineEvent(each.joined_at, Kind.JOIN, each.speaker_id, each.name)
            for each in self._people.everyone()
            if each.joined_at is not None and each.left_at is None
        ]
        return [effect for event in joined for effect in self.of(event)]

    def renamed(self, speaker: str, at: float) -> list[Effect]:
        """Return what stores and sends a participant's other name."""
        known = self._people.get(speaker)
        if known is None:
            return []
        return [Keep(self._records.participant(known, at)), *self._told("update", speaker, known.name, at)]

    def wrote(self, seen: ChatSeen) -> list[Effect]:
        """Return what stores and sends a message of the chat."""
        speaker = self._people.id_of(seen.sender_id) if seen.sender_id else None
        speaker = speaker or self._people.named(seen.sender)
        return [
            Keep(self._records.wrote(seen, speaker)),
            Publish(self._records.wrote_message(seen, speaker)),
            Tell(Trigger.CHAT_MESSAGES, self._started + seen.at, chat_payload(seen, speaker)),
        ]

    def _told(self, event: ParticipantEvent, speaker: str, name: str, at: float) -> list[Effect]:
        """Store and publish what happened to a participant."""
        found: list[Effect] = [
            Keep(self._records.happened(event, speaker, name, at)),
            Publish(self._records.happened_message(event, speaker, name, at)),
        ]
        webhook = WEBHOOKS.get(event)
        if webhook is not None:
            trigger, kind = webhook
            payload = payloads.Participant(
                participant_id=speaker, participant_name=name, event_type=kind, at=at
            )
            found.append(Tell(trigger, self._started + at, payload))
        return found

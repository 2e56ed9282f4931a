"""From what the observer sends to observations: participants, marks, owners of tracks, chat, recording. Pure.

A page sends its whole list each time; an observation is made of what differs.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from orch.bots.adapters.channel_messages import decode_message
from orch.bots.adapters.signs import Sign
from orch.bots.adapters.snapshots import (
    CaptionsSent,
    ChatSent,
    MarksSent,
    OwnersSent,
    PeopleSent,
    Seen,
    normal,
)
from orch.bots.caption_blocks import Block
from orch.bots.observations import (
    CaptionReceived,
    CaptionsSeen,
    ChatSeen,
    ConnectionSeen,
    MarksSeen,
    OwnerSeen,
    PageObservation,
    PeopleSeen,
    Person,
    Place,
    PlaceSeen,
    RecordingAnswered,
)

SENT: Final = 64
"""Chat messages of the bot that are remembered, to know them when the page shows them."""

Signal = PeopleSent | MarksSent | OwnersSent | CaptionsSent | ChatSent


class Sightings:
    """What has been observed so far. The mutable state is the fields."""

    def __init__(self, name: str, own_names: frozenset[str]) -> None:
        self.place: Place | None = None
        self._name = name
        self._own_names = own_names
        self._is_up = True
        self._listed: tuple[tuple[str, str, bool], ...] = ()
        self._presenting = ""
        self._people: tuple[Person, ...] | None = ()
        self._lit: tuple[str, ...] = ()
        self._marks: tuple[str, ...] = ()
        self._played: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._blocks: tuple[Block, ...] = ()
        self._sent: deque[str] = deque(maxlen=SENT)
        self._answer: Sign | None = None
        self._has_asked = False

    def see(self, seen: Seen, place: Place | None, *, is_connected: bool, at: float) -> list[PageObservation]:
        """Return what a snapshot shows that differs. ``place`` None: it is unknown, as a moment before."""
        found: list[PageObservation] = []
        if place is not None and place is not self.place:
            self.place = place
            found.append(PlaceSeen(at=at, place=place))
        if is_connected is not self._is_up and self.place is Place.CALL:
            self._is_up = is_connected
            found.append(ConnectionSeen(at=at, is_up=is_connected))
        self._presenting = seen.presenting
        return [*found, *self._roster(at), *self._recording(seen, at)]

    def _recording(self, seen: Seen, at: float) -> Iterator[PageObservation]:
        answers = (Sign.RECORDING_REFUSED, Sign.RECORDING_ON)
        answer = next((each for each in answers if each in seen.signs), None)
        if answer is self._answer:
            return
        self._answer = answer
        if self._has_asked and answer is not None:
            yield RecordingAnswered(at=at, is_allowed=answer is Sign.RECORDING_ON)

    def asked(self) -> None:
        """Note that the bot has asked whether it may record: what the page shows from now on answers."""
        self._has_asked = True

    def wrote(self, text: str) -> None:
        """Note a chat message of the bot."""
        self._sent.append(normal(text))
        self._has_asked = True

    def apply(self, signal: Signal, at: float) -> list[PageObservation]:
        """Return what a message of the observer says that differs."""
        match signal:
            case PeopleSent(people=people):
                self._listed = people
                return self._roster(at)
            case MarksSent(ids=ids):
                self._lit = ids
                return self._roster(at)
            case OwnersSent(owners=owners):
                self._played = dict(owners)
                return self._roster(at)
            case CaptionsSent(blocks=blocks):
                before = self._blocks
                self._blocks = tuple(Block(key, speaker, text) for key, speaker, text in blocks)
                return [CaptionsSeen(at=at, blocks=self._blocks)] if self._blocks != before else []
            case ChatSent():
                return self._said(signal, at)

    def received(self, text: str, at: float) -> list[PageObservation]:
        """Return the caption of a message of the data channel; nothing if it is none."""
        message = decode_message(text)
        if message is None:
            return []
        names = {each.id: each.name for each in self._people or ()}
        named = msgspec.structs.replace(message, speaker=names.get(message.device, ""))
        return [CaptionReceived(at=at, message=named)]

    def _roster(self, at: float) -> list[PageObservation]:
        """Return who is in the call and who is marked there, if it differs."""
        found: list[PageObservation] = []
        people = self._persons() if self.place is Place.CALL else self._people
        if self.place is not Place.CALL and self._people:
            people = None
        if people != self._people:
            self._people = people
            found.append(PeopleSeen(at=at, people=people))
        others = {each.id for each in self._people or () if not each.is_self}
        marks = tuple(each for each in self._lit if each in others)
        if marks != self._marks:
            self._marks = marks
            found.append(MarksSeen(at=at, speaking=marks))
        return [*found, *self._owned(others, at)]

    def _persons(self) -> tuple[Person, ...] | None:
        """Return the participants; None if none is shown, because the bot itself always is one."""
        own = self._own_id()
        presenter = next((id_ for id_, name, _ in self._listed if name == self._presenting), None)
        if own is not None and self._presenting == self._name:
            presenter = presenter or own
        return (
            tuple(
                Person(
                    id=id_,
                    name=self._name if id_ == own else name,
                    is_self=id_ == own,
                    is_presenting=bool(self._presenting) and id_ == presenter,
                )
                for id_, name, _ in self._listed
            )
            or None
        )

    def _own_id(self) -> str | None:
        """Return the bot's own id: what the page marks counts more than what it calls it."""
        marked = next((id_ for id_, _, is_own in self._listed if is_own), None)
        if marked is not None:
            return marked
        return next((id_ for id_, name, _ in self._listed if normal(name) in self._own_names), None)

    def _owned(self, others: set[str], at: float) -> list[PageObservation]:
        """Return whose sound the tracks are that tiles play. The bot's own track is none of them."""
        owners = {track: who for track, who in self._played.items() if who in others}
        before, self._owners = self._owners, owners
        found: list[PageObservation] = [
            OwnerSeen(at=at, track=track, participant_id=None) for track in before if track not in owners
        ]
        found += [
            OwnerSeen(at=at, track=track, participant_id=who)
            for track, who in owners.items()
            if before.get(track) != who
        ]
        return found

    def _said(self, signal: ChatSent, at: float) -> list[PageObservation]:
        """Return a message. The bot's own are those that it wrote, under its own name."""
        is_named_so = normal(signal.sender) in self._own_names or signal.sender == self._name
        text = normal(signal.text)
        if is_named_so and text in self._sent:
            self._sent.remove(text)
            return [ChatSeen(at=at, id=signal.id, sender=self._name, text=signal.text, is_own=True)]
        same = [each.id for each in self._people or () if each.name == signal.sender]
        sender_id = same[0] if len(same) == 1 else None
        return [ChatSeen(at=at, id=signal.id, sender=signal.sender, text=signal.text, sender_id=sender_id)]

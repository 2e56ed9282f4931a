"""A participant of a session who is connected to this worker.

Pure.
"""

from typing import Literal, Protocol

from msgspec import UNSET, UnsetType

from orch.protocol.messages import Participant, Role
from orch.protocol.recovery_token import Token
from orch.protocol.session_keys import Right
from orch.stores.records import ParticipantRecord
from orch.websocket.connections.outbox import Frame


class Receiver(Protocol):
    """A client, as sessions see it."""

    @property
    def connection_id(self) -> str:
        """Its public identifier."""

    @property
    def received_at(self) -> float:
        """When it last sent anything, seconds since the epoch."""

    @property
    def answers_heartbeats(self) -> bool:
        """Whether the server disconnects clients that do not reply, so that an open connection is alive."""

    def offer(self, frame: Frame) -> bool:
        """Queue a frame. False: it was shed."""

    def overflow(self) -> None:
        """Close the client: it reads too slowly."""

    def dismiss(self, left: Frame, session_id: str) -> None:
        """Remove the client from a session, and notify it."""

    def expel(self, left: Frame, session_id: str) -> None:
        """Remove the client from a session for good; close it if it is in no other."""


class Member:
    """A participant with a connection to this worker.

    ``role``: the role in the session; ``right``: the right granted by the key, which may be more. ``muted``:
    its speech is refused. ``audio``: it receives the sound of a meeting's speakers.

    Between :meth:`hold` and :meth:`release`, the session's messages are held back, bounded by ``limit``
    bytes, so that missed messages can be read and sent first. Overflow rule: the client is closed, like any
    slow one.
    """

    __slots__ = (
        "_held",
        "_held_bytes",
        "_limit",
        "audio",
        "growing",
        "languages",
        "muted",
        "name",
        "participant_id",
        "receiver",
        "right",
        "role",
        "streams",
        "token",
    )

    def __init__(
        self,
        receiver: Receiver,
        token: Token,
        *,
        name: str,
        role: Role,
        languages: tuple[str, ...],
        limit: int,
        growing: bool = False,
        right: Right = Right.READ,
    ) -> None:
        self.receiver = receiver
        self.token = token
        self.participant_id = token.participant_id
        self.name = name
        self.role: Role = role
        self.right = right
        self.languages = languages
        self.growing = growing
        self.audio: Literal[True] | UnsetType = UNSET
        self.streams = 0
        self.muted = False
        self._limit = limit
        self._held: list[Frame] | None = None
        self._held_bytes = 0

    def __repr__(self) -> str:
        return f"<Member {self.participant_id} {self.name!r} {self.role}>"

    def deliver(self, frame: Frame) -> bool:
        """Deliver a message of the session. False: it was shed."""
        if self._held is None:
            return self.receiver.offer(frame)
        self._held_bytes += frame.size
        if self._held_bytes > self._limit:
            self.receiver.overflow()
            return False
        self._held.append(frame)
        return True

    def hold(self) -> None:
        """Hold back the session's messages from now on."""
        self._held, self._held_bytes = [], 0

    def release(self) -> None:
        """Deliver the messages held back, and stop holding."""
        held, self._held, self._held_bytes = self._held or [], None, 0
        for frame in held:
            self.receiver.offer(frame)

    def forget_held(self) -> None:
        """Drop the messages held back: the join has failed."""
        self._held = None

    @property
    def speaking(self) -> bool:
        """Whether the member is speaking."""
        return self.streams > 0

    def described(self) -> Participant:
        """Return what other participants see."""
        return Participant(
            participant_id=self.participant_id,
            name=self.name,
            role=self.role,
            languages=self.languages,
            speaking=self.streams > 0,
            growing=self.growing,
            muted=self.muted,
            audio=self.audio,
        )

    def record(self, seen: float) -> ParticipantRecord:
        """Return the record to store, with which the participant may return."""
        return ParticipantRecord(
            participant_id=self.participant_id,
            name=self.name,
            role=self.role,
            languages=self.languages,
            token_hash=self.token.hashed(),
            seen=seen,
        )


def default_name(participant_id: str) -> str:
    """Return the name of a participant who gave none: the same at every return."""
    return f"Guest {participant_id[:4]}"

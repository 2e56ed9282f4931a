"""One who is in a session through a connection here. Pure: what is decided here is carried out by the hub.

Pure.
"""

from typing import Protocol

from orch.protocol.messages import Participant, Role
from orch.protocol.recovery_token import Token
from orch.protocol.session_keys import Right
from orch.stores.records import ParticipantRecord
from orch.websocket.connections.outbox import Frame


class Receiver(Protocol):
    """A client, as far as a session knows it."""

    @property
    def connection_id(self) -> str:
        """Its public name."""

    @property
    def heard_at(self) -> float:
        """When it last sent anything, in seconds since the epoch."""

    @property
    def answers_heartbeats(self) -> bool:
        """Whether its being connected shows that it is there: the server ends those that do not answer."""

    def offer(self, frame: Frame) -> bool:
        """Queue a frame. False: it was shed."""

    def overflow(self) -> None:
        """Close the client: it cannot keep up."""

    def dismiss(self, left: Frame, session_id: str) -> None:
        """Be in a session no more, and be told so."""


class Member:
    """A participant who is in the session now, through one connection.

    ``role``: what they do in it; ``right``: what they were let in for, which may be more.

    While :meth:`hold` is in force, what the session says is held back, bounded by ``limit`` bytes, so that
    what was missed can be fetched and sent first. Overflow rule: the client is closed, as any slow one.
    """

    __slots__ = (
        "_held",
        "_held_bytes",
        "_limit",
        "languages",
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
        right: Right = Right.READ,
    ) -> None:
        self.receiver = receiver
        self.token = token
        self.participant_id = token.participant_id
        self.name = name
        self.role: Role = role
        self.right = right
        self.languages = languages
        self.streams = 0
        self._limit = limit
        self._held: list[Frame] | None = None
        self._held_bytes = 0

    def __repr__(self) -> str:
        return f"<Member {self.participant_id} {self.name!r} {self.role}>"

    def deliver(self, frame: Frame) -> bool:
        """Give the member what the session says. False: it will not arrive."""
        if self._held is None:
            return self.receiver.offer(frame)
        self._held_bytes += frame.size
        if self._held_bytes > self._limit:
            self.receiver.overflow()
            return False
        self._held.append(frame)
        return True

    def hold(self) -> None:
        """Hold back what the session says from here on."""
        self._held, self._held_bytes = [], 0

    def release(self) -> None:
        """Give out what was held back, and hold no more."""
        held, self._held, self._held_bytes = self._held or [], None, 0
        for frame in held:
            self.receiver.offer(frame)

    def forget_held(self) -> None:
        """Drop what was held back: the member is let out again."""
        self._held = None

    @property
    def speaking(self) -> bool:
        """Whether this one speaks now."""
        return self.streams > 0

    def described(self) -> Participant:
        """Return what others see."""
        return Participant(
            participant_id=self.participant_id,
            name=self.name,
            role=self.role,
            languages=self.languages,
            speaking=self.streams > 0,
        )

    def record(self, seen: float) -> ParticipantRecord:
        """Return what is kept, so that this one may return."""
        return ParticipantRecord(
            participant_id=self.participant_id,
            name=self.name,
            role=self.role,
            languages=self.languages,
            token_hash=self.token.hashed(),
            seen=seen,
        )


def default_name(participant_id: str) -> str:
    """Return what someone is called who gave no name: the same at every return."""
    return f"Guest {participant_id[:4]}"

"""The door of WebSocket messages: what a message may do is decided here, before its handler gets it. Pure.

What each message does is a row of :mod:`orch.access.actions`. The key in ``join_session`` is looked up in
the store by its handler, through :mod:`orch.websocket.sessions.session_access`.
"""

from collections.abc import Container, Mapping
from typing import Final, Protocol

from orch.access.actions import Action, action_of_topic
from orch.access.actors import Actor
from orch.access.permissions import PUBLIC_PATH, SERVICE, Resource, allowed
from orch.problems import ProblemError
from orch.protocol.messages import (
    AudioStart,
    Broadcast,
    CancelRecording,
    ClientMessage,
    CorrectLine,
    DeleteLine,
    EndSession,
    MuteParticipant,
    NameSpeaker,
    NewKeys,
    ReceiveAudio,
    RemoveParticipant,
    RenameParticipant,
    ServiceMessage,
    SetSession,
    SetTerms,
    Subscribe,
    TitleSession,
    Unmute,
)
from orch.protocol.server_messages import Role

_JOINED: Final[Mapping[Role, Resource]] = {
    "owner": Resource(role="owner"),
    "participant": Resource(role="participant"),
    "observer": Resource(role="observer"),
}

#: Messages whose sender's role in the session decides.
_AS_MEMBER: Final = (
    Broadcast,
    AudioStart,
    CancelRecording,
    ReceiveAudio,
    CorrectLine,
    DeleteLine,
    NameSpeaker,
    SetTerms,
    TitleSession,
    SetSession,
    MuteParticipant,
    Unmute,
    RemoveParticipant,
    RenameParticipant,
    NewKeys,
    EndSession,
)


class Participant(Protocol):
    """A member of a session."""

    @property
    def role(self) -> Role:
        """Its role there."""
        ...


class Sender(Protocol):
    """The connection that a message came from."""

    actor: Actor

    @property
    def members(self) -> Mapping[str, Participant]:
        """Its members by session."""
        ...


class BackEndPaths(Protocol):
    """The settings' public paths of back ends."""

    def is_public(self, message: ServiceMessage, /) -> bool:
        """Return whether the settings open what a message asks for to everyone."""
        ...


class MessageDoor:
    """Decides about clients' messages. ``topics``: those that exist."""

    def __init__(self, *, topics: Container[str], back_ends: BackEndPaths) -> None:
        self._topics = topics
        self._back_ends = back_ends

    def enter(self, sender: Sender, action: Action, message: ClientMessage) -> ProblemError | None:
        """Return the problem if a message of this action is refused."""
        resource = SERVICE
        if isinstance(message, _AS_MEMBER):
            member = sender.members.get(message.session_id)
            if member is None:
                return None  # the handler responds not_in_session
            resource = _JOINED[member.role]
        elif isinstance(message, Subscribe):
            if message.topic not in self._topics:
                return None  # the handler responds to everyone with the topics that exist
            action = action_of_topic(message.topic)
        elif isinstance(message, ServiceMessage):
            resource = PUBLIC_PATH if self._back_ends.is_public(message) else SERVICE
        elif action is Action.READ_SESSION:
            return None  # its handler looks up the key, unless the connection has joined already
        return allowed(sender.actor, action, resource).problem


def may_cancel_any_recording(actor: Actor, role: Role) -> bool:
    """Return whether a participant may cancel a recording without its key."""
    return allowed(actor, Action.CANCEL_ANY_RECORDING, _JOINED[role]).is_allowed


def may_create_synthetic(actor: Actor) -> bool:
    """Return whether an actor may create a session of test speech, which counts in no figure of use."""
    return allowed(actor, Action.CREATE_SYNTHETIC_SESSION).is_allowed

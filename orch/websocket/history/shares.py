"""Which budget of a session's history a message counts against. Pure."""

from orch.protocol.messages import (
    Attribution,
    MeetingCaption,
    MeetingChat,
    MeetingParticipant,
    ParticipantRenamed,
    SessionMessage,
    SessionTitled,
    SpeakerIdentified,
    SpeakerNamed,
    Transcript,
    Translation,
)
from orch.stores.history import Kind, Share

Numbered = (
    SessionMessage
    | Transcript
    | Translation
    | ParticipantRenamed
    | SpeakerIdentified
    | SpeakerNamed
    | SessionTitled
    | MeetingParticipant
    | MeetingChat
    | MeetingCaption
    | Attribution
)
"""The messages that are stored in the history, and so have an offset."""


def share_of_message(message: Numbered, speaker: str) -> Share:
    """Return the budget of a message, and the sender whose share of it the message takes.

    ``speaker``: the sender of a caption that does not name its participant itself.
    """
    if isinstance(message, SessionMessage):
        return Share(Kind.BROADCAST, message.sender)
    if isinstance(message, ParticipantRenamed):
        return Share(Kind.NAME, message.participant_id)
    if isinstance(message, SpeakerNamed):
        # The newest of each label is stored; a participant's id has no space.
        return Share(Kind.NAME, f"speaker {message.speaker_label}")
    if isinstance(message, SessionTitled):
        return Share(Kind.NAME, "the session")
    if isinstance(message, Transcript) and message.participant_id is not None:
        return Share(Kind.CAPTION, message.participant_id)
    return Share(Kind.CAPTION, _of_meeting(message) or speaker)


def _of_meeting(message: Numbered) -> str:
    """Return whose share what happens in a bot's meeting takes; a participant's id has no space."""
    if isinstance(message, MeetingCaption):
        return f"meeting {message.speaker_id}"
    return "the meeting" if isinstance(message, MeetingParticipant | MeetingChat) else ""

"""What the host of a session has decided: who is muted or removed, whether it is locked. Pure.

It is stored with the session, as JSON, and replaced as a whole. Of two changes made at once the second is
made again on the result of the first: each has a ``revision`` of its own.

*Muted*: the participant's speech is not accepted. With ``speaking: everyone`` a muted participant may unmute
themselves; with ``speaking: host`` all participants are muted, except owners and those whom the host lets
speak. Observers never speak, so they are never muted.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from orch.problems import ProblemError
from orch.protocol.messages import Moderation, Role, Speaking

#: Participants in each of the lists.
LISTED: Final = 1_000


class Decisions(Struct, frozen=True, omit_defaults=True):
    """What was decided about a session. Participants by ``participant_id``.

    ``muted``: those muted one by one. ``speakers``: those who may speak although only the host may.
    ``removed``: those removed last. ``ending``: the host has ended it, and its last words are awaited.
    ``ended``: they have arrived; the session is stored for those who have its link, and nobody can join.
    """

    revision: int = 0
    locked: bool = False
    speaking: Speaking = "everyone"
    ending: bool = False
    ended: bool = False
    muted: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def is_muted(self, participant_id: str, role: Role | None) -> bool:
        """Return whether a participant's speech is refused."""
        if self.ending:
            return True
        if role == "observer":
            return False
        if participant_id in self.muted or participant_id in self.removed:
            return True
        return self.speaking == "host" and role != "owner" and participant_id not in self.speakers

    def may_unmute(self, role: Role) -> bool:
        """Return whether a muted participant may unmute themselves."""
        return not self.ending and (role == "owner" or self.speaking == "everyone")

    def refusal(self, participant_id: str) -> Literal["removed", "ended"] | None:
        """Return why a participant may not return, or None."""
        if participant_id in self.removed:
            return "removed"
        return "ended" if self.ended else None

    def shown_to(self, participant_id: str, role: Role) -> Moderation:
        """Return what a participant is sent."""
        return Moderation(
            locked=self.locked,
            speaking=self.speaking,
            ending=self.ending,
            muted=role != "observer" and self.is_muted(participant_id, role),
        )

    def require_running(self, session_id: str) -> None:
        """Raise ``session_ended`` if the host has ended the session."""
        if self.ending:
            raise ProblemError("session_ended", f"The host has ended the session {session_id}.")

    def require_open(self, session_id: str) -> None:
        """Raise ``session_locked`` or ``session_ended`` if nobody new may join."""
        self.require_running(session_id)
        if self.locked:
            raise ProblemError(
                "session_locked",
                f"The session {session_id} is locked: nobody new can join. Ask its host to unlock it.",
            )


#: Nothing was decided.
OPEN: Final = Decisions()

_decoder: Final = msgspec.json.Decoder(Decisions)


def decode(data: bytes) -> Decisions:
    """Return the stored decisions. What this version cannot read counts as locked."""
    if not data:
        return OPEN
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError):
        return Decisions(locked=True)


def encode(decisions: Decisions) -> bytes:
    """Return the decisions as they are stored."""
    return msgspec.json.encode(decisions)


def muting(decided: Decisions, participant_ids: Iterable[str]) -> Decisions:
    """Return the decisions with these participants muted. Raises ``invalid_message`` at the limit."""
    muted = tuple(dict.fromkeys((*decided.muted, *participant_ids)))
    if len(muted) > LISTED:
        raise ProblemError(
            "invalid_message",
            f"{LISTED} participants can be muted one by one. Let only the host speak instead "
            "(set_session, speaking: host).",
            path="$.participant_id",
        )
    return replace(decided, muted=muted, speakers=_without(decided.speakers, muted))


def unmuting(decided: Decisions, participant_id: str) -> Decisions:
    """Return the decisions with a participant who may speak."""
    speakers = decided.speakers
    if decided.speaking == "host" and participant_id not in speakers:
        speakers = (*speakers, participant_id)[-LISTED:]
    return replace(decided, muted=_without(decided.muted, (participant_id,)), speakers=speakers)


def speaking_by(decided: Decisions, speaking: Speaking) -> Decisions:
    """Return the decisions with other participants who may speak: all, or only those whom the host lets."""
    return decided if decided.speaking == speaking else replace(decided, speaking=speaking, speakers=())


def removing(decided: Decisions, participant_id: str) -> Decisions:
    """Return the decisions with a participant removed; beyond the limit the first ones are forgotten."""
    gone = (participant_id,)
    return replace(
        decided,
        removed=(*_without(decided.removed, gone), participant_id)[-LISTED:],
        muted=_without(decided.muted, gone),
        speakers=_without(decided.speakers, gone),
    )


def _without(listed: tuple[str, ...], dropped: Iterable[str]) -> tuple[str, ...]:
    left = frozenset(dropped)
    return tuple(each for each in listed if each not in left)

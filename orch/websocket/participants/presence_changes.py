"""Who has come, left or gone silent since a session was last told. Pure."""

from collections.abc import Container
from typing import Final

from orch.protocol.messages import Change, Participant, PresenceChange

#: So many changes are named at a time; of a crowd that comes at once, how many are there says enough.
CHANGES_TOLD: Final = 50


class PresenceChanges:
    """One session's changes since it was last told.

    Who comes and goes, or goes and comes, in between has not changed anything that others have seen. The
    mutable state is one change a participant.

    Overflow rule: beyond :data:`CHANGES_TOLD` the oldest are not named.
    """

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: dict[str, PresenceChange] = {}

    def __repr__(self) -> str:
        return f"<PresenceChanges of {len(self._changes)}>"

    def note(self, participant: Participant, change: Change) -> None:
        """Note that someone has come, left or gone silent."""
        name = participant.participant_id
        before = self._changes.pop(name, None)
        if before is not None and (before.change == "joined") != (change == "joined"):
            return
        self._changes[name] = PresenceChange(
            participant_id=name, name=participant.name, role=participant.role, change=change
        )
        if len(self._changes) > CHANGES_TOLD:
            del self._changes[next(iter(self._changes))]

    def told(self, present: Container[str]) -> tuple[PresenceChange, ...]:
        """Return the changes that hold, given who is in the session now."""
        return tuple(
            change
            for change in self._changes.values()
            if (change.change == "joined") == (change.participant_id in present)
        )

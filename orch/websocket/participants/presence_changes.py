"""Participants who joined, left or fell silent since a session's last ``presence``. Pure."""

from collections.abc import Container
from typing import Final

from orch.protocol.messages import Change, Participant, PresenceChange

#: Changes in one message, at most; when a crowd joins at once, the count says enough.
CHANGES_LISTED: Final = 50


class PresenceChanges:
    """One session's changes since its last ``presence``.

    A participant who joins and leaves in between, or leaves and joins, is no change. The mutable state is one
    change per participant.

    Overflow rule: beyond :data:`CHANGES_LISTED` the oldest are dropped.
    """

    __slots__ = ("_changes",)

    def __init__(self) -> None:
        self._changes: dict[str, PresenceChange] = {}

    def __repr__(self) -> str:
        return f"<PresenceChanges of {len(self._changes)}>"

    def add(self, participant: Participant, change: Change) -> None:
        """Add that a participant has joined, left or fallen silent."""
        name = participant.participant_id
        before = self._changes.pop(name, None)
        if before is not None and (before.change == "joined") != (change == "joined"):
            return
        self._changes[name] = PresenceChange(
            participant_id=name, name=participant.name, role=participant.role, change=change
        )
        if len(self._changes) > CHANGES_LISTED:
            del self._changes[next(iter(self._changes))]

    def current(self, present: Container[str]) -> tuple[PresenceChange, ...]:
        """Return the changes that still hold, given the participants ``present`` now."""
        return tuple(
            change
            for change in self._changes.values()
            if (change.change == "joined") == (change.participant_id in present)
        )

"""The list of a session's participants that others see: their number, and the first of them. Pure.

The size of a message must not grow with the number of participants. So every message lists
:data:`PARTICIPANTS_LISTED` at most, and the total number. The cost of the list does not depend on the total,
and it is built again only when a listed participant changes: while many join, the same list is sent again.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, Literal, Protocol

from msgspec import UnsetType

from orch.protocol.messages import Participant, Role

#: Maximum number of listed participants: a meeting of a hundred sees all names.
PARTICIPANTS_LISTED: Final = 100

#: The order of roles in the list.
RANKS: Final[dict[Role, int]] = {"owner": 0, "participant": 1, "observer": 2}


class RosterEntry(Protocol):
    """A participant on this worker or another. The ``role`` never changes."""

    @property
    def participant_id(self) -> str:
        """The participant's id."""

    @property
    def role(self) -> Role:
        """The participant's role."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the participant reads."""

    @property
    def growing(self) -> bool:
        """Whether the participant wants growing lines translated."""

    @property
    def audio(self) -> Literal[True] | UnsetType:
        """True if the participant receives the sound of a meeting's speakers."""

    @property
    def speaking(self) -> bool:
        """Whether the participant is speaking."""

    def described(self) -> Participant:
        """Return what other participants see."""


class Roster:
    """The participants of one session.

    Listed are owners before participants before observers, within a role the earliest first. Active speakers
    are always listed: at the end of their role, in place of the last other ones. Joining, leaving and
    changing take constant time.

    The mutable state: all participants by role in the order of joining; the active speakers; and, for many
    participants, the cached list with the participants it depends on: those listed, and those displaced by
    speakers, since later ones move up when they leave. The cache is valid until one of these changes.
    """

    __slots__ = ("_listed", "_made_from", "_named", "_ranks", "_speech_streams")

    def __init__(self) -> None:
        self._ranks: tuple[dict[str, RosterEntry], ...] = ({}, {}, {})
        self._speech_streams: dict[str, RosterEntry] = {}
        self._listed: tuple[Participant, ...] = ()
        self._named: frozenset[str] = frozenset()
        self._made_from: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<Roster of {len(self)}, {len(self._speech_streams)} speaking>"

    def __len__(self) -> int:
        owners, participants, observers = self._ranks
        return len(owners) + len(participants) + len(observers)

    def __iter__(self) -> Iterator[RosterEntry]:
        return chain.from_iterable(rank.values() for rank in self._ranks)

    def __contains__(self, participant_id: object) -> bool:
        return any(participant_id in rank for rank in self._ranks)

    def get(self, participant_id: str) -> RosterEntry | None:
        """Return a participant, or None."""
        for rank in self._ranks:
            if participant_id in rank:
                return rank[participant_id]
        return None

    def put(self, one: RosterEntry) -> None:
        """Add a participant, or update one, who stays in place."""
        name, rank = one.participant_id, RANKS[one.role]
        self._ranks[rank][name] = one
        if one.speaking:
            self._speech_streams[name] = one
        else:
            self._speech_streams.pop(name, None)
        if self._listed and (one.speaking or rank < RANKS[self._listed[-1].role] or name in self._made_from):
            self._listed = ()

    def drop(self, participant_id: str) -> None:
        """Remove a participant."""
        for rank in self._ranks:
            rank.pop(participant_id, None)
        self._speech_streams.pop(participant_id, None)
        if participant_id in self._made_from:
            self._listed = ()

    def listed(self, also: str | None = None) -> tuple[Participant, ...]:
        """Return the listed participants; ``also``: one who is listed in any case, if present."""
        if len(self) <= PARTICIPANTS_LISTED:
            # Built each time: a cache would cost memory for every small session.
            self._listed, self._named, self._made_from = (), frozenset(), frozenset()
            return tuple(one.described() for one in self)
        if not self._listed:
            self._list()
        one = None if also is None or also in self._named else self.get(also)
        return self._listed if one is None else _with(self._listed, [one.described()])

    def _list(self) -> None:
        listed = tuple(one.described() for one in islice(self, PARTICIPANTS_LISTED))
        named = {each.participant_id for each in listed}
        late = [one.described() for name, one in self._speech_streams.items() if name not in named]
        self._listed = _with(listed, late)
        self._named = frozenset(each.participant_id for each in self._listed)
        self._made_from = self._named | named


def _with(listed: tuple[Participant, ...], late: Sequence[Participant]) -> tuple[Participant, ...]:
    """Return a list of the same length, with ``late`` in place of the last non-speakers, or of the last."""
    if not late:
        return listed
    late = sorted(late[: len(listed)], key=_rank)
    kept = list(listed)
    silent = (place for place in reversed(range(len(kept))) if not kept[place].speaking)
    for place in tuple(islice(silent, len(late))):
        del kept[place]
    del kept[len(listed) - len(late) :]
    for each in late:
        kept.insert(bisect_right(kept, _rank(each), key=_rank), each)
    return tuple(kept)


def _rank(participant: Participant) -> int:
    return RANKS[participant.role]

"""Who is in a session, as others see it: how many, and the first of them. Pure.

Of a crowd nobody reads every name, and a list of all who are there would make what each of them is sent grow
with the crowd. So every message names :data:`PARTICIPANTS_LISTED` at most, and says how many there are. What
such a list costs does not depend on the crowd, and it is made anew only when someone in it changes: a crowd
that comes is told the same list over and over.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, Protocol

from orch.protocol.messages import Participant, Role

#: So many participants are named at most: a meeting of a hundred sees all its names.
PARTICIPANTS_LISTED: Final = 100

#: Who is named before whom.
RANKS: Final[dict[Role, int]] = {"owner": 0, "participant": 1, "observer": 2}


class RosterEntry(Protocol):
    """A participant, on this worker or on another. The ``role`` is for good."""

    @property
    def participant_id(self) -> str:
        """Whose place it is."""

    @property
    def role(self) -> Role:
        """What they may do."""

    @property
    def languages(self) -> tuple[str, ...]:
        """What they read."""

    @property
    def speaking(self) -> bool:
        """Whether they speak now."""

    def described(self) -> Participant:
        """Return what others see."""


class Roster:
    """Everyone in one session, each once.

    Named are owners before participants before observers, and of these whoever came first. Those who speak
    are always named: they stand at the end of their role, in place of the last who would be named otherwise.
    Coming, going and looking different each take the same time however many there are.

    The mutable state: everyone, by role, in the order they came; those who speak; and, of a crowd, the list
    as it was last made, who is named in it, and whom it was made from: also the first who made way for
    someone who speaks, because whoever comes after them moves up once they are gone. It is kept until one
    of these changes.
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
        """Return someone who is there, or None."""
        for rank in self._ranks:
            if participant_id in rank:
                return rank[participant_id]
        return None

    def put(self, one: RosterEntry) -> None:
        """Have someone there, or have them look different: they keep their place."""
        name, rank = one.participant_id, RANKS[one.role]
        self._ranks[rank][name] = one
        if one.speaking:
            self._speech_streams[name] = one
        else:
            self._speech_streams.pop(name, None)
        if self._listed and (one.speaking or rank < RANKS[self._listed[-1].role] or name in self._made_from):
            self._listed = ()

    def drop(self, participant_id: str) -> None:
        """Have someone there no more."""
        for rank in self._ranks:
            rank.pop(participant_id, None)
        self._speech_streams.pop(participant_id, None)
        if participant_id in self._made_from:
            self._listed = ()

    def listed(self, also: str | None = None) -> tuple[Participant, ...]:
        """Return the first, and all who speak; ``also``: one who is named in any case, if they are there."""
        if len(self) <= PARTICIPANTS_LISTED:
            # Made anew each time: kept, it would cost every small session its memory.
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
    """Return as many, with ``late`` in place of the last who do not speak, or of the last where all do."""
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

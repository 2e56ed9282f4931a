"""The participants of one session on other workers, by the deltas that each of those publishes. Pure.

Each worker publishes the participants connected *there*: first a snapshot of all, then the changes. Deltas
are numbered, so that a receiver that missed one notices and requests a snapshot. A snapshot may come in
several deltas of bounded size: participants of the previous one that it does not confirm have left.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from orch.protocol.messages import Change, Participant

#: Participants in one delta, at most.
DELTA_PARTICIPANTS: Final = 500


class Departure(Struct, frozen=True, array_like=True):
    """A participant who has left, and how: ``left`` or ``silent``."""

    participant_id: str
    change: Change


class PresenceDelta(Struct, frozen=True, array_like=True):
    """Changes on one worker: participants who joined or changed, and those who departed.

    ``number``: one higher each time. ``snapshot_begins``: all participants follow, in this delta and those
    after it, up to the one in which ``snapshot_ends``.
    """

    worker: str
    number: int
    snapshot_begins: bool
    snapshot_ends: bool
    present: tuple[Participant, ...]
    departed: tuple[Departure, ...] = ()


ParticipantChange = tuple[Participant, Change | None]
"""A participant, and whether they joined, left or fell silent; None: their attributes changed."""


class _Worker:
    """``stale``: participants of the previous snapshot not yet confirmed by the current one."""

    __slots__ = ("here", "number", "stale")

    def __init__(self) -> None:
        self.number = 0
        self.here: dict[str, Participant] = {}
        self.stale: set[str] | None = None


class RemoteParticipants:
    """The mutable state: the participants by worker, and the number of each worker's last delta."""

    __slots__ = ("_workers",)

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}

    def __repr__(self) -> str:
        there = ", ".join(f"{len(worker.here)} on {name}" for name, worker in self._workers.items())
        return f"<RemoteParticipants: {there or 'none'}>"

    @property
    def workers(self) -> frozenset[str]:
        """The workers with participants."""
        return frozenset(self._workers)

    def get(self, participant_id: str) -> Participant | None:
        """Return a participant on another worker, or None."""
        for worker in self._workers.values():
            if participant_id in worker.here:
                return worker.here[participant_id]
        return None

    def apply(self, delta: PresenceDelta) -> tuple[ParticipantChange, ...] | None:
        """Apply a delta; return the participants it changes, or None if a delta before it was missed."""
        worker = self._workers.get(delta.worker)
        if delta.snapshot_begins:
            worker = self._workers.setdefault(delta.worker, _Worker())
            worker.stale = set(worker.here)
        elif worker is None or delta.number != worker.number + 1:
            return None
        worker.number = delta.number
        changes = [*self._join(worker, delta.present), *self._depart(worker, delta.departed)]
        if delta.snapshot_ends and worker.stale is not None:
            changes += self._depart(worker, [Departure(name, "silent") for name in worker.stale])
            worker.stale = None
        if not worker.here and worker.stale is None:
            del self._workers[delta.worker]
        return tuple(changes)

    def drop_worker(self, worker: str) -> tuple[ParticipantChange, ...]:
        """Drop a worker that has ended, with its participants; return those that changed."""
        lost = self._workers.pop(worker, None)
        return (
            ()
            if lost is None
            else tuple(self._depart(lost, [Departure(name, "silent") for name in lost.here]))
        )

    def _join(self, worker: _Worker, present: Sequence[Participant]) -> Iterator[ParticipantChange]:
        for participant in present:
            name = participant.participant_id
            if worker.stale is not None:
                worker.stale.discard(name)
            known = self.get(name)
            worker.here[name] = participant
            if known is None:
                yield participant, "joined"
            elif known != participant:
                yield participant, None

    def _depart(self, worker: _Worker, departed: Sequence[Departure]) -> Iterator[ParticipantChange]:
        for each in departed:
            participant = worker.here.pop(each.participant_id, None)
            if worker.stale is not None:
                worker.stale.discard(each.participant_id)
            if participant is None:
                continue
            other = self.get(each.participant_id)
            if other is None:
                yield participant, each.change
            elif other != participant:
                yield other, None


def deltas(
    worker: str, number: int, present: Sequence[Participant], departed: Sequence[Departure], *, is_full: bool
) -> tuple[PresenceDelta, ...]:
    """Return these changes as deltas of bounded size, numbered from ``number`` on.

    ``is_full``: a snapshot: nobody but ``present`` is there.
    """
    count = max(1, -(-max(len(present), len(departed)) // DELTA_PARTICIPANTS))
    return tuple(
        PresenceDelta(
            worker,
            number + place,
            snapshot_begins=is_full and place == 0,
            snapshot_ends=is_full and place == count - 1,
            present=tuple(present[place * DELTA_PARTICIPANTS : (place + 1) * DELTA_PARTICIPANTS]),
            departed=tuple(departed[place * DELTA_PARTICIPANTS : (place + 1) * DELTA_PARTICIPANTS]),
        )
        for place in range(count)
    )

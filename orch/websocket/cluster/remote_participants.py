"""Who is in one session on other workers, as each of those tells it. Pure.

Every worker tells who is in the session *there*: first all of them, from then on what changes. What is told
is numbered, so that whoever missed some of it notices and asks for all of them again. All of them may be told
in several parts, each of a bounded size: who was there before and is in none of them has gone.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from orch.protocol.messages import Change, Participant

#: So many participants are told of in one message between workers.
DELTA_PARTICIPANTS: Final = 500


class Departure(Struct, frozen=True, array_like=True):
    """Someone who is there no more, and how: ``left`` or ``silent``."""

    participant_id: str
    change: Change


class PresenceDelta(Struct, frozen=True, array_like=True):
    """What one worker tells: who has come or looks different, and who has gone.

    ``number``: one higher each time. ``begins``: all who are there follow, in this message and those after
    it, up to the one that ``ends`` it.
    """

    worker: str
    number: int
    begins: bool
    ends: bool
    here: tuple[Participant, ...]
    gone: tuple[Departure, ...] = ()


ParticipantChange = tuple[Participant, Change | None]
"""Someone as they were told of, and what has become of them; None: they look different."""


class _Worker:
    """``doubted``: who was there before, and has not been named since all of them began to be told."""

    __slots__ = ("doubted", "here", "number")

    def __init__(self) -> None:
        self.number = 0
        self.here: dict[str, Participant] = {}
        self.doubted: set[str] | None = None


class RemoteParticipants:
    """The mutable state: who is there by worker, and the number of what each told last."""

    __slots__ = ("_workers",)

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}

    def __repr__(self) -> str:
        there = ", ".join(f"{len(worker.here)} on {name}" for name, worker in self._workers.items())
        return f"<RemoteParticipants: {there or 'none'}>"

    @property
    def workers(self) -> frozenset[str]:
        """Those on which someone is."""
        return frozenset(self._workers)

    def get(self, participant_id: str) -> Participant | None:
        """Return someone who is on another worker, or None."""
        for worker in self._workers.values():
            if participant_id in worker.here:
                return worker.here[participant_id]
        return None

    def hear(self, told: PresenceDelta) -> tuple[ParticipantChange, ...] | None:
        """Take in what a worker tells; return whom it changes, or None where something before was missed."""
        worker = self._workers.get(told.worker)
        if told.begins:
            worker = self._workers.setdefault(told.worker, _Worker())
            worker.doubted = set(worker.here)
        elif worker is None or told.number != worker.number + 1:
            return None
        worker.number = told.number
        seen = [*self._come(worker, told.here), *self._go(worker, told.gone)]
        if told.ends and worker.doubted is not None:
            seen += self._go(worker, [Departure(name, "silent") for name in worker.doubted])
            worker.doubted = None
        if not worker.here and worker.doubted is None:
            del self._workers[told.worker]
        return tuple(seen)

    def forget(self, worker: str) -> tuple[ParticipantChange, ...]:
        """Take a worker for gone, with all who were there; return whom it changes."""
        lost = self._workers.pop(worker, None)
        return (
            () if lost is None else tuple(self._go(lost, [Departure(name, "silent") for name in lost.here]))
        )

    def _come(self, worker: _Worker, here: Sequence[Participant]) -> Iterator[ParticipantChange]:
        for participant in here:
            name = participant.participant_id
            if worker.doubted is not None:
                worker.doubted.discard(name)
            known = self.get(name)
            worker.here[name] = participant
            if known is None:
                yield participant, "joined"
            elif known != participant:
                yield participant, None

    def _go(self, worker: _Worker, gone: Sequence[Departure]) -> Iterator[ParticipantChange]:
        for each in gone:
            participant = worker.here.pop(each.participant_id, None)
            if worker.doubted is not None:
                worker.doubted.discard(each.participant_id)
            if participant is None:
                continue
            elsewhere = self.get(each.participant_id)
            if elsewhere is None:
                yield participant, each.change
            elif elsewhere != participant:
                yield elsewhere, None


def deltas(
    worker: str, number: int, here: Sequence[Participant], gone: Sequence[Departure], *, is_whole: bool
) -> tuple[PresenceDelta, ...]:
    """Return what tells of these, in parts that are numbered from ``number`` on.

    ``is_whole``: nobody but ``here`` is there.
    """
    count = max(1, -(-max(len(here), len(gone)) // DELTA_PARTICIPANTS))
    return tuple(
        PresenceDelta(
            worker,
            number + place,
            begins=is_whole and place == 0,
            ends=is_whole and place == count - 1,
            here=tuple(here[place * DELTA_PARTICIPANTS : (place + 1) * DELTA_PARTICIPANTS]),
            gone=tuple(gone[place * DELTA_PARTICIPANTS : (place + 1) * DELTA_PARTICIPANTS]),
        )
        for place in range(count)
    )

"""What waits for the reader of a channel. Pure.

Overflow rule: a reader that is late by more than the limit loses sound, never order and never the knowledge
of what it lost: the samples become part of a :class:`SoundLost` before the track's next observation. A page
that has tracks begin and end faster than they are read is refused.
"""

from collections import deque
from typing import Final

from orch.bots.media.frames import ProtocolError
from orch.bots.observations import Sound, SoundLost, SoundObservation, TrackBegan

LIMIT: Final = 4 * 1024 * 1024
"""Bytes: more than two minutes of one track, half a minute of four."""

COST: Final = 256
"""Bytes that an observation takes besides its samples."""


class SoundQueue:
    """Observations in order, within ``limit`` bytes. The mutable state is the queue, its size, the losses.

    ``dropped``: samples that there was no room for.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._items: deque[SoundObservation] = deque()
        self._size = 0
        self._missing: dict[str, SoundLost] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, observation: SoundObservation) -> None:
        """Queue an observation. ProtocolError if there are too many that are no sound."""
        if isinstance(observation, Sound):
            if self._size + _cost(observation) > self._limit:
                samples = len(observation.pcm) // 2
                self.dropped += samples
                self._lose(observation.track, observation.first, samples, observation.at)
                return
        elif isinstance(observation, SoundLost) and observation.track in self._missing:
            self._lose(observation.track, observation.first, observation.samples, observation.at)
            return
        elif self._size > 2 * self._limit:
            raise ProtocolError("tracks begin and end too often")
        if not isinstance(observation, TrackBegan):
            missing = self._missing.pop(observation.track, None)
            if missing is not None:
                self._append(missing)
        self._append(observation)

    def get(self) -> SoundObservation:
        """Return the next observation. IndexError if there is none."""
        found = self._items.popleft()
        self._size -= _cost(found)
        return found

    def _append(self, observation: SoundObservation) -> None:
        self._items.append(observation)
        self._size += _cost(observation)

    def _lose(self, track: str, first: int, samples: int, at: float) -> None:
        before = self._missing.get(track)
        if before is None:
            self._missing[track] = SoundLost(at=at, track=track, first=first, samples=samples)
        else:
            end = first + samples
            self._missing[track] = SoundLost(
                at=before.at, track=track, first=before.first, samples=end - before.first
            )


def _cost(observation: SoundObservation) -> int:
    return COST + (len(observation.pcm) if isinstance(observation, Sound) else 0)

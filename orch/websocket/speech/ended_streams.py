"""The lengths of streams that have ended, for speakers who did not learn of the end. Pure."""

from collections import OrderedDict
from typing import Final

from msgspec import Struct

#: How many are remembered: in all, and of one participant, so that nobody displaces those of others.
ENDED_REMEMBERED: Final = 1_000
ENDED_OF_ONE: Final = 4


class EndedStream(Struct, frozen=True):
    """A stream that has ended; ``until``: when its last sample was recorded, seconds since the epoch."""

    session_id: str
    participant_id: str | None
    received_seconds: float
    until: float


class EndedStreams:
    """The newest ended streams by name.

    Overflow rule: the oldest of the same participant is forgotten, then the oldest of all.
    """

    def __init__(self, *, limit: int = ENDED_REMEMBERED, limit_of_one: int = ENDED_OF_ONE) -> None:
        self._limit = limit
        self._limit_of_one = limit_of_one
        self._streams: OrderedDict[str, EndedStream] = OrderedDict()

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream_id: str, ended: EndedStream) -> None:
        """Remember a stream."""
        same = [name for name, one in self._streams.items() if _speaker(one) == _speaker(ended)]
        for name in same[: max(0, len(same) - self._limit_of_one + 1)]:
            del self._streams[name]
        self._streams[stream_id] = ended
        while len(self._streams) > self._limit:
            self._streams.popitem(last=False)

    def find(self, stream_id: str, session_id: str, participant_id: str) -> EndedStream | None:
        """Return a stream, if it is remembered and this participant's."""
        ended = self._streams.get(stream_id)
        return ended if ended is not None and _speaker(ended) == (session_id, participant_id) else None

    def of(self, session_id: str, participant_id: str) -> list[EndedStream]:
        """Return the streams of a participant."""
        return [one for one in self._streams.values() if _speaker(one) == (session_id, participant_id)]


def _speaker(ended: EndedStream) -> tuple[str, str | None]:
    return ended.session_id, ended.participant_id

"""Decides which request is sent next, where more wait than a back end is sent at once. Pure.

First come, first served favours the client with most requests: ten streams of continuous noise keep ten
requests in the queue, and another speaker's final is always the eleventh. So:

1. finals of live speech come before recordings, revisions and speculations, which can wait;
2. then turns go around: first by address, within it by session, within that by stream. The one with
   the fewest requests under way is next; of those, the one served longest ago;
3. one address has three quarters of the places at most. So have recordings, revisions and speculations
   together, and one place less than there are where there are two or three: a final waits for none of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

_LEVELS: Final = 3


@dataclass(frozen=True, slots=True)
class Requester:
    """The stream that a request belongs to."""

    address: str
    session_id: str
    stream_id: str

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Return the levels under which a stream's requests are counted: address, session, stream."""
        return (
            (self.address,),
            (self.address, self.session_id),
            (self.address, self.session_id, self.stream_id),
        )


@dataclass(slots=True, eq=False)
class QueuedRequest:
    """A request that is queued or in progress. ``is_final``: readers wait for it.

    ``is_recording``: it belongs to a recording, which readers do not follow as it is spoken.
    """

    requester: Requester
    is_final: bool
    has_begun: bool = False
    is_recording: bool = False

    @property
    def is_urgent(self) -> bool:
        """Whether readers wait for it now."""
        return self.is_final and not self.is_recording


@dataclass(slots=True)
class _Share:
    under_way: int = 0
    waiting: int = 0
    served: int = -1


@dataclass(slots=True)
class FairOrder:
    """The requests that are queued or in progress; a stream has one at most.

    The mutable state is the requests, and the shares of their addresses, sessions and streams, which are
    forgotten with the last request.
    """

    _waiting: dict[int, QueuedRequest] = field(default_factory=dict)
    _shares: dict[tuple[str, ...], _Share] = field(default_factory=dict)
    _under_way: int = 0
    _optional: int = 0
    _numbers: "count[int]" = field(default_factory=count)
    _served: "count[int]" = field(default_factory=count)

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        """The number of requests in progress."""
        return self._under_way

    def add(self, request: QueuedRequest) -> None:
        """Add a request that waits."""
        self._waiting[next(self._numbers)] = request
        for share in self._of(request):
            share.waiting += 1

    def promote(self, request: QueuedRequest) -> None:
        """Make a speculation that came true a final."""
        was_urgent = request.is_urgent
        request.is_final = True
        if request.has_begun:
            self._optional -= request.is_urgent and not was_urgent

    def next(self, places: int) -> QueuedRequest | None:
        """Return the next request and mark it as in progress; None if no place is free."""
        if self._under_way >= places:
            return None
        share = max(1, places - places // 4)
        optional = max(1, places - -(-places // 4))
        best = min(self._eligible(share, optional), key=lambda pair: self._rank(*pair), default=None)
        if best is None:
            return None
        number, request = best
        del self._waiting[number]
        request.has_begun = True
        self._under_way += 1
        self._optional += not request.is_urgent
        served = next(self._served)
        for each in self._of(request):
            each.waiting -= 1
            each.under_way += 1
            each.served = served
        return request

    def remove(self, request: QueuedRequest) -> None:
        """Remove a request that has its response, or was cancelled."""
        for number, waiting in self._waiting.items():
            if waiting is request:
                del self._waiting[number]
                break
        if request.has_begun:
            self._under_way -= 1
            self._optional -= not request.is_urgent
        for names in request.requester.names:
            share = self._shares[names]
            share.under_way -= request.has_begun
            share.waiting -= not request.has_begun
            if not share.under_way and not share.waiting:
                self._rest(names)

    def _eligible(self, share: int, optional: int) -> Iterable[tuple[int, QueuedRequest]]:
        for number, request in self._waiting.items():
            if self._shares[request.requester.names[0]].under_way >= share:
                continue
            if not request.is_urgent and self._optional >= optional:
                continue
            yield number, request

    def _rank(self, number: int, request: QueuedRequest) -> tuple[int, ...]:
        """Return the sort key; the lowest is served first."""
        parts: list[int] = [not request.is_urgent]
        for share in self._of(request):
            parts += (share.under_way, share.served)
        return (*parts, number)

    def _of(self, request: QueuedRequest) -> list[_Share]:
        return [self._shares.setdefault(names, _Share()) for names in request.requester.names]

    def _rest(self, names: tuple[str, ...]) -> None:
        """Forget a share without requests, unless others wait: it records who was served last."""
        if not self._waiting:
            idle = [key for key, share in self._shares.items() if not share.under_way and not share.waiting]
            for key in idle:
                del self._shares[key]
        elif len(self._shares) > _LEVELS * (len(self._waiting) + self._under_way + 1_000):
            del self._shares[names]

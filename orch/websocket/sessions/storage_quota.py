"""The storage quota of all sessions, and its use. Pure.

The store is measured periodically; what is written meanwhile is added, so that no burst can exceed the limit
before the next measurement.
"""

from collections.abc import Callable
from math import ceil
from typing import Final

from orch.problems import ProblemError

#: Shares of the limit: above the first, the oldest empty sessions are ended until the second is reached.
HIGH_WATER: Final = 0.9
LOW_WATER: Final = 0.8


#: The share above which even joins are refused, so that only captions are unlimited.
JOIN_LIMIT: Final = 1.25

#: The estimated size of a participant who may return.
PARTICIPANT_BYTES: Final = 256


RETRY: Final = {"Retry-After": "60"}


class StorageQuota:
    """The stored bytes, against ``limit()``. The mutable state is the last measurement and the writes since.

    Captions are never refused for it: they come as fast as people speak, and each session's history of them
    is bounded. What clients may write as fast as they like is refused once all is taken.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._measured = 0
        self._written = 0

    def __repr__(self) -> str:
        return f"<StorageQuota {self.used} of {self.limit} bytes>"

    @property
    def limit(self) -> int:
        """How many bytes may be taken."""
        return self._limit()

    @property
    def used(self) -> int:
        """How many are taken, as far as known."""
        return self._measured + self._written

    @property
    def is_nearly_full(self) -> bool:
        """Whether sessions in which nobody is should make room."""
        return self.used >= self.limit * HIGH_WATER

    @property
    def has_room(self) -> bool:
        """Whether enough room was made."""
        return self.used <= self.limit * LOW_WATER

    def surplus(self, sessions: int) -> int:
        """Return how many of ``sessions`` of the usual size have to end so that enough room is made."""
        over = self.used - self.limit * LOW_WATER
        return max(1, ceil(over * sessions / max(self.used, 1)))

    @property
    def is_full(self) -> bool:
        """Whether no more may be taken by what clients write."""
        return self.used >= self.limit

    def set_measured(self, size: int) -> None:
        """Note what the store has said."""
        self._measured, self._written = size, 0

    def add_written(self, size: int) -> None:
        """Add bytes written since the last measurement."""
        self._written += size

    def require_for_session(self) -> None:
        """Raise ``store_full`` where no session can begin; it says what an operator can do."""
        if self.is_full:
            raise ProblemError(
                "store_full",
                f"A new session cannot be stored: all sessions together use {_mib(self.used)} of "
                f"{_mib(self.limit)} (session_management.max_bytes). End sessions that are not needed; "
                "empty ones end by themselves.",
                headers=RETRY,
            )

    def require(self, what: str) -> None:
        """Raise ``store_full`` where ``what`` (a sentence's subject) cannot be stored."""
        if self.is_full:
            raise _full(what)

    def require_for_joining(self) -> None:
        """Raise ``store_full`` where so much more than may be is taken that nobody else may join."""
        if self.used >= self.limit * JOIN_LIMIT:
            raise _full("Your place in the session")


def _full(what: str) -> ProblemError:
    return ProblemError(
        "store_full",
        f"{what} cannot be stored: the storage limit for sessions has been reached. Captions "
        "continue. Try again later, or tell the operators of the service.",
        headers=RETRY,
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"

"""When the lines of a spool were appended. Pure.

Each line begins with its time, so that it is known after a restart too. In memory there is one mark for a run
of lines, as positions in the file are what the spool counts in.
"""

import re
from collections.abc import Iterable
from typing import Final

MARKS: Final = 512
"""Marks at most; beyond, those become one with the earlier time that are near each other in time, so that an
age is too high by 1/256 of what the marks span at most."""

_STAMP: Final = re.compile(rb'^\{"spooled_at":(\d{1,12}),')


def stamped(line: bytes, at: float) -> bytes:
    """Return a JSON object with members, as one that was spooled ``at`` (seconds since the epoch)."""
    return b'{"spooled_at":%d,' % max(0, int(at)) + line[1:]


def time_of(line: bytes) -> float | None:
    """Return when a line was spooled, from its beginning; None: it does not say, as an earlier version's."""
    found = _STAMP.match(line)
    return None if found is None else float(found[1])


class SpoolAges:
    """The time of what is in the file: for each run of lines its end, and the earliest time in it.

    The marks are replaced, never changed: they are written in a thread, and read in another one.
    """

    def __init__(self) -> None:
        self._marks: tuple[tuple[int, float], ...] = ()
        self._grain = 1.0

    def add(self, end: int, at: float) -> None:
        """Note that lines were appended ``at``, up to a position."""
        if not self._marks:
            self._grain = 1.0
        self._marks = self._joined((*self._marks, (end, at)))
        while len(self._marks) > MARKS:
            self._grain *= 2
            self._marks = self._joined(self._marks)

    def _joined(self, marks: Iterable[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
        """Return marks of which those within the grain of the one before are one with it."""
        found: list[tuple[int, float]] = []
        for end, at in marks:
            if found and at - found[-1][1] < self._grain:
                found[-1] = (end, min(at, found[-1][1]))
            else:
                found.append((end, at))
        return tuple(found)

    def forward(self, position: int) -> None:
        """Forget what is before a position."""
        self._marks = tuple(each for each in self._marks if each[0] > position)

    def replace(self, end: int) -> None:
        """Note that lines were removed from anywhere, and where the file ends now; 0: it is empty."""
        oldest = self.oldest
        self._marks = () if not end or oldest is None else ((end, oldest),)

    @property
    def oldest(self) -> float | None:
        """The time of the oldest line; None: there is none."""
        # Not the first one's: another spool's lines may have been appended, and clocks are set back.
        return min((at for _, at in self._marks), default=None)

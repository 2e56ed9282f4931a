"""What the service measures over time: 1 s for an hour, 10 s for a day, 5 min for 30 days. Pure.

All series are sampled at the same moments, at least each second. At 500 series they take under 30 MB
(:data:`RESOLUTIONS`); how, is in :mod:`orch.analytics.ring`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import floor, inf
from typing import Final, Literal

import numpy as np
from msgspec import Struct

from orch.analytics.ring import Chunk, Floats, Resolution, Ring

#: Whole chunks, so that at least this much is stored at any time.
RESOLUTIONS: Final = (
    Resolution(name="1s", step=1, slots=3_600, chunk=360),
    Resolution(name="10s", step=10, slots=8_640, chunk=360),
    Resolution(name="5min", step=300, slots=8_640, chunk=288, peaks=True),
)

MOST: Final = 500
"""Series at most."""

REFUSED: Final = 10_000
"""Series that found no room and are counted, at most."""

ABANDONED: Final = 86_400.0
"""Seconds without a value after which a series may be replaced by a new one, once there are :data:`MOST`."""

Unit = Literal["", "/s", "ms", "s", "bytes", "share"]
"""What values are in; "share": 0 to 1; "": a number of things."""
Worse = Literal["up", "down", "both", ""]


class Figure(Struct, frozen=True, kw_only=True):
    """What a series measures.

    ``name`` and ``subject`` identify it; ``subject``: which service, route or language pair it is of; "": the
    whole service. ``area``: the part of the service. ``worse``: the direction of change that is bad; "both":
    either is worth a look, "": neither is. ``floor``: a change smaller than this, in its unit, means nothing.
    """

    name: str
    title: str
    area: str
    unit: Unit = ""
    worse: Worse = "up"
    floor: float = 0.0
    subject: str = ""

    @property
    def key(self) -> str:
        """Its name among all series."""
        return f"{self.name}:{self.subject}" if self.subject else self.name


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Values at equal distances; nan is a gap.

    ``start``: the beginning of the first slot, in seconds since the epoch, a multiple of ``step``. A value is
    the mean of its slot, ``highs`` the highest of it (where that is not stored: the mean). The arrays are the
    reader's own.
    """

    start: float
    step: float
    values: Floats
    highs: Floats

    def __len__(self) -> int:
        return len(self.values)

    @property
    def at(self) -> Floats:
        """The beginning of each slot, in seconds since the epoch."""
        return self.start + self.step * np.arange(len(self.values), dtype=np.float64)

    @property
    def end(self) -> float:
        """The end of the last slot."""
        return self.start + self.step * len(self.values)

    def rolled_up(self, step: float) -> "Points":
        """Return the means over ``step``, a multiple of its own: slots of it that are known count."""
        many = round(step / self.step)
        before = round((self.start - floor(self.start / step) * step) / self.step)
        after = -(before + len(self)) % many
        values = np.pad(self.values, (before, after), constant_values=np.nan).reshape(-1, many)
        highs = np.pad(self.highs, (before, after), constant_values=np.nan).reshape(-1, many)
        count = np.sum(np.isfinite(values), axis=1)
        sums = np.nansum(values, axis=1)
        return Points(
            start=self.start - before * self.step,
            step=step,
            values=np.divide(sums, count, out=np.full(len(sums), np.nan), where=count > 0),
            highs=np.fmax.reduce(highs, axis=1) if len(highs) else highs.reshape(-1),
        )


class Series:
    """All series of a process, by their keys.

    The mutable state: a ring for each resolution, a row in it for each series, and when each had its last
    value. There are at most ``most``: a new one replaces the one that had no value for longest, if that is
    :data:`ABANDONED` seconds, else it is refused and counted.
    """

    def __init__(self, *, most: int = MOST, resolutions: tuple[Resolution, ...] = RESOLUTIONS) -> None:
        self._rings = tuple(Ring(resolution, most) for resolution in resolutions)
        self._figures: dict[str, Figure] = {}
        self._rows: dict[str, int] = {}
        self._free = list(range(most - 1, -1, -1))
        self._seen = np.full(most, -inf)
        self._most = most
        self._refused: set[str] = set()

    def __len__(self) -> int:
        return len(self._figures)

    def __contains__(self, key: str) -> bool:
        return key in self._figures

    @property
    def refused(self) -> int:
        """How many different series found no room, up to :data:`REFUSED`."""
        return len(self._refused)

    @property
    def figures(self) -> Mapping[str, Figure]:
        """What is measured, by key."""
        return self._figures

    @property
    def rings(self) -> tuple[Ring, ...]:
        """Its rings, the finest first."""
        return self._rings

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays when all of them are written to."""
        return sum(ring.nbytes for ring in self._rings) + self._seen.nbytes

    def add(self, at: float, sample: Iterable[tuple[Figure, float | None]]) -> None:
        """Add values measured at ``at`` (seconds since the epoch); None, or none for a series, is a gap."""
        values = np.full(self._most, np.nan)
        for figure, value in sample:
            row = self._rows.get(figure.key)
            if row is None:
                row = self._new_row(figure, at)
                if row is None:
                    continue
            if value is not None:
                values[row] = value
        self._seen[np.isfinite(values)] = at
        for ring in self._rings:
            ring.add(at, values)

    def _new_row(self, figure: Figure, at: float) -> int | None:
        if not self._free and not self._replace(at):
            if len(self._refused) < REFUSED:
                self._refused.add(figure.key)
            return None
        row = self._rows[figure.key] = self._free.pop()
        self._figures[figure.key] = figure
        self._seen[row] = at
        return row

    def _replace(self, at: float) -> bool:
        oldest = min(self._rows, key=lambda key: float(self._seen[self._rows[key]]))
        row = self._rows[oldest]
        if at - self._seen[row] < ABANDONED:
            return False
        del self._rows[oldest], self._figures[oldest]
        for ring in self._rings:
            ring.clear_row(row)
        self._free.append(row)
        return True

    def read(self, key: str, start: float, end: float, *, step: float = 0.0) -> Points:
        """Return a series between two moments, at the finest resolution that reaches back to ``start``.

        ``step``: what is not coarser than this many seconds is fine enough. KeyError: there is no such
        series.
        """
        row = self._rows[key]
        ring = self._ring(start, step)
        width = ring.resolution.step
        first, last = floor(start / width), min(floor(end / width), ring.newest)
        # One more than its slots: the oldest and the newest are in part outside of the time.
        first = max(first, ring.newest - ring.resolution.slots)
        values, highs = ring.read(row, first, last)
        return Points(start=float(first * width), step=float(width), values=values, highs=highs)

    def _ring(self, start: float, step: float) -> Ring:
        """Return the finest ring that reaches back to ``start``; a coarser one if that is fine enough."""
        reaching = [
            ring
            for ring in self._rings
            if floor(start / ring.resolution.step) >= ring.newest - ring.resolution.slots
        ] or [self._rings[-1]]
        enough = [ring for ring in reaching if ring.resolution.step <= step]
        return enough[-1] if enough else reaching[0]

    def latest(self, key: str, *, within: float = 5.0) -> float | None:
        """Return a series' newest value, of the last ``within`` seconds of sampling; None: there is none."""
        ring = self._rings[0]
        steps = max(1, round(within / ring.resolution.step))
        values, _ = ring.read(self._rows[key], ring.newest - steps + 1, ring.newest)
        known = values[np.isfinite(values)]
        return float(known[-1]) if len(known) else None

    def chunk(self, resolution: str, number: int) -> tuple[tuple[Figure, ...], Chunk] | None:
        """Return a chunk with the series that are in it, a column for each, or None."""
        found = self._named(resolution).chunk(number)
        if found is None:
            return None
        keys = [key for key, row in self._rows.items() if np.isfinite(found.values[:, row]).any()]
        rows = [self._rows[key] for key in keys]
        highs = None if found.highs is None else found.highs[:, rows]
        chunk = Chunk(number=number, values=found.values[:, rows], highs=highs)
        return tuple(self._figures[key] for key in keys), chunk

    def restore(self, resolution: str, figures: Iterable[Figure], chunk: Chunk, *, now: float) -> bool:
        """Store a chunk of an earlier run (:meth:`chunk`); False: it is too old, or this run has it.

        Series beyond the limit are left out.
        """
        ring = self._named(resolution)
        values = np.full((ring.resolution.chunk, self._most), np.nan, np.float32)
        highs = values.copy() if ring.resolution.peaks else None
        end = float((chunk.number + 1) * ring.resolution.chunk * ring.resolution.step)
        for column, figure in enumerate(figures):
            row = self._rows.get(figure.key)
            if row is None:
                row = self._new_row(figure, min(end, now))
            if row is None:
                continue
            values[:, row] = chunk.values[:, column]
            if highs is not None and chunk.highs is not None:
                highs[:, row] = chunk.highs[:, column]
        return ring.restore(Chunk(number=chunk.number, values=values, highs=highs), now=now)

    def _named(self, resolution: str) -> Ring:
        return next(ring for ring in self._rings if ring.resolution.name == resolution)

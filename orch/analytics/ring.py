"""Many series at one resolution, in a ring of chunks. Pure.

The open chunk has values as they are, 32 bits each. A full chunk is sealed: each of its series becomes
16-bit codes between its own lowest and highest value in that chunk. Whole numbers that are less than 65,535
apart stay exact; other values are off by at most 1/131,068 of what the series spans in the chunk. So two
bytes a value are enough, whatever the unit, and a wild value costs precision in its own chunk alone. A ring
may store the highest value within each slot too, with 8 bits, rounded up: a short peak outlives the roll-up.

Slots are numbered from the epoch: the slot of a moment is ``at // step``. Chunks too, and chunk ``n`` is at
place ``n % len``; a place that holds another chunk than the one wanted is a gap.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
"""Slots by rows: a row is a series; nan is a gap."""
Codes = npt.NDArray[Any]
"""Of 16 or 8 bits without a sign; 0 is a gap."""

_CODES: Final = 65_534
_HIGHS: Final = 254
_LARGEST: Final = 1e38
"""Of 32 bits."""
BACK: Final = 360
"""Seconds that the clock may go back without a loss of values."""


class Resolution(Struct, frozen=True, kw_only=True):
    """Seconds between values, how many are stored, how many make a chunk. ``peaks``: also highest values."""

    name: str
    step: int
    slots: int
    chunk: int
    peaks: bool = False

    @property
    def seconds(self) -> int:
        """How far back it reaches."""
        return self.step * self.slots


class Chunk(Struct, frozen=True, kw_only=True):
    """A chunk's values, slots by rows. ``number``: of the chunk since the epoch. ``highs``: if stored."""

    number: int
    values: Matrix
    highs: Matrix | None = None


class Ring:
    """The values of ``rows`` series at one resolution.

    The mutable state: sealed chunks as codes, the open chunk, and the sums of the slot that is being filled.
    Memory is taken when it is first written to. Moments never go back: see :meth:`add`.
    """

    def __init__(self, resolution: Resolution, rows: int) -> None:
        chunk, places = resolution.chunk, -(-resolution.slots // resolution.chunk)
        self.resolution = resolution
        self._rows = rows
        self._back = min(chunk, max(1, BACK // resolution.step))
        self._numbers = [-1] * places
        self._codes = np.zeros((places, rows, chunk), np.uint16)
        self._scales = np.zeros((places, 2, rows), np.float64)
        self._high_codes = np.zeros((places, rows, chunk) if resolution.peaks else 0, np.uint8)
        self._high_scales = np.zeros((places, 2, rows) if resolution.peaks else 0, np.float64)
        self._open = _gaps(chunk, rows)
        self._open_highs = _gaps(chunk, rows) if resolution.peaks else None
        self._slot = -1
        self._sum = np.zeros(rows)
        self._count = np.zeros(rows)
        self._high = np.full(rows, -np.inf)

    def __repr__(self) -> str:
        sealed = sum(number >= 0 for number in self._numbers)
        return f"<Ring {self.resolution.name}, {self._rows} rows, {sealed} chunks, at {self._slot}>"

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays when all of them are written to."""
        owned: list[npt.NDArray[Any]] = [self._codes, self._scales, self._high_codes, self._high_scales]
        owned += [self._open, self._sum, self._count, self._high]
        owned += [] if self._open_highs is None else [self._open_highs]
        return sum(array.nbytes for array in owned)

    @property
    def newest(self) -> int:
        """The number of the newest slot; -1: there is none."""
        return self._slot

    def add(self, at: float, values: Floats) -> None:
        """Add a value of every row; what is no number, or above :data:`_LARGEST`, is none.

        A slot's value is the mean of those added in it. Where the clock has gone back by less than
        :data:`BACK` seconds, or a slot (a chunk at most), values go to the newest slot; where it has gone
        back further, what was stored for later moments is dropped: the clock was wrong then.
        """
        slot = int(at // self.resolution.step)
        if slot > self._slot:
            self._advance(slot)
        elif slot < self._slot - self._back:
            self._rewind(slot)
        is_known = np.abs(values) < _LARGEST
        self._sum += np.where(is_known, values, 0.0)
        self._count += is_known
        np.fmax(self._high, np.where(is_known, values, -np.inf), out=self._high)

    def _advance(self, slot: int) -> None:
        self._write()
        chunk = self.resolution.chunk
        if self._slot >= 0 and slot // chunk != self._slot // chunk:
            self._seal()
        self._begin(slot)

    def _begin(self, slot: int) -> None:
        self._slot = slot
        self._sum[:] = 0.0
        self._count[:] = 0.0
        self._high[:] = -np.inf

    def _write(self) -> None:
        """Write the slot that is being filled into the open chunk."""
        if self._slot < 0:
            return
        place = self._slot % self.resolution.chunk
        is_known = self._count > 0
        self._open[place, is_known] = self._sum[is_known] / self._count[is_known]
        if self._open_highs is not None:
            self._open_highs[place, is_known] = self._high[is_known]

    def _seal(self) -> None:
        self._store(
            Chunk(number=self._slot // self.resolution.chunk, values=self._open, highs=self._open_highs)
        )
        self._open[:] = np.nan
        if self._open_highs is not None:
            self._open_highs[:] = np.nan

    def _store(self, chunk: Chunk) -> None:
        place = chunk.number % len(self._numbers)
        self._numbers[place] = chunk.number
        self._codes[place] = 0
        rows = np.flatnonzero(np.isfinite(chunk.values).any(axis=0))
        self._codes[place, rows], self._scales[place][:, rows] = encode(chunk.values[:, rows], np.uint16)
        if not self.resolution.peaks:
            return
        self._high_codes[place] = 0
        if chunk.highs is not None:
            highs = encode(chunk.highs[:, rows], np.uint8)
            self._high_codes[place, rows], self._high_scales[place][:, rows] = highs

    def _rewind(self, slot: int) -> None:
        """Drop what is stored from ``slot`` on, and go on there."""
        number, chunk = slot // self.resolution.chunk, self.resolution.chunk
        if number != self._slot // chunk:
            stored = self._sealed(number)
            self._open[:] = np.nan if stored is None else stored.values
            if self._open_highs is not None:
                self._open_highs[:] = np.nan if stored is None or stored.highs is None else stored.highs
        self._open[slot % chunk :] = np.nan
        if self._open_highs is not None:
            self._open_highs[slot % chunk :] = np.nan
        self._numbers = [-1 if each >= number else each for each in self._numbers]
        self._begin(slot)

    def _sealed(self, number: int) -> Chunk | None:
        place = number % len(self._numbers)
        if number < 0 or self._numbers[place] != number:
            return None
        values = decode(self._codes[place], self._scales[place])
        if not self.resolution.peaks:
            return Chunk(number=number, values=values)
        return Chunk(
            number=number, values=values, highs=decode(self._high_codes[place], self._high_scales[place])
        )

    # --- what is read, and what outlives the process --------------------------------------------------------

    def read(self, row: int, first: int, last: int) -> tuple[Floats, Floats]:
        """Return a row's values and highest values in the slots from ``first`` to ``last``; nan is a gap.

        Without highest values of their own, they are the values.
        """
        size = self.resolution.chunk
        values = np.full(max(0, last - first + 1), np.nan)
        highs = values.copy()
        for number in range(first // size, last // size + 1):
            found = self._row(number, row)
            if found is None:
                continue
            begin, end = max(first, number * size), min(last + 1, (number + 1) * size)
            inside, outside = (
                slice(begin - number * size, end - number * size),
                slice(begin - first, end - first),
            )
            values[outside], highs[outside] = found[0][inside], found[1][inside]
        if self._slot >= 0 and first <= self._slot <= last and self._count[row] > 0:
            values[self._slot - first] = self._sum[row] / self._count[row]
            highs[self._slot - first] = self._high[row]
        return values, np.fmax(values, highs) if self.resolution.peaks else values

    def _row(self, number: int, row: int) -> tuple[Floats, Floats] | None:
        if self._slot >= 0 and number == self._slot // self.resolution.chunk:
            values = self._open[:, row].astype(np.float64)
            return values, values if self._open_highs is None else self._open_highs[:, row].astype(np.float64)
        place = number % len(self._numbers)
        if number < 0 or self._numbers[place] != number:
            return None
        values = _decode_row(self._codes[place, row], self._scales[place, :, row])
        if not self.resolution.peaks:
            return values, values
        return values, _decode_row(self._high_codes[place, row], self._high_scales[place, :, row])

    def clear_row(self, row: int) -> None:
        """Forget a row, for another series to have its place."""
        self._codes[:, row] = 0
        self._open[:, row] = np.nan
        self._sum[row] = self._count[row] = 0.0
        self._high[row] = -np.inf
        if self._open_highs is not None:
            self._high_codes[:, row] = 0
            self._open_highs[:, row] = np.nan

    def chunk_numbers(self) -> tuple[int, ...]:
        """Return the numbers of the stored chunks, oldest first, the open one last."""
        if self._slot < 0:
            return ()
        number = self._slot // self.resolution.chunk
        return (*sorted(each for each in self._numbers if number - len(self._numbers) <= each >= 0), number)

    def chunk(self, number: int) -> Chunk | None:
        """Return a copy of a stored chunk, or None. The open one has what is known of its newest slot."""
        if self._slot < 0 or number != self._slot // self.resolution.chunk:
            return self._sealed(number)
        self._write()
        highs = None if self._open_highs is None else self._open_highs.copy()
        return Chunk(number=number, values=self._open.copy(), highs=highs)

    def restore(self, chunk: Chunk, *, now: float) -> bool:
        """Store a chunk of an earlier run, where this run has none. False: it is too old, or later than now.

        Of the chunk that is open now, gaps are filled.
        """
        current = int(now // self.resolution.step) // self.resolution.chunk
        if not current - len(self._numbers) <= chunk.number <= current:
            return False
        if self._slot < 0:
            self._begin(int(now // self.resolution.step))
        number = self._slot // self.resolution.chunk
        if chunk.number == number:
            until = self._slot % self.resolution.chunk
            _fill(self._open[:until], chunk.values[:until])
            if self._open_highs is not None and chunk.highs is not None:
                _fill(self._open_highs[:until], chunk.highs[:until])
            return True
        if chunk.number > number or self._numbers[chunk.number % len(self._numbers)] >= chunk.number:
            return False
        self._store(chunk)
        return True


def _gaps(slots: int, rows: int) -> Matrix:
    return np.full((slots, rows), np.nan, np.float32)


def _fill(target: Matrix, source: Matrix) -> None:
    np.copyto(target, source, where=np.isnan(target))


def encode(matrix: Matrix, kind: type[np.uint16 | np.uint8]) -> tuple[Codes, Floats]:
    """Return codes, rows by slots, and the lowest value and the size of a code of each row. Code 0 is a gap.

    Eight bits are rounded up, 16 to the nearest.
    """
    codes = _CODES if kind is np.uint16 else _HIGHS
    values = np.ascontiguousarray(matrix.T, dtype=np.float64)
    is_known = np.isfinite(values)
    is_gap = ~is_known
    values[is_gap] = np.inf
    low = np.min(values, axis=1, initial=np.inf)
    low[~np.isfinite(low)] = 0.0
    values -= low[:, None]
    values[is_gap] = 0.0
    span = np.max(values, axis=1, initial=0.0)
    is_whole = (span <= codes) & (low == np.rint(low)) & np.all(values == np.rint(values), axis=1)
    size = np.where(is_whole | (span <= 0), 1.0, span / codes)
    values /= size[:, None]
    if kind is np.uint8:
        np.ceil(values - 1e-9, out=values)
    else:
        np.rint(values, out=values)
    np.clip(values, 0, codes, out=values)
    values += 1
    values[is_gap] = 0
    return values.astype(kind), np.stack((low, size))


def decode(codes: Codes, scales: Floats) -> Matrix:
    """Return values, slots by rows; the reverse of :func:`encode`."""
    low, size = scales
    values = np.where(codes == 0, np.nan, low[:, None] + (codes - 1.0) * size[:, None])
    return np.ascontiguousarray(np.clip(values, -_LARGEST, _LARGEST).T, dtype=np.float32)


def _decode_row(codes: Codes, scale: Floats) -> Floats:
    return np.where(codes == 0, np.nan, scale[0] + (codes - 1.0) * scale[1])

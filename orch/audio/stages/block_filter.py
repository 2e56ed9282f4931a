"""Filters of fixed sections, some samples at a time, as products of small matrices. Pure.

A cascade of second-order sections in transposed direct form II is the linear system

    z[n+1] = A z[n] + b x[n],   y[n] = C z[n] + d x[n]

A recursion needs each sample before the next, and a call for each section costs more than its arithmetic.
Over :data:`STEP` samples the same system is, with the samples of step k as the vectors x_k and y_k,

    z_{k+1} = A^STEP z_k + Q x_k,   y_k = S z_k + T x_k

so a block takes three products: what each step adds to the state, all states of the block from those (their
recursion, too, is a matrix of powers of A), and the output. The result differs from the recursion by
rounding alone: less than 1e-10 also for the edge of 38 Hz of the K-weighting at 192 kHz.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from orch.audio.stages.biquad import Sections, SectionState
from orch.audio.stages.stage import Signal

STEP: Final = 32
"""Samples."""
MOST: Final = 96
"""Numbers that the states of the steps have which are computed at once. A larger matrix is shared by several
threads, which costs more than it saves."""
_FAINT: Final = 1e-30
"""Added to a state and subtracted again: what is less than its last digit, 1e-46, becomes 0."""

_Matrix = npt.NDArray[np.float64]


class BlockFilter:
    """Sections, one after the other. Immutable.

    ``taps``: the numbers of the sections whose output is wanted; without, of the last.
    """

    __slots__ = (
        "_added",
        "_all_direct",
        "_all_free",
        "_carried",
        "_direct",
        "_free",
        "_longest",
        "_powers",
        "_size",
        "taps",
    )

    def __init__(self, sections: Sections, taps: tuple[int, ...] = ()) -> None:
        self.taps = taps = taps or (len(sections) - 1,)
        self._size = size = 2 * len(sections)
        a, b, c, d = _system(sections, taps)
        powers = np.empty((STEP + 1, size, size))
        powers[0] = np.eye(size)
        for index in range(STEP):
            powers[index + 1] = powers[index] @ a
        self._powers = powers
        #: What each sample of a step adds to the state behind it: shape (STEP, size).
        self._added = np.ascontiguousarray((powers[STEP - 1 :: -1] @ b)[:STEP])
        #: Of each tap, what each sample (a row) adds to each output of its step: shape (STEP, STEP).
        impulses = np.concatenate((d[:, None], (c @ powers[: STEP - 1] @ b).T), axis=1)
        self._direct = [_toeplitz(impulse) for impulse in impulses]
        self._all_direct = np.concatenate(self._direct, axis=1)
        #: Of each tap, what the state before a step adds to each of its outputs: shape (size, STEP).
        self._free = [np.ascontiguousarray(part.T) for part in np.moveaxis(c @ powers[:STEP], 1, 0)]
        most = max(1, MOST // size - 1)
        self._longest = most * STEP
        self._all_free = np.concatenate(self._free, axis=1)
        self._carried = _recursion(powers[STEP], most)

    def process(self, block: Signal, state: SectionState) -> tuple[list[Signal], SectionState]:
        """Return the output of each tap, and the state after the block; the given state stays as it is."""
        z = state.ravel()
        count = len(block)
        if not count:
            return [block] * len(self.taps), state
        if count < STEP:
            outs, z = self._rest(block, z)
        elif count <= self._longest and not count % STEP:
            outs, z = self._steps(block, z)
        else:
            outs, z = self._pieces(block, z)
        return outs, ((z + _FAINT) - _FAINT).reshape(state.shape)

    def _pieces(self, block: Signal, z: Signal) -> tuple[list[Signal], Signal]:
        parts: list[list[Signal]] = []
        whole = len(block) - len(block) % STEP
        for begin in range(0, whole, self._longest):
            outs, z = self._steps(block[begin : min(whole, begin + self._longest)], z)
            parts.append(outs)
        if whole < len(block):
            outs, z = self._rest(block[whole:], z)
            parts.append(outs)
        return [np.concatenate(of_tap) for of_tap in zip(*parts, strict=True)], z

    def _steps(self, block: Signal, z: Signal) -> tuple[list[Signal], Signal]:
        steps = block.reshape(-1, STEP)
        known = (len(steps) + 1) * self._size
        driven = np.concatenate((z, (steps @ self._added).ravel()))
        states = (self._carried[:known, :known] @ driven).reshape(-1, self._size)
        out = steps @ self._all_direct
        out += states[:-1] @ self._all_free
        if len(self.taps) == 1:
            return [out.reshape(-1)], states[-1]
        return [out[:, at : at + STEP].reshape(-1) for at in range(0, out.shape[1], STEP)], states[-1]

    def _rest(self, block: Signal, z: Signal) -> tuple[list[Signal], Signal]:
        """Filter less than a step."""
        count = len(block)
        outs = [
            block @ direct[:count, :count] + z @ free[:, :count]
            for direct, free in zip(self._direct, self._free, strict=True)
        ]
        return outs, self._powers[count] @ z + block @ self._added[STEP - count :]


def block_filter(sections: Sections, taps: tuple[int, ...] = ()) -> BlockFilter:
    """Return the filter of these sections; the last ones asked for are stored."""
    return _stored(sections.tobytes(), taps)


@lru_cache(maxsize=64)
def _stored(sections: bytes, taps: tuple[int, ...]) -> BlockFilter:
    return BlockFilter(np.frombuffer(sections).reshape(-1, 6), taps)


def _system(sections: Sections, taps: tuple[int, ...]) -> tuple[_Matrix, Signal, _Matrix, Signal]:
    """Return A, b, C and d; a row of C and d for each tap."""
    size = 2 * len(sections)
    a, b = np.zeros((size, size)), np.zeros(size)
    c, d = np.zeros((len(taps), size)), np.zeros(len(taps))
    # What enters a section, as a sum over the states and the sample.
    of_state, of_sample = np.zeros(size), 1.0
    for index, (b0, b1, b2, _, a1, a2) in enumerate(sections.tolist()):
        first, second = 2 * index, 2 * index + 1
        y_state, y_sample = b0 * of_state, b0 * of_sample
        y_state[first] += 1
        a[first], b[first] = b1 * of_state - a1 * y_state, b1 * of_sample - a1 * y_sample
        a[first, second] += 1
        a[second], b[second] = b2 * of_state - a2 * y_state, b2 * of_sample - a2 * y_sample
        of_state, of_sample = y_state, y_sample
        for row, tap in enumerate(taps):
            if tap == index:
                c[row], d[row] = y_state, y_sample
    return a, b, c, d


def _toeplitz(impulse: Signal) -> _Matrix:
    """Return the matrix that convolves a row with an impulse response: upper triangular."""
    rows = np.zeros((STEP, STEP))
    for index in range(STEP):
        rows[index, index:] = impulse[: STEP - index]
    return rows


def _recursion(carry: _Matrix, steps: int) -> _Matrix:
    """Return what state 0 and what each step adds mean for all states: powers of ``carry`` in its blocks."""
    size = len(carry)
    blocks = np.zeros((steps + 1, size, steps + 1, size))
    power = np.eye(size)
    for distance in range(steps + 1):
        for row in range(distance, steps + 1):
            blocks[row, :, row - distance] = power
        power = power @ carry
    return blocks.reshape((steps + 1) * size, -1)

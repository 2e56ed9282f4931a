"""Maps times of shortened audio back to the times before it was shortened. Pure.

    input(t) = t - output_i + input_i      for output_i <= t < output_(i+1)

with one break (output_i, input_i) for each cut: piecewise linear with slope 1, rising at each break by what
was cut there. Exact at every sample that stayed. In a stream the breaks before a time that is no longer
needed are dropped with :meth:`TimeMap.since`.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple


class Part(NamedTuple):
    """A part of the output in which nothing was cut; samples from ``start`` to before ``end``.

    Its first one is input sample ``source``.
    """

    start: int
    end: int
    source: int


class Cut(NamedTuple):
    """A removed part: output sample ``output`` is input sample ``input_to``; before it was ``input_from``.

    Samples from ``input_from`` to before ``input_to`` were removed. Counted from the first sample.
    """

    output: int
    input_from: int
    input_to: int


@dataclass(frozen=True, slots=True)
class TimeMap:
    """From output to input, in samples; ``breaks``: (output, input), both rising. At first the identity."""

    breaks: tuple[tuple[int, int], ...] = ((0, 0),)

    def extended(self, cuts: Iterable[Cut]) -> "TimeMap":
        """Return the map with cuts that follow those it has."""
        added = tuple((cut.output, cut.input_to) for cut in cuts)
        return TimeMap(self.breaks + added) if added else self

    def since(self, output: float) -> "TimeMap":
        """Return the map for samples from ``output`` on: without the breaks that only earlier ones need."""
        first = self._index(output)
        return TimeMap(self.breaks[first:]) if first else self

    def parts(self, length: int) -> tuple[Part, ...]:
        """Return the parts between cuts of an output of ``length`` samples, in their order."""
        ends = (*(begins for begins, _ in self.breaks[1:]), length)
        return tuple(
            Part(begins, min(end, length), source)
            for (begins, source), end in zip(self.breaks, ends, strict=True)
            if begins < min(end, length)
        )

    def input_at(self, output: float) -> float:
        """Return the input sample of an output sample."""
        begins, source = self.breaks[self._index(output)]
        return output - begins + source

    def output_at(self, source: float) -> float:
        """Return the output sample of an input sample; where it was cut, the sample after the cut."""
        index = max(0, bisect_right(self.breaks, source, key=itemgetter(1)) - 1)
        begins, begins_in = self.breaks[index]
        found = begins + max(0.0, source - begins_in)
        return min(found, self.breaks[index + 1][0]) if index + 1 < len(self.breaks) else found

    def seconds(self, output: float, sample_rate: int) -> float:
        """Return the time in the input, in seconds, of a time in the output, in seconds.

        The seconds of a sample are a rounded number; they are taken for that sample, so that the first one
        after a cut is not before it.
        """
        return self.input_at(round(output * sample_rate, 6)) / sample_rate

    def _index(self, output: float) -> int:
        return max(0, bisect_right(self.breaks, output, key=itemgetter(0)) - 1)

"""Whether a service's memory and descriptors stay as they are. Pure.

Flat means: over the time measured, the first quarter left out as warm-up, the line through the memory (the
median of all slopes, which no single peak can bend) rises by less than 5 % or 8 MiB, whichever is more; the
descriptors' median in the last third is no more than 5 %, or 5, above that in the first; and once all clients
are gone and all sessions have expired there are as many descriptors as there were before them.
"""

import statistics
from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple

MIB: Final = 2**20


class Sample(NamedTuple):
    """How the service was, ``at`` seconds after the start: bytes, open descriptors, connections."""

    at: float
    rss: int
    descriptors: int
    connections: int


class Verdict(NamedTuple):
    """Whether a figure is flat, in a sentence."""

    is_flat: bool
    text: str


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes between all pairs of points (Theil and Sen)."""
    return statistics.median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2))


def judge_memory(samples: Sequence[Sample]) -> Verdict:
    """Say whether the memory rises."""
    kept = samples[len(samples) // 4 :]
    span = kept[-1].at - kept[0].at
    growth = slope([(sample.at, sample.rss) for sample in kept]) * span
    usual = statistics.median(sample.rss for sample in kept)
    is_flat = growth < max(0.05 * usual, 8 * MIB)
    text = (
        f"memory {'flat' if is_flat else 'NOT FLAT'}: {usual / MIB:.1f} MiB, {growth / MIB:+.2f} MiB "
        f"in {span:.0f} s ({growth / span * 3600 / MIB:+.1f} MiB an hour)"
    )
    return Verdict(is_flat, text)


def judge_descriptors(samples: Sequence[Sample]) -> Verdict:
    """Say whether there are ever more open descriptors."""
    kept = [sample.descriptors for sample in samples[len(samples) // 4 :]]
    third = max(1, len(kept) // 3)
    first, last = statistics.median(kept[:third]), statistics.median(kept[-third:])
    is_flat = last - first <= max(0.05 * first, 5)
    return Verdict(is_flat, f"descriptors {'flat' if is_flat else 'NOT FLAT'}: {first:g}, later {last:g}")


def judge_rest(before: int, after: int, left: str) -> Verdict:
    """Say whether the clients have left anything behind."""
    is_flat = after <= before + 2 and not left
    words = f"at rest {'flat' if is_flat else 'NOT FLAT'}: {before} descriptors before, {after} after"
    return Verdict(is_flat, words + (f"; {left} are left" if left else ""))

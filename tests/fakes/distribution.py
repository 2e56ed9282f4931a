"""In which order tests are handed to the processes that run them. Pure.

pytest-xdist gives each process an equal part of the list, one after another; a process that has nothing left
takes half of what another has left, from the end. So each part begins with whole modules of tests that take
long, and ends with short tests. Those are what is taken: modules of long tests seldom come apart, in which
case both processes would start their services, and at the end no process waits for another's long test.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def part_sizes(total: int, processes: int) -> list[int]:
    """Return how many of ``total`` tests pytest-xdist hands to each process at first."""
    sizes = []
    for left in range(processes, 0, -1):
        sizes.append(total // left)
        total -= sizes[-1]
    return sizes


def spread(
    modules: Sequence[Sequence[T]], short: Sequence[T], processes: int, weight: Callable[[T], int]
) -> list[T] | None:
    """Return all tests in the order in which they are handed out; None where that cannot be done.

    ``modules``: the long tests of each module. ``weight``: what one of them costs, in any unit. It cannot be
    done where most tests are long, so that they do not fit into equal parts.
    """
    sizes = part_sizes(sum(map(len, modules)) + len(short), processes)
    parts: list[list[T]] = [[] for _ in sizes]
    costs = [0] * processes
    for cost, module in sorted(
        ((sum(map(weight, module)), module) for module in modules), key=lambda each: each[0], reverse=True
    ):
        least = costs.index(min(costs))
        parts[least].extend(module)
        costs[least] += cost
    used = 0
    for part, size in zip(parts, sizes, strict=True):
        if len(part) > size:
            return None
        wanted = size - len(part)
        part.extend(short[used : used + wanted])
        used += wanted
    return [test for part in parts for test in part]

"""How slow the processor is now, for the few tests that assert how long something takes."""

import time
from typing import Final

#: Seconds of processor time of :func:`_piece` at best, where nothing else runs, on a virtual core of an EPYC.
USUAL: Final = 140e-6


def slowness() -> float:
    """Return how many times as long as usual the processor takes now, 1 at least.

    Threads that share a core, and its caches, slow each other, which processor time does not leave out.
    """
    times = []
    for _ in range(20):
        began = time.thread_time()
        _piece()
        times.append(time.thread_time() - began)
    return max(1.0, min(times) / USUAL)


def _piece() -> dict[str, int]:
    table = {}
    for number in range(1000):
        table[str(number)] = number
    return table

"""The processor time of another process, which does not grow with what else the machine does."""

import os
import time
from pathlib import Path
from typing import Final


def processor_seconds(pid: int) -> float:
    """Return the seconds of processor time that a process has used so far, in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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

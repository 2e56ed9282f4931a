"""What a stretch of a run used, and so what its limit was."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.servers import Process

BUSY: Final = 0.85
"""Share of a processor from which on a process with one thread was what the rest waited for."""
STAT: Final = Path("/proc/stat")


@dataclass(frozen=True, slots=True)
class Use:
    """Wall seconds, and shares: of one processor, of all of them."""

    seconds: float
    server: float
    clients: float
    """The busiest client process's."""
    machine: float
    """Of all processors, whoever used them."""

    @property
    def limit(self) -> str:
        """Return whose processor was the limit."""
        if self.server >= BUSY and self.clients >= BUSY:
            return "both"
        if self.server >= BUSY:
            return "server"
        if self.clients >= BUSY:
            return "clients"
        return "machine" if self.machine >= BUSY else "none"

    def __str__(self) -> str:
        return f"{self.limit} ({self.server * 100:.0f}, {self.clients * 100:.0f})"


@contextmanager
def used_by(server: Process, clients: Sequence[Process]) -> Iterator[list[Use]]:
    """Give a list that after the block holds what it used."""
    used: list[Use] = []
    watched = (server, *clients)
    began, before, (busy, whole) = time.monotonic(), [each.cpu() for each in watched], _machine()
    yield used
    seconds = time.monotonic() - began
    shares = [(each.cpu() - then) / seconds for each, then in zip(watched, before, strict=True)]
    busy_now, whole_now = _machine()
    used.append(
        Use(
            seconds=seconds,
            server=shares[0],
            clients=max(shares[1:]),
            machine=(busy_now - busy) / max(whole_now - whole, 1),
        )
    )


def quantile(taken: list[float], share: float) -> float:
    """Return a quantile of what is not empty."""
    return sorted(taken)[math.ceil(len(taken) * share) - 1]


def _machine() -> tuple[int, int]:
    """Return the ticks that the processors were busy, and all there were."""
    fields = [int(word) for word in STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)

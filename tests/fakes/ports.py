"""Ports for programs that have to be told one: nobody else takes them before they are listened at.

A port that the kernel gave, and that was given back, may be a client's the next moment, or another
test's: several processes run tests beside each other. So these come from below those that the kernel gives,
each process has its own part of them, and none is given twice while others are left.
"""

import os
import random
import socket
from collections.abc import Iterator
from itertools import cycle

FIRST, LAST = 10_000, 32_000

_all = range(FIRST, LAST)
_parts = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_size = len(_all) // _parts
_mine = _all[_part * _size : (_part + 1) * _size]
_begin = random.randrange(_size)  # beside another run of the tests
_next: Iterator[int] = cycle([*_mine[_begin:], *_mine[:_begin]])


def free_port() -> int:
    """Return a port at which nobody listens."""
    return next(port for port in _next if _is_free(port))


def free_ports(count: int) -> int:
    """Return the first of some ports in a row at which nobody listens."""
    row: list[int] = []
    while len(row) < count:
        port = free_port()
        row = [*row, port] if row and port == row[-1] + 1 else [port]
    return row[0]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True

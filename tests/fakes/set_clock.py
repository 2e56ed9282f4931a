"""``orch`` with a wall clock that someone sets while it runs.

    python -m tests.fakes.set_clock serve …

SIGUSR1 sets it back by :data:`SECONDS`, SIGUSR2 sets it right again. Time passes as it does.
"""

import runpy
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.fakes.service import RunningService

SECONDS: Final = 3600.0


class SetClock:
    """The clock. The mutable state is how far it is from the right time."""

    def __init__(self) -> None:
        self._shift = 0.0
        self._right = time.time

    def __call__(self) -> float:
        """Return the time it shows."""
        return self._right() + self._shift

    def set(self, number: int, _frame: object) -> None:
        """Be set, by a signal."""
        self._shift = -SECONDS if number == signal.SIGUSR1 else 0.0


def main() -> None:
    """Set the clock up before the service reads it, and be the service."""
    clock = SetClock()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, clock.set)
    time.time = clock
    runpy.run_module("orch", run_name="__main__", alter_sys=True)


class ClockedService(RunningService):
    """A service whose clock can be set by :data:`SECONDS`."""

    def command(self, arguments: list[str]) -> list[str]:
        """Run this module."""
        return [sys.executable, "-m", "tests.fakes.set_clock", *arguments]

    def set_back(self) -> None:
        """Set its clock back."""
        self.process.send_signal(signal.SIGUSR1)

    def set_right(self) -> None:
        """Set it to the right time."""
        self.process.send_signal(signal.SIGUSR2)


@contextmanager
def clocked_service(folder: Path, *, settings: str) -> Iterator[ClockedService]:
    """Run it for the block."""
    path = folder / "orchestration.yaml"
    path.write_text(settings, encoding="utf-8")
    running = ClockedService(["serve", "--port", "0", "--config", str(path)], folder, {})
    try:
        yield running
    finally:
        running.stop()


if __name__ == "__main__":
    main()

"""Detects suspensions of this process and jumps of the clock.

The problem: when a suspended process resumes (after SIGSTOP, a paused virtual machine, or heavy swapping),
all its deadlines have passed at once, while the replies it waited for are unread in its sockets. Every peer
then looks as if it had not responded. So one task beats periodically; a gap between two beats is a time in
which no peer was observed.

A jump of the wall clock is an event too, since earlier times were shown by it.
"""

from collections.abc import Callable, Iterator
from typing import Final, Never

import structlog
import trio

from orch.telemetry.events import EventLog
from orch.telemetry.names.metric import Reading
from orch.telemetry.names.process import CLOCK_JUMPS, STANDSTILLS
from orch.telemetry.shortages import SUBJECT

BEAT: Final = 0.5
"""Seconds between beats."""

GAP: Final = 2.0
"""Seconds between two beats above which the process counts as having been suspended."""

JUMP: Final = 5.0
"""Seconds that the wall clock may move against the monotonic one between two beats; NTP slews far less."""

_log = structlog.get_logger("pulse")


class Pulse:
    """A periodic beat. The mutable state is the last beat and the end of the last gap (monotonic seconds)."""

    def __init__(
        self,
        *,
        events: EventLog,
        wall: Callable[[], float],
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._events = events
        self._wall = wall
        self._clock = clock
        self._beat_at: float | None = None
        self._wall_at = 0.0
        self._resumed_at = float("-inf")
        self.gaps = 0
        self.jumps = 0
        self.on_gap: Callable[[float], None] = lambda _seconds: None

    def was_stopped_since(self, began: float) -> bool:
        """Whether this process was suspended at any time since ``began``.

        Correct even before the first beat after a gap: the order in which tasks resume is undefined.
        """
        if self._beat_at is None:
            return False
        return self._resumed_at >= began or self._clock() - self._beat_at > GAP

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Beat until cancelled."""
        self._beat_at, self._wall_at = self._clock(), self._wall()
        task_status.started()
        try:
            while True:
                await trio.sleep(BEAT)
                self._beat()
        finally:
            self._beat_at = None

    def _beat(self) -> None:
        assert self._beat_at is not None  # noqa: S101 - set by run
        now, wall = self._clock(), self._wall()
        passed, shown = now - self._beat_at, wall - self._wall_at
        self._beat_at, self._wall_at = now, wall
        if passed > GAP:
            self._resumed_at = now
            self.gaps += 1
            _log.warning("process was suspended", seconds=round(passed, 1))
            self._events.record(
                "warn",
                SUBJECT,
                f"The service was suspended for {passed:.3g} s: the machine was paused, overloaded or out "
                "of memory. Health checks and time-outs during that time are ignored.",
            )
            self.on_gap(passed)
        if abs(shown - passed) > JUMP:
            self.jumps += 1
            way = "forward" if shown > passed else "back"
            _log.warning("clock jumped", seconds=round(shown - passed, 1))
            self._events.record(
                "warn",
                SUBJECT,
                f"The machine's clock jumped {way} by {abs(shown - passed):.6g} s, or the machine was "
                "asleep. Earlier times are those of the old clock.",
            )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield Reading(STANDSTILLS, self.gaps)
        yield Reading(CLOCK_JUMPS, self.jumps)

"""Looks at this process's memory and descriptors, and says which step of its overload holds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Never

import trio

from orch.overload import (
    NAMES,
    OverloadStatistics,
    OverloadUse,
    Step,
    Thresholds,
    Use,
    in_words,
    step_of,
)
from orch.problems import ProblemError
from orch.settings.source import SettingsSource
from orch.shortages import Shortage
from orch.telemetry.events import EventLog, Severity
from orch.telemetry.names.metric import Reading
from orch.telemetry.names.process import OVERLOAD_REFUSED, OVERLOAD_STEP, OVERLOAD_USED
from orch.telemetry.shortages import SUBJECT, ShortageLine

SECONDS: Final = 1.0
"""Between two looks."""

RETRY_AFTER: Final = 5
"""Seconds after which what was refused may be tried again."""

Sources = Mapping[Shortage, Callable[[], Use | None]]


class OverloadWatch:
    """The overload of this process. ``sources`` return the use of each resource, None if it has no limit.

    The mutable state is the use and step of each resource at the last look, since when a step holds, and how
    many requests were refused. Calm before and without :meth:`run`.
    """

    def __init__(
        self, *, settings: SettingsSource, events: EventLog, wall: Callable[[], float], sources: Sources
    ) -> None:
        self._settings = settings
        self._events = events
        self._wall = wall
        self._sources = sources
        self._uses: dict[Shortage, Use] = {}
        self._steps: dict[Shortage, Step] = {}
        self._since: dict[Shortage, float] = {}
        self.step = Step.CALM
        self.refused = 0
        self.on_change: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        uses = ", ".join(f"{name} {use.share:.0%}" for name, use in self._uses.items())
        return f"<OverloadWatch {self.step.name}: {uses or 'nothing known'}>"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Look once a second, until cancelled."""
        task_status.started()
        try:
            while True:
                self.look()
                await trio.sleep(SECONDS)
        finally:
            self.step = Step.CALM

    def look(self) -> None:
        """Read every resource, and record what has changed."""
        overload = self._settings.current.orchestration.overload
        thresholds = Thresholds(overload.no_keep_alive, overload.refuse)
        for shortage, read in self._sources.items():
            use = read()
            if use is None:
                self._uses.pop(shortage, None)
                self._set(shortage, None, Step.CALM)
                continue
            self._uses[shortage] = use
            self._set(shortage, use, step_of(use, thresholds, self._steps.get(shortage, Step.CALM)))
        self.step = max(self._steps.values(), default=Step.CALM)

    def refuse(self) -> ProblemError | None:
        """Return the problem of new work, and count it; None if there is room for it."""
        if self.step is not Step.REFUSING:
            return None
        self.refused += 1
        return ProblemError(
            "own_shortage",
            "The orchestration service has too little memory or too few open files left for new requests. "
            f"Try again in {RETRY_AFTER} s.",
            headers={"Retry-After": str(RETRY_AFTER)},
        )

    def use(self, shortage: Shortage) -> Use | None:
        """Return the use of a resource at the last look; None if it is not known."""
        return self._uses.get(shortage)

    def lines(self) -> tuple[ShortageLine, ...]:
        """Return what operators see while a step holds."""
        return tuple(
            ShortageLine(
                kind=str(shortage),
                text=in_words(shortage, self._uses[shortage], step),
                last=f"{self.refused:,} requests were refused since the start.",
                since=self._since[shortage],
                times=1,
            )
            for shortage, step in self._steps.items()
            if step is not Step.CALM
        )

    def statistics(self) -> OverloadStatistics:
        """Return what the last look has found."""
        overload = self._settings.current.orchestration.overload
        return OverloadStatistics(
            uses=tuple(
                OverloadUse(
                    resource=NAMES[shortage],
                    used=use.used,
                    limit=use.limit,
                    step=self._steps.get(shortage, Step.CALM),
                )
                for shortage, use in self._uses.items()
            ),
            no_keep_alive=overload.no_keep_alive,
            refuse=overload.refuse,
            refused=self.refused,
        )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        for shortage, use in self._uses.items():
            yield Reading(OVERLOAD_USED, use.share, (str(shortage),))
        for shortage in self._sources:
            yield Reading(OVERLOAD_STEP, self._steps.get(shortage, Step.CALM), (str(shortage),))
        yield Reading(OVERLOAD_REFUSED, self.refused)

    def _set(self, shortage: Shortage, use: Use | None, step: Step) -> None:
        before = self._steps.get(shortage, Step.CALM)
        if step is before:
            return
        self._steps[shortage] = step
        if before is Step.CALM:
            self._since[shortage] = self._wall()
        if step is Step.CALM:
            self._events.record("ok", SUBJECT, f"There is enough {NAMES[shortage]} again.")
        elif use is not None:
            severity: Severity = "bad" if step is Step.REFUSING else "warn"
            self._events.record(severity, SUBJECT, in_words(shortage, use, step))
        self.on_change()

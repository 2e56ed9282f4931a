"""What became of the bots of a process, counted from the changes of their stored lives. Pure."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from orch.bots.correlation.tally import AttributionTally
from orch.bots.ends import EndReason
from orch.bots.states import FINAL, Stage, State
from orch.stores.bot_records import Life
from orch.telemetry.histogram import Histogram
from orch.telemetry.names import bots as names
from orch.telemetry.names.metric import Distribution, Reading

CRASHES: Final = frozenset({EndReason.BROWSER_CRASHED, EndReason.BROWSER_STALLED})
"""Losses after which another browser is started."""

#: Of each reason in each stage; a reading is made when its count changes, since all are read each second.
_ENDS: Final = tuple((reason.value, stage.value) for reason in EndReason for stage in Stage)


class BotCounters:
    """Counts. The mutable state is all of it; ``orphans`` and ``attribution`` are counted by others."""

    def __init__(self) -> None:
        self._started = 0
        self._restarts = 0
        self._ends = {labels: Reading(names.BOT_ENDS, 0, labels) for labels in _ENDS}
        self._ended: Counter[State] = Counter()
        self._join_seconds = Histogram(names.BOT_JOIN_SECONDS.buckets)
        self.orphans = 0
        self.attribution = AttributionTally()

    @property
    def ended(self) -> Counter[State]:
        """How many ended since the start, by the state they ended in."""
        return self._ended

    def changed(self, before: Life, after: Life) -> None:
        """Count what a stored change of a bot's life means. Lives of the same revision mean nothing."""
        if after.state == before.state:
            return
        state = State(after.state)
        if state is State.STARTING and before.state == State.REQUESTED:
            self._started += 1
        if after.admitted_at is not None and before.admitted_at is None:
            since = after.requested_at if after.placed_at is None else after.placed_at
            self._join_seconds.observe(max(0.0, after.admitted_at - since))
        if state is State.RECOVERING and after.lost_to in CRASHES:
            self._restarts += 1
        if state in FINAL and State(before.state) not in FINAL:
            self._ended[state] += 1
            reason, stage = after.reason or EndReason.INTERNAL_ERROR, after.stage or Stage.BEFORE_START
            labels = (str(reason), str(stage))
            before_it = self._ends.get(labels)
            count = 0 if before_it is None else before_it.value
            self._ends[labels] = Reading(names.BOT_ENDS, count + 1, labels)

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads: each reason in each stage, from the start."""
        yield Reading(names.BOTS_STARTED, self._started)
        yield from self._ends.values()
        yield Distribution(names.BOT_JOIN_SECONDS, self._join_seconds)
        yield Reading(names.BOT_BROWSER_RESTARTS, self._restarts)
        yield Reading(names.BOT_ORPHANS, self.orphans)
        yield Reading(names.ATTRIBUTION_WORDS, self.attribution.named, ("named",))
        yield Reading(names.ATTRIBUTION_WORDS, self.attribution.unknown, ("unknown",))
        yield Reading(names.ATTRIBUTION_REVISED, self.attribution.revised)

"""What Prometheus reads of the bots that run in a process. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from orch.bots.states import State
from orch.telemetry.names import bots as names
from orch.telemetry.names.metric import Reading


class ReadBot(Protocol):
    """A bot that runs here, as far as it is read."""

    @property
    def state(self) -> State:
        """Its state, as it was stored last."""

    @property
    def since(self) -> float:
        """Since when it is in it: seconds since the epoch."""

    @property
    def people(self) -> int:
        """How many others are in its meeting."""

    @property
    def is_silent(self) -> bool:
        """Whether it has heard nothing for long although others are there."""

    @property
    def browser_memory(self) -> int:
        """Bytes that its browser uses; 0 without one."""


def readings(runs: Iterable[ReadBot], ended: Mapping[State, int], *, now: float) -> Iterator[Reading]:
    """Yield the readings of the bots that run, and of those that ``ended`` here since the start.

    ``now``: seconds since the epoch.
    """
    running = tuple(runs)
    states = Counter(run.state for run in running if run.state not in ended)
    longest: dict[State, float] = {}
    for run in running:
        longest[run.state] = max(longest.get(run.state, 0.0), now - run.since)
    for state in State:
        yield Reading(names.BOTS, states[state] + ended.get(state, 0), (state.value,))
        yield Reading(names.BOT_STATE_SECONDS, longest.get(state, 0.0), (state.value,))
    yield Reading(names.BOT_SILENT, sum(run.is_silent for run in running))
    yield Reading(names.BOT_PARTICIPANTS, sum(run.people for run in running))
    yield Reading(names.BOT_BROWSER_BYTES, sum(run.browser_memory for run in running))

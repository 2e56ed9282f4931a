"""What this process does without, and refuses, when it has little memory or few descriptors left. Pure.

Two steps, those of Envoy's overload manager: from 92 % of a limit clients' connections are closed after each
response, so that idle ones hold nothing; from 95 % new work is refused (503 ``own_shortage``), so that what
is in progress can be completed. Probes, pages and the control API are served in any case: an operator has to
see it, and a supervisor that restarts what fails its probe would end everybody's speech.

A step ends two hundredths below where it began, so that it does not begin and end all the time.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from msgspec import Struct

from orch.shortages import ADVICE, Shortage

MARGIN: Final = 0.02
"""How far below its beginning a step ends, as a share of the limit."""


class Step(IntEnum):
    """What is done about the share of a limit that is used."""

    CALM = 0
    NO_KEEP_ALIVE = 1
    REFUSING = 2


class Thresholds(NamedTuple):
    """From which share (0..1) of a limit on each step is taken."""

    no_keep_alive: float
    refuse: float


class Use(NamedTuple):
    """How much of a resource is used. ``spare``: units that are reserved for the service's own needs."""

    used: int
    limit: int
    spare: int = 0

    @property
    def share(self) -> float:
        """The part of the limit that is used."""
        return self.used / self.limit if self.limit > 0 else 1.0


class OverloadUse(Struct, frozen=True, kw_only=True):
    """The use of a resource at the last look, and the step (0 to 2) that holds; both in its own units."""

    resource: str
    used: int
    limit: int
    step: int


class OverloadStatistics(Struct, frozen=True, kw_only=True):
    """The overload of this process. Resources without a limit are not in ``uses``.

    ``no_keep_alive`` and ``refuse``: the shares of a limit from which connections are closed after each
    response, and new work is refused; ``refused``: requests since the start.
    """

    uses: tuple[OverloadUse, ...]
    no_keep_alive: float
    refuse: float
    refused: int


NAMES: Final[Mapping[Shortage, str]] = {
    Shortage.MEMORY: "memory",
    Shortage.DESCRIPTORS: "open files",
}


def step_of(use: Use, thresholds: Thresholds, before: Step) -> Step:
    """Return the step for a use; ``before``: the present one.

    Of what is reserved for the service, clients get nothing anyway. While half of it is free, there is no
    need to act, and while a quarter is, no need to refuse: with a low limit of open files, as many clients as
    are allowed may be more than 92 % of it.
    """
    step = _by_share(use.share, thresholds, before)
    free = use.limit - use.used
    if use.spare and free * 2 > use.spare:
        return Step.CALM
    if use.spare and free * 4 > use.spare:
        return min(step, Step.NO_KEEP_ALIVE)
    return step


def _by_share(share: float, thresholds: Thresholds, before: Step) -> Step:
    for step, begins in (
        (Step.REFUSING, thresholds.refuse),
        (Step.NO_KEEP_ALIVE, thresholds.no_keep_alive),
    ):
        if share >= begins - (MARGIN if before >= step else 0.0):
            return step
    return Step.CALM


def in_words(shortage: Shortage, use: Use, step: Step) -> str:
    """Return what is used, what is done about it, and what an operator should do."""
    if shortage is Shortage.MEMORY:
        size = f"{use.limit / 2**20:,.0f} MiB of {NAMES[shortage]}"
    else:
        size = f"{use.limit:,} {NAMES[shortage]}"
    done = (
        "New requests, connections and recordings are refused"
        if step is Step.REFUSING
        else "Connections of clients are closed after each response"
    )
    return (
        f"The orchestration service uses {use.share:.0%} of its limit of {size}. {done}. {ADVICE[shortage]}"
    )

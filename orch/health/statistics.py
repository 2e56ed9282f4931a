"""The state of the back ends, for pages, probes and the API. Pure.

Times are seconds since the epoch, latencies milliseconds, shares 0..1.
"""

from msgspec import UNSET, Struct, UnsetType

from orch.health.health_events import RecoveryStep
from orch.health.history import Check
from orch.health.starts import StartStatistics
from orch.health.verdict import State
from orch.telemetry.shortages import ShortageLine


class RecoveryStatistics(Struct, frozen=True, kw_only=True):
    """The recovery of a service, or of one instance, that is down.

    ``next_in``: seconds to the next attempt, if any.
    """

    attempt: int
    limit: int
    next_in: float | None
    text: str


class InstanceStatistics(Struct, frozen=True, kw_only=True):
    """One process that serves a service. ``checks``: oldest first, at most 45.

    ``notice``: a sentence for people, also of a healthy instance; otherwise left out.
    ``certificate_until``: when its certificate expires, in epoch seconds; left out without TLS.
    ``is_flapping``: true while it changes too often; otherwise left out.
    ``p95_ms`` and ``answered``, the share that had a response, are of these checks.
    ``name``: of a child process, where a service has several; otherwise left out. ``restartable``: it can be
    restarted from here; ``is_alone``: true if that restarts no other instance, and ``recovery``: what is
    being done about it alone; otherwise left out. ``start``: while it is being started, or has not come up;
    otherwise left out.
    """

    url: str
    state: State
    reasons: tuple[str, ...]
    since: float
    weight: int
    usable: bool
    latency_ms: float | None
    p95_ms: float | None
    answered: float | None
    checks: tuple[Check, ...]
    restarts: int
    pid: int | None
    engine: str | None
    notice: str | UnsetType = UNSET
    is_flapping: bool | UnsetType = UNSET
    certificate_until: float | UnsetType = UNSET
    name: str | UnsetType = UNSET
    restartable: bool = False
    is_alone: bool | UnsetType = UNSET
    recovery: RecoveryStatistics | UnsetType = UNSET
    start: StartStatistics | UnsetType = UNSET


class MaintenanceStatistics(Struct, frozen=True, kw_only=True):
    """A maintenance window that is on. ``until``: epoch seconds of its end."""

    title: str
    until: float


class ServiceStatistics(Struct, frozen=True, kw_only=True):
    """One back end. ``restartable``: it can be restarted from here.

    ``refusal``: its reason, while it refuses every request; otherwise left out. ``steps``: the latest steps
    of its recoveries, oldest first, at most 30. ``maintenance``: the window that is on; otherwise left out.
    """

    name: str
    state: State
    reason: str
    since: float
    restartable: bool
    recovery: RecoveryStatistics | None
    instances: tuple[InstanceStatistics, ...]
    refusal: str | UnsetType = UNSET
    maintenance: MaintenanceStatistics | UnsetType = UNSET
    steps: tuple[RecoveryStep, ...] = ()


class ServicesStatistics(Struct, frozen=True, kw_only=True):
    """All back ends; ``state`` is the worst of theirs.

    ``shortages``: what this process itself is short of, which shows nothing about a back end.
    """

    state: State
    services: tuple[ServiceStatistics, ...]
    shortages: tuple[ShortageLine, ...] = ()

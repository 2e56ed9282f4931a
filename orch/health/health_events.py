"""What happens to the back ends, as typed events: changes of state, steps of recoveries, maintenance. Pure.

Incidents, uptime and the status page are built on these. ``at``: seconds since the epoch. ``instance``: the
URL with its credentials masked. ``reason`` and ``text`` are sentences or parts of them, for operators.
"""

from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

from orch.health.verdict import State


class Stage(StrEnum):
    """The steps of a recovery, in the order of the ladder; the last five end an attempt or a recovery."""

    RESET = "reset"  # connections and breakers of the service were reset
    WAITING = "waiting"  # work in progress would be lost; it has some time left
    HOOK = "hook"  # the restart hook runs
    VERIFYING = "verifying"  # the hook has ended; checks show whether it helped
    RECOVERED = "recovered"
    FAILED = "failed"  # the hook failed
    ESCALATED = "escalated"  # the attempts are used up, people are needed
    SUPERSEDED = "superseded"  # the back end came back by itself
    STOPPED = "stopped"  # an operator stopped it


class InstanceChanged(Struct, frozen=True, kw_only=True, tag="instance_changed"):
    """The state of one instance changed."""

    at: float
    service: str
    instance: str
    before: State
    after: State
    reasons: tuple[str, ...]


class ServiceChanged(Struct, frozen=True, kw_only=True, tag="service_changed"):
    """The state of a service changed. A service that leaves the settings becomes ``unknown``."""

    at: float
    service: str
    before: State
    after: State
    reason: str


class RecoveryStep(Struct, frozen=True, kw_only=True, tag="recovery_step"):
    """One step of the recovery of a service. ``attempt``: 1, 2, …; 0: outside the numbered attempts.

    ``instance``: the name or URL of the only instance that is recovered; left out where the whole service is.
    ``text`` begins with it if the service has others.
    """

    at: float
    service: str
    stage: Stage
    attempt: int
    text: str
    instance: str | UnsetType = UNSET


class MaintenanceChanged(Struct, frozen=True, kw_only=True, tag="maintenance_changed"):
    """A maintenance window of a service began (``is_on``) or ended. ``until``: epoch seconds of its end."""

    at: float
    service: str
    is_on: bool
    title: str
    until: float


HealthEvent = InstanceChanged | ServiceChanged | RecoveryStep | MaintenanceChanged

"""Decides which silences the maintenance windows of back ends need in Alertmanager. Pure.

Alertmanager itself is the store: what it lists is compared with the windows that are on. So a restart,
another worker, or a response that was lost leave no silence behind, and none is made twice.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from msgspec import Struct

from orch.health.maintenance import current
from orch.settings.service_structs import Service

CREATOR: Final = "orchestration service (maintenance)"
"""Who makes these silences, by which they are known."""

SERVICE: Final = "service"
"""The label of alerts that names the back end."""

_SAME: Final = 2.0
"""Seconds by which the end of a silence may differ from that of its window."""


class Window(Struct, frozen=True, kw_only=True):
    """A maintenance window that is on. ``until``: epoch seconds of its end."""

    service: str
    title: str
    until: float


class Matcher(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a label of a silenced alert is."""

    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class SilenceStatus(Struct, frozen=True, kw_only=True):
    """``active``, ``pending`` or ``expired``."""

    state: str


class ListedSilence(Struct, frozen=True, kw_only=True, rename="camel"):
    """A silence in the list of ``GET /api/v2/silences``, where those that ended lately are listed too."""

    id: str
    status: SilenceStatus
    matchers: tuple[Matcher, ...]
    created_by: str
    comment: str = ""
    ends_at: datetime


class Plan(Struct, frozen=True, kw_only=True):
    """What to do. ``make``: silences of these windows; ``end``: these silences, by id.

    ``withdrawn``: services whose silence somebody ended in Alertmanager, which then stays so.
    """

    make: tuple[Window, ...]
    end: tuple[str, ...]
    withdrawn: frozenset[str]


SilenceState = Literal["made", "waiting", "withdrawn", "none"]


class MaintenanceShown(Struct, frozen=True, kw_only=True):
    """A window that is on, and the silence of that service's alerts. ``until``: epoch seconds.

    ``silence``: ``made``: Alertmanager notifies nobody of them; ``waiting``: not made yet, for the reason
    ``fault``; ``withdrawn``: it was ended in Alertmanager; ``none``: no Alertmanager is configured.
    """

    service: str
    title: str
    until: float
    silence: SilenceState
    fault: str = ""


def windows(services: Mapping[str, Service], now: float) -> tuple[Window, ...]:
    """Return the windows that are on, one for each service."""
    return tuple(
        Window(service=name, title=found.title, until=found.until)
        for name, service in services.items()
        if (found := current(service.maintenance, now)) is not None
    )


def decide(
    planned: Iterable[Window], listed: Iterable[ListedSilence], *, ended: Collection[str] = ()
) -> Plan:
    """Return what makes the silences those of the windows. ``ended``: silences that this service ended."""
    own = [each for each in listed if each.created_by == CREATOR]
    lasting = [each for each in own if each.status.state != "expired"]
    make: list[Window] = []
    kept: set[str] = set()
    withdrawn: set[str] = set()
    for window in planned:
        fitting = [each.id for each in lasting if _fits(each, window)]
        kept.update(fitting[:1])
        if fitting:
            continue
        if any(
            each.status.state == "expired" and each.id not in ended and each.comment == comment(window)
            for each in own
        ):
            withdrawn.add(window.service)
        else:
            make.append(window)
    return Plan(
        make=tuple(make),
        end=tuple(each.id for each in lasting if each.id not in kept),
        withdrawn=frozenset(withdrawn),
    )


def _fits(silence: ListedSilence, window: Window) -> bool:
    wanted = Matcher(name=SERVICE, value=window.service, is_regex=False)
    return silence.matchers == (wanted,) and abs(silence.ends_at.timestamp() - window.until) <= _SAME


def comment(window: Window) -> str:
    """Return the comment of a window's silence, which no other window has."""
    title = f": {window.title}" if window.title else ""
    return f"Maintenance of {window.service} until {_written(window.until)}{title}"


def silence(window: Window, now: float) -> dict[str, Any]:
    """Return the silence of a window: all alerts with this service in their labels, until its end."""
    return {
        "matchers": [{"name": SERVICE, "value": window.service, "isRegex": False, "isEqual": True}],
        "startsAt": _written(now),
        "endsAt": _written(window.until),
        "createdBy": CREATOR,
        "comment": comment(window),
    }


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""What happened to the service, read from its log of events. Pure."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from orch.telemetry.events import Event

TEXT: Final = 300
"""Characters of a happening's text at most."""


class Happening(Struct, frozen=True, kw_only=True):
    """One thing that happened. ``at``: seconds since the epoch.

    ``subject``: the service, the branch or the part that it is about; "": the whole service.
    ``is_over``: it reports that something works again.
    """

    at: float
    what: "What"
    subject: str
    text: str
    is_over: bool = False


class What(StrEnum):
    """What sort of thing happened."""

    START = "start"  # a start of this process: a deployment, or a restart
    SETTINGS = "settings"  # settings were changed, or could not be
    BACK_END = "back_end"  # a back end failed, was ejected, is out of rotation; or works again
    INCIDENT = "incident"  # an incident of a back end was opened or closed
    BRANCH = "branch"  # a part of this service failed
    SHORTAGE = "shortage"  # this process is out of a resource
    STANDSTILL = "standstill"  # the process was suspended, or the clock jumped
    STORE = "store"  # the store cannot be written
    DISCOVERY = "discovery"  # instances cannot be looked up
    COMMAND = "command"  # an operator did something


_PARTS: Final = {
    "store": What.STORE,
    "stores": What.STORE,
    "sessions": What.STORE,
    "registry": What.DISCOVERY,
}
"""What a warning of these subjects is about."""

_STANDSTILLS: Final = ("The service was suspended", "The machine's clock jumped")


def happenings(
    events: Iterable[Event], *, services: Collection[str], branches: Collection[str]
) -> tuple[Happening, ...]:
    """Return what happened, in the order of time; events that explain nothing are left out."""
    found = [each for event in events if (each := happening(event, services=services, branches=branches))]
    return tuple(sorted(found, key=lambda each: each.at))


def happening(event: Event, *, services: Collection[str], branches: Collection[str]) -> Happening | None:
    """Return what an event reports, or None if it explains nothing."""
    what = _what(event, services, branches)
    if what is None:
        return None
    of_whole = what in {What.START, What.SETTINGS, What.SHORTAGE, What.STANDSTILL}
    return Happening(
        at=event.at,
        what=what,
        subject="" if of_whole else event.subject,
        text=event.text[:TEXT],
        is_over=event.severity == "ok" and what is not What.START,
    )


def _what(event: Event, services: Collection[str], branches: Collection[str]) -> What | None:
    subject = event.subject
    if subject in services:
        return _of_service(event)
    if subject == "service":
        return _of_process(event)
    if subject in _PARTS and event.severity != "info":
        return _PARTS[subject]
    if subject in branches and event.severity != "warn":
        return What.COMMAND if event.severity == "info" else What.BRANCH
    return What.SETTINGS if subject == "settings" else None


def _of_process(event: Event) -> What | None:
    if event.text.startswith("Ready at"):
        return What.START
    if event.text.startswith(_STANDSTILLS):
        return What.STANDSTILL
    return What.SHORTAGE if event.severity in {"bad", "ok"} else None


def _of_service(event: Event) -> What | None:
    text = event.text
    if text.startswith("Incident "):
        return What.INCIDENT
    if text.startswith(("DNS ", "Registered instances")):
        return What.DISCOVERY
    if event.severity == "info":
        return What.COMMAND
    return What.BACK_END

"""Checks of ``services.X.probe`` and ``services.X.maintenance`` that involve more than one field. Pure."""

import datetime as dt
from zoneinfo import ZoneInfo

from orch.settings.probe_structs import MaintenanceWindow
from orch.settings.restrictions import given
from orch.settings.service_structs import Service
from orch.settings.structs import Fault


def find_probe_faults(where: str, service: Service) -> list[Fault]:
    """Return the faults in how the service at the path ``where`` is checked."""
    probe, at = service.probe, f"{where}.probe"
    faults: list[Fault] = []
    for number, each in enumerate(probe.status):
        first, _, last = each.partition("-")
        if last and int(last) < int(first):
            faults.append(Fault(f"{at}.status[{number}]", f"expected {last}-{first}, got {each}"))
    if probe.kind != "http":
        faults += [
            Fault(f"{at}.{name}", f"expected none with {at}.kind: {probe.kind}")
            for name in ("status", "body")
            if getattr(probe, name)
        ]
    if probe.flaps == 1:
        faults.append(Fault(f"{at}.flaps", "expected 0, or at least 2 changes, got 1"))
    for number, window in enumerate(service.maintenance):
        faults += _window(f"{where}.maintenance[{number}]", window)
    return faults


def _window(at: str, window: MaintenanceWindow) -> list[Fault]:
    faults: list[Fault] = []
    try:
        dt.datetime.fromisoformat(window.start)
    except ValueError:
        got = given("", window.start)
        faults.append(
            Fault(f"{at}.start", f"expected a time that exists, such as 2026-12-01T02:00, got {got}")
        )
    limit = {"never": 10_080, "daily": 1_440, "weekly": 10_080}[window.repeat]
    if window.minutes >= limit and window.repeat != "never":
        faults.append(Fault(f"{at}.minutes", f"expected less than {limit}, until it repeats"))
    if window.timezone != "UTC":
        try:
            ZoneInfo(window.timezone)
        except (OSError, ValueError, KeyError):  # an unknown one raises ZoneInfoNotFoundError, a KeyError
            faults.append(_zone(at, window))
    return faults


def _zone(at: str, window: MaintenanceWindow) -> Fault:
    got = given("", window.timezone)
    return Fault(
        f"{at}.timezone", f"expected a name such as Europe/Lisbon that this machine knows, got {got}"
    )

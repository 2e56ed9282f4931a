"""Checks of ``orchestration.bots`` that involve more than the type of a field. Pure."""

import re
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from orch.settings.bots import Bots, read_recording_key
from orch.settings.restrictions import given
from orch.settings.structs import Fault

_AT: Final = "orchestration.bots"
_MOST_CALENDARS: Final = 50
_MOST_FONTS: Final = 64
_ORIGIN: Final = re.compile(
    r"https?://(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)


def find_bots_faults(bots: Bots) -> list[Fault]:
    """Return the faults of the section; none quotes a secret."""
    return [
        *_cdp_url(bots),
        *_postgres_url(bots),
        *_demo_meeting(bots),
        *_origins(bots),
        *_calendars(bots),
        *_webhooks(bots),
        *_key(bots),
        *_bot_names(bots),
        *_fonts(bots),
    ]


def _address(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether a URL has one of the schemes, a host and a possible port."""
    if any(each <= " " for each in url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname) and port != 0


def _cdp_url(bots: Bots) -> list[Fault]:
    where = f"{_AT}.cdp_url"
    if not bots.cdp_url:
        return []
    if not _address(bots.cdp_url, ("http", "ws")):
        expected = (
            "expected http://HOST:PORT of --remote-debugging-port, or ws://HOST:PORT/devtools/browser/ID"
        )
        return [Fault(where, f"{expected}; got {given(where, bots.cdp_url)}")]
    if bots.profile_dir:
        expected = "expected either this or orchestration.bots.profile_dir: a running browser has a profile"
        return [Fault(where, expected)]
    return []


def _postgres_url(bots: Bots) -> list[Fault]:
    where = f"{_AT}.postgres_url"
    if not bots.postgres_url or _address(bots.postgres_url, ("postgres", "postgresql")):
        return []
    expected = "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    return [Fault(where, f"{expected}, got {given(where, bots.postgres_url)}")]


def _demo_meeting(bots: Bots) -> list[Fault]:
    where = f"{_AT}.demo_meeting"
    if not bots.demo_meeting or _address(bots.demo_meeting, ("http", "https")):
        return []
    return [Fault(where, f"expected a meeting's URL, got {given(where, bots.demo_meeting)}")]


def _origins(bots: Bots) -> list[Fault]:
    faults: list[Fault] = []
    seen: set[str] = set()
    for number, each in enumerate(bots.meeting_origins):
        where = f"{_AT}.meeting_origins[{number}].origin"
        if not _ORIGIN.fullmatch(each.origin) or not _address(each.origin, ("http", "https")):
            expected = "expected https://HOST or http://HOST:PORT and no path"
            faults.append(Fault(where, f"{expected}, got {given(where, each.origin)}"))
        elif each.origin.lower() in seen:
            faults.append(Fault(where, "expected each origin once"))
        seen.add(each.origin.lower())
    return faults


def _calendars(bots: Bots) -> list[Fault]:
    if len(bots.calendars) > _MOST_CALENDARS:
        return [Fault(f"{_AT}.calendars", f"expected at most {_MOST_CALENDARS}, got {len(bots.calendars)}")]
    faults: list[Fault] = []
    names: set[str] = set()
    for number, each in enumerate(bots.calendars):
        where = f"{_AT}.calendars[{number}]"
        if not _address(each.url, ("https", "http", "webcal")):
            expected = "expected the ICS address of a calendar, https://… or webcal://…, got another text"
            faults.append(Fault(f"{where}.url", f"{expected} (not shown)"))
        elif each.url.startswith("http:") and not bots.webhooks.http:
            expected = "expected https://…, or true for orchestration.bots.webhooks.http"
            faults.append(Fault(f"{where}.url", expected))
        if not _is_zone(each.zone):
            faults.append(Fault(f"{where}.zone", f"expected a time zone, got {given('', each.zone)}"))
        if each.name in names:
            faults.append(
                Fault(f"{where}.name", f"expected each name once, got {given('', each.name)} again")
            )
        names.add(each.name)
    return faults


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # an unknown one raises ZoneInfoNotFoundError, a KeyError
        return False
    return True


def _webhooks(bots: Bots) -> list[Fault]:
    return [
        Fault(
            where := f"{_AT}.webhooks.allowed_networks[{number}]",
            f"expected a network, as 10.1.0.0/16, got {given(where, each)}",
        )
        for number, each in enumerate(bots.webhooks.allowed_networks)
        if not _is_network(each)
    ]


def _key(bots: Bots) -> list[Fault]:
    try:
        read_recording_key(bots.recording_key)
    except ValueError as error:
        return [Fault(f"{_AT}.recording_key", f"{error}; got a text (not shown)")]
    return []


def _bot_names(bots: Bots) -> list[Fault]:
    return [
        Fault(f"{_AT}.leaving.bot_names[{number}]", "expected a part of a name, got blanks")
        for number, each in enumerate(bots.leaving.bot_names)
        if not each.strip()
    ]


def _fonts(bots: Bots) -> list[Fault]:
    if len(bots.fonts) <= _MOST_FONTS:
        return []
    return [Fault(f"{_AT}.fonts", f"expected at most {_MOST_FONTS} files and folders, got {len(bots.fonts)}")]


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True

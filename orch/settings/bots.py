"""The settings of meeting bots. Pure.

Defaults of limits and leave rules are those of :mod:`orch.bots.lifecycle` and :mod:`orch.bots.leave_rules`; a
test compares them.
"""

import base64
import binascii
from typing import Annotated, Final, Literal

from msgspec import Meta

from orch.settings.section import CountOrNone, FilePath, FilePaths, Secret, Section, Url

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Days = Annotated[float, Meta(ge=0, le=3_650)]
Adapter = Literal["meet", "second"]
"""How a meeting's page is read: Google Meet's, or the second layout of the meeting sandbox."""

KEY_BYTES: Final = 32
"""Of ``recording_key``: AES-256."""


class BotLimits(Section, frozen=True):
    """Seconds that a bot may be in a state, and in use at all (``longest``).

    ``no_audio``: that it may hear nothing at all although participants speak.
    """

    start: Seconds = 60
    join: Seconds = 60
    lobby: Seconds = 1_200
    not_recording: Seconds = 3_600
    recovery: Seconds = 120
    longest: Seconds = 14_400
    no_audio: Seconds = 60


class BotLeaving(Section, frozen=True):
    """When a bot leaves by itself, in seconds; ``silence_after`` counts from its admission.

    ``bot_names``: parts of the display names of other bots, in any case; empty: the known vendors' bots.
    """

    nobody_came: Seconds = 1_200
    everyone_left: Seconds = 2
    only_bots: Seconds = 60
    silence: Seconds = 3_600
    silence_after: Seconds = 1_200
    recording_refused: Seconds = 30
    bot_names: tuple[str, ...] = ()


class BotKeepDays(Section, frozen=True):
    """Days that each kind is stored; 0: until it is deleted.

    ``session``: everything about a bot, from its end. ``transcript``: what was said, from the end.
    """

    audio: Days = 30
    transcript: Days = 365
    evidence: Days = 14
    delivery: Days = 30
    session: Days = 365


class BotWebhooks(Section, frozen=True):
    """Where webhooks may be sent, and calendars fetched from.

    ``allowed_networks``: addresses that are not public but allowed. ``http``: without TLS, too. ``ports``:
    the only ones; empty: 443 and 8443, with ``http`` 80 and 8080 for it. ``ca_file``: a PEM file with a
    further authority.
    """

    allowed_networks: tuple[str, ...] = ()
    http: bool = False
    ports: tuple[Annotated[int, Meta(ge=1, le=65_535)], ...] = ()
    ca_file: FilePath = ""


class BotCalendar(Section, frozen=True):
    """A calendar whose events get bots.

    ``url``: its ICS address, a secret: who knows it can read the calendar. ``name_match``: a part of the
    titles, ``*`` for any text; "": all. ``lead``: seconds before an event at which its bot joins. ``zone``:
    of times without a time zone.
    """

    url: Secret
    name: Annotated[str, Meta(min_length=1, max_length=60)] = "calendar"
    name_match: Annotated[str, Meta(max_length=200)] = ""
    lead: Annotated[float, Meta(ge=0, le=3_600)] = 120
    zone: str = "UTC"


class MeetingOrigin(Section, frozen=True):
    """An origin, ``https://HOST[:PORT]``, whose pages are meetings, and how they are read."""

    origin: Url
    adapter: Adapter = "meet"


class Bots(Section, frozen=True):
    """Meeting bots. Durations in seconds.

    ``max_bots``: that run at a time, in all workers together; ``max_queued``: that wait for a place.
    ``chromium``: path or name of the program, "": looked for. ``profiles``: the folder of the browsers'
    profiles; ``profile_dir``: a signed-in profile that each bot copies. ``cdp_url``: a running browser to use
    instead. ``sandbox``: Chromium's own; ``auto``: unless the service runs as root. ``process_memory``: MiB
    of private memory of each process of a browser, 0: no limit. ``meeting_origins``: besides Google Meet.
    ``recordings``, ``evidence``: folders; ``former_folders``: where such files were before, and are still
    read. ``spool``: the folder of what is captured while the store is away.
    ``recording_key``: encrypts recordings; from the environment only.
    ``fonts``: font files and folders for the camera, besides the package's. ``postgres_url``: where bots'
    sessions are stored. "": in the SQLite file ``sqlite_path``, by default beside that of the sessions, which
    grows to ``max_bytes`` before no further bot can begin. ``demo_meeting``: the URL of a meeting for trying
    bots, which the Bots page offers.
    """

    enabled: bool = True
    max_bots: Annotated[int, Meta(ge=1, le=1_000)] = 10
    max_queued: Annotated[int, Meta(ge=0, le=100_000)] = 500
    chromium: FilePath = ""
    profiles: FilePath = "var/bots/profiles"
    profile_dir: FilePath = ""
    cdp_url: Url = ""
    sandbox: Literal["auto", "on", "off"] = "auto"
    process_memory: CountOrNone = 0
    limits: BotLimits = BotLimits()
    leaving: BotLeaving = BotLeaving()
    meeting_origins: tuple[MeetingOrigin, ...] = ()
    recordings: FilePath = "var/bots/recordings"
    evidence: FilePath = "var/bots/evidence"
    former_folders: FilePaths = ()
    spool: FilePath = "var/bots/spool"
    recording_key: Secret = ""
    keep_days: BotKeepDays = BotKeepDays()
    webhooks: BotWebhooks = BotWebhooks()
    calendars: tuple[BotCalendar, ...] = ()
    fonts: FilePaths = ()
    postgres_url: Url = ""
    sqlite_path: FilePath = ""
    max_bytes: Annotated[int, Meta(ge=16_777_216)] = 4_294_967_296
    demo_meeting: Url = ""

    @property
    def origins(self) -> dict[str, str]:
        """The adapter of each origin, as :func:`orch.bots.meeting_url.read_meeting_url` accepts them."""
        return {each.origin: each.adapter for each in self.meeting_origins}


def read_recording_key(text: str) -> bytes | None:
    """Return the key of recordings, 32 bytes, from base64; None if there is none.

    Raises ValueError with what was expected, without the text.
    """
    if not text:
        return None
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"expected {KEY_BYTES} bytes in base64, as «openssl rand -base64 {KEY_BYTES}» prints"
        )
    return key

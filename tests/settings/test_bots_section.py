"""The section of meeting bots: its faults, what is shown of it, and what waits for a restart."""

import base64
from typing import get_args

import pytest

from orch.bots.adapters.catalog import ADAPTERS
from orch.bots.leave_rules import LeaveRules
from orch.bots.lifecycle import Limits
from orch.settings import Settings, changes, decode
from orch.settings.bots import Adapter, Bots, read_recording_key
from orch.settings.decoding import values
from orch.settings.export import exported
from orch.settings.reload_rules import applicable
from orch.settings.restrictions import why_fixed

HUSH = "hush-7777777001"
KEY = base64.b64encode(bytes(range(32))).decode()


def section(body: str, **environ: str) -> tuple[Bots, dict[str, str]]:
    decoded = decode(f"orchestration: {{bots: {{{body}}}}}", environ)
    found = {fault.path.removeprefix("orchestration.bots."): fault.expected for fault in decoded.faults}
    return Bots() if found else decoded.settings.orchestration.bots, found


def test_the_defaults_are_those_of_the_life_of_a_bot() -> None:
    """The settings are below the bots and cannot import them."""
    bots = Bots()
    for limits, own in ((bots.limits, Limits()), (bots.leaving, LeaveRules())):
        for name in own.__struct_fields__:
            if name != "bot_names":
                assert getattr(limits, name) == getattr(own, name), name


def test_each_adapter_can_be_chosen() -> None:
    """Those that there are, and no other."""
    assert set(get_args(Adapter)) == set(ADAPTERS)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("max_bots: 0", "max_bots"),
        ("max_queued: -1", "max_queued"),
        ("sandbox: maybe", "sandbox"),
        ("limits: {lobby: 0}", "limits.lobby"),
        ("limits: {lobbby: 1}", "limits.lobbby"),
        ("leaving: {silence: 86401}", "leaving.silence"),
        ("leaving: {bot_names: ['  ']}", "leaving.bot_names[0]"),
        ("keep_days: {audio: -1}", "keep_days.audio"),
        ("cdp_url: '127.0.0.1:9222'", "cdp_url"),
        ("cdp_url: 'http://127.0.0.1:9222', profile_dir: /home/bot", "cdp_url"),
        ("meeting_origins: [{origin: 'https://meet.example/room'}]", "meeting_origins[0].origin"),
        ("meeting_origins: [{origin: 'https://u:p@meet.example'}]", "meeting_origins[0].origin"),
        ("meeting_origins: [{origin: 'http://a:0'}]", "meeting_origins[0].origin"),
        ("meeting_origins: [{origin: 'http://a'}, {origin: 'http://A'}]", "meeting_origins[1].origin"),
        ("meeting_origins: [{origin: 'http://a', adapter: zoom}]", "meeting_origins[0].adapter"),
        ("meeting_origins: [{adapter: meet}]", "meeting_origins[0].origin"),
        ("webhooks: {allowed_networks: [10.0.0.1/8]}", "webhooks.allowed_networks[0]"),
        ("webhooks: {ports: [0]}", "webhooks.ports"),
        ("calendars: [{url: 'file:///etc/passwd'}]", "calendars[0].url"),
        ("calendars: [{url: 'http://c.example/a.ics'}]", "calendars[0].url"),
        ("calendars: [{name: team}]", "calendars[0].url"),
        ("calendars: [{url: 'https://c.example/a', zone: Mars/Base}]", "calendars[0].zone"),
        ("calendars: [{url: 'https://c.example/a'}, {url: 'https://c.example/b'}]", "calendars[1].name"),
        ("calendars: [{url: 'https://c.example/a', lead: 3601}]", "calendars[0].lead"),
        ("postgres_url: 'mysql://h/db'", "postgres_url"),
        ("demo_meeting: 'meet.example/a'", "demo_meeting"),
        (f"fonts: [{', '.join(f'/f/{number}' for number in range(65))}]", "fonts"),
    ],
)
def test_a_fault_names_the_path_and_what_was_expected(body: str, path: str) -> None:
    """One fault each, at its place."""
    _, faults = section(body)
    assert list(faults) == [path]
    assert faults[path].startswith(("expected", "unknown key"))


def test_everything_can_be_set() -> None:
    """Values other than the defaults, lists in the environment among them."""
    bots, faults = section(
        "max_bots: 3, cdp_url: 'ws://127.0.0.1:9222/devtools/browser/1', fonts: [/usr/share/fonts],"
        " webhooks: {allowed_networks: ['10.1.0.0/16', '::1'], http: true, ports: [8080]},"
        " calendars: [{url: 'http://c.example/a.ics', name_match: 'stand*'}, {url: 'webcal://d/', name: b}]",
        ORCH_BOTS__MEETING_ORIGINS="[{origin: 'http://127.0.0.1:5010', adapter: second}]",
        ORCH_BOTS__RECORDING_KEY=KEY + "\n",
        ORCH_BOTS__MAX_QUEUED="0",
        ORCH_BOTS__POSTGRES_URL="postgresql://u:p@h:5432/db",
    )
    assert faults == {}
    assert bots.origins == {"http://127.0.0.1:5010": "second"}
    assert (bots.max_bots, bots.max_queued, bots.calendars[0].lead) == (3, 0, 120)
    assert read_recording_key(bots.recording_key) == bytes(range(32))


def test_the_key_of_recordings_stands_in_the_environment_alone() -> None:
    """A copy of the file and the recordings does not open them."""
    assert read_recording_key("") is None
    _, faults = section(f"recording_key: '{KEY}'")
    assert "ORCH_BOTS__RECORDING_KEY" in faults["recording_key"]
    for wrong in ("c2hvcnQ=", HUSH, "äöü"):
        _, faults = section("", ORCH_BOTS__RECORDING_KEY=wrong)
        assert "openssl rand -base64 32" in faults["recording_key"]
        assert wrong not in str(faults)


def test_secrets_are_shown_nowhere() -> None:
    """Addresses of calendars, passwords and keys are masked in values, exports and faults."""
    body = (
        f"calendars: [{{url: 'https://calendar.example/private-{HUSH}/basic.ics'}}],"
        f" postgres_url: 'postgresql://u:{HUSH}@h/db', cdp_url: 'ws://h/?token={HUSH}'"
    )
    decoded = decode(f"orchestration: {{bots: {{{body}}}}}", {"ORCH_BOTS__RECORDING_KEY": KEY})
    assert decoded.faults == ()
    shown = str(values(decoded.settings)) + exported(decoded.settings)
    assert "calendar" in shown
    assert HUSH not in shown
    assert KEY not in shown
    for wrong in (f"calendars: [{{url: '{HUSH}'}}]", f"postgres_url: '{HUSH}'", f"cdp_url: 'x://{HUSH}@h'"):
        _, faults = section(wrong)
        assert len(faults) == 1
        assert HUSH not in str(faults)


@pytest.mark.parametrize(
    "name",
    [
        "chromium",
        "profiles",
        "profile_dir",
        "cdp_url",
        "meeting_origins",
        "recordings",
        "evidence",
        "former_folders",
        "spool",
        "recording_key",
        "calendars",
        "fonts",
        "postgres_url",
        "sqlite_path",
        "webhooks.ca_file",
    ],
)
def test_programs_addresses_keys_and_files_cannot_be_changed_over_http(name: str) -> None:
    """Otherwise an operator's browser could start any program, or send the browser anywhere."""
    assert why_fixed(f"orchestration.bots.{name}")


def test_what_is_opened_at_start_waits_for_a_restart() -> None:
    """The rest applies to bots that start from then on."""
    key = base64.b64encode(bytes(32)).decode()
    wanted = decode(
        "orchestration: {bots: {max_bots: 2, profiles: /p, recordings: /r, evidence: /e, spool: /x,"
        " fonts: [/f], postgres_url: 'postgresql://h/db', sqlite_path: /s, calendars: [{url: 'https://c.example/a'}],"
        " limits: {lobby: 5}, webhooks: {http: true}}}",
        {"ORCH_BOTS__RECORDING_KEY": key},
    )
    assert wanted.faults == ()
    waiting = {change.path for change in changes(Settings(), wanted.settings) if change.reason}
    names = ["profiles", "recordings", "evidence", "spool", "fonts", "postgres_url", "sqlite_path"]
    names += ["calendars", "recording_key"]
    assert waiting == {f"orchestration.bots.{name}" for name in names}
    applied = applicable(Settings(), wanted.settings)
    assert (applied.orchestration.bots.max_bots, applied.orchestration.bots.limits.lobby) == (2, 5)
    assert applied.orchestration.bots.webhooks.http
    for name in names:
        assert getattr(applied.orchestration.bots, name) == getattr(Bots(), name)

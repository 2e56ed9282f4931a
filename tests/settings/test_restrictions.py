"""A setting's kind decides what is shown of it and whether it can be changed at run time."""

from typing import Any

import pytest

from orch.masking import mask_url, shown_command, without_secrets
from orch.settings import Settings, decode
from orch.settings.decoding import values
from orch.settings.environment import for_child
from orch.settings.restrictions import masked, secrets_of, why_fixed
from orch.settings.service_structs import Service
from orch.tls.pair import find_pair_faults
from orch.tls.trust import find_faults

SECRET = "hush-7777777001"  # noqa: S105 - a test's own


WRONG = {
    "a number": "7777777001",
    "a list": "[hush-7777777001]",
    "a section": "{hush-7777777001: hush-7777777001}",
    "true or false": "true",
    "a date": "2024-01-01",
}


@pytest.mark.parametrize("path", ["orchestration.control_token", "services.audio-service.api_key"])
@pytest.mark.parametrize(("words", "value"), WRONG.items())
def test_a_secret_without_quotes_is_a_fault_that_does_not_show_it(path: str, words: str, value: str) -> None:
    """YAML reads a token of digits as a number; the fault is shown in the log and on pages."""
    section, name = path.rsplit(".", 1)
    text = "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(section.split(".")))
    text += f"{'  ' * (section.count('.') + 1)}{name}: {value}\n"
    (fault,) = decode(text, {}).faults
    assert fault.path == path
    assert fault.expected == f"expected a text, got {words} (not shown)"


@pytest.mark.parametrize(
    "text",
    [
        f"orchestration: {{control_token: *{SECRET}}}",
        f"orchestration: {{control_token: !{SECRET} x}}",
        f"orchestration: {{control_token: [{SECRET}}}",
        f"orchestration: {SECRET}",
        f"services: {SECRET}",
        f"services: [{{api_key: {SECRET}}}]",
        f"services: {{audio-service: {SECRET}}}",
        f"services: {{audio-service: [{SECRET}]}}",
        f"services: {{audio-service: {{instances: {SECRET}}}}}",
        f"services: {{audio-service: {{instances: [{SECRET}]}}}}",
        f"services: {{audio-service: {{url: 'ftp://me:{SECRET}@host'}}}}",
        f"services: {{audio-service: {{url: '{SECRET}'}}}}",
        f"services: {{audio-service: {{instances: [{{url: 'ftp://me:{SECRET}@host'}}]}}}}",
        f"services: {{audio-service: {{url: 'http://host?key={SECRET}', weight: 0}}}}",
        f"services: {{audio-service: {{restart_command: 'sh -c {SECRET}'}}}}",
        f"services: {{audio-service: {{restart_command: [sh, {{a: {SECRET}}}]}}}}",
        f"services: {{audio-service: {{model: {{a: {SECRET}}}}}}}",
        f"services: {{audio-service: {{dialect: 'http://me:{SECRET}@host'}}}}",
        f"session_management: {{redis_url: 'redis://me:{SECRET}@[host'}}",
        f"session_management: {{redis_url: 'redis://me:1/{SECRET}@host'}}",
        f"session_management: {{redis_url: [{SECRET}]}}",
        f"'{SECRET}'",
        f"[{SECRET}]",
    ],
)
def test_no_fault_shows_what_may_be_a_secret(text: str) -> None:
    """In any position and form of the YAML."""
    faults = decode(text, {}).faults
    assert faults
    assert SECRET not in str([str(fault) for fault in faults])


def test_values_are_listed_without_what_opens_anything() -> None:
    """Tokens and keys, credentials in URLs, and arguments of commands are masked."""
    text = f"""
orchestration: {{control_token: {SECRET}}}
services:
  audio-service:
    url: "http://me:{SECRET}@gpu:8000/v1"
    api_key: {SECRET}
    instances: [{{url: "http://{SECRET}@other:1"}}]
    restart_command: [curl, -H, "Authorization: Bearer {SECRET}"]
session_management: {{redis_url: "redis://:{SECRET}@r:1/2"}}
"""
    decoded = decode(text, {})
    assert not decoded.faults
    shown = values(decoded.settings)
    assert SECRET not in str(shown)
    assert shown["services.audio-service.url"] == "http://••••@gpu:8000/v1"
    assert shown["services.audio-service.restart_command"] == ["curl", "••••"]
    assert shown["services.audio-service.instances"][0]["url"] == "http://••••@other:1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:1/v1", "http://host:1/v1"),
        ("http://host", "http://host"),
        ("http://me@host", "http://••••@host"),
        (
            "http://me:pass@host:1/x?key=abc&api-version=2024",
            "http://••••@host:1/x?key=••••&api-version=2024",
        ),
        ("http://me:p/a?s#s@host/x", "http://••••@host/x"),
        ("http://host/#abc", "http://host/#••••"),
        ("http://host/?abc", "http://host/?••••"),
        ("http:///me:pass@host", "http://••••@host"),
        ("unix:///run/a@b.sock?db=1", "unix:///run/a@b.sock?db=1"),
        ("http://host/?sig=a#b", "http://host/?sig=••••#••••"),
        ("http://[::1]:1/a@b", "http://[::1]:1/a@b"),
        ("me:pass@host", "••••"),
        ("host", "host"),
    ],
)
def test_a_url_is_shown_without_what_opens_it(url: str, shown: str) -> None:
    """If the user information cannot be separated reliably, more is masked rather than less."""
    assert mask_url(url) == shown


def test_a_command_is_shown_as_the_name_of_its_program() -> None:
    """The arguments may contain a key."""
    assert shown_command(("systemctl", "restart", "x")) == ["systemctl", "••••"]
    assert shown_command(("TOKEN=abc", "run")) == ["TOKEN=••••", "••••"]
    assert shown_command(("reload",)) == ["reload"]
    assert shown_command((f"sh -c {SECRET}", "x")) == ["sh ••••", "••••"]
    assert shown_command(()) == ()


def test_an_error_of_a_library_is_shown_without_the_key_it_quotes() -> None:
    """As text, as bytes, escaped, and in URLs."""
    service = Service(url=f"http://me:{SECRET}@host", api_key="schlüssel\n")
    secrets = secrets_of(service)
    for error in (
        f"cannot reach http://me:{SECRET}@host/api",
        "Illegal header value b'Bearer schl\\xc3\\xbcssel\\n'",
        "'ascii' codec can't encode 'Bearer schlüssel\\n'",
        "bad 'schl\\xfcssel\\n'",
    ):
        shown = without_secrets(error, secrets)
        assert SECRET not in shown
        assert "ssel" not in shown, shown


@pytest.mark.parametrize(
    "path",
    [
        "services.audio-service.restart_command",
        "services.audio-service.url",
        "services.audio-service.instances",
        "services.audio-service.api_key",
        "services.other.api_key",
        "services.audio-service",
        "services",
        "orchestration",
        "orchestration.frontend",
        "orchestration.control_token",
        "session_management",
        "session_management.redis_url",
        "session_management.sqlite_path",
    ],
)
def test_what_runs_opens_or_is_sent_to_is_not_changed_while_the_service_runs(path: str) -> None:
    """Nor as part of a section that is replaced whole."""
    assert why_fixed(path) is not None


@pytest.mark.parametrize(
    "path", ["orchestration.gateway.timeout", "orchestration.log_level", "services.audio-service.model"]
)
def test_plain_values_are(path: str) -> None:
    """Which is what changing at run time is for."""
    assert why_fixed(path) is None


def test_a_child_gets_none_of_the_services_own_settings() -> None:
    """Neither the token nor keys nor addresses with passwords; everything else stays."""
    environ = {
        "PATH": "/bin",
        "HOME": "/root",
        "ORCH_CONTROL_TOKEN": SECRET,
        "ORCH_SERVICES__AUDIO_SERVICE__API_KEY": SECRET,
        "orch_anything": SECRET,
        "REDIS_URL": f"redis://:{SECRET}@r",
        "AUDIO_SERVICE_URL": f"http://me:{SECRET}@h",
    }
    assert for_child(environ) == {"PATH": "/bin", "HOME": "/root"}


PEM = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("services.x.health_endpoint", f"/ready?key={SECRET}&db=1", "/ready?key=••••&db=1"),
        ("services.audio-service.health_endpoint", f"/ready?{SECRET}", "/ready?••••"),
        ("services.audio-service.model", f"http://me:{SECRET}@host/model", "http://••••@host/model"),
        ("services.audio-service.model", "whisper-1", "whisper-1"),
        ("services.audio-service.ca_file", PEM, "••••"),
        ("services.audio-service.ca_file", "/etc/ca.pem", "/etc/ca.pem"),
        ("orchestration.frontend.tls_key", PEM, "••••"),
        ("orchestration.frontend.allowed_hosts", (f"http://me:{SECRET}@host",), ("http://••••@host",)),
        ("orchestration.gateway.timeout", 3.0, 3.0),
    ],
)  # fmt: skip
def test_a_plain_value_is_shown_without_what_was_put_there_by_mistake_or_by_habit(
    path: str, value: Any, shown: Any
) -> None:
    """Keys stand in queries and addresses, and are pasted where their file should be named."""
    assert masked(path, value) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"services: {{'http://me:{SECRET}@host': {{}}}}",
        f"'http://me:{SECRET}@host': 1",
        f"services: {{audio-service: {{url: 'http://me:{SECRET}'}}}}",
        f"services: {{audio-service: {{instances: [{{url: 'http://me:{SECRET}/v1'}}]}}}}",
        f"session_management: {{redis_url: 'redis://host/{SECRET}'}}",
        f"orchestration: {{frontend: {{port: '/x?key={SECRET}'}}}}",
    ],
)
def test_a_fault_shows_no_secret_that_stands_where_none_belongs(text: str) -> None:
    """As a name, as a port, as a database, in a value of another kind."""
    faults = decode(text, {}).faults
    assert faults
    assert SECRET not in str([str(fault) for fault in faults])


def test_a_port_that_is_a_number_is_shown() -> None:
    """What is wrong with an address should be seen."""
    (fault,) = decode("services: {audio-service: {url: 'http://host:99999'}}", {}).faults
    assert "http://host:99999" in fault.expected


def test_a_key_pasted_for_its_file_is_in_no_fault() -> None:
    """``TLS_KEY="$(cat key.pem)"``."""
    service = Service(url="http://h", ca_file=PEM)
    found = [*find_pair_faults(PEM, PEM), *find_faults(Settings(services={"x": service}))]
    assert len(found) == 2
    assert SECRET not in str(found)


def test_the_query_of_a_health_check_is_a_secret_of_its_service() -> None:
    """So that no error of a library shows it."""
    assert SECRET in secrets_of(Service(url="http://h", health_endpoint=f"/ready?key={SECRET}"))

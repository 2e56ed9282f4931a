"""Back ends in the settings: one form for every reader, and faults that quote no secret."""

import itertools
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from orch.masking import without_secrets
from orch.settings import Service, decode
from orch.settings.addresses import read_address
from orch.settings.credentials import all_headers, own_headers, with_query
from orch.settings.decoding import values
from orch.settings.restrictions import secrets_of

SECRET = "sk-verysecret123"  # noqa: S105 - made up


def audio(given: Mapping[str, Any]) -> Service:
    decoded = decode(msgspec.json.encode({"services": {"audio-service": given}}).decode(), {})
    assert decoded.faults == ()
    return decoded.settings.services["audio-service"]


def faults(given: Mapping[str, Any]) -> dict[str, str]:
    decoded = decode(msgspec.json.encode({"services": {"audio-service": given}}).decode(), {})
    return {fault.path: fault.expected for fault in decoded.faults}


def test_a_password_in_a_url_is_sent_and_never_shown() -> None:
    """It is sent as Basic credentials, and masked wherever the settings are shown."""
    decoded = decode(
        "services: {audio-service: {dialect: openai, url: 'http://user:p%40ss@h:1/v1',"
        " instances: [{url: 'http://u2:s3cret@i:2'}]}}",
        {},
    )
    service = decoded.settings.services["audio-service"]
    addresses = [read_address(each.url) for each in service.all_instances()]
    assert [each.url for each in addresses] == ["http://h:1", "http://i:2"]
    authorizations = [dict(all_headers(service, each))[b"authorization"] for each in addresses]
    assert authorizations == [b"Basic dXNlcjpwQHNz", b"Basic dTI6czNjcmV0"]
    shown = repr(values(decoded.settings))
    assert not any(secret in shown for secret in ("p@ss", "p%40ss", "s3cret", "u2"))


def test_white_space_around_a_key_is_not_part_of_it() -> None:
    service = audio({"api_key": f" {SECRET}\r\n", "headers": {" Api-Key ": f"{SECRET}\n"}})
    assert service.api_key == SECRET
    assert dict(own_headers(service)) == {
        b"authorization": f"Bearer {SECRET}".encode(),
        b"api-key": SECRET.encode(),
    }


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"api_key": f"{SECRET}\nx"}, "services.audio-service.api_key"),
        ({"api_key": f"{SECRET}\u2013ü"}, "services.audio-service.api_key"),
        ({"headers": {"api-key": f"{SECRET}\x00"}}, "services.audio-service.headers.api-key"),
        ({"headers": {"a b": SECRET}}, "services.audio-service.headers"),
        ({"headers": {"Host": SECRET}}, "services.audio-service.headers"),
        ({"headers": {"api-key": [SECRET]}}, "services.audio-service.headers.api-key"),
        ({"query": {"": SECRET}}, "services.audio-service.query"),
        ({"url": f"http://u:{SECRET}@my host"}, "services.audio-service.url"),
        (
            {"url": f"http://u:{SECRET}@h", "instances": [{"url": f"ftp://{SECRET}@h"}]},
            "services.audio-service.instances[0].url",
        ),
        ({"url": f"http://a%3Ab:{SECRET}@h"}, "services.audio-service.url"),
        ({"url": f"http://a:{SECRET}%0a{SECRET}@h"}, "services.audio-service.url"),
        ({"path": "v1/x"}, "services.audio-service.path"),
        ({"path": "/a/../b"}, "services.audio-service.path"),
        ({"path": "/a?b=1"}, "services.audio-service.path"),
        ({"health_endpoint": "/ä"}, "services.audio-service.health_endpoint"),
    ],
)
def test_a_value_that_cannot_be_sent_is_a_fault_without_the_value(
    given: Mapping[str, Any], path: str
) -> None:
    """Otherwise every request would fail although the settings were accepted."""
    found = faults(given)
    assert list(found) == [path]
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("service", "fault"),
    [
        (
            {"vocabulary": [f"term {n}" for n in range(10_000)]},
            "100 terms at most, the important ones; got 10,000",
        ),
        ({"vocabulary": ["x" * 400, "y" * 199]}, "600 characters at most, got 601"),
        ({"vocabulary": ["Norland", " "]}, "expected terms that are not empty"),
        ({"vocabulary": ["Norland\nPark"]}, "no line breaks"),
        ({"vocabulary": ["chair = de: " + "x" * 6_001]}, "6,000 characters of translations at most"),
    ],
)
def test_a_vocabulary_that_does_not_fit_into_a_prompt_is_a_fault(
    service: Mapping[str, Any], fault: str
) -> None:
    """Cut at some term, it would seem to work for the others."""
    (found,) = faults(service).items()
    assert found[0] == "services.audio-service.vocabulary"
    assert fault in repr(found[1])


def test_a_vocabulary_has_each_term_once() -> None:
    text = "services: {audio-service: {vocabulary: [' Norland ', Norland, Elinor]}}"
    decoded = decode(text, {})
    assert decoded.faults == ()
    assert decoded.settings.services["audio-service"].vocabulary == ("Norland", "Elinor")


def test_added_headers_and_query_are_masked_where_values_are_shown() -> None:
    """For Azure the key is in an added header; a query may have one too."""
    query = f"{{code: {SECRET}, api-version: 2024-06-01}}"
    text = f"services: {{audio-service: {{headers: {{api-key: {SECRET}}}, query: {query}}}}}"
    decoded = decode(text, {})
    assert decoded.faults == ()
    assert decoded.settings.services["audio-service"].query["api-version"] == "2024-06-01"
    assert SECRET not in repr(values(decoded.settings))


def test_a_header_may_come_from_the_environment() -> None:
    decoded = decode("", {"ORCH_SERVICES__AUDIO_SERVICE__HEADERS__API_KEY": SECRET})
    assert decoded.faults == ()
    assert decoded.settings.services["audio-service"].headers == {"api-key": SECRET}


def test_an_added_authorization_takes_the_keys_place() -> None:
    service = audio({"api_key": "k", "url": "http://u@h", "headers": {"Authorization": "Key x"}})
    assert all_headers(service, read_address(service.url)) == ((b"authorization", b"Key x"),)


def test_the_query_is_added_to_a_path() -> None:
    service = audio({"query": {"api-version": "2024-06-01", "a": "b c&d"}})
    assert with_query(service, "/x") == "/x?api-version=2024-06-01&a=b%20c%26d"
    assert with_query(service, "/x?y=1") == "/x?y=1&api-version=2024-06-01&a=b%20c%26d"
    assert with_query(Service(url="http://h"), "/x") == "/x"


def test_a_key_that_a_server_quotes_is_shown_as_dots() -> None:
    service = Service(url="http://h", api_key=SECRET, headers={"x": SECRET + "4"})
    said = without_secrets(f"Incorrect API key provided: {SECRET}. {SECRET}4", secrets_of(service))
    assert said == "Incorrect API key provided: ••••. ••••"


@pytest.mark.parametrize(
    ("name", "dialect", "offered"),
    [
        ("audio-service", "libretranslate", "livetranslate, openai, deepgram"),
        ("audio-service", "google", "livetranslate, openai, deepgram"),
        ("translation-service", "google", "livetranslate, libretranslate, openai, deepl"),
    ],
)
def test_a_dialect_is_offered_only_for_the_service_it_exists_for(
    name: str, dialect: str, offered: str
) -> None:
    decoded = decode(f"services: {{{name}: {{dialect: {dialect}}}}}", {})
    assert [(fault.path, fault.expected) for fault in decoded.faults] == [
        (f"services.{name}.dialect", f"expected one of {offered}, got '{dialect}'")
    ]


def test_anchors_and_merge_keys_are_understood() -> None:
    """Merged values are overridden by explicit ones, and unchanged at their origin."""
    text = """
x-shared: &shared {dialect: openai, api_key: k}
services:
  audio-service: &audio
    <<: *shared
    url: http://a
    model: base
  translation-service:
    <<: [*shared, *audio]
    url: http://t
  third:
    <<: *audio
    url: http://c
"""
    decoded = decode(text, {"ORCH_SERVICES__THIRD__MODEL": "large"})
    assert decoded.faults == ()
    services = decoded.settings.services
    assert [(each.url, each.dialect, each.model) for each in services.values()] == [
        ("http://a", "openai", "base"),
        ("http://t", "openai", "base"),
        ("http://c", "openai", "large"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n<<: {a: 2}\n<<: {a: 3}",
        "<<: 3",
        "a: &a {a: 1, a: 2}\nb: {<<: *a}",
        "[" * 60_000,
        "a: " + "{a: " * 5_000,
        "a: 2024-99-99",
        "a: &a [*a]",
        "services: &a {audio-service: *a}",
        "a: &a [1,1,1,1,1,1,1,1]\n"
        + "".join(f"{c}: &{c} [{', '.join([f'*{p}'] * 8)}]\n" for p, c in itertools.pairwise("abcdefghij")),
        "a: 0x" + "f" * 20_000,
        "a: " + "9" * 20_000,
        "orchestration: {gateway: {timeout: 1" + "0" * 400 + "}}",
        "services: {audio-service: {api_key: 2024-99-99}}",
        "? [a]\n: 1",
        "\x07",
        "a: !!python/object:os.system {}",
    ],
)
def test_any_text_is_settings_or_faults(text: str) -> None:
    """No content of the file raises anything else."""
    assert decode(text, {}).faults


@pytest.mark.parametrize("value", ["[" * 60_000, "2024-99-99", "9" * 20_000, "\udcff", "{a: {b: [", "\x00"])
@pytest.mark.parametrize("name", ["PORT", "AUDIO_SERVICE_URL", "ORCH_SERVICES__AUDIO_SERVICE__HEADERS"])
def test_any_variable_is_a_setting_or_a_fault(name: str, value: str) -> None:
    assert decode("", {name: value}).faults


def test_links_of_kubernetes_are_no_settings() -> None:
    """A Service named orch or orch-web adds these variables to every pod of its namespace."""
    links = {
        "ORCH_SERVICE_HOST": "10.0.0.1",
        "ORCH_SERVICE_PORT": "3000",
        "ORCH_SERVICE_PORT_HTTP": "3000",
        "ORCH_PORT": "tcp://10.0.0.1:3000",
        "ORCH_PORT_3000_TCP": "tcp://10.0.0.1:3000",
        "ORCH_PORT_3000_TCP_PROTO": "tcp",
        "ORCH_PORT_3000_TCP_PORT": "3000",
        "ORCH_PORT_3000_TCP_ADDR": "10.0.0.1",
        "ORCH_WEB_UI_SERVICE_HOST": "10.0.0.2",
        "ORCH_WEB_UI_PORT": "tcp://10.0.0.2:80",
        "ORCH_WEB_UI_PORT_80_UDP_ADDR": "10.0.0.2",
    }
    decoded = decode("", links)
    assert decoded.faults == ()
    assert decoded.ignored == tuple(sorted(links))


@pytest.mark.parametrize(
    "name", ["ORCH_PORT", "ORCH_GATEWAY__TIMEUOT", "ORCH_GATEWAY_TIMEOUT", "ORCH_TIMEOUT"]
)
def test_a_misspelt_variable_is_still_a_fault(name: str) -> None:
    assert [fault.path for fault in decode("", {name: "3000"}).faults] == [name]


def test_every_kind_of_odd_secret_keeps_out_of_every_fault() -> None:
    """Keys, passwords, headers and queries of any type and with any characters."""
    odd = [
        SECRET + "\n\n" + SECRET,
        SECRET + "ü",
        SECRET + "\x7f",
        [SECRET],
        {"a": SECRET},
        SECRET + "\ud800",
    ]
    for key, value in itertools.product(("headers", "query", "url"), odd):
        given = {"x": value} if key != "url" else f"http://u:{value}@h ost"
        document = {"services": {"audio-service": {key: given}}}
        try:
            text = msgspec.json.encode(document).decode()
        except UnicodeEncodeError:
            continue  # no file can hold it
        assert SECRET not in repr(decode(text, {}).faults)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),
        ({"api_key": "k"}, True),
        ({"headers": {"api-key": "k"}}, True),
        ({"query": {"subscription": "k"}}, True),
        ({"api_key": "k", "billing": "free"}, False),
        ({"billing": "paid"}, True),
    ],
)
def test_a_back_end_with_a_key_is_paid_unless_the_settings_deny_it(
    settings: dict[str, Any], expected: Any
) -> None:
    assert audio(settings).is_paid is expected


@pytest.mark.parametrize(
    ("given", "is_streaming"),
    [
        ({"dialect": "deepgram"}, True),
        ({"dialect": "deepgram", "streaming": "never"}, False),
        ({"dialect": "openai"}, False),
        ({"dialect": "openai", "streaming": "always"}, True),
        ({}, False),
    ],
)
def test_which_back_ends_get_speech_over_a_socket(given: Mapping[str, Any], *, is_streaming: bool) -> None:
    assert audio(given).is_streaming is is_streaming


def test_a_dialect_without_a_socket_cannot_stream() -> None:
    assert faults({"streaming": "always"}) == {
        "services.audio-service.streaming": "expected auto or never, or the dialect openai or deepgram"
    }


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        ({"hook": "docker"}, "container", "expected the name of a container for "),
        ({"hook": "webhook"}, "webhook_url", "expected a URL for "),
        ({"hook": "reboot"}, "hook", "expected "),
        ({"hook": "docker", "container": "../secrets"}, "container", "expected "),
        ({"hook": "webhook", "webhook_url": "ftp://ops/"}, "webhook_url", "expected http://HOST/"),
        ({"hook": "webhook", "webhook_url": "http://ops:x/"}, "webhook_url", "expected http://HOST/"),
        ({"escalation_url": "nowhere"}, "escalation_url", "expected http://HOST/"),
        ({"webhook_token": "a b"}, "webhook_token", "expected only ASCII without blanks"),
        ({"first_pause": 60}, "longest_pause", "expected at least first_pause (60), got 30"),
        ({"attempts": 0}, "attempts", "expected "),
        ({"wait": 5}, "wait", ""),
    ],
)
def test_a_recovery_that_cannot_work_is_refused_with_its_path(
    given: Mapping[str, Any], path: str, expected: str
) -> None:
    """At the start and at a reload, not when the back end is down."""
    found = faults({"url": "http://h:1", "recovery": given})
    assert found[f"services.audio-service.recovery.{path}"].startswith(expected)


def test_a_hook_that_needs_a_command_is_refused_without_one() -> None:
    """With one it is accepted; the default uses it if it is there."""
    found = faults({"url": "http://h:1", "recovery": {"hook": "command"}})
    assert "services.audio-service.restart_command" in found
    service = audio({"url": "http://h:1", "recovery": {"hook": "command"}, "restart_command": ["x"]})
    assert service.recovery.hook == "command"
    found = faults({"url": "http://h:1", "recovery": {"hook": "webhook", "webhook_url": f"x://{SECRET}@h/"}})
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"probe": {"kind": "icmp"}}, "probe.kind"),
        ({"probe": {"status": ["2xx"]}}, "probe.status"),
        ({"probe": {"status": ["200", "299-200"]}}, "probe.status[1]"),
        ({"probe": {"kind": "tcp", "status": ["200"]}}, "probe.status"),
        ({"probe": {"kind": "websocket", "body": "ok"}}, "probe.body"),
        ({"probe": {"misses": 0}}, "probe.misses"),
        ({"probe": {"flaps": 1}}, "probe.flaps"),
        ({"maintenance": [{"start": "tomorrow", "minutes": 5}]}, "maintenance[0].start"),
        ({"maintenance": [{"start": "2026-02-30T02:00", "minutes": 5}]}, "maintenance[0].start"),
        ({"maintenance": [{"start": "2026-12-01T02:00"}]}, "maintenance[0].minutes"),
        (
            {"maintenance": [{"start": "2026-12-01T02:00", "minutes": 1440, "repeat": "daily"}]},
            "maintenance[0].minutes",
        ),
        (
            {"maintenance": [{"start": "2026-12-01T02:00", "minutes": 5, "timezone": "Mars/Olympus"}]},
            "maintenance[0].timezone",
        ),
        (
            {"maintenance": [{"start": "2026-12-01T02:00", "minutes": 5, "timezone": "../etc/passwd"}]},
            "maintenance[0].timezone",
        ),
    ],
)
def test_checks_and_windows_that_cannot_work_are_refused_with_their_path(
    given: Mapping[str, Any], path: str
) -> None:
    """The rest of the settings is unaffected."""
    assert list(faults({"url": "http://h:1", **given})) == [f"services.audio-service.{path}"]

"""All faults are reported at once, each with its path."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.package_files import resource
from orch.settings import Settings, decode
from orch.settings.decoding import values
from orch.settings.environment import SHORT_NAMES
from orch.settings.restrictions import masked

FILE = (resource("config") / "orchestration.yaml").read_text(encoding="utf-8")


def faults(text: str, **environ: str) -> dict[str, str]:
    return {fault.path: fault.expected for fault in decode(text, environ).faults}


def test_the_file_we_ship_is_good_and_says_just_the_defaults() -> None:
    """The file documents the defaults."""
    decoded = decode(FILE, {})
    assert decoded.faults == ()
    assert decoded.settings == Settings()


def test_an_empty_file_is_the_defaults() -> None:
    """No setting is required."""
    assert decode("", {}).settings == Settings()


def test_the_original_descriptions_values_hold_but_for_the_embedded_default() -> None:
    """The seed's keys and values, with loopback, one worker and SQLite."""
    s = decode(FILE, {}).settings
    o = s.orchestration
    assert (o.frontend.host, o.frontend.port, o.frontend.workers) == ("127.0.0.1", 3000, 1)
    assert (o.websocket.max_connections, o.websocket.session_timeout) == (10000, 1800)
    assert (o.gateway.timeout, o.gateway.retries, o.gateway.circuit_breaker_threshold) == (30, 3, 5)
    assert (o.monitoring.health_check_interval, o.monitoring.metrics_collection_interval) == (10, 5)
    assert (o.monitoring.alert_thresholds.response_time, o.monitoring.alert_thresholds.error_rate) == (
        1000,
        0.05,
    )
    assert s.services["audio-service"].url == "http://audio-service:5001"
    assert s.services["translation-service"].health_endpoint == "/api/health"
    assert (s.session_management.persistence, s.session_management.cleanup_interval) == ("sqlite", 300)
    assert s.session_management.recovery_enabled


def test_sessions_and_messages_are_stored_for_the_longer_time() -> None:
    """``keep_days`` shortens nothing."""
    websocket = decode("orchestration: {websocket: {keep_days: 30}}", {}).settings.orchestration.websocket
    assert (websocket.kept_seconds, websocket.message_seconds) == (2_592_000, 2_592_000)
    websocket = decode("orchestration: {websocket: {keep_days: 0.01}}", {}).settings.orchestration.websocket
    assert (websocket.kept_seconds, websocket.message_seconds) == (1_800, 86_400)


def test_one_reading_names_every_fault() -> None:
    """A file can be corrected in one run."""
    found = faults(
        "orchestration:\n"
        "  frontend: {port: abc, hots: x}\n"
        "  websocket: 3\n"
        "  gateway: {timeout: -1, routes: [{prefix: api, service: audio-service, path: /}]}\n"
        "services: {audio-service: {weight: 0}, other: {}}\n"
        "nonsense: 1\n"
    )
    assert found.keys() == {
        "orchestration.frontend.port",
        "orchestration.frontend.hots",
        "orchestration.websocket",
        "orchestration.gateway.timeout",
        "orchestration.gateway.routes[0].prefix",
        "services.audio-service.weight",
        "services.other.url",
        "nonsense",
    }
    assert found["orchestration.frontend.port"] == "expected a whole number from 0 to 65535, got 'abc'"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: [", "config:1:5"),
        ("a: 1\na: 2", "config:2:1"),
        ("- 1", "config"),
        ("1: 2", "config:1:1"),
        ("services: []", "services"),
        ("services: {Bad_Name: {url: 'http://x'}}", "services.Bad_Name"),
        ("services: {audio-service: {url: 'ftp://x'}}", "services.audio-service.url"),
        ("services: {audio-service: {url: 'http://x:99999'}}", "services.audio-service.url"),
        (
            "services: {audio-service: {url: 'http://x', instances: [{url: 'http://x'}]}}",
            "services.audio-service.instances",
        ),
        ("services: {audio-service: {dialect: libretranslate}}", "services.audio-service.dialect"),
        (
            "orchestration: {gateway: {routes: [{prefix: /x, service: nobody, path: /}]}}",
            "orchestration.gateway.routes[0].service",
        ),
        ("orchestration: {shutdown_grace: .inf}", "orchestration.shutdown_grace"),
        ("orchestration: {shutdown_grace: .nan}", "orchestration.shutdown_grace"),
        ("orchestration: {log_level: LOUD}", "orchestration.log_level"),
        ("orchestration: {speech: {vad: {frame_duration: 25}}}", "orchestration.speech.vad.frame_duration"),
        ("orchestration: {frontend: {workers: 4}}", "orchestration.frontend.workers"),
        ("orchestration: {frontend: {worker_ports: 3000}}", "orchestration.frontend.worker_ports"),
        ("session_management: {persistence: mysql}", "session_management.persistence"),
        ('session_management: {redis_url: "http://r:6379"}', "session_management.redis_url"),
        ("session_management: {recovery_enabled: perhaps}", "session_management.recovery_enabled"),
    ],
)
def test_a_fault_is_found_at_its_place(text: str, path: str) -> None:
    """Wrong syntax, type, key, value or combination: each is one line with its path."""
    assert list(faults(text)) == [path]


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("HOST", "0.0.0.0", "orchestration.frontend.host", "0.0.0.0"),
        ("PORT", "8080", "orchestration.frontend.port", 8080),
        ("WORKERS", "1", "orchestration.frontend.workers", 1),
        ("WORKER_PORTS", "3101", "orchestration.frontend.worker_ports", 3101),
        ("AUDIO_SERVICE_URL", "http://a:1", "services.audio-service.url", "http://a:1"),
        ("TRANSLATION_SERVICE_URL", "http://t:1", "services.translation-service.url", "http://t:1"),
        ("REDIS_URL", "redis://r:6379", "session_management.redis_url", "redis://r:6379"),
        ("SESSION_TIMEOUT", "60", "orchestration.websocket.session_timeout", 60),
        ("METRICS_ENABLE", "false", "orchestration.monitoring.enabled", False),
        ("HEALTH_CHECK_INTERVAL", "2.5", "orchestration.monitoring.health_check_interval", 2.5),
        ("LOG_LEVEL", "debug", "orchestration.log_level", "DEBUG"),
        ("ORCH_GATEWAY__TIMEOUT", "7", "orchestration.gateway.timeout", 7),
        ("ORCH_ORCHESTRATION__GATEWAY__TIMEOUT", "7", "orchestration.gateway.timeout", 7),
        ("ORCH_SHUTDOWN_GRACE", "3", "orchestration.shutdown_grace", 3),
        ("ORCH_CONTROL_TOKEN", "1234", "orchestration.control_token", "••••"),
        ("ORCH_SERVICES__AUDIO_SERVICE__DIALECT", "openai", "services.audio-service.dialect", "openai"),
        ("ORCH_SPEECH__VAD__AGGRESSIVENESS", "3", "orchestration.speech.vad.aggressiveness", 3),
        ("ORCH_SESSION_MANAGEMENT__SQLITE_PATH", "/x.db", "session_management.sqlite_path", "/x.db"),
    ],
)
def test_the_environment_wins_over_the_file(variable: str, text: str, path: str, value: object) -> None:
    """Every short name and the general form reach their value."""
    decoded = decode(FILE, {variable: text})
    assert decoded.faults == ()
    assert values(decoded.settings)[path] == value
    assert decoded.sources[path] == "environment"
    assert decoded.environment == (variable,)


def test_every_short_name_points_at_a_setting_there_is() -> None:
    """The table of short names stays in step with the settings."""
    known = values(Settings())
    assert all(".".join(path) in known for path in SHORT_NAMES.values())


def test_a_variable_of_no_setting_is_a_fault_that_names_it() -> None:
    """A typing error in the environment is not ignored."""
    assert faults("", ORCH_AUDIO_PRIORITY="low") == {"ORCH_AUDIO_PRIORITY": "expected lower or same"}
    assert faults("", ORCH_AUDIO_PRIORITY="same") == {}
    assert list(faults("", ORCH_GATEWY__TIMEOUT="1")) == ["ORCH_GATEWY__TIMEOUT"]


def test_a_wrong_variable_is_named_beside_the_path() -> None:
    """The fault names the source of the value."""
    assert list(faults("", PORT="x")) == ["orchestration.frontend.port (from PORT)"]


def test_secrets_are_never_shown() -> None:
    """Keys and tokens are masked wherever values are listed."""
    decoded = decode("services: {audio-service: {api_key: sk-1}}", {"ORCH_CONTROL_TOKEN": "hush"})
    shown = values(decoded.settings)
    assert "hush" not in str(shown)
    assert "sk-1" not in str(shown)


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail_otherwise_than_by_faults(text: str) -> None:
    """Whatever the file contains, the result is settings or faults."""
    decoded = decode(text, {})
    assert decoded.faults or isinstance(decoded.settings, Settings)


def test_the_shipped_file_lies_where_the_program_looks() -> None:
    """Templates, static files and the default configuration are found in a checkout."""
    for name in ("config", "templates", "static"):
        assert resource(name).is_dir(), Path(name)


def test_an_address_is_shown_without_its_password() -> None:
    """``GET /api/config`` and the log show the server, but not the password."""
    assert masked("session_management.redis_url", "rediss://me:secret@r:1/2") == "rediss://••••@r:1/2"
    assert masked("session_management.redis_url", "redis://r:1") == "redis://r:1"


@pytest.mark.parametrize(
    "value",
    [
        "!!bool abc",
        "!!timestamp abc",
        "!!int ''",
        "!!float ''",
        "!!int abc",
        "!!binary é",
        "2001-02-31",
        "!!null x",
    ],
)
def test_a_value_that_is_not_what_its_tag_says_is_a_fault_or_another_value(value: str) -> None:
    """Whatever the YAML parser raises, users never see an exception."""
    decoded = decode(f"orchestration: {{frontend: {{port: {value}}}}}", {})
    assert decoded.faults or value == "!!null x"


@pytest.mark.parametrize("letter", ["\\0", "\\ud800", "\\udcff"])
@pytest.mark.parametrize(
    "text",
    [
        'orchestration: {frontend: {host: "a%s"}}',
        'orchestration: {control_token: "a%s"}',
        'orchestration: {"a%s": 1}',
        'services: {audio-service: {model: "a%s"}}',
        'services: {audio-service: {restart_command: ["a%s"]}}',
        'services: {audio-service: {"a%s": 1}}',
        'session_management: {sqlite_path: "a%s"}',
    ],
)
def test_a_text_that_nothing_can_carry_is_a_fault(text: str, letter: str) -> None:
    """No file, program, address or response can contain it; found late it would end a branch."""
    found = decode(text % letter, {}, name="the file").faults
    assert found
    msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOST", "a\udcff"),
        ("ORCH_SERVICES__AUDIO_SERVICE__MODEL", "\udcff"),
        ("ORCH_SERVICES__A\udcff__URL", "http://h"),
        ("ORCH_\udcff", "1"),
    ],
)
def test_a_variable_that_is_no_utf8_is_a_fault(variable: str, value: str) -> None:
    """A response, a header or a file name with it could not be written."""
    found = decode("", {variable: value}).faults
    assert len(found) == 1
    msgspec.json.encode(found)


def test_a_changed_value_that_nothing_can_carry_is_a_fault_at_its_path() -> None:
    """JSON has NUL."""
    found = decode("", {}, overlay={"services.audio-service.model": "a\0b"}).faults
    assert [fault.path for fault in found] == ["services.audio-service.model"]


def test_the_token_is_taken_without_what_files_of_secrets_leave_around_it() -> None:
    """A header cannot contain a line break, so nobody could sign in with such a token."""
    decoded = decode("", {"ORCH_CONTROL_TOKEN": " secret-token\r\n"})
    assert not decoded.faults
    assert decoded.settings.orchestration.control_token == "secret-token"  # noqa: S105 - a made-up one


@pytest.mark.parametrize("token", [" ", "\n", "one\ntwo", "one\x7ftwo"])
def test_a_token_that_nobody_can_show_is_a_fault(token: str) -> None:
    """A blank token is a fault rather than no token."""
    found = decode("", {"ORCH_CONTROL_TOKEN": token}).faults
    assert [fault.path for fault in found] == ["orchestration.control_token"]
    assert "one" not in found[0].expected.split()


@pytest.mark.parametrize(
    ("frontend", "expected"),
    [
        ("{trusted_hops: 2}", None),
        ("{trusted_hops: 2, trusted_proxies: []}", "expected 0, or a network in"),
        ("{trusted_hops: -1}", "0"),
        ("{trusted_hops: 17}", "16"),
    ],
)
def test_proxies_can_be_counted_if_the_last_one_is_known(frontend: str, expected: str | None) -> None:
    """Without it, whoever reaches the service directly could claim to be behind as many proxies."""
    found = faults(f"orchestration: {{frontend: {frontend}}}")
    if expected is None:
        assert found == {}
    else:
        assert expected in found["orchestration.frontend.trusted_hops"]


@pytest.mark.parametrize("word", ["off", "Off", "OFF"])
def test_off_is_a_choice_and_a_truth_value_as_the_setting_expects(word: str) -> None:
    """YAML 1.1 reads it as false, also where a setting has a choice of that name."""
    journey = f"orchestration: {{monitoring: {{enabled: {word}, journey: {{enabled: {word.lower()}}}}}}}"
    decoded = decode(journey, {"ORCH_SPEECH__TRANSLATE_GROWING": "off", "METRICS_ENABLE": "no"})
    assert decoded.faults == ()
    monitoring = decoded.settings.orchestration.monitoring
    assert (monitoring.enabled, monitoring.journey.enabled) == (False, "off")
    assert decoded.settings.orchestration.speech.translate_growing == "off"


@pytest.mark.parametrize(
    "token", ["true-and-long-enough", "Falsehood-of-some-length", "off-and-long-enough", "no"]
)
def test_a_text_may_begin_with_a_truth_value(token: str) -> None:
    decoded = decode(f"services: {{audio-service: {{model: {token}}}}}", {"ORCH_LOG_LEVEL": "INFO"})
    assert decoded.faults == ()
    assert decoded.settings.services["audio-service"].model == token


def test_norwegian_is_a_language() -> None:
    decoded = decode("orchestration: {monitoring: {journey: {language: no}}}", {})
    assert decoded.settings.orchestration.monitoring.journey.language == "no"
    assert faults("orchestration: {monitoring: {enabled: perhaps}}") == {
        "orchestration.monitoring.enabled": "expected true or false, got 'perhaps'"
    }

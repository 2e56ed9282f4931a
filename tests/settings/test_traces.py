import pytest

from orch.settings import decode
from orch.settings.extras import HOW_TO_INSTALL, find_extras_faults, has_package
from orch.settings.reload_rules import applicable, changes
from orch.settings.restrictions import masked
from orch.settings.structs import Settings
from orch.telemetry.traces.address import Destination, destination, is_usable


def settings(text: str, environ: dict[str, str] | None = None) -> Settings:
    return decode(f"orchestration: {{traces: {text}}}", environ or {}, name="test").settings


def faults(text: str) -> list[str]:
    found = decode(f"orchestration: {{traces: {text}}}", {}, name="test").faults
    return [str(each) for each in found]


def test_traces_are_off_by_default() -> None:
    """Nothing leaves the machine that nobody asked for."""
    traces = Settings().orchestration.traces
    assert (traces.endpoint, traces.sample_ratio) == ("", 0.1)
    assert destination("", {}) is None


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost:4318",
        "grpc://h:4317",
        "http://",
        "http://h:0",
        "http://h:99999",
        "http://h/?key=x",
        "http://h o",
    ],
)
def test_an_address_that_nothing_can_be_posted_to_is_refused(endpoint: str) -> None:
    """With the path in the file, and what was expected."""
    (fault,) = faults(f'{{endpoint: "{endpoint}"}}')
    assert fault.startswith("orchestration.traces.endpoint: expected http://HOST:PORT")


def test_no_fault_quotes_a_secret() -> None:
    """They are logged."""
    found = faults(
        '{endpoint: "http://u:hidden1@h/?k=hidden2", headers: {a: "hidden3\\u00e9", "hidden4: x": y}}'
    )
    assert len(found) == 3
    assert not any("hidden" in each for each in found)


def test_headers_that_the_exporter_sets_itself_are_refused() -> None:
    """Two lengths would make one request into two."""
    assert len(faults('{headers: {Content-Length: "1"}}')) == 1
    assert len(faults('{headers: {authorization: ""}}')) == 1
    assert len(faults('{headers: {authorization: "a\\nb"}}')) == 1


@pytest.mark.parametrize(
    "text", ["sample_ratio: 1.1", "sample_ratio: -1", "queue: 1", "timeout: 0", "timeout: 61"]
)
def test_numbers_have_limits(text: str) -> None:
    """A share is from 0 to 1; memory and the end of the process are bounded."""
    assert len(faults(f"{{{text}}}")) == 1


def test_the_environment_sets_them_and_its_headers_have_hyphens() -> None:
    """As with other headers of the settings."""
    given = settings(
        "{}", {"ORCH_TRACES__ENDPOINT": "http://h:4318", "ORCH_TRACES__HEADERS__X_SCOPE_ORGID": "me"}
    ).orchestration.traces
    assert (given.endpoint, given.headers) == ("http://h:4318", {"x-scope-orgid": "me"})


def test_headers_and_passwords_are_shown_masked() -> None:
    """Operators read the settings; keys are not theirs."""
    assert "key" not in str(masked("orchestration.traces.headers", {"authorization": "key"}))
    assert "key" not in str(masked("orchestration.traces.endpoint", "http://u:key@h:4318"))


def test_what_the_exporter_was_made_with_waits_for_a_restart() -> None:
    """The shares apply at once."""
    old, new = (
        settings("{}"),
        settings('{endpoint: "http://h", sample_ratio: 0.5, headers: {a: b}, queue: 300}'),
    )
    assert {each.path: each.reason is None for each in changes(old, new)} == {
        "orchestration.traces.endpoint": False,
        "orchestration.traces.headers.a": False,
        "orchestration.traces.headers": False,
        "orchestration.traces.queue": False,
        "orchestration.traces.sample_ratio": True,
    }
    applied = applicable(old, new).orchestration.traces
    assert (applied.endpoint, applied.sample_ratio, applied.queue) == ("", 0.5, 2_048)


def test_a_missing_package_is_a_fault_only_where_it_is_needed() -> None:
    """It says what to install, in words that can be pasted."""
    needs = settings('{endpoint: "http://h:4318"}')
    (fault,) = find_extras_faults(needs, lambda _name: False)
    assert str(fault).startswith("orchestration.traces.endpoint: ")
    assert HOW_TO_INSTALL in str(fault)
    assert find_extras_faults(needs, lambda _name: True) == []
    assert find_extras_faults(Settings(), lambda _name: False) == []


def test_a_package_is_found_or_not() -> None:
    """Also one whose parent packages are missing."""
    assert has_package("json.decoder")
    assert not has_package("json.of_nobody")
    assert not has_package("nobody.has.this")


T, E = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("endpoint", "environ", "found"),
    [
        ("http://h:4318", {}, Destination("http://h:4318/v1/traces")),
        ("http://h:4318/", {}, Destination("http://h:4318/v1/traces")),
        ("http://h:4318/v1/traces", {}, Destination("http://h:4318/v1/traces")),
        ("http://h/otlp", {}, Destination("http://h/otlp/v1/traces")),
        (
            "http://h:4318",
            {T: "http://other", "OTEL_SDK_DISABLED": "true"},
            Destination("http://h:4318/v1/traces"),
        ),
        ("", {E: "http://h:4318"}, Destination("http://h:4318/v1/traces", E)),
        ("", {T: "http://h:4318/mine", E: "http://other"}, Destination("http://h:4318/mine", T)),
        ("", {T: " ", E: ""}, None),
        ("", {T: "http://h", "OTEL_SDK_DISABLED": "TRUE"}, None),
        ("", {T: "http://h", "OTEL_TRACES_EXPORTER": "none"}, None),
        ("", {T: "http://h", "OTEL_TRACES_EXPORTER": "otlp"}, Destination("http://h", T)),
    ],
)
def test_where_spans_go(endpoint: str, environ: dict[str, str], found: Destination | None) -> None:
    """The settings win; the standard variables mean what they mean in every program."""
    assert destination(endpoint, environ) == found


def test_an_address_of_the_environment_may_be_unusable() -> None:
    """As one for gRPC alone."""
    assert is_usable("http://h:4318/v1/traces")
    assert not is_usable("grpc://h:4317")
    assert not is_usable("http://h:port")
    assert not is_usable("")

from collections.abc import Mapping

import pytest

from orch.cluster.workers import Worker
from orch.settings import SettingsError
from orch.settings.structs import Orchestration, Settings
from orch.settings.traces import Traces as Section
from orch.telemetry.events import EventLog
from orch.telemetry.traces.service import Traces
from orch.wiring import traces
from tests.fakes.settings import FakeSettings

HERE = Worker(name="w1", host="h")


def built(section: Section, environ: Mapping[str, str] | None = None) -> tuple[Traces, EventLog]:
    events = EventLog(wall=lambda: 0.0)
    settings = FakeSettings()
    settings.current = Settings(orchestration=Orchestration(traces=section))
    return traces.build(settings, HERE, events, lambda: 0.0, environ or {}), events


def test_they_are_off_without_an_address() -> None:
    """No tracer, no collector, no event."""
    made, events = built(Section())
    assert not made.tracer.is_on
    assert made.statistics().state == "off"
    assert not events.latest(1)


def test_an_address_turns_them_on() -> None:
    """That of the settings, or of the standard variables; a password is not shown."""
    made, _ = built(Section(endpoint="http://u:key@h:4318"))
    assert made.tracer.is_on
    assert made.statistics().endpoint == "http://••••@h:4318/v1/traces"
    made, _ = built(Section(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"})
    assert made.tracer.is_on


def test_a_missing_package_is_an_error_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the command that installs it."""
    monkeypatch.setattr("orch.settings.extras.EXPORTER", "nobody.has.this")
    with pytest.raises(SettingsError, match=r"pip install 'orchestration-service\[otel\]'"):
        built(Section(endpoint="http://h:4318"))


def test_a_variable_alone_does_not_keep_the_service_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be set for all programs of a machine; an event says why there are no traces."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"}
    monkeypatch.setattr("orch.wiring.traces.has_package", lambda _name: False)
    made, events = built(Section(), environ)
    assert not made.tracer.is_on
    assert "pip install" in events.latest(1)[0].text
    monkeypatch.undo()
    made, events = built(Section(), {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "grpc://h:4317"})
    assert not made.tracer.is_on
    assert "no http or https address" in events.latest(1)[0].text

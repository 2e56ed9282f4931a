"""Each alert fires, stays silent and resolves, in promtool, on the series of real scrapes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.monitoring.promtool_tests import cases, is_real, metrics_of, write
from tests.monitoring.rule_files import PROMETHEUS, RULES, alerts, documents, seconds
from tests.monitoring.scrapes import own, scrapes

ALWAYS = "Watchdog"

#: Of the service, with no series in the demo as it was recorded: what is wrong, or is set, in other settings.
WITHOUT_A_SCRAPE = {
    "orch_calendar_failing",
    "orch_certificate_expiry_timestamp_seconds",
    "orch_discovery_age_seconds",
    "orch_gateway_fallbacks_active",
    "orch_incident_opened_timestamp_seconds",
    "orch_probe_journey_success",
    "orch_recovery_attempts_left",
}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    assert program, "promtool is not installed; make tools installs it"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.process
@pytest.mark.parametrize("file", [name for name in documents() if name != "recording.yml"])
def test_alerts_fire_stay_silent_and_resolve(file: str, tmp_path: Path) -> None:
    """With the labels and the words that people then read."""
    found = promtool("test", "rules", *write(tmp_path, [rule for rule in alerts() if rule.file == file]))
    assert found.returncode == 0, found.stderr


@pytest.mark.process
def test_prometheus_accepts_the_rules_and_a_changed_limit_fails_its_test(tmp_path: Path) -> None:
    """The whole files, with what promtool warns of, and the configuration; and the tests above can fail."""
    configured = promtool("check", "config", "--syntax-only", str(PROMETHEUS / "prometheus.yml"))
    assert configured.returncode == 0, configured.stdout + configured.stderr
    found = promtool("check", "rules", "--lint-fatal", *(str(path) for path in sorted(RULES.glob("*.yml"))))
    assert found.returncode == 0, found.stderr
    breaker = next(rule for rule in alerts() if rule.name == "BreakerOpen")
    (path,) = write(tmp_path, [breaker])
    rules = tmp_path / "BreakerOpen.rules.yml"
    rules.write_text(rules.read_text(encoding="utf-8").replace("== 2", "== 1"), encoding="utf-8")
    assert promtool("test", "rules", path).returncode != 0


@pytest.mark.process
def test_quotes_and_lines_in_a_label_break_no_text(tmp_path: Path) -> None:
    """A text that asks Prometheus about its label quotes the label's value."""
    usual, odd = "http://audio-service-1:5001", "a\"b'c\nd\\e"
    for name in ("BackendInstanceDown", "BackendFlapping"):
        (path,) = write(tmp_path, [rule for rule in alerts() if rule.name == name])
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        (test,) = document["tests"]
        for series in test["input_series"]:
            escaped = json.dumps(odd)[1:-1]  # as in PromQL
            series["series"] = series["series"].replace(usual, escaped)
        for look in test["alert_rule_test"]:
            for alert in look["exp_alerts"]:
                alert["exp_labels"]["upstream"] = odd
                summary = alert["exp_annotations"]["summary"]
                alert["exp_annotations"]["summary"] = summary.replace(usual, odd)
        Path(path).write_text(json.dumps(document), encoding="utf-8")
        found = promtool("test", "rules", path)
        assert found.returncode == 0, found.stderr


def test_each_alert_has_a_case_with_all_three() -> None:
    """Silent before it fires, and again afterwards."""
    for rule in alerts():
        case = cases()[rule.name]
        quiet, fires, resolved = (
            [seconds(at) for at in case[name]] for name in ("quiet", "fires", "resolved")
        )
        if rule.name == ALWAYS:
            assert fires
        else:
            assert min(quiet) < min(fires), rule.name
            assert max(fires) < min(resolved), rule.name


def test_no_case_is_left_of_an_alert_that_is_gone() -> None:
    """A case without an alert tests nothing."""
    assert set(cases()) == {rule.name for rule in alerts()}


def test_series_of_others_have_been_scraped_where_their_program_runs_here() -> None:
    """Only cAdvisor, Loki, Alloy, Tempo and Grafana are taken from their documentation."""
    documented = {scrape.job for scrape in scrapes() if not scrape.is_real}
    assert documented == {"cadvisor", "loki", "alloy", "tempo", "grafana"}
    missing = {name for rule in alerts() if not is_real(rule) for name in metrics_of(rule)}
    assert not {name for name in missing - set(own()) if not is_recorded(name)}
    assert {name for name in missing if not is_recorded(name)} <= WITHOUT_A_SCRAPE


def is_recorded(name: str) -> bool:
    return any(series.name == name for scrape in scrapes() for series in scrape.series)

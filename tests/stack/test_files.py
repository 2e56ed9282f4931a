"""The files of the containers and of the monitoring are good, and each check of them finds its faults."""

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from orch.settings import decode
from tests.structure.sources import sources

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load ``scripts/check_monitoring.py``, which is in no package."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    spec = importlib.util.spec_from_file_location(
        "check_monitoring", ROOT / "scripts" / "check_monitoring.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = [
    "prometheus",
    "alertmanager",
    "blackbox",
    "loki",
    "tempo",
    "alloy",
    "compose",
    "targets",
    "dockerfile",
    "dashboards",
    "yaml",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_good(name: str, checks: ModuleType) -> None:
    """As ``deploy-monitoring.sh check`` finds them."""
    assert set(checks.CHECKS) == set(NAMES)
    assert checks.CHECKS[name]() == []


@pytest.mark.parametrize("extra", [(), ("docker-compose.bots.yml",)])
def test_the_settings_of_the_container_are_settings_of_the_service(
    checks: ModuleType, extra: tuple[str, ...]
) -> None:
    """What the image and the compose files set is known, and fits together."""
    environ = dict(re.findall(r"(HOST|PORT)=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8")))
    for name in ("docker-compose.yml", *extra):
        content = checks.compose_rules.interpolated(checks.document(name))
        environ |= content["services"]["orchestration"]["environment"]
    text = (ROOT / "config" / "orchestration.yaml").read_text(encoding="utf-8")
    decoded = decode(text, environ)
    assert decoded.faults == ()
    assert decoded.ignored == ()
    settings = decoded.settings
    assert (settings.orchestration.frontend.host, settings.orchestration.frontend.port) == ("0.0.0.0", 3000)
    assert settings.session_management.persistence == "redis"
    assert settings.orchestration.bots.enabled is bool(extra)


PROMETHEUS = "monitoring/prometheus/prometheus.yml"
BLACKBOX = "monitoring/blackbox/blackbox.yml"
LOKI = "monitoring/loki/loki.yml"
LOG_RULES = "monitoring/loki/rules/fake/livetranslate-logs.yml"
TEMPO = "monitoring/tempo/tempo.yml"
DATA_SOURCES = "monitoring/grafana/provisioning/datasources/datasources.yml"
ALLOY = "monitoring/alloy/config.alloy"
STACK = "docker-compose.monitoring.yml"
WRITE = "loki.write.loki.receiver"
#: Of the copies, for those checks that read all there is: what takes long.
LEFT_OUT = {"yaml": shutil.ignore_patterns("prometheus")}
PUBLISHED = "${MONITORING_ADDRESS:-127.0.0.1}:9090"


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "fault"),
    [
        ("prometheus", PROMETHEUS, "scrape_timeout: 10s", "scrape_timeout: x", "duration"),
        ("blackbox", BLACKBOX, "http_2xx:", "http_200:", "no module http_2xx"),
        ("blackbox", BLACKBOX, "valid_status_codes", "valid_status", "valid_status not found"),
        ("loki", LOKI, "retention_enabled: true", "retention_enabled: false", "retention_enabled"),
        ("loki", LOKI, "  delete_request_store: filesystem\n", "", "delete_request_store"),
        ("loki", LOKI, "schema: v13", "schema: v12", "needs the store tsdb"),
        ("loki", LOG_RULES, "[5m]", "[5", "does not parse near"),
        (
            "tempo",
            TEMPO,
            "compaction: {block_retention: 168h}\n\nbackend",
            "compaction: {}\n\nbackend",
            "168h",
        ),
        ("tempo", TEMPO, "0.0.0.0:4318", "0.0.0.0:4319", "the port 4319"),
        ("tempo", TEMPO, "http_listen_port: 3200", "http_listen_port: 80", "Grafana reads"),
        ("tempo", DATA_SOURCES, "datasourceUid: tempo", "datasourceUid: tempi", "called tempi"),
        ("alloy", ALLOY, WRITE, "loki.write.lok.receiver", "leads nowhere"),
        ("alloy", ALLOY, "stage.output {", "stage.output", "expected {"),
        ("alloy", ALLOY, "stage.labels {", "stage.lables {", "no block is called"),
        ("alloy", ALLOY, 'values = {level = "", ', "values = {", "labels: Alloy has"),
        ("compose", STACK, "loki:3.7.6", "loki:latest", "no image with a whole version"),
        ("compose", STACK, PUBLISHED, "9090", "on all addresses"),
        ("compose", STACK, "/loki:/etc/loki:ro", "/lok:/etc/loki:ro", "lok does not exist"),
        ("compose", STACK, "pid: host", "privileged: true", "is privileged"),
        ("compose", STACK, "mem_limit: 128m", "mem_limits: 128m", "mem_limits"),
        ("compose", "docker-compose.yml", "[state]", "[states]", "there is no network states"),
        ("dockerfile", "Dockerfile", "COPY static/ static/", "COPY statics/ static/", "COPY statics/"),
        ("dockerfile", "Dockerfile", "python:3.11.15-slim-bookworm", "python:latest", "DL3007"),
        ("targets", PROMETHEUS, "loki:3100", "lokki:3100", "no service is called lokki"),
        ("yaml", LOKI, "auth_enabled: false", "auth_enabled:  false", "too many spaces"),
    ],
)
def test_a_fault_is_found(
    name: str,
    file: str,
    old: str,
    new: str,
    fault: str,
    checks: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of them would stop the stack from starting, lose logs, or open it to others."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "monitoring", root / "monitoring", ignore=LEFT_OUT.get(name))
    for path in (*ROOT.glob("docker-compose*.yml"), ROOT / "Dockerfile", ROOT / ".dockerignore"):
        shutil.copy(path, root)
    text = (root / file).read_text(encoding="utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setattr(checks, "ROOT", root)
    monkeypatch.setattr(checks, "MONITORING", root / "monitoring")
    checked: Callable[[], list[str]] = checks.CHECKS[name]
    assert fault in "\n".join(checked())


def test_the_fields_that_alloy_reads_are_logged(checks: ModuleType) -> None:
    """A field that no line has would be a label that is never there."""
    alloy = checks.alloy_syntax
    text = (ROOT / ALLOY).read_text(encoding="utf-8")
    blocks = [each for block in alloy.parse(text) for each in block.all()]
    envelope, ours = [each.attributes["expressions"] for each in blocks if each.name == "stage.json"]
    assert '"log"' in envelope
    fields = {each.strip('"') for each in ours[3::4]}
    written = {"timestamp", "level", "logger", "worker"}  # by orch/telemetry/logs.py
    assert written < fields
    code = "\n".join(each.text for each in sources().values())
    for field in fields - written:
        given = rf"(log\.(warning|error|exception|info)|bound_contextvars)\([^)]*\b{field}="
        assert re.search(given, code), field


def test_the_events_that_alerts_look_for_are_logged(checks: ModuleType) -> None:
    """Else such an alert never fires."""
    code = "\n".join(each.text for each in sources().values())
    events = [event for rule in checks._log_rules() for event in re.findall(r'event=~"(.+?)"', rule["expr"])]
    assert events
    for event in "|".join(events).split("|"):
        assert f'"{event}"' in code, event


def test_each_alert_on_logs_says_what_it_means_and_where_to_look(checks: ModuleType) -> None:
    """As those of Prometheus do; Alertmanager routes and inhibits them by the same labels."""
    dashboards = {path.stem for path in (ROOT / "monitoring/grafana/dashboards").glob("*.json")}
    for rule in checks._log_rules():
        name, texts = rule["alert"], rule["annotations"]
        assert set(rule["labels"]) == {"severity", "service", "area", "cluster"}, name
        assert rule["labels"]["severity"] in ("warning", "info"), name
        assert texts["summary"].endswith("."), name
        assert texts["impact"].endswith("."), name
        assert texts["runbook_url"] == f"docs/runbooks/{name}.md"
        page = (ROOT / texts["runbook_url"]).read_text(encoding="utf-8")
        assert page.startswith(f"# {name}\n")
        assert texts["impact"].partition(".")[0].partition(",")[0] in page, name
        assert texts["dashboard"].rpartition("/")[2] in dashboards, name


def test_chromium_may_make_its_sandbox_and_nothing_that_docker_refuses() -> None:
    """The profile is Docker's refusals, except what a sandbox of processes without rights is made of."""
    profile = json.loads((ROOT / "monitoring" / "chromium-seccomp.json").read_text(encoding="utf-8"))
    assert profile["defaultAction"] == "SCMP_ACT_ALLOW"
    [refused] = profile["syscalls"]
    assert refused["action"] == "SCMP_ACT_ERRNO"
    names = set(refused["names"])
    assert not names & {"clone", "clone3", "unshare", "setns", "chroot", "pivot_root", "mount", "umount2"}
    assert {"bpf", "keyctl", "kexec_load", "init_module", "perf_event_open", "reboot", "userfaultfd"} < names


def test_a_missing_program_is_a_fault(checks: ModuleType) -> None:
    """Otherwise a check that cannot be made would look like a good one."""
    assert checks.program("no-such-program") == ["no-such-program is not installed: make tools"]


def test_the_exit_code_says_whether_there_are_faults(
    checks: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in a check is a fault, not the end of the others."""
    nothing: dict[str, list[str]] = {}
    monkeypatch.setitem(checks.CHECKS, "loki", lambda: nothing["retention"])
    assert checks.main(["loki", "alloy"]) == 1
    shown = capsys.readouterr().out
    assert "FAULTS  loki" in shown
    assert "good    alloy" in shown
    assert checks.main(["alloy"]) == 0
    assert checks.main(["loky"]) == 2

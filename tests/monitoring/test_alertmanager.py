"""Alertmanager's configuration: checked, routed and rendered by its own tools, as every set-up has it."""

import io
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from amlint import cli

from tests.fakes.patience import PATIENCE
from tests.fakes.tools import require

ROOT: Final = Path(__file__).parents[2] / "monitoring"
FOLDER: Final = ROOT / "alertmanager"
CONFIGURATION: Final = FOLDER / "alertmanager.yml"
CASES: Final = FOLDER / "routes.test.yml"

MAIL: Final = {"ALERT_MAIL_TO": "ops@example.org", "ALERT_SMARTHOST": "mail.example.org:587"}
SLACK: Final = {"ALERT_SLACK_URL": "https://hooks.slack.example/services/T/B/X"}
PAGERDUTY: Final = {"ALERT_PAGERDUTY_KEY": "k" * 32}
MORE: Final = {
    "ALERT_WATCHDOG_URL": "https://watchdog.example/ping?key=1&id=a",
    "ALERT_SMTP_USER": "ops",
    "ALERT_SMTP_PASSWORD": 'it\'s "secret" & $HOME',
    "ALERT_ESCALATION_MAIL_TO": "boss@example.org, owner@example.org",
    "ALERT_SERVICE_URL": "https://translate.example.org",
}
TOKEN: Final = {"ALERT_WEBHOOK_TOKEN": "from-prometheus"}

#: What can be switched on, each with the receivers' integrations that follow.
SETUPS: Final = {
    "mail": (MAIL, {"email_configs"}),
    "slack": (SLACK, {"slack_configs"}),
    "pagerduty": (PAGERDUTY, {"pagerduty_configs"}),
    "all": (MAIL | SLACK | PAGERDUTY | MORE, {"email_configs", "slack_configs", "pagerduty_configs"}),
}

pytestmark = pytest.mark.process


def ran(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program, with nothing of this environment but what it needs."""
    needed = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment}
    return subprocess.run(
        [str(each) for each in command],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=needed,
    )


def configured(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return ran("sh", FOLDER / "configure.sh", folder, **environment)


def amlint(*arguments: str | Path) -> tuple[int, str]:
    """Run amlint in this process, which saves its start; return its exit code and what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            code = cli.main([str(each) for each in arguments])  # type: ignore[no-untyped-call]  # amlint
        except SystemExit as end:
            code = end.code
    return int(code or 0), printed.getvalue()


def receivers_of(configuration: Path) -> dict[str, dict[str, Any]]:
    document = yaml.safe_load(configuration.read_text(encoding="utf-8"))
    return {each.pop("name"): each for each in document["receivers"]}


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


def test_the_committed_file_is_valid_and_does_what_it_says() -> None:
    """Alertmanager loads it, and nothing in it is unreachable, empty or too wide."""
    loaded = ran(require("amtool"), "check-config", CONFIGURATION)
    assert loaded.returncode == 0, loaded.stderr
    code, words = amlint("check", "--strict", CONFIGURATION)
    assert code == 0, words


def test_the_check_finds_faults(tmp_path: Path) -> None:
    """Those that Alertmanager loads: an inhibition of everything, a route that nothing reaches."""
    document = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    del document["inhibit_rules"][0]["equal"]
    document["route"]["routes"].insert(0, {"receiver": "pages"})
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert ran(require("amtool"), "check-config", path).returncode == 0
    code, words = amlint("check", "--strict", path)
    assert code != 0
    assert "inhibit" in words
    assert "unreachable" in words


def test_every_alert_reaches_whom_it_should_and_what_has_one_cause_is_inhibited() -> None:
    """All cases of routes.test.yml, which reach every route."""
    code, words = amlint("test", CONFIGURATION, CASES, "--coverage", "--fail-under", "100")
    assert code == 0, words


def test_alertmanagers_own_tool_routes_the_same() -> None:
    """Inhibitions it cannot test; they are seen on a running one."""
    for case in yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]:
        if "expect" not in case:
            continue
        labels = [f"{name}={value}" for name, value in case["labels"].items()]
        wanted = f"--verify.receivers={','.join(case['expect'])}"
        routed = ran(
            require("amtool"), "config", "routes", "test", f"--config.file={CONFIGURATION}", wanted, *labels
        )
        assert routed.returncode == 0, f"{case['name']}: {routed.stdout}{routed.stderr}"


def test_inhibitions_are_about_alerts_that_exist() -> None:
    """A renamed alert would page beside its cause. Each pattern matches an alert, each name of it is one."""
    rules = [
        rule
        for path in (ROOT / "prometheus" / "rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    names = {rule["alert"] for rule in rules}
    assert {rule["labels"]["severity"] for rule in rules} <= {"critical", "warning", "info", "none"}
    document = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    routes = [matcher for route in document["route"]["routes"] for matcher in route["matchers"]]
    matchers = [
        matcher
        for rule in document["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    ]
    for matcher in (*routes, *matchers):
        name, pattern = re.fullmatch(r'(\w+)=~?"(.*)"', matcher).groups()  # type: ignore[union-attr]
        if name != "alertname":
            continue
        for part in re.split(r"\|(?![^(]*\))", pattern):
            assert any(re.fullmatch(part, each) for each in names), f"{part} matches no alert"
    labels = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    assert "cluster" in labels["global"]["external_labels"]
    assert all("cluster" in rule["equal"] for rule in document["inhibit_rules"])


@pytest.mark.parametrize("setup", SETUPS)
def test_every_set_up_is_valid(tmp_path: Path, setup: str) -> None:
    """Each way of notification alone, and all of them: people are reached, and no placeholder is left."""
    environment, integrations = SETUPS[setup]
    made = configured(tmp_path, **environment, **TOKEN)
    assert made.returncode == 0, made.stderr
    path = tmp_path / "alertmanager.yml"
    loaded = ran(require("amtool"), "check-config", path)
    assert loaded.returncode == 0, loaded.stderr
    code, words = amlint("check", "--strict", path)
    assert code == 0, words
    receivers = receivers_of(path)
    assert {name for name in receivers if name != "watchdog"} == {"pages", "operators", "pager", "escalation"}
    people = [set(receivers[name]) for name in ("operators", "pager", "escalation")]
    assert people == [integrations] * len(people)
    text = path.read_text(encoding="utf-8")
    assert "localhost" not in text
    for value in ("it's", "k" * 32, "hooks.slack.example", "from-prometheus"):
        assert value not in text, "a secret is in its file, not in the configuration"
    again = configured(tmp_path, **{k: v for k, v in environment.items() if "PASSWORD" not in k})
    assert again.returncode == 0, again.stderr
    assert path.read_text(encoding="utf-8") == text


def test_what_is_set_is_where_it_belongs(tmp_path: Path) -> None:
    """Addresses, channels, secrets to the byte, readable by their owner alone."""
    environment = SETUPS["all"][0] | {"ALERT_SLACK_CHANNEL": "#ops", "ALERT_SMTP_TLS": "false"}
    assert configured(tmp_path, **environment, **TOKEN).returncode == 0
    document = yaml.safe_load((tmp_path / "alertmanager.yml").read_text(encoding="utf-8"))
    receivers = receivers_of(tmp_path / "alertmanager.yml")
    assert receivers["escalation"]["email_configs"][0]["to"] == "boss@example.org, owner@example.org"
    assert receivers["operators"]["slack_configs"][0]["channel"] == "#ops"
    assert receivers["watchdog"]["webhook_configs"][0]["url"] == MORE["ALERT_WATCHDOG_URL"]
    assert (
        receivers["pages"]["webhook_configs"][0]["url"] == "https://translate.example.org/api/alerts/webhook"
    )
    assert document["global"] == {
        "resolve_timeout": "5m",
        "smtp_smarthost": "mail.example.org:587",
        "smtp_from": "alerts@example.org",
        "smtp_require_tls": False,
        "smtp_auth_username": "ops",
        "smtp_auth_password_file": "/etc/alertmanager/secrets/smtp-password",
    }
    secrets = {each.name: each.read_text(encoding="utf-8") for each in (tmp_path / "secrets").iterdir()}
    assert secrets["smtp-password"] == MORE["ALERT_SMTP_PASSWORD"]
    assert secrets["pagerduty-key"] == secrets["pagerduty-escalation-key"] == "k" * 32
    named = {Path(each).name for each in strings(document) if each.startswith("/etc/alertmanager/secrets/")}
    assert named == set(secrets)
    assert {each.stat().st_mode & 0o077 for each in (tmp_path / "secrets").iterdir()} == {0}
    assert [each.name for each in (tmp_path / "templates").iterdir()] == ["livetranslate.tmpl"]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "Nobody would be notified"),
        ({"ALERT_MAIL_TO": "a@example.org"}, "needs ALERT_SMARTHOST"),
        (MAIL | {"ALERT_SMTP_USER": "ops"}, "needs ALERT_SMTP_PASSWORD"),
        (MAIL | {"ALERT_MAIL_TO": 'a@example.org"\n  evil: true'}, "ALERT_MAIL_TO has a character"),
        (MAIL | {"ALERT_SMTP_TLS": "no"}, "ALERT_SMTP_TLS is true or false"),
        (MAIL | {"ALERT_SERVICE_URL": "orchestration:3000"}, "not an http or https URL"),
        (MAIL | {"ALERT_WATCHDOG_URL": "file:///etc/passwd"}, "ALERT_WATCHDOG_URL is not"),
        (MAIL, "ALERT_WEBHOOK_TOKEN is missing"),
    ],
)
def test_a_set_up_that_would_notify_nobody_or_break_is_refused(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    """With what to set, and without a file that Alertmanager might load."""
    refused = configured(tmp_path, **environment)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert not (tmp_path / "alertmanager.yml").exists()


HOSTILE: Final = 'a "quoted" <b>name</b> & <!channel>\n{{ .Status }} ' + "x" * 10_000


def rendered(name: str, tmp_path: Path, *, kind: str = "text", status: str = "firing") -> str:
    alert = {
        "status": status,
        "labels": {"alertname": "BackendAllInstancesDown", "severity": "critical", "path": HOSTILE},
        "annotations": {
            "summary": HOSTILE,
            "impact": "No captions.",
            "runbook_url": "https://r.example/a?b=1&c=2",
        },
        "startsAt": "2026-11-30T04:00:00Z",
        "endsAt": "2026-11-30T05:00:00Z",
        "fingerprint": "aa",
        "generatorURL": "javascript:alert(1)",
    }
    data = {
        "receiver": "pager",
        "status": status,
        "alerts": [alert],
        "groupLabels": {"severity": "critical", "service": HOSTILE},
        "commonLabels": alert["labels"],
        "commonAnnotations": alert["annotations"],
        "externalURL": "http://localhost:9093",
    }
    path = tmp_path / "data.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    glob, text = f"--template.glob={FOLDER}/templates/*.tmpl", f'{{{{ template "{name}" . }}}}'
    made = ran(
        require("amtool"), "template", "render", glob, f"--template.text={text}", f"--template.type={kind}",
        f"--template.data={path}",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_notifications_say_what_is_wrong_and_what_to_do_and_escape_the_rest(tmp_path: Path) -> None:
    """A label of any kind is text in mail and Slack: no markup, no mention of a whole channel, no 10 kB."""
    title = rendered("livetranslate.title", tmp_path)
    assert title.startswith("[FIRING:1] critical a ")
    assert ": BackendAllInstancesDown" in title
    text = rendered("livetranslate.mail.text", tmp_path)
    assert "Users: No captions." in text
    assert "What to do: https://r.example/a?b=1&c=2" in text
    assert "Since: 2026-11-30 04:00:00 UTC" in text
    assert "until 05:00:00 UTC" in rendered("livetranslate.mail.text", tmp_path, status="resolved")
    html = rendered("livetranslate.mail.html", tmp_path, kind="html")
    assert "<b>" not in html
    assert "javascript:" not in html.lower()
    assert 'href="https://r.example/a?b=1&amp;c=2"' in html
    slack = rendered("livetranslate.slack.text", tmp_path)
    assert "<!channel>" not in slack
    assert "&lt;!channel&gt;" in slack
    assert "<https://r.example/a?b=1&amp;c=2|What to do>" in slack
    assert "<!channel>" not in rendered("livetranslate.slack.title", tmp_path)
    assert max(len(each) for each in (title, text, html, slack)) < 3_000
    assert rendered("livetranslate.slack.color", tmp_path).strip() == "danger"
    assert rendered("livetranslate.slack.color", tmp_path, status="resolved").strip() == "good"

"""Each alert has a runbook, and what these name exists: paths, metrics, settings, programs, lines of logs."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from orch.access.actions import ROUTES
from orch.cli import main
from orch.settings import Settings
from tests.fakes.tools import require
from tests.monitoring import promql
from tests.monitoring.catalogue import catalogue
from tests.monitoring.rule_files import alerts, recorded
from tests.monitoring.runbook_commands import INDENT, RUNBOOKS, commands
from tests.structure.test_settings import leaves

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = {path.stem: path.read_text(encoding="utf-8") for path in sorted(RUNBOOKS.glob("*.md"))}

#: Programs of a machine with Docker; those in containers are after `exec`.
PROGRAMS: Final = frozenset(
    re.findall(
        r"\w+",
        "amtool chromium chronyc curl cut df docker du free grep head ip journalctl jq ls openssl promtool ps"
        " sed sort ss sysctl systemctl tail timedatectl uniq",
    )
)
#: How queries for Grafana begin.
LOGQL: Final = ("sum by", "topk(")

#: In backticks and with a dot, and no setting: parts of responses, files, and settings of other programs.
NO_SETTINGS: Final = frozenset({"daemon.json", "deploy.resources.limits", "retention.size", "orch.synthetic"})

#: Series that the recorded scrapes lack: of a machine with disks, of rules that have run, and of Alloy.
NOT_SCRAPED: Final = re.compile(
    r"^(ALERTS|node_disk_io_time_seconds_total|node_vmstat_pgmajfault|prometheus_rule_group_last_duration_seconds"
    r"|loki_write_dropped_entries_total) does not exist$"
)


def expression_of(name: str) -> str | None:
    rule = recorded().get(name)
    return None if rule is None else rule.expr


@cache
def rules() -> dict[str, dict[str, Any]]:
    """Return every alert, on series and on logs: its severity and what users notice."""
    found = {
        rule.name: {"severity": rule.labels["severity"], "impact": rule.annotations["impact"]}
        for rule in alerts()
    }
    for path in (ROOT / "monitoring" / "loki" / "rules" / "fake").glob("*.yml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                texts = {"severity": rule["labels"]["severity"], "impact": rule["annotations"]["impact"]}
                found[rule["alert"]] = texts
    return found


def every_command() -> list[tuple[str, str]]:
    return [(each.page, each.text) for each in commands()]


def test_each_alert_has_its_page_and_each_page_its_alert() -> None:
    """The link of an alert would lead nowhere, and a page without an alert is never read."""
    assert set(PAGES) - {"README"} == set(rules())


@pytest.mark.parametrize("name", sorted(PAGES.keys() - {"README"}))
def test_a_page_has_its_parts_and_three_steps_with_a_command_each(name: str) -> None:
    """Somebody who is woken up by it finds everything where it is in the others."""
    text = PAGES[name]
    parts = re.split(r"^\*\*(Meaning\.|Impact\.|First steps)\*\*", text, flags=re.MULTILINE)
    assert parts[0] == f"# {name}\n\n"
    assert parts[1::2] == ["Meaning.", "Impact.", "First steps"]
    steps = re.split(r"^([123])\. ", parts[-1], flags=re.MULTILINE)
    assert steps[1::2] == ["1", "2", "3"]
    assert all(step.strip() for step in steps[2::2])
    assert sum(f"\n{INDENT}" in step for step in steps[2::2]) >= (3 if name in STEPS_NEED_COMMANDS else 2)
    assert 15 <= len(text.splitlines()) <= 30


STEPS_NEED_COMMANDS: Final = frozenset(rule.name for rule in alerts())
"""Of the pages of alerts on series; two of those on logs end with a step that is done in a file."""


@pytest.mark.parametrize("name", sorted(rules()))
def test_page_and_alert_say_the_same_about_what_users_notice(name: str) -> None:
    """Who reads both should not have to decide which is right."""
    impact = re.sub(r"\s+", " ", rules()[name]["impact"])
    assert impact.partition(".")[0].partition(",")[0] in PAGES[name]


def test_the_index_has_each_page_with_its_severity() -> None:
    """One line for each alert."""
    rows = re.findall(
        r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \| \S.*\. \| \S+ \|$", PAGES["README"], re.MULTILINE
    )
    assert [row[0] for row in rows] == [row[1] for row in rows]
    assert {row[0]: row[2] for row in rows} == {name: rule["severity"] for name, rule in rules().items()}
    assert len(rows) == len(rules())


def test_requests_are_to_paths_that_exist() -> None:
    """With the method of the route; words in capitals stand for an id."""
    requests = 0
    for name, command in every_command():
        for url in re.findall(r"localhost:3000(/[^\s'|]*)", command):
            method = match[1] if (match := re.search(r"-X ([A-Z]+)", command)) else "GET"
            assert is_route(method, url.partition("?")[0]), f"{name}: {method} {url}"
            requests += 1
        for body in re.findall(r"json' -d '([^']*)'", command):
            check_body(name, json.loads(body))
    assert requests > 100
    for name, text in PAGES.items():
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^\s`?]*)", text):
            assert is_route(method, path), f"{name}: {method} {path}"


def is_route(method: str, path: str) -> bool:
    """Return whether a route has this path; requests for translations pass through the gateway."""
    rules = [rule for known, rule in ROUTES if known == method]
    patterns = [re.sub(r"<[^>]+>", "[^/]+", rule) for rule in rules]
    return path == "/api/translate" or any(re.fullmatch(pattern, path) for pattern in patterns)


def check_body(name: str, body: Any) -> None:
    """Values of PATCH are of settings that exist; the rest is text and numbers."""
    known = set(leaves(Settings))
    for path in body.get("values", {}):
        assert path in known, f"{name}: {path}"


def test_queries_read_metrics_and_labels_that_exist() -> None:
    """Of the service's table, and of exporters as they were scraped."""
    queries = [(each.page, each.query) for each in commands() if each.query]
    for name, expression in queries:
        faults = promql.Reader(expression, catalogue(), expression_of).faults
        if not any(NOT_SCRAPED.match(fault) for fault in faults):
            assert faults == [], f"{name}: {expression}"
    assert len(queries) > 80


@pytest.mark.process
def test_queries_of_logs_parse() -> None:
    """They are typed into Grafana, whose own grammar reads them here."""
    queries = [text for _, text in every_command() if text.startswith(LOGQL)]
    assert len(queries) >= 3
    read = subprocess.run(
        [require("node"), "scripts/logql-faults.mjs"],
        cwd=ROOT,
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (read.returncode, read.stdout, read.stderr) == (0, "", "")


def test_metrics_in_the_text_exist() -> None:
    """A metric that was renamed would send its reader into the void."""
    known = set(catalogue())
    for name, text in PAGES.items():
        for metric in re.findall(r"(?<![.:\w])(?:orch|process)_[a-z0-9_]+\b", text):
            assert any(series.startswith(metric) for series in known), f"{name}: {metric}"


def test_programs_scripts_and_containers_exist() -> None:
    """Of each command in a pipeline; `orch` has the sub-command, the script too, and Compose the service."""
    compose = "".join(
        (ROOT / file).read_text(encoding="utf-8")
        for file in ("docker-compose.yml", "docker-compose.monitoring.yml")
    )
    services = set(re.findall(r"^  ([a-z-]+):$", compose, re.MULTILINE))
    deploy = (ROOT / "scripts" / "deploy-monitoring.sh").read_text(encoding="utf-8")
    for name, command in every_command():
        if command.startswith(LOGQL):
            continue
        for program in programs(command):
            assert program in PROGRAMS or (ROOT / program).is_file(), f"{name}: {program}"
        for sub in re.findall(r"deploy-monitoring\.sh ([a-z]+)", command):
            assert f"\n    {sub})" in deploy, f"{name}: {sub}"
        for file in re.findall(r"\bmonitoring/[\w./-]+", command):
            assert (ROOT / file).exists(), f"{name}: {file}"
        for service in re.findall(
            r"(?: exec(?: -T)?| logs --since 1h| run --rm --no-deps) ([a-z-]+)", command
        ):
            assert service in services, f"{name}: {service}"
        for service in re.findall(r"deploy-monitoring\.sh (?:logs|restart) ([a-z-]+)", command):
            assert service in services, f"{name}: {service}"


def programs(command: str) -> Iterator[str]:
    """Yield the first word of each part of a pipeline, outside of quotes."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"", "''", command)
    for part in plain.split("|"):
        yield part.split()[0]


def test_sub_commands_of_orch_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """`orch check --ask` and others, in commands and in the text: each prints its help, with the option."""
    found = {
        use
        for text in PAGES.values()
        for use in re.findall(r"(?:`|\borchestration )orch ([a-z]+(?: --[a-z]+)?)", text)
    }
    found |= {use for text in PAGES.values() for use in re.findall(r"--no-deps orchestration ([a-z]+)", text)}
    assert {"check", "check --ask"} <= found
    for use in found:
        command, _, option = use.partition(" ")
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0, use
        assert option in capsys.readouterr().out, use


def test_settings_in_the_text_exist() -> None:
    """By their path, or a part of it."""
    known = [f".{path}." for path in leaves(Settings)]
    named = 0
    for name, text in PAGES.items():
        for path in re.findall(r"`([a-z_]+(?:\.[a-zA-Z_-]+)+)(?:: [^`]*)?`", text):
            part = "." + re.sub(r"\.(NAME|audio-service|translation-service)\b", ".x", path) + "."
            if path not in NO_SETTINGS and not path.endswith((".yml", ".yaml", ".md", ".py", ".sh")):
                assert any(part in each for each in known), f"{name}: {path}"
                named += 1
    assert named > 60


def test_lines_that_are_searched_for_are_logged() -> None:
    """The text of an event in the source; a search for another one finds nothing and looks like good news."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "orch").rglob("*.py")))
    searched = 0
    for name, command in every_command():
        for pattern in re.findall(r"logs --since 1h orchestration \| grep (?:-E )?'([^']*)'", command):
            for phrase in re.findall(r"(?:^|\|)([a-z ,]{12,})(?=$|\|)", pattern):
                assert phrase in source, f"{name}: {phrase}"
                searched += 1
            for logger in re.findall(r'"logger": "(\w+)"', pattern):
                assert f'"{logger}"' in source, f"{name}: {logger}"
    assert searched > 15

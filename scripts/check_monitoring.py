"""Checks all files of the containers and the monitoring, without Docker: check_monitoring.py [NAME...].

Each prints a line; the exit code is 1 if one has faults. A program that is missing is a fault. What only
the programs of the stack could check (Loki's and Alloy's files) is looked at here as far as its text goes;
they check it themselves when ``deploy-monitoring.sh deploy`` runs.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import alloy_syntax  # noqa: E402 - these are beside this file
import compose_rules  # noqa: E402

BOTS: Final = "docker-compose.bots.yml"
"""What it adds to the others."""

COMPOSE: Final = ("docker-compose.yml", "docker-compose.monitoring.yml", BOTS)
MONITORING: Final = ROOT / "monitoring"
COLLECTOR: Final = "http://tempo:4318"
"""Where deploy-monitoring.sh has the service send traces."""


def program(name: str, *arguments: str, given: str = "") -> list[str]:
    """Run a program of .venv or the path; return what it complains about, nothing if it is content."""
    own = Path(sys.executable).parent / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        return [f"{name} is not installed: make tools"]
    command = [found, *arguments]
    ended = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return []
    return [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()] or [f"{name} failed"]


def document(name: str) -> Any:
    """Return the content of a YAML file."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def prometheus() -> list[str]:
    """Have promtool read the configuration and the rules."""
    folder = MONITORING / "prometheus"
    rules = [str(path) for path in sorted((folder / "rules").glob("*.yml"))]
    found = program("promtool", "check", "config", "--syntax-only", str(folder / "prometheus.yml"))
    return found + program("promtool", "check", "rules", *rules)


def alertmanager() -> list[str]:
    """Have amtool read the configuration, and amlint its routes."""
    name = str(MONITORING / "alertmanager" / "alertmanager.yml")
    return program("amtool", "check-config", name) + program("amlint", "check", name)


def blackbox() -> list[str]:
    """Have the blackbox exporter read its modules; Prometheus asks for no others."""
    name = "monitoring/blackbox/blackbox.yml"
    found = program("prometheus-blackbox-exporter", "--config.check", f"--config.file={name}")
    modules = set(document(name)["modules"])
    for job in document("monitoring/prometheus/prometheus.yml")["scrape_configs"]:
        asked = set(job.get("params", {}).get("module", ()))
        found += [f"{job['job_name']}: there is no module {each}" for each in sorted(asked - modules)]
    return found


def loki() -> list[str]:
    """Look at what makes logs of 7 days end, and at the places of the rules."""
    content = document("monitoring/loki/loki.yml")
    expected = {
        ("compactor", "retention_enabled"): True,
        ("compactor", "delete_request_store"): "filesystem",
        ("limits_config", "retention_period"): "168h",
        ("limits_config", "allow_structured_metadata"): True,
        ("ruler", "alertmanager_url"): "http://alertmanager:9093",
    }
    found = [
        f"{section}.{key} is not {value!r}"
        for (section, key), value in expected.items()
        if content[section].get(key) != value
    ]
    newest = content["schema_config"]["configs"][-1]
    if (newest["store"], newest["schema"]) != ("tsdb", "v13"):
        found.append("structured metadata needs the store tsdb with the schema v13")
    rules = list(_log_rules())
    if not rules:
        found.append("a Loki without sign-in reads the rules in rules/fake, and there are none")
    queries = [rule["expr"] for rule in rules] + _selectors()
    parser = str(Path(__file__).with_name("logql-faults.mjs"))
    return found + program("node", parser, given=json.dumps(queries))


def _log_rules() -> Iterator[dict[str, Any]]:
    for path in sorted((MONITORING / "loki/rules/fake").glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def _selectors() -> list[str]:
    """Return the queries by which Alloy and Promtail select lines."""
    [scrape] = document("monitoring/loki/promtail.yml")["scrape_configs"]
    promtails = [value["selector"] for name, value in _stages(scrape["pipeline_stages"]) if name == "match"]
    text = (MONITORING / "alloy/config.alloy").read_text(encoding="utf-8")
    return promtails + [json.loads(each) for each in re.findall(r"selector += (\".+\")$", text, re.MULTILINE)]


def tempo() -> list[str]:
    """Look at what makes traces of 7 days end, and at where they come in and are read."""
    content = document("monitoring/tempo/tempo.yml")
    kept = (
        content["backend_scheduler"]["provider"]["compaction"]["compaction"].get("block_retention"),
        content["backend_worker"]["compaction"].get("block_retention"),
    )
    found = [] if set(kept) == {"168h"} else [f"block_retention is not 168h in both places: {kept}"]
    port = content["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    if port != COLLECTOR.rpartition(":")[2]:
        found.append(f"traces are sent to {COLLECTOR}, not to the port {port}")
    sources = document("monitoring/grafana/provisioning/datasources/datasources.yml")["datasources"]
    [source] = [each for each in sources if each["type"] == "tempo"]
    if source["url"] != f"http://tempo:{content['server']['http_listen_port']}":
        found.append(f"Grafana reads traces from {source['url']}")
    scraped = {
        job["job_name"]: job.get("static_configs")
        for job in document("monitoring/prometheus/prometheus.yml")["scrape_configs"]
    }
    if scraped.get("tempo") != [{"targets": [source["url"].removeprefix("http://")]}]:
        found.append(f"Prometheus scrapes {scraped.get('tempo')} of Tempo")
    linked = {each.get("uid") for each in sources}
    fields = [
        field
        for each in sources
        for key in ("exemplarTraceIdDestinations", "derivedFields")
        for field in each["jsonData"].get(key, ())
    ]
    return found + [
        f"{field['name']}: no data source is called {field['datasourceUid']}"
        for field in fields
        if field.get("datasourceUid", "tempo") not in linked
    ]


def alloy() -> list[str]:
    """Read the configuration, and compare it with Promtail's, which does the same."""
    text = (MONITORING / "alloy/config.alloy").read_text(encoding="utf-8")
    found = alloy_syntax.faults(text)
    if found:
        return found
    ours = [each for block in alloy_syntax.parse(text) for each in block.all()]
    [scrape] = document("monitoring/loki/promtail.yml")["scrape_configs"]
    theirs = list(_stages(scrape["pipeline_stages"]))
    for stage, key in (("labels", "values"), ("structured_metadata", "values"), ("json", "expressions")):
        alloys = [set(each.attributes[key][1:-1:4]) for each in ours if each.name == f"stage.{stage}"]
        given = [value.get(key, value) for name, value in theirs if name == stage]
        if alloys != [set(each) for each in given]:
            found.append(f"{stage}: Alloy has {alloys}, Promtail {given}")
    return found


def _stages(stages: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for stage in stages:
        for name, value in stage.items():
            yield name, value
            if name == "match":
                yield from _stages(value.get("stages", []))


def compose() -> list[str]:
    """Hold the compose files against the schema, and against what else is here."""
    from compose_spec import PyCompose  # noqa: PLC0415 - a missing package is this check's fault alone

    files = {name: document(name) for name in COMPOSE}
    networks = {network for content in files.values() for network in content.get("networks", ())}
    found = []
    for name, content in files.items():
        try:
            whole = compose_rules.merged(content, [files[each] for each in content.get("include", ())])
            PyCompose.from_json(json.dumps(compose_rules.interpolated(whole))).validate()
        except ValueError as error:
            found.append(f"{name}: {error}")
        if name != BOTS:
            found += [f"{name}: {fault}" for fault in compose_rules.faults(content, networks, ROOT)]
    return found


def targets() -> list[str]:
    """Compare the addresses in the configurations with the services of the compose files."""
    names = {service for name in COMPOSE for service in document(name)["services"]}
    found = []
    for path in sorted(MONITORING.rglob("*.*")):
        if path.suffix not in (".yml", ".alloy") or "secrets" in path.parts:
            continue
        hosts = re.findall(r'(?:http://|targets: \[")([a-z][a-z-]*):\d+', path.read_text(encoding="utf-8"))
        unknown = sorted(set(hosts) - names - {"localhost"})
        found += [f"{path.relative_to(ROOT)}: no service is called {host}" for host in unknown]
    return found


def dockerfile() -> list[str]:
    """Have hadolint read the Dockerfile; what it copies is there, and gets past .dockerignore."""
    found = program("hadolint", "Dockerfile")
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:].rstrip("/") for line in ignore if line.startswith("!")}
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        for source in copied.split():
            if not (ROOT / source).exists() or source.rstrip("/") not in let_in:
                found.append(f"COPY {source}: it does not exist, or .dockerignore keeps it out")
    return found


def dashboards() -> list[str]:
    """Read the dashboards: JSON, each with a uid of its own."""
    paths = sorted((MONITORING / "grafana/dashboards").glob("*.json"))
    uids = [json.loads(path.read_text(encoding="utf-8")).get("uid") for path in paths]
    found = [] if paths else ["there are none"]
    return found + [
        f"{uid!r} is not the uid of one dashboard" for uid in set(uids) if uids.count(uid) > 1 or not uid
    ]


def texts() -> list[str]:
    """Have yamllint read all YAML files."""
    return program("yamllint", "-c", "monitoring/yamllint.yml", "--strict", "monitoring", *COMPOSE)


CHECKS: Final[dict[str, Callable[[], list[str]]]] = {
    "prometheus": prometheus,
    "alertmanager": alertmanager,
    "blackbox": blackbox,
    "loki": loki,
    "tempo": tempo,
    "alloy": alloy,
    "compose": compose,
    "targets": targets,
    "dockerfile": dockerfile,
    "dashboards": dashboards,
    "yaml": texts,
}


def main(names: list[str]) -> int:
    """Run the checks with these names, or all; return 1 if one has faults."""
    unknown = set(names) - set(CHECKS)
    if unknown:
        print(
            f"There is no check {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}.", file=sys.stderr
        )
        return 2
    is_faulty = False
    for name in names or CHECKS:
        try:
            faults = CHECKS[name]()
        except (OSError, ImportError, yaml.YAMLError, ValueError, KeyError, TypeError) as error:
            faults = [f"{type(error).__name__}: {error}"]
        print(f"{'FAULTS' if faults else 'good':<7} {name}")
        for fault in faults:
            print(f"        {fault}")
        is_faulty = is_faulty or bool(faults)
    return 1 if is_faulty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

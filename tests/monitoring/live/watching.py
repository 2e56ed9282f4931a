"""A real Prometheus and Alertmanager with the committed rules, in which minutes are seconds."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import httpx2
import yaml

from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.tools import require
from tests.fakes.waiting import wait_until
from tests.monitoring.rule_files import documents, seconds

#: Ranges, in seconds of the shortened rules. None holds less than four scrapes of a second.
_RANGES: Final = ((300, 8), (600, 12), (900, 20), (1800, 30), (7200, 35), (21600, 40), (86400, 45))
_LONGEST: Final = 50

#: Limits in seconds that nobody waits for, by alert: what is replaced in its expression.
LIMITS: Final[Mapping[str, tuple[str, str]]] = {
    "IncidentOpenLong": ("> 3600", "> 3"),
    "GatewaySlow": ("> 10", "> 0.4"),
    "DiscoveryStale": ("> 300", "> 5"),
    "CaptionsLate": ("> 5", "> 1"),
    "TranslationSlow": ("> 3", "> 0.4"),
    "SpeechBacklog": ("> 15", "> 3"),
    "QueuedBytesHigh": ("> 2e8", "> 2e5"),
    "WebhookUndelivered": ("> 900", "> 3"),
    "SpoolGrowing": ("> 300", "> 3"),
    "SpoolNearlyFull": ("> 0.8", "> 1e-6"),
    "BotStuck": ("> 120", "> 3"),
    "StoreWaiting": ("> 1000", "> 5"),
}


def _range(match: re.Match[str], every: int) -> str:
    now = seconds(match[1])
    return f"[{every * next((short for limit, short in _RANGES if now <= limit), _LONGEST)}s]"


def shortened(document: Any, every: int = 1) -> Any:
    """Return a rules file in which minutes are seconds: pending times, ranges, offsets; limits of LIMITS.

    ``every``: seconds between two scrapes, of which ranges hold as many as with one second.
    """
    for group in document["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            expr = re.sub(r"\[(\d+[smhd])\]", partial(_range, every=every), rule["expr"])
            expr = re.sub(r"offset (\d+)[mhd]", f"offset {5 * every}s", expr)
            old, new = LIMITS.get(rule.get("alert", ""), ("", ""))
            rule["expr"] = expr.replace(old, new) if old else expr
            if "for" in rule and rule["for"] != "0s":
                rule["for"] = f"{2 * every}s"
    return document


class Server:
    """A program that answers at a port, with its log in a file. PORT in its arguments stands for the port."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *arguments: str,
        ready: str = "/-/ready",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [require(name), *(each.replace("PORT", str(self.port)) for each in arguments)]
        self._log = folder / f"{name}-{self.port}.log"
        self._ready = ready
        self.process: subprocess.Popen[bytes] | None = None
        more = {key: value.replace("PORT", str(self.port)) for key, value in (environment or {}).items()}
        self._environment = {**os.environ, **more}

    def start(self) -> Self:
        """Start it; return once it answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self._environment
            )
        wait_until(self._answers, f"{self._command[0]} answers", every=0.1)
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self._log.read_text(encoding="utf-8")[-2000:]
        try:
            return httpx2.get(self.url + self._ready, timeout=PATIENCE).status_code < 500
        except httpx2.TransportError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None


class Watch:
    """Prometheus, which scrapes ``every`` so many seconds, and Alertmanager, whose notifications fail.

    ``shortens``: in the rules minutes are seconds; otherwise they are the committed ones.
    """

    def __init__(self, folder: Path, *, every: int = 1, shortens: bool = True) -> None:
        self.folder = folder
        self.every = every
        (folder / "rules").mkdir(parents=True)
        for name, document in documents().items():
            copy = json.loads(json.dumps(document))
            text = yaml.safe_dump(shortened(copy, every) if shortens else copy, width=10_000)
            (folder / "rules" / name).write_text(text, encoding="utf-8")
        self.targets: dict[str, list[str]] = {}
        self.through_blackbox = ""
        (folder / "alertmanager.yml").write_text(
            "route: {receiver: webhook, group_wait: 0s, group_interval: 1s, repeat_interval: 1s}\n"
            'receivers: [{name: webhook, webhook_configs: [{url: "http://127.0.0.1:9/"}]}]\n',
            encoding="utf-8",
        )
        self.alertmanager = Server(
            folder,
            "prometheus-alertmanager",
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/alertmanager",
            "--web.listen-address=127.0.0.1:PORT",
            "--cluster.listen-address=",
        ).start()
        self.has_alertmanager = True
        self.more_rules: list[str] = []
        self.configure()
        self.prometheus = Server(
            folder,
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/series",
            "--web.listen-address=127.0.0.1:PORT",
            "--log.level=warn",
        )
        self.targets["prometheus"] = [f"127.0.0.1:{self.prometheus.port}"]
        self.targets["alertmanager"] = [f"127.0.0.1:{self.alertmanager.port}"]
        self.configure()
        self.prometheus.start()

    def configure(self) -> None:
        """Write the configuration for the current targets."""
        jobs: list[dict[str, Any]] = []
        for job, targets in self.targets.items():
            one: dict[str, Any] = {"job_name": job, "static_configs": [{"targets": targets}]}
            if job == "readyz":
                one |= {
                    "metrics_path": "/probe",
                    "params": {"module": ["http_2xx"]},
                    "relabel_configs": [
                        {"source_labels": ["__address__"], "target_label": "instance"},
                        {
                            "source_labels": ["__address__"],
                            "target_label": "__param_target",
                            "replacement": "http://$1/readyz",
                        },
                        {"target_label": "__address__", "replacement": self.through_blackbox},
                    ],
                }
            if job == "postgres":  # its exporter takes a second to find that the server is gone
                one |= dict.fromkeys(("scrape_interval", "scrape_timeout"), f"{max(3, self.every)}s")
            if job == "tls":
                one |= {"scheme": "https", "tls_config": {"insecure_skip_verify": True}}
            jobs.append(one)
        managers = [f"127.0.0.1:{self.alertmanager.port}"] if self.has_alertmanager else []
        document = {
            "global": {
                "scrape_interval": f"{self.every}s",
                "scrape_timeout": f"{self.every}s",
                "evaluation_interval": f"{self.every}s",
                "external_labels": {"grafana": "http://localhost:3001", "runbooks": "docs/runbooks"},
            },
            "rule_files": [f"{self.folder}/rules/*.yml", *self.more_rules],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": managers}]}] if managers else []},
            "scrape_configs": jobs,
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(document, width=10_000), encoding="utf-8")

    def reload(self) -> None:
        """Have Prometheus read the configuration again."""
        self.configure()
        self.prometheus.signal(signal.SIGHUP)

    def scrape(self, job: str, *targets: str) -> None:
        """Scrape these addresses as a job; none: its discovery finds nothing."""
        self.targets[job] = [target.removeprefix("http://") for target in targets]
        self.reload()

    def look(self) -> dict[str, str]:
        """Return the state of each alert that is not inactive."""
        found: dict[str, str] = {}
        answer = httpx2.get(f"{self.prometheus.url}/api/v1/alerts", timeout=PATIENCE).json()
        for alert in answer["data"]["alerts"]:
            name, state = alert["labels"]["alertname"], alert["state"]
            if found.get(name) != "firing":
                found[name] = state
        return found

    def active_since(self, name: str) -> float:
        """Return since when an alert is pending or fires: of the evaluation, in seconds since the epoch."""
        answer = httpx2.get(f"{self.prometheus.url}/api/v1/alerts", timeout=PATIENCE).json()
        since = (
            datetime.fromisoformat(alert["activeAt"]).timestamp()
            for alert in answer["data"]["alerts"]
            if alert["labels"]["alertname"] == name
        )
        return min(since, default=time.time())

    def was_pending(self, name: str, *, within: float) -> bool:
        """Return whether Prometheus has had an alert pending within so many seconds."""
        pending = f'ALERTS{{alertname="{name}",alertstate="pending"}}'
        return bool(self.query(f"last_over_time({pending}[{within:.0f}s])"))

    def notified(self) -> set[str]:
        """Return the alerts that Alertmanager has."""
        answer = httpx2.get(f"{self.alertmanager.url}/api/v2/alerts", timeout=PATIENCE).json()
        return {alert["labels"]["alertname"] for alert in answer}

    def query(self, expression: str) -> list[Any]:
        """Return the result of an instant query."""
        answer = httpx2.get(
            f"{self.prometheus.url}/api/v1/query", params={"query": expression}, timeout=PATIENCE
        )
        found: list[Any] = answer.json()["data"]["result"]
        return found

    def stop(self) -> None:
        """End both."""
        self.prometheus.stop()
        self.alertmanager.stop()

"""A Prometheus of its own for a test, with the committed configuration and rules, and exporters beside it."""

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.tools import require
from tests.fakes.waiting import wait_until

CONFIGURATION: Final = Path(__file__).parents[2] / "monitoring" / "prometheus"


@contextmanager
def exporter(
    program: str,
    *options: str,
    address: str = "",
    environ: Mapping[str, str] | None = None,
    path: str = "/metrics",
) -> Iterator[str]:
    """Run a program that exports metrics for the block; yield its address.

    ``options``: ``{address}`` stands for the address, which is a free one unless given. It answers ``path``
    then.
    """
    address = address or f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [require(program), *(option.format(address=address) for option in options)],
        env={"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent"} | dict(environ or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        assert process.poll() is None, f"{program} ended"
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE):
                return True
        except urllib.error.URLError:
            return False

    try:
        wait_until(answers, f"{program} answers")
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE)


class Prometheus:
    """A running server. ``url``: where it listens."""

    def __init__(self, http: httpx2.Client) -> None:
        self.url = str(http.base_url).rstrip("/")
        self._http = http

    def _get(self, path: str, **parameters: Any) -> Any:
        answer = self._http.get(f"/api/v1/{path}", params=parameters)
        body = answer.json()
        assert body["status"] == "success", f"{parameters}: {body}"
        return body["data"]

    def value(self, expression: str) -> float | None:
        """Return the first value of an expression now; None without any."""
        found = self._get("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else None

    def now(self) -> float:
        """Return its time."""
        found = self._get("query", query="time()")["result"]
        return float(found[1])

    def values(self, selector: str, label: str) -> list[str]:
        """Return the values of a label of the selected series."""
        return [str(each) for each in self._get(f"label/{label}/values", **{"match[]": selector})]

    def over_time(self, expression: str, start: float, end: float, step: float = 1) -> list[Any]:
        """Return the series of an expression in a range of time."""
        found = self._get("query_range", query=expression, start=start, end=end, step=step)["result"]
        return list(found)

    def alerts(self) -> dict[str, str]:
        """Return the state of each alert that is pending or fires, by its name."""
        return {each["labels"]["alertname"]: each["state"] for each in self._get("alerts")["alerts"]}


def _target(address: str) -> dict[str, Any]:
    """Return the entry of ``HOST:PORT`` or of ``https://HOST:PORT``."""
    scheme, _, place = address.rpartition("://")
    return {"targets": [place], "labels": {"__scheme__": scheme or "http"}}


def configuration(folder: Path, targets: Mapping[str, Sequence[str]], interval: str = "1s") -> Path:
    """Write the committed configuration for these targets, by job; jobs without any are left out.

    Scrapes and rules come every ``interval``. The targets of the job ``readyz`` are probed through that of
    ``blackbox``, that of ``alertmanager`` is sent alerts too.
    """
    wanted = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text(encoding="utf-8"))
    wanted["global"] |= {
        "scrape_interval": interval,
        "scrape_timeout": interval,
        "evaluation_interval": interval,
    }
    jobs = []
    for job in wanted["scrape_configs"]:
        if not targets.get(job["job_name"]):
            continue
        for discovery in [key for key in job if key.endswith("_sd_configs")] + ["authorization"]:
            job.pop(discovery, None)
        job["static_configs"] = [_target(address) for address in targets[job["job_name"]]]
        job["tls_config"] = {"insecure_skip_verify": True}
        for rule in job.get("relabel_configs", []):
            if rule.get("target_label") == "__address__":
                rule["replacement"] = targets["blackbox"][0]
        jobs.append(job)
    wanted["scrape_configs"] = jobs
    wanted["alerting"]["alertmanagers"] = [
        {"static_configs": [{"targets": list(targets.get("alertmanager", ()))}]}
    ]
    rules = folder / "rules"
    rules.mkdir()
    for path in (CONFIGURATION / "rules").glob("*.yml"):
        groups = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in groups["groups"]:
            group.pop("interval", None)
        (rules / path.name).write_text(yaml.safe_dump(groups), encoding="utf-8")
    wanted["rule_files"] = [str(rules / "*.yml")]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(wanted), encoding="utf-8")
    return path


@contextmanager
def prometheus(
    folder: Path, targets: Mapping[str, Sequence[str]], interval: str = "1s"
) -> Iterator[Prometheus]:
    """Run a Prometheus in ``folder`` for the block; it scrapes itself, too."""
    address = f"127.0.0.1:{free_port()}"
    path = configuration(folder, {"prometheus": [address], **targets}, interval)
    with (
        exporter(
            "prometheus",
            f"--config.file={path}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--enable-feature=exemplar-storage",
            "--web.listen-address={address}",
            "--web.enable-lifecycle",
            address=address,
            path="/-/ready",
        ),
        httpx2.Client(base_url=f"http://{address}", timeout=120) as http,
    ):
        yield Prometheus(http)

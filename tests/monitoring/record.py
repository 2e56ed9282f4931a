"""Records what a target exports, reduced to the metrics that rules and dashboards use.

    python -m tests.monitoring.record JOB INSTANCE URL [OLD=NEW ...]

writes ``scrapes/JOB.prom``, with each address OLD in a label replaced by NEW. Recorded so: the service
(``orch demo --audio-services 2`` with sound, a bot and every feature of the settings in use), Debian's
exporters, Prometheus and Alertmanager.
"""

import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.monitoring.scrapes import as_written, names_in

ROOT = Path(__file__).parents[2]
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def used() -> set[str]:
    """Return all words of rules and dashboards, the names of metrics among them."""
    found: set[str] = set()
    for path in (ROOT / "monitoring").rglob("*"):
        if path.suffix in {".yml", ".json"}:
            found |= set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", path.read_text(encoding="utf-8")))
    return found


def families(url: str) -> Iterator[tuple[str, list[Sample]]]:
    """Yield kind and samples of each family, as Prometheus asks for them."""
    request = urllib.request.Request(url, headers={"Accept": ACCEPT})  # noqa: S310 - given by hand
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        text = response.read().decode()
        is_openmetrics = "openmetrics" in response.headers["Content-Type"]
    parse = openmetrics.text_string_to_metric_families if is_openmetrics else text_string_to_metric_families
    written = names_in(text)
    for family in parse(text):
        yield family.type, [each._replace(name=as_written(each.name, written)) for each in family.samples]


def lines(url: str, renamed: dict[str, str]) -> Iterator[str]:
    """Yield the lines of the reduced answer."""
    wanted = used()
    for kind, samples in families(url):
        chosen = [each for each in samples if each.name in wanted]
        if not chosen:
            continue
        # A histogram is recorded whole; its parts are selected by its name.
        chosen = [each for each in samples if not each.name.endswith(("_created", "_gcount"))]
        base = (
            re.sub(r"_(?:bucket|sum|count)$", "", chosen[0].name)
            if kind in {"histogram", "summary"}
            else chosen[0].name
        )
        yield f"# TYPE {base} {'untyped' if kind == 'unknown' else kind}"
        for sample in chosen:
            labels = ",".join(
                f"{name}={_quoted(value, renamed)}" for name, value in sorted(sample.labels.items())
            )
            yield (
                f"{sample.name}{{{labels}}} {sample.value:.10g}"
                if labels
                else f"{sample.name} {sample.value:.10g}"
            )


def _quoted(value: str, renamed: dict[str, str]) -> str:
    for old, new in renamed.items():
        value = value.replace(old, new)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def main(job: str, instance: str, url: str, *renamed: str) -> None:
    """Write the file of one target."""
    pairs = dict(each.split("=", 1) for each in renamed)
    path = Path(__file__).parent / "scrapes" / f"{job}.prom"
    text = "\n".join([f"# job={job} instance={instance} source=real", *lines(url, pairs)])
    path.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

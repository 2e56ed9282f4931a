"""Recorded scrapes: which series exist, with which labels. Values are those at the time of recording.

``scrapes/NAME.prom`` is what one target answered, reduced to the metrics that rules and dashboards use. Its
first line names the job, the instance, and ``real`` or ``documented``: no cAdvisor, Loki or Alloy could be
run where these were made, so their labels come from their documentation.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Final

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from orch.telemetry.names import NAMES, Label, Name

FOLDER: Final = Path(__file__).parent / "scrapes"

#: What Prometheus itself adds for each target, and a value of a target that is well.
OF_TARGETS: Final[Mapping[str, float]] = {
    "up": 1,
    "scrape_duration_seconds": 0.01,
    "scrape_samples_post_metric_relabeling": 1000,
}


class Series(Struct, frozen=True):
    """A series as Prometheus stores it, with the labels of its target."""

    name: str
    labels: dict[str, str]
    value: float
    kind: str

    def __str__(self) -> str:
        """Return it in Prometheus's notation."""
        inner = ",".join(f"{name}={_quoted(value)}" for name, value in sorted(self.labels.items()))
        return f"{self.name}{{{inner}}}"


class Scrape(Struct, frozen=True):
    """One target's answer."""

    job: str
    instance: str
    is_real: bool
    series: tuple[Series, ...]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def stored(labels: Mapping[str, str], job: str, instance: str) -> dict[str, str]:
    """Return the labels with which Prometheus stores a series of this target.

    A label of the series that is also one of the target gets the prefix ``exported_``.
    """
    target = {"job": job, "instance": instance}
    kept = {f"exported_{name}" if name in target else name: value for name, value in labels.items() if value}
    return {**kept, **target}


def names_in(text: str) -> frozenset[str]:
    """Return the names of an answer's series."""
    return frozenset(re.findall(r"^[a-zA-Z_:][a-zA-Z0-9_:]*", text, re.MULTILINE))


def as_written(name: str, written: frozenset[str]) -> str:
    """Return a name without the suffix that the parser gives to counters without one."""
    return name if name in written else name.removesuffix("_total")


def parsed(text: str, job: str, instance: str) -> Iterator[Series]:
    """Yield the series of an answer in Prometheus's text format, and those that Prometheus adds."""
    for name, value in OF_TARGETS.items():
        yield Series(name, {"job": job, "instance": instance}, value, "gauge")
    written = names_in(text)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield Series(
                    as_written(sample.name, written),
                    stored(sample.labels, job, instance),
                    sample.value,
                    family.type,
                )


@cache
def scrapes() -> tuple[Scrape, ...]:
    """Return all recorded scrapes."""
    found = []
    for path in sorted(FOLDER.glob("*.prom")):
        text = path.read_text(encoding="utf-8")
        about = dict(word.split("=", 1) for word in text.split("\n", 1)[0].removeprefix("#").split())
        job, instance = about["job"], about["instance"]
        found.append(Scrape(job, instance, about["source"] == "real", tuple(parsed(text, job, instance))))
    return tuple(found)


@cache
def by_name() -> Mapping[str, tuple[Series, ...]]:
    """Return all recorded series, by the name of their metric."""
    found: dict[str, list[Series]] = {}
    for scrape in scrapes():
        for series in scrape.series:
            found.setdefault(series.name, []).append(series)
    return {name: tuple(series) for name, series in found.items()}


#: Values of labels without a closed list, for metrics that have not been recorded.
USUAL: Final[Mapping[str, str]] = {"service": "audio-service", "upstream": "http://audio-service-1:5001"}

OWN_JOB: Final = "orchestration"
OWN_INSTANCE: Final = "orchestration:3000"


def samples_of(name: Name) -> tuple[str, ...]:
    """Return the names of the series of one of the service's metrics."""
    if name.kind == "histogram":
        return tuple(f"{name.name}{suffix}" for suffix in ("_bucket", "_sum", "_count"))
    return (name.name,)


@cache
def own() -> Mapping[str, Name]:
    """Return the service's metrics, by the names of their series."""
    return {sample: name for name in NAMES for sample in samples_of(name)}


def values_of(label: Label) -> frozenset[str]:
    """Return the closed list of a label's values; empty if there is none."""
    if label.listed:
        module, name = label.listed.split(":")
        return frozenset(str(value) for value in getattr(import_module(module), name))
    return frozenset(label.values)


def declared(sample: str, given: Mapping[str, str]) -> Iterator[Series]:
    """Yield the series that the table of metrics promises from the start, at 0.

    Labels without a closed list have the values that were recorded, else those of ``given``.
    """
    name = own()[sample]
    closed = {label.name: values for label in name.labels if (values := sorted(values_of(label)))}
    if sample.endswith("_bucket"):
        closed["le"] = [*(str(float(bound)) for bound in name.buckets), "+Inf"]
    free = [label.name for label in name.labels if label.name not in closed]
    recorded = by_name().get(sample, ())
    bound = {tuple(series.labels.get(label, "") for label in free): None for series in recorded}
    given = {**USUAL, **given}
    if not recorded and all(label in given for label in free):
        bound = {tuple(given[label] for label in free): None}
    if not bound:
        raise LookupError(f"{sample}: give values of {free}")
    for chosen, listed in product(bound, product(*closed.values())):
        labels = dict(zip([*free, *closed], [*chosen, *listed], strict=True))
        yield Series(sample, stored(labels, OWN_JOB, OWN_INSTANCE), 0.0, name.kind)


def existing(sample: str, given: Mapping[str, str]) -> list[Series]:
    """Return the series of a metric: those recorded, and those that the table promises besides."""
    found = {str(series): series for series in by_name().get(sample, ())}
    if sample in own():
        for series in declared(sample, given):
            found.setdefault(str(series), series)
    return list(found.values())

"""Builds promtool's tests from cases: real series, and values for an alert to fire, stay silent and resolve.

A case (in ``cases/FILE.yml``, for each file of rules) gives values to some series of the recorded scrapes;
all others of the metrics in the alert's expression keep the recorded value. So the label sets on both sides
of each operation are the real ones.

    alert: BreakerOpen
    series: {'orch_gateway_breaker_state{flow="captions"}': 1x5 2x5 0x3}
    quiet: [4m]      # at these times it does not fire; the first with values close to firing
    fires: [9m]
    resolved: [12m]
    labels: {service: audio-service, …}   # besides those that the rule sets
    summary: the text, word for word

``workers: 2`` scrapes a second worker with the same series. ``given``: values of labels that no scrape has
shown yet. ``added``: further series, with all labels. ``alerts``: a list of ``labels`` and ``summary``, where
several fire. ``every``: between two samples (``1m``); ``evaluated``: between two evaluations (``1m``; 5m
where recording rules are read).

Samples and evaluations have the same times here, so that each range begins with a sample, which belongs to it
in Prometheus 2 and not in 3. Cases have values with which both show the same.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.monitoring import phases
from tests.monitoring.catalogue import catalogue
from tests.monitoring.rule_files import Rule, committed, configuration, recorded, seconds
from tests.monitoring.scrapes import OWN_JOB, Series, by_name, existing, own

CASES: Final = Path(__file__).parent / "cases"
SECOND_WORKER: Final = "orchestration-2:3000"

_WORD: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:]*")
_SELECTOR: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?")
_MATCHER: Final = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"')


@cache
def cases() -> Mapping[str, dict[str, Any]]:
    """Return the cases, by the name of their alert."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(CASES.glob("*.yml")):
        for case in yaml.safe_load(path.read_text(encoding="utf-8")):
            if case["alert"] in found:
                raise ValueError(f"{case['alert']} has two cases")
            found[case["alert"]] = case
    return found


def metrics_of(rule: Rule) -> set[str]:
    """Return the names of the series that a rule and its texts read, through recording rules too."""
    text = " ".join([rule.expr, rule.annotations.get("summary", "")])
    found: set[str] = set()
    for word in _WORD.findall(text):
        if word in recorded():
            found |= metrics_of(recorded()[word])
        elif word in by_name() or word in own():
            found.add(word)
    return found


def recording_rules_of(rule: Rule) -> list[Rule]:
    """Return the recording rules that a rule reads."""
    return [recorded()[word] for word in dict.fromkeys(_WORD.findall(rule.expr)) if word in recorded()]


def is_real(rule: Rule) -> bool:
    """Return whether all series that a rule reads have been scraped."""
    return metrics_of(rule) <= set(by_name())


class Selector:
    """A selector of a case, such as ``orch_bots{state="leaving"}``; a histogram's without ``_bucket``."""

    def __init__(self, text: str) -> None:
        match = _SELECTOR.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no selector")
        self.name = match[1]
        self.labels = dict(_MATCHER.findall(match[2] or ""))
        self.text = text
        self.used = False

    def selects(self, series: Series) -> bool:
        """Return whether it selects a series."""
        if series.name != self.name and _histogram_of(series.name) != self.name:
            return False
        return all(series.labels.get(label) == value for label, value in self.labels.items())


def _histogram_of(sample: str) -> str:
    return re.sub(r"_(?:bucket|sum|count)$", "", sample)


def series_of(case: Mapping[str, Any], rule: Rule) -> Iterator[Series]:
    """Yield the series of all metrics that the rule reads."""
    given = case.get("given", {})
    for name in sorted(metrics_of(rule)):
        found = existing(name, given)
        yield from found
        if case.get("workers") == 2:
            for series in found:
                if series.labels["job"] == OWN_JOB:
                    labels = {**series.labels, "instance": SECOND_WORKER}
                    yield Series(series.name, labels, series.value, series.kind)


def _values(series: Series, text: str | None, samples: int) -> phases.Values:
    if text is None:
        return [series.value] * samples
    if not phases.is_histogram(text):
        return phases.values(text, series.value, samples)
    if series.name.endswith("_sum"):
        return phases.sum_values(text, series.value, samples)
    return phases.bucket_values(text, float(series.labels.get("le", "inf")), series.value, samples)


def input_series(case: Mapping[str, Any], rule: Rule, samples: int) -> list[dict[str, str]]:
    """Return the series of a case, each with its values."""
    wanted = {Selector(text): values for text, values in case.get("series", {}).items()}
    found = []
    for series in series_of(case, rule):
        chosen = next((selector for selector in wanted if selector.selects(series)), None)
        if chosen is not None:
            chosen.used = True
            if wanted[chosen] == "absent":
                continue
        values = _values(series, None if chosen is None else wanted[chosen], samples)
        found.append({"series": str(series), "values": phases.notation(values)})
    unused = [selector.text for selector in wanted if not selector.used]
    if unused:
        raise LookupError(f"{rule.name}: no scrape has a series of {unused}")
    for text, values in case.get("added", {}).items():
        added = Selector(text)
        labels = catalogue()[added.name].labels
        if not (set(added.labels) == labels or (added.name not in own() and set(added.labels) <= labels)):
            raise LookupError(f"{text} has other labels than {added.name}")
        words = phases.notation(phases.values(values, 0.0, samples))
        found.append({"series": text, "values": words})
    return found


def _expected(case: Mapping[str, Any], rule: Rule) -> list[dict[str, Any]]:
    texts = {name: _with_links(text) for name, text in rule.annotations.items() if name != "summary"}
    firing = case.get("alerts") or [{"labels": case.get("labels", {}), "summary": case["summary"]}]
    return [
        {
            "exp_labels": {**each.get("labels", {}), **rule.labels},
            "exp_annotations": {**texts, "summary": each["summary"]},
        }
        for each in firing
    ]


def _with_links(text: str) -> str:
    for name, value in configuration()["global"]["external_labels"].items():
        text = text.replace(f"{{{{ $externalLabels.{name} }}}}", value)
    return text


def group(case: Mapping[str, Any], rule: Rule) -> dict[str, Any]:
    """Return promtool's test of one alert."""
    every = case.get("every", "1m")
    times = [*case["quiet"], *case["fires"], *case["resolved"]]
    samples = int(max(map(seconds, times)) / seconds(every)) + 1
    expected = _expected(case, rule)
    return {
        "name": rule.name,
        "interval": every,
        "external_labels": configuration()["global"]["external_labels"],
        "input_series": input_series(case, rule, samples),
        "alert_rule_test": [
            {"eval_time": time, "alertname": rule.name, "exp_alerts": expected if is_firing else []}
            for is_firing, at in ((False, case["quiet"]), (True, case["fires"]), (False, case["resolved"]))
            for time in at
        ],
    }


def documents(rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the rules that an alert needs, as they are in the committed files, and promtool's test of it.

    Only these, as promtool evaluates every rule of a file at each step of each test.
    """
    case = cases()[rule.name]
    chosen = [*recording_rules_of(rule), rule]
    groups: dict[str, list[Any]] = {}
    for each in chosen:
        groups.setdefault(each.group, []).append(committed(each))
    rules = {"groups": [{"name": name, "rules": found} for name, found in groups.items()]}
    test = {
        "evaluation_interval": case.get("evaluated", "5m" if len(chosen) > 1 else "1m"),
        "group_eval_order": list(groups),
        "tests": [group(case, rule)],
    }
    return rules, test


def write(folder: Path, chosen: Iterable[Rule]) -> list[str]:
    """Write the tests of alerts and return their paths."""
    paths = []
    for rule in chosen:
        rules, test = documents(rule)
        path = folder / f"{rule.name}.rules.yml"
        path.write_text(json.dumps(rules), encoding="utf-8")
        test["rule_files"] = [str(path)]
        path = folder / f"{rule.name}.yml"
        path.write_text(json.dumps(test), encoding="utf-8")
        paths.append(str(path))
    return paths

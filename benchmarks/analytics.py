"""Anomalies, insights and forecasts of made series, beside other methods.

    python benchmarks/analytics.py [--part anomalies fine forecasts] [--series N] [--jobs N] [--write]

``anomalies``: labelled faults of six kinds in series of eight natures, false alarms on quiet series, and the
insights that a quiet service shows. ``fine``: short faults and false alarms at values of 10 s.
``forecasts``: the next day and week of held-back series.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: each process has a core

import argparse
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.analytics_detection import LEARNT, Detection, Score, detect, quiet_anomalies
from benchmarks.analytics_insights import OF_SERVICE, shown_a_day
from benchmarks.analytics_series import MONDAY, NATURES, STEP, quiet
from benchmarks.peers import report
from orch.analytics.anomalies.detector import Detector
from orch.analytics.anomalies.measures import LONGEST
from orch.analytics.anomalies.model import learn_model

RESULTS: Final = Path(__file__).parent / "RESULTS-analytics.md"
FIRST: Final = 1_000
"""The first seed: everything was tuned on seeds below 100."""

DAYS: Final = 28
FAULTS: Final = 8
MONTH: Final = 30
FORECAST: Final = 4
"""How many times as many seeds are forecast, which takes less time."""

FINE_DAYS: Final = 10
"""Days of values of 10 s: a month of one takes 10 s of a core and more."""

PARTS: Final = ("anomalies", "fine", "forecasts")


def _at_most(what: str, wanted: float, measured: float) -> report.Bound:
    return report.Bound(what, f"≤ {wanted:g}", f"{measured:.2f}", is_met=measured <= wanted)


def _of_score(name: str, score: Score, what: str = "") -> report.Row:
    return (
        name,
        what,
        f"{score.recall:.2f}",
        f"{score.precision:.2f}",
        f"{score.f1:.3f}",
        f"{score.found} / {score.faults}",
        f"{score.events - score.right}",
    )


def cost() -> str:
    """Return what a model and a sample cost, in a sentence."""
    values = quiet("requests", 1, 30).values
    began = time.process_time()
    model = learn_model(values[:LEARNT], begins=MONDAY, step=STEP)
    learnt = time.process_time() - began
    if model is None:
        raise RuntimeError("no model of 28 days")
    detector = Detector("made", model)
    detector.warm_up((MONDAY + place * STEP, values[place]) for place in range(LEARNT - LONGEST, LEARNT))
    began = time.process_time()
    for place in range(LEARNT, len(values)):
        detector.feed(MONDAY + place * STEP, float(values[place]))
    fed = (time.process_time() - began) / (len(values) - LEARNT)
    return (
        f"Learning a model from 28 days takes {1_000 * learnt:.0f} ms of a core, a sample {1e6 * fed:.0f} µs."
    )


def anomalies(count: int, jobs: int) -> list[str]:
    """Return the tables of anomalies and insights."""
    seeds = range(FIRST, FIRST + count)
    found = detect(seeds, days=DAYS, count=FAULTS, jobs=jobs)
    head = ("", "threshold", "recall", "precision", "F1", "faults found", "false events")
    rows = [_of_score("ours", found.score, "none to set")]
    rows += [_of_score(name, score, f"best: {at}") for name, (at, score) in found.best.items()]
    rows += [_of_score(name, score, f"default: {at}") for name, (at, score) in found.usual.items()]
    natures = [_of_score(name, score) for name, score in found.natures.items()]
    kinds = []
    for kind, minutes in found.minutes.items():
        times = np.array(minutes)
        there = times[np.isfinite(times)]
        kinds.append(
            (
                kind,
                f"{len(times)}",
                f"{len(there) / max(len(times), 1):.2f}",
                f"{np.median(there):.0f}" if there.size else "",
                f"{np.quantile(there, 0.9):.0f}" if there.size else "",
            )
        )
    false = quiet_anomalies(seeds, days=MONTH, jobs=jobs)
    false_rows = []
    for nature in NATURES:
        counts = [len(each) for (of, _), each in false.items() if of == nature]
        false_rows.append((nature, f"{len(counts)}", f"{sum(counts)}", f"{np.mean(counts):.2f}"))
    about = (
        f"{count} seeds of {len(NATURES)} natures; {DAYS} days with up to {FAULTS} faults each, after {DAYS} "
        f"without. Quiet: {len(false)} series, a month each; services of 40 of them. {cost()}"
    )
    rate = sum(len(each) for each in false.values()) / len(false)
    bounds = [
        report.times("F1, in that of the best peer at its best threshold", 1.0, *_f1(found), "the best"),
        _at_most("false alarms of a series in a month", 1.0, rate),
    ]
    if count >= OF_SERVICE:
        shown, all_of = shown_a_day(false, list(seeds), days=MONTH)
        bounds.append(_at_most("shown insights of a quiet service a day", 1.0, float(np.mean(shown))))
        about += f" Before the choice of what is shown, {np.mean(all_of):.2f} insights a day."
    return [
        about,
        report.table(report.BOUNDS_HEAD, [each.row() for each in bounds]),
        report.table(head, rows),
        report.table(("ours, by kind of fault", "faults", "found", "median, min", "p90, min"), kinds),
        report.table(("ours, by nature", *head[1:]), natures),
        report.table(("quiet series", "series", "false alarms", "a month"), false_rows),
    ]


def _f1(found: Detection) -> tuple[float, float]:
    return found.score.f1, max(score.f1 for _, score in found.best.values())


def fine(count: int, jobs: int) -> list[str]:
    """Return the tables of values of 10 s."""
    from benchmarks.analytics_fine import detect_fine  # noqa: PLC0415

    found = detect_fine(range(FIRST, FIRST + count), days=FINE_DAYS, count=FAULTS, jobs=jobs)
    kinds = [(kind, f"{len(each)}", f"{np.mean(each):.2f}") for kind, each in sorted(found.found.items())]
    natures = [
        (nature, f"{found.days[nature]}", f"{false}", f"{30 * false / found.days[nature]:.1f}")
        for nature, false in found.false.items()
    ]
    about = (
        f"{count} seeds of {len(NATURES)} natures, {FINE_DAYS} days each, followed from the second day on by "
        f"values of 10 s alone; {found.wrong} alarms beside the faults in series with some."
    )
    return [
        about,
        report.table(
            report.BOUNDS_HEAD, [_at_most("false alarms of a series in a month", 1.0, found.a_month).row()]
        ),
        report.table(("fault", "faults", "found"), kinds),
        report.table(("quiet series", "days", "false alarms", "a month"), natures),
    ]


def forecasts(count: int, jobs: int) -> list[str]:
    """Return the tables of forecasts."""
    from benchmarks.analytics_forecasts import HORIZONS, METHODS, OF, SHAPES, compare  # noqa: PLC0415

    count *= FORECAST
    found = compare(range(FIRST, FIRST + count), jobs=jobs)
    bounds, rows = [], []
    for steps in HORIZONS:
        ours = found.error("ours", steps)
        for peer in METHODS[1:]:
            theirs = found.error(peer, steps)
            bounds.append(report.at_most_times(f"MASE, {steps} h ahead", 0.9999, ours, theirs, peer))
        covered = found.coverage("ours", steps)
        bounds.append(report.at_least(f"covered by intervals of 90 %, {steps} h", 0.85, covered, ""))
        bounds.append(_at_most(f"the same, {steps} h", 0.95, covered))
        rows += [
            (
                method if shape is None else f"{method}, {shape}",
                f"{steps} h",
                f"{found.error(method, steps, shape):.3f}",
                f"{found.coverage(method, steps, shape):.3f}",
            )
            for method in METHODS
            for shape in (None, *SHAPES)
        ]
    return [
        f"{count * len(OF) * len(SHAPES)} series: {count} seeds of {len(OF)} natures, {len(SHAPES)} shapes.",
        report.table(report.BOUNDS_HEAD, [each.row() for each in bounds]),
        report.table(("", "ahead", "MASE", "within 90 %"), rows),
    ]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--series", type=int, default=5, help="seeds of each nature")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.name}")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    for part in options.part:
        made = {"anomalies": anomalies, "fine": fine, "forecasts": forecasts}[part]
        parts = made(options.series, options.jobs)
        print(part, *parts, sep="\n\n", flush=True)
        if options.write:
            peers = ("numpy", *{"anomalies": ("pyod",), "forecasts": ("statsforecast",)}.get(part, ()))
            about = report.machine(busy, [f"{name} {version(name)}" for name in peers])
            title = f"{part.capitalize()}: `{report.command()}`"
            report.write(title, [about, *parts], results=RESULTS)


if __name__ == "__main__":
    main()

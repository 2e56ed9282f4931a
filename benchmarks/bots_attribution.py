"""How many words of a meeting are under the right name, on scripted meetings whose truth is known.

    python benchmarks/bots_attribution.py [--meetings 6] [--write]

Meetings are data from a seed (tests/fakes/scripted_meetings.py), ten minutes each: pauses, overlaps, short
replies; captions late by 0.3 to 3 s with noise, on a clock that drifts by ±200 ppm, a tenth of them lost;
transcripts with 10 to 20 % of wrong words and rough times; marks that are late, missing or lit on others. The
former way, nearest caption within 2 s after a fixed 0.5 s, is measured on the same meetings.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.attribution_figures import (
    BANDS,
    Figures,
    calibration,
    delay_errors,
    figures,
    seed_figures,
    total,
    waits,
)
from benchmarks.peers import report
from orch.bots.correlation.correlator import Correlator
from orch.bots.correlation.events import Layout
from orch.bots.correlation.record import correlate
from tests.fakes.scripted_meetings import ALIKE, NAMES, Scene, meeting

RESULTS: Final = Path(__file__).with_name("RESULTS-bots.md")
SPEAKERS: Final = (2, 3, 5, 8)
DELAYS: Final = (0.3, 1.0, 2.0, 3.0)
DRIFTS: Final = (-200e-6, 0.0, 200e-6)
ERRORS: Final = (0.1, 0.15, 0.2)
SECONDS: Final = 600.0
HARD_SPEAKERS: Final = 6
HARD_HEAD: Final = ("channels, harder", "words", "right", "named", "sure but wrong", "revised")
HARD: Final = (
    f"Harder, without bars: {HARD_SPEAKERS} people, 40 % overlaps, 30 % wrong words, 30 % lost captions, "
    "marks lit on others three times as often."
)
LONGEST: Final = 10_800.0
PART: Final = 600.0
LONG: Final = 640.0
OFFSET_AFTER: Final = 60.0
DRIFT_AFTER: Final = 620.0

KINDS: Final[tuple[tuple[str, Layout, bool, float, float], ...]] = (
    ("a track for each speaker", "own", True, 0.99, 0.95),
    ("rotating channels, captions", "rotating", True, 0.97, 0.85),
    ("one mixed channel, captions", "mixed", True, 0.97, 0.85),
    ("tracks, captions off", "own", False, 0.95, 0.60),
    ("rotating channels, captions off", "rotating", False, 0.95, 0.60),
    ("one mixed channel, captions off", "mixed", False, 0.95, 0.60),
)
"""Name, layout, captions, and the least share of right names and of named words."""
MOST_SURE_WRONG: Final = 0.005
MOST_REVISED: Final = 0.02
HEAD: Final = (
    "channels",
    "speakers",
    "words",
    "right",
    "named",
    "sure but wrong",
    "revised",
    "shown after",
    "former way",
    "met",
)


def scenes(layout: Layout, speakers: int, count: int, *, has_captions: bool) -> Iterator[Scene]:
    """Return meetings of one kind; delay, drift, errors and names take turns."""
    for seed in range(count):
        yield Scene(
            speakers=speakers,
            seconds=SECONDS,
            layout=layout,
            has_captions=has_captions,
            has_levels=seed % 2 == 1,
            delay=DELAYS[seed % len(DELAYS)],
            drift=DRIFTS[seed % len(DRIFTS)],
            errors=ERRORS[seed % len(ERRORS)],
            names=ALIKE if seed % 3 == 2 else NAMES,
            seed=seed,
        )


def row(
    kind: tuple[str, Layout, bool, float, float], speakers: int, count: int, bands: list[list[int]]
) -> list[str]:
    """Return one line of the table, and add its words to the bands of confidence."""
    name, layout, has_captions, right, named = kind
    ours, former = [], []
    waited: list[float] = []
    for scene in scenes(layout, speakers, count, has_captions=has_captions):
        scripted = meeting(scene)
        record = correlate(scripted.events)
        ours.append(figures(scripted, record))
        waited += waits(scripted, record)
        for band, (given, rightly) in zip(bands, calibration(scripted, record), strict=True):
            band[0] += given
            band[1] += rightly
        former.append(seed_figures(scripted))
    sum_, before = total(ours), total(former)
    is_met = (
        sum_.rightness >= right
        and sum_.coverage >= named
        and sum_.wrong_for_sure < MOST_SURE_WRONG
        and sum_.revision <= MOST_REVISED
    )
    return [
        name,
        str(speakers),
        f"{sum_.words:,}",
        f"{sum_.rightness:.1%} (≥ {right:.0%})",
        f"{sum_.coverage:.1%} (≥ {named:.0%})",
        f"{sum_.wrong_for_sure:.2%}",
        f"{sum_.revision:.2%}",
        f"{median(waited):.1f} / {quantiles(waited, n=20)[-1]:.1f} s",
        f"{before.rightness:.0%} / {before.coverage:.0%}" if has_captions else "-",
        "yes" if is_met else "no",
    ]


def hard_rows(count: int) -> list[list[str]]:
    """Return the figures of meetings that are worse than the bars are for; there are no bars for them."""
    found = []
    for name, layout, has_captions, _, _ in KINDS:
        sum_ = Figures()
        for seed in range(count):
            scripted = meeting(
                Scene(
                    speakers=HARD_SPEAKERS,
                    seconds=SECONDS,
                    layout=layout,
                    has_captions=has_captions,
                    delay=DELAYS[seed % len(DELAYS)],
                    drift=DRIFTS[seed % len(DRIFTS)],
                    loss=0.3,
                    errors=0.3,
                    overlap=0.4,
                    leak=0.3,
                    seed=2000 + seed,
                )
            )
            sum_ += figures(scripted, correlate(scripted.events))
        found.append(
            [
                name,
                f"{sum_.words:,}",
                f"{sum_.rightness:.1%}",
                f"{sum_.coverage:.1%}",
                f"{sum_.wrong_for_sure:.2%}",
                f"{sum_.revision:.2%}",
            ]
        )
    return found


def delay_rows(count: int) -> list[report.Bound]:
    """Return the largest errors of offset and drift."""
    found = [
        delay_errors(
            meeting(
                Scene(
                    speakers=SPEAKERS[seed % len(SPEAKERS)],
                    seconds=LONG,
                    delay=DELAYS[seed % len(DELAYS)],
                    drift=DRIFTS[seed % len(DRIFTS)],
                    errors=ERRORS[seed % len(ERRORS)],
                    seed=1000 + seed,
                )
            ),
            offset_after=OFFSET_AFTER,
            drift_after=DRIFT_AFTER,
        )
        for seed in range(count)
    ]
    drifts = [each.drift for each in found if each.drift is not None]
    return [
        report.under(
            f"offset after {OFFSET_AFTER:.0f} s, worst of {count}",
            100,
            1000 * max(e.offset for e in found),
            " ms",
        ),
        report.under(
            f"drift after {DRIFT_AFTER:.0f} s, worst of {count}", 50, 1e6 * max(drifts, default=0.0), " ppm"
        ),
    ]


def long_rows() -> list[report.Bound]:
    """Return what the last ten minutes of three hours cost, compared with the first."""
    scripted = meeting(
        Scene(speakers=5, seconds=LONGEST, drift=DRIFTS[-1], has_levels=True, overlap=0.2, seed=3000)
    )
    correlator = Correlator()
    costs: list[float] = []
    began = time.process_time()
    for event in scripted.events:
        correlator.feed(event)
        if event.at >= PART * (len(costs) + 1):
            now = time.process_time()
            costs.append(now - began)
            began = now
    drift = abs(correlator.statistics().captions.drift - scripted.scene.drift)
    return [
        report.under("last 10 min of 3 h, times the cost of the first", 1.5, costs[-1] / costs[0], ""),
        report.under("drift after 3 h", 50, 1e6 * drift, " ppm"),
    ]


def main() -> None:
    """Print the tables; with ``--write``, also put them into RESULTS-bots.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meetings", type=int, default=6, help="of each kind and number of speakers")
    parser.add_argument("--write", action="store_true", help="save the figures in benchmarks/RESULTS-bots.md")
    arguments = parser.parse_args()
    busy = os.getloadavg()[0]
    began = time.process_time()
    bands = [[0, 0] for _ in BANDS[1:]]
    rows = [row(kind, speakers, arguments.meetings, bands) for kind in KINDS for speakers in SPEAKERS]
    seconds = len(rows) * arguments.meetings * SECONDS
    cost = (time.process_time() - began) / seconds
    hard = report.table(HARD_HEAD, hard_rows(arguments.meetings))
    bounds = [*delay_rows(2 * arguments.meetings), *long_rows()]
    table = report.table(HEAD, rows)
    delays = report.table(report.BOUNDS_HEAD, [each.row() for each in bounds])
    sure = report.table(
        ("confidence", "words", "right"),
        [
            (f"{low:.2f} to {min(high, 1.0):.2f}", f"{named:,}", f"{right / named:.1%}" if named else "-")
            for (low, high), (named, right) in zip(pairwise(BANDS), bands, strict=True)
        ],
    )
    spent = (
        f"{arguments.meetings} meetings of {SECONDS:.0f} s a row, with the former way; "
        f"{1000 * cost:.2f} ms of a core for a second of meeting. Shown after: from a transcript's arrival "
        "to its first name, median / p95. Former way: right / named."
    )
    print(f"{table}\n\n{delays}\n\n{sure}\n\n{hard}\n\n{HARD}\n\n{spent}")
    if arguments.write:
        about = report.machine(busy, [])
        parts = [about, spent, table, delays, sure, HARD, hard]
        report.write(f"Names of words: `{report.command()}`", parts, results=RESULTS)


if __name__ == "__main__":
    main()

"""Tables for people, and the section of ``RESULTS.md`` that holds them."""

import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.peers.servers import ROOT

RESULTS: Final = ROOT / "benchmarks" / "RESULTS.md"
CPUINFO: Final = Path("/proc/cpuinfo")

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Bound:
    """A figure and what it is held to. None: there is no figure."""

    what: str
    wanted: str
    measured: str
    is_met: bool | None

    def row(self) -> Row:
        """Return it as a line of a table."""
        verdict = "not measured" if self.is_met is None else "yes" if self.is_met else "no"
        return (self.what, self.wanted, self.measured, verdict)


BOUNDS_HEAD: Final = ("what", "at least", "measured", "met")


def at_least(what: str, wanted: float, measured: float | None, unit: str) -> Bound:
    """Hold a figure to a floor."""
    return Bound(what, f"≥ {wanted:,.6g}{unit}", _number(measured, unit), _met(measured, wanted))


def under(what: str, wanted: float, measured: float | None, unit: str) -> Bound:
    """Hold a figure to a ceiling."""
    is_met = None if measured is None else measured < wanted
    return Bound(what, f"< {wanted:,.6g}{unit}", _number(measured, unit), is_met)


def times(what: str, wanted: float, ours: float | None, theirs: float | None, peer: str) -> Bound:
    """Hold a figure to so many times a peer's."""
    ratio = ours / theirs if ours is not None and theirs else None
    return Bound(what, f"≥ {wanted:.3g} x {peer}", _number(ratio, "x"), _met(ratio, wanted))


def at_most_times(what: str, wanted: float, ours: float | None, theirs: float | None, peer: str) -> Bound:
    """Hold a figure to at most so many times a peer's."""
    ratio = ours / theirs if ours is not None and theirs else None
    is_met = None if ratio is None else ratio <= wanted
    return Bound(what, f"≤ {wanted:.3g} x {peer}", _number(ratio, "x"), is_met)


def table(head: Row, rows: Sequence[Row]) -> str:
    """Return a Markdown table whose columns are aligned for a terminal as well."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(row: Row) -> str:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return f"| {' | '.join(cells)} |"

    ruler = "|".join(("-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])))
    return "\n".join((line(head), f"|{ruler}|", *map(line, rows)))


def command() -> str:
    """Return the command that was run."""
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def machine(load: float, versions: Sequence[str]) -> str:
    """Return the day, the machine and the versions; ``load``: the load average before the run."""
    model = next(
        (line.partition(":")[2].strip() for line in CPUINFO.read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    kernel = ".".join(platform.release().split(".")[:2])
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({model}), "
        f"{platform.system()} {kernel}, Python {platform.python_version()}, "
        f"{', '.join(versions)}; load average before the run {load:.1f}."
    )


def write(title: str, parts: Sequence[str], *, results: Path = RESULTS) -> None:
    """Put a section into the results, in place of the one whose title begins alike."""
    kind = title.partition(":")[0]
    sections = results.read_text(encoding="utf-8").split("\n## ")
    kept = [section.rstrip("\n") for section in sections if section.partition(":")[0] != kind]
    new = "\n\n".join((title, *parts))
    results.write_text("\n\n## ".join((*kept, new)) + "\n", encoding="utf-8")


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}{unit}" if value >= 100 else f"{value:.3g}{unit}"


def _met(measured: float | None, floor: float) -> bool | None:
    return None if measured is None else measured >= floor

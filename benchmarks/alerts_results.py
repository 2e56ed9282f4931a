"""The page of alerts that were seen on a running service: read, merged with a run, and written. Pure.

A run of some faults replaces the rows of the alerts that it looked at. An alert that it looked at and did not
see has no row any more, whatever earlier runs saw; alerts that the rules have no longer are left out.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import astuple

PAGE: Final = """\
# Alerts seen on a running service

Made with `python benchmarks/alerts_seen.py`: a real Prometheus and Alertmanager against a running
service, with each fault injected. *Seen* means: pending (where the alert waits), firing, received by
Alertmanager, and resolved after the fault had ended; since commit 5b1657a1 also inactive before the fault,
unless that is there from the start. Minutes of the rules are seconds here. The service was scraped each
second, or less often where the table says so, with longer ranges then. Limits are the committed ones, except
some that nobody waits for: {limits}.

{seen} of {all} alerts were seen. Seconds are from the fault until the alert was pending and fired, and from
the fault's end until it resolved; -: it does not wait, or that was not measured. Each row has the day and the
commit of its run (+: with changes that were not committed yet); a run of some faults (`--only`) replaces the
rows of their alerts.

| alert | fault | scraped | pending | fired | resolved | day | commit |
|---|---|---|---|---|---|---|---|
{rows}

promtool alone proves the others (`tests/monitoring/cases`): {others}.
"""

_ROW: Final = re.compile(
    r"^\| (?P<alert>\w+) \| (?P<fault>[^|]+) \| (?P<scraped>\d+ s) \| (?P<pending>[\d.]+|-)"
    r" \| (?P<fired>[\d.]+) \| (?P<resolved>[\d.]+) \| (?P<day>\S+) \| (?P<commit>\S+) \|$",
    re.MULTILINE,
)
_INDEX_ROW: Final = re.compile(
    r"^(?P<begin>\| \[(?P<alert>\w+)\]\(\w+\.md\) \| \w+ \| [^|]+ \|)(?: [^|]+ \|)?$", re.MULTILINE
)
_INDEX_HEAD: Final = re.compile(r"^\| alert \| severity \| users notice \|.*\n\|---\|.*$", re.MULTILINE)
HEAD: Final = "| alert | severity | users notice | seen |\n|---|---|---|---|"
NEVER: Final = "-"


class Row(Struct, frozen=True):
    """An alert that was seen: seconds until it was pending ("-": not measured), fired, and resolved."""

    alert: str
    fault: str
    scraped: str
    pending: str
    fired: str
    resolved: str
    day: str
    commit: str

    def __str__(self) -> str:
        """Format as a line of the table."""
        return f"| {' | '.join(astuple(self))} |"


def read(page: str) -> dict[str, Row]:
    """Return the rows of a page, by alert."""
    return {match["alert"]: Row(**match.groupdict()) for match in _ROW.finditer(page)}


def merged(
    earlier: Mapping[str, Row], found: Iterable[Row], *, looked_at: Collection[str], known: Sequence[str]
) -> dict[str, Row]:
    """Return the rows after a run that looked at some alerts, in the order of the ``known`` ones."""
    new = {row.alert: row for row in found}
    rows = {name: row for name, row in earlier.items() if name not in looked_at} | new
    return {name: rows[name] for name in known if name in rows}


def page(rows: Mapping[str, Row], *, known: Sequence[str], limits: Mapping[str, tuple[str, str]]) -> str:
    """Return the page. ``limits``: what replaces a committed limit, by alert."""
    lowered = (f"{name} `{old}` as `{new}`" for name, (old, new) in limits.items() if name in rows)
    return PAGE.format(
        seen=len(rows),
        all=len(known),
        limits=", ".join(lowered),
        rows="\n".join(map(str, rows.values())),
        others=", ".join(name for name in known if name not in rows),
    )


def index(text: str, rows: Mapping[str, Row]) -> str:
    """Return the index of runbooks with the day on which each alert was seen, as its last column."""

    def line(match: re.Match[str]) -> str:
        row = rows.get(match["alert"])
        return f"{match['begin']} {NEVER if row is None else row.day} |"

    return _INDEX_ROW.sub(line, _INDEX_HEAD.sub(HEAD, text))

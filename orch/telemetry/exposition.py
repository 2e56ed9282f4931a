"""The text formats that Prometheus reads: its own (0.0.4) and OpenMetrics 1.0.0, which has exemplars. Pure.

The strings of a family (its head, and each series up to the value) are the same at each scrape, so they are
stored: a scrape then costs little more than the formatting of its numbers.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from hashlib import blake2s
from itertools import accumulate
from math import inf
from typing import Final, NamedTuple

from orch.telemetry.histogram import Exemplar, Histogram
from orch.telemetry.names.metric import Name

Labels = tuple[str, ...]

LONGEST_VALUE: Final = 200
"""Characters of a label's value; the rest of a longer one is replaced by a digest of the whole."""

STORED: Final = 20_000
"""Series whose strings are stored; with more, all are dropped, and stored again as they are used."""

_UNITS: Final = ("seconds", "bytes", "ratio")
_ESCAPES: Final = {ord("\\"): "\\\\", ord('"'): '\\"', ord("\n"): "\\n"}
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(10), *range(11, 32), 127)}
_HELP_ESCAPES: Final = {ord("\\"): "\\\\", ord("\n"): "\\n"}


class Format(Enum):
    """A format; the value is its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Family(NamedTuple):
    """A metric with its series, by the values of its labels."""

    name: Name
    series: Mapping[Labels, float | Histogram]


def format_for(accept: str) -> Format:
    """Return the format of a response to a request with this ``Accept`` header.

    OpenMetrics if it is listed and not refused (q=0): scrapers list it before the text format.

    >>> format_for("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5").name
    'OPENMETRICS'
    """
    for choice in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in choice.split(";"))
        if kind == "application/openmetrics-text" and "q=0" not in parameters:
            return Format.OPENMETRICS
    return Format.TEXT


def shown_number(value: float) -> str:
    """Return a number as both formats have it.

    >>> shown_number(3), shown_number(0.25), shown_number(float("inf"))
    ('3.0', '0.25', '+Inf')
    """
    if value == inf:
        return "+Inf"
    if value == -inf:
        return "-Inf"
    number = repr(float(value))
    return "NaN" if number == "nan" else number


def shown_label(value: str) -> str:
    """Return a label's value as it stands between the quotation marks.

    Quotation marks, backslashes and newlines are escaped; other control characters, which some parsers take
    for an end, and lone surrogates, which UTF-8 does not have, are replaced by what Python writes for them.
    """
    if len(value) > LONGEST_VALUE:
        digest = blake2s(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        value = f"{value[:LONGEST_VALUE]}...{digest}"
    if value.isprintable() and value.isascii() and '"' not in value and "\\" not in value:
        return value
    encodable = value.encode("utf-8", "backslashreplace").decode()
    return encodable.translate(_CONTROLS).translate(_ESCAPES)


class Exposition:
    """Renders families in one format. The mutable state is the stored strings."""

    def __init__(self, format: Format) -> None:  # noqa: A002 - the field's word
        self._is_open = format is Format.OPENMETRICS
        self._heads: dict[str, str] = {}
        self._starts: dict[tuple[str, Labels], str] = {}
        self._buckets: dict[tuple[str, Labels], tuple[str, ...]] = {}

    def family(self, family: Family) -> Iterator[str]:
        """Yield the lines of one family, each with its end; of the same metric, one family at most."""
        name = family.name
        head = self._heads.get(name.name)
        if head is None:
            head = self._heads[name.name] = self._head(name)
        yield head
        if len(self._starts) + len(self._buckets) > STORED:
            self._starts.clear()
            self._buckets.clear()
        for labels, value in family.series.items():
            if isinstance(value, Histogram):
                yield from self._histogram(name, labels, value)
                continue
            start = self._starts.get((name.name, labels))
            if start is None:
                start = self._starts[name.name, labels] = _start(name.name, name.label_names, labels)
            yield f"{start}{shown_number(value)}\n"

    def end(self) -> str:
        """Return what follows the last family: "The EOF marker MUST be present" (OpenMetrics)."""
        return "# EOF\n" if self._is_open else ""

    def _head(self, name: Name) -> str:
        base = name.name.removesuffix("_total") if self._is_open and name.kind == "counter" else name.name
        text = name.text.translate(_ESCAPES if self._is_open else _HELP_ESCAPES)
        unit = base.rpartition("_")[2]
        units = f"# UNIT {base} {unit}\n" if self._is_open and unit in _UNITS else ""
        return f"# HELP {base} {text}\n# TYPE {base} {name.kind}\n{units}"

    def _histogram(self, name: Name, labels: Labels, histogram: Histogram) -> Iterator[str]:
        starts = self._buckets.get((name.name, labels))
        if starts is None:
            starts = self._buckets[name.name, labels] = _bucket_starts(name, labels, histogram)
        cumulative = tuple(accumulate(histogram.counts))
        exemplars = histogram.exemplars if self._is_open else None
        for bucket, (start, count) in enumerate(zip(starts, cumulative, strict=False)):
            exemplar = exemplars.get(bucket) if exemplars else None
            yield f"{start}{count}.0{'' if exemplar is None else _shown_exemplar(exemplar)}\n"
        yield f"{starts[-2]}{cumulative[-1]}.0\n"
        yield f"{starts[-1]}{shown_number(histogram.sum)}\n"


def _start(name: str, label_names: Iterable[str], values: Iterable[str], more: str = "") -> str:
    pairs = [f'{label}="{shown_label(value)}"' for label, value in zip(label_names, values, strict=True)]
    inside = ",".join([*pairs, more] if more else pairs)
    return f"{name}{{{inside}}} " if inside else f"{name} "


def _bucket_starts(name: Name, labels: Labels, histogram: Histogram) -> tuple[str, ...]:
    """Return the starts of the lines of each bucket, of the count, and of the sum."""
    names = name.label_names
    return (
        *(
            _start(f"{name.name}_bucket", names, labels, f'le="{shown_number(bound)}"')
            for bound in (*histogram.bounds, inf)
        ),
        _start(f"{name.name}_count", names, labels),
        _start(f"{name.name}_sum", names, labels),
    )


def _shown_exemplar(exemplar: Exemplar) -> str:
    trace_id, value, at = exemplar
    shown_at = "" if at is None else f" {at:.3f}"
    return f' # {{trace_id="{shown_label(trace_id)}"}} {shown_number(value)}{shown_at}'

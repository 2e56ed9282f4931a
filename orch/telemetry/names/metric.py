"""What a metric is: a name, a kind, a help text and labels; and a reading of it. Pure."""

from typing import Final, Literal

from msgspec import Struct

from orch.telemetry.histogram import Histogram

Kind = Literal["counter", "gauge", "histogram"]

_UNITS: Final = {"seconds": "seconds", "bytes": "bytes", "ratio": "0..1", "info": "always 1"}


class Label(Struct, frozen=True):
    """A label, and what bounds the number of its values: one of the three.

    ``values``: the closed list itself. A metric has a series for each of them from the start, at 0, so that
    Prometheus sees the first increment. ``listed``: where the closed list is (``module:NAME``), if an area
    above this one owns it; the source of the metric then yields every value. ``bound``: in words, where the
    values are those of the settings or limited in number.
    """

    name: str
    values: tuple[str, ...] = ()
    listed: str = ""
    bound: str = ""


class Name(Struct, frozen=True):
    """A metric. ``buckets``: the upper bounds of a histogram, without infinity."""

    name: str
    kind: Kind
    text: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels, in the order in which a reading has their values."""
        return tuple(label.name for label in self.labels)

    @property
    def unit(self) -> str:
        """The unit of its values, from its name; a number of things where that has none."""
        base = self.name.removesuffix("_total")
        if base.endswith("_timestamp_seconds"):
            return "seconds since the epoch"
        return _UNITS.get(base.rpartition("_")[2], "")


class Reading(Struct, frozen=True):
    """A value of a counter or gauge, read at scrape time."""

    name: Name
    value: float
    labels: tuple[str, ...] = ()


class Distribution(Struct, frozen=True):
    """What a histogram has counted, read at scrape time."""

    name: Name
    histogram: Histogram
    labels: tuple[str, ...] = ()


SERVICE: Final = Label("service", bound="the services of the settings")
UPSTREAM: Final = Label("upstream", bound="the addresses of a service's instances, of the settings or found")
FLOW: Final = Label("flow", ("captions", "requests"))
ROUTE: Final = Label("route", bound="the routes of the settings")

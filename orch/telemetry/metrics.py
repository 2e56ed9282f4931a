"""The metrics of one process: read from its parts when Prometheus scrapes them, and rendered in slices.

What happens often (a request, a health check) only counts in a dictionary or a histogram. All else is done at
the scrape, in steps of about a millisecond with the event loop free in between: a thread would hold the
interpreter for 5 ms at a time instead.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from time import perf_counter
from typing import Final

import trio

from orch.telemetry.boundaries import Boundary
from orch.telemetry.exposition import Exposition, Family, Format, format_for
from orch.telemetry.families import Families
from orch.telemetry.names.metric import Distribution, Reading
from orch.telemetry.names.process import RENDER_SECONDS, SERIES, SERIES_DROPPED
from orch.telemetry.request_metrics import RequestMetrics

Source = Callable[[], Iterable[Reading | Distribution]]
Instances = Callable[[], Mapping[str, Collection[str]]]
Routes = Callable[[], Iterable[tuple[str, str]]]

SLICE: Final = 0.001
"""Seconds of rendering after which other tasks run."""


class Metrics(RequestMetrics):
    """The metrics of one process.

    ``known``: the instances of each service in the current settings; ``routes``: the service and prefix of
    each route. The series of what was removed are dropped; what returns starts at 0. Without ``known``, none
    is dropped.

    The mutable state is the sources, the counts of :class:`RequestMetrics`, and the latest rendering.
    """

    def __init__(
        self,
        known: Instances | None = None,
        routes: Routes = tuple,
        *,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        super().__init__()
        self._known = known
        self._routes = routes
        self._clock = clock
        self._sources: list[Source] = []
        self._boundary = Boundary("metrics")
        self._expositions = {each: Exposition(each) for each in Format}
        self._lock = trio.Lock()
        self._calls = 0
        self._latest: dict[Format, tuple[int, bytes]] = {}
        self._render_seconds = 0.0
        self._series = 0
        self._dropped = 0

    def read_from(self, source: Source) -> None:
        """Read ``source`` at every scrape."""
        self._sources.append(source)

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is read at every scrape, except the figures of the scrape itself."""
        return (*self._sources, self.readings)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition and its content type, without a pause."""
        chosen = format_for(accept)
        return "".join(self._steps(chosen)).encode(), chosen.value

    async def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition and its content type; other tasks run in between.

        Scrapes at the same time share a rendering that began after they did, so that any number of them
        costs two.
        """
        chosen = format_for(accept)
        self._calls += 1
        call = self._calls
        async with self._lock:
            latest = self._latest.get(chosen)
            if latest is not None and latest[0] >= call:
                return latest[1], chosen.value
            began_at = self._calls
            body = await self._render_in_slices(chosen)
            self._latest = {chosen: (began_at, body)}
        return body, chosen.value

    async def _render_in_slices(self, chosen: Format) -> bytes:
        lines: list[str] = []
        used = 0.0
        began = self._clock()
        for line in self._steps(chosen):
            lines.append(line)
            passed = self._clock() - began
            if passed >= SLICE:
                used += passed
                await trio.lowlevel.checkpoint()
                began = self._clock()
        self._render_seconds = used + self._clock() - began
        return "".join(lines).encode()

    def _steps(self, chosen: Format) -> Iterator[str]:
        """Yield the text in parts; a part may be empty, where a source was read."""
        families = Families()
        for source in chain(self._sources, (self._own,)):
            with self._boundary.item(source=getattr(source, "__qualname__", repr(source))):
                families.add(source())
            yield ""
        self._dropped += families.left_out
        exposition = self._expositions[chosen]
        count = 0
        for family in families.complete():
            count += _series_of(family)
            yield "".join(exposition.family(family))
        self._series = count
        yield exposition.end()

    def _own(self) -> Iterator[Reading | Distribution]:
        if self._known is not None:
            self.retain(self._known(), self._routes())
        yield from self.readings()
        yield from self._boundary.readings()
        yield Reading(RENDER_SECONDS, self._render_seconds)
        yield Reading(SERIES, self._series)
        yield Reading(SERIES_DROPPED, self._dropped)


def _series_of(family: Family) -> int:
    each = len(family.name.buckets) + 3 if family.name.kind == "histogram" else 1
    return each * len(family.series)

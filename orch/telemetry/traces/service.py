"""Sends ended spans to the collector: a branch of the tree.

Spans wait in a bounded queue, and go in batches: at once when there is a whole one, else after
:data:`INTERVAL`. A batch that cannot be delivered within its time-out is dropped and counted; then the
collector is left alone for a while, up to :data:`LONGEST_PAUSE`, in which the queue fills and further spans
are dropped. Nothing ever waits for the collector, except the end of the process: up to
:data:`FLUSH_WITHIN` for what is left.
"""

from collections.abc import Callable, Iterator
from typing import Final, Never

import structlog
import trio

from orch.masking import mask_url
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.names import traces as names
from orch.telemetry.names.metric import Reading
from orch.telemetry.traces.collector import Collector, Sent
from orch.telemetry.traces.queue import SpanQueue
from orch.telemetry.traces.statistics import CollectorState, TracesStatistics
from orch.telemetry.traces.tracer import Tracer

BATCH: Final = 256
"""Spans that are sent at a time. To convert them takes a thread some 10 ms."""
INTERVAL: Final = 1.0
"""Seconds until an incomplete batch is sent."""
FLUSH_WITHIN: Final = 2.0
"""Seconds that the end of the process waits for spans to be sent."""
PREPARED_WITHIN: Final = 30.0
"""Seconds until spans are sent though the exporter is not loaded; then a batch says why it fails."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds between batches while the collector is away, at most."""

_log = structlog.get_logger("traces")


class Traces:
    """The spans of a process, from their end to the collector.

    ``collector`` None: traces are off, and ``tracer`` begins no spans. ``endpoint``: its address, for
    display. The mutable state is the queue, how the collector has responded, and the counts.
    """

    def __init__(
        self,
        collector: Collector | None,
        *,
        events: EventLog,
        wall: Callable[[], float],
        endpoint: str = "",
        queue: int = 2_048,
        ratio: Callable[[], float] = lambda: 1.0,
        callers_per_second: Callable[[], float] = lambda: 10.0,
    ) -> None:
        self._collector = collector
        self._events = events
        self._wall = wall
        self._endpoint = endpoint
        self._filled = trio.Event()
        self._queue = SpanQueue(queue, BATCH, self._wake)
        self.tracer: Final = Tracer(
            None if collector is None else self._queue.offer,
            ratio=ratio,
            callers_per_second=callers_per_second,
            wall=wall,
        )
        self.boundary: Final = Boundary("traces")
        self._state: CollectorState = "off" if collector is None else "unknown"
        self._since: float | None = None
        self._reason = ""
        self._pause = 0.0
        self._exported = self._undelivered = self._rejected = 0

    def __repr__(self) -> str:
        return f"<Traces {self._state}, {len(self._queue)} queued>"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Send spans until cancelled, and then what is left, within :data:`FLUSH_WITHIN`."""
        task_status.started()
        collector = self._collector
        if collector is None:
            await trio.sleep_forever()
        else:
            try:
                await self._prepare(collector)
                while True:
                    await self._wait()
                    self.tracer.follow_clock()
                    await self._send(collector)
            finally:
                with trio.move_on_after(FLUSH_WITHIN, shield=True):
                    while len(self._queue) and self._state != "away":
                        await self._send(collector)
                self._undelivered += len(self._queue.clear())
                collector.close()
        raise AssertionError

    async def _prepare(self, collector: Collector) -> None:
        """Load the exporter, so that the end of the process has its time for the last spans alone."""
        try:
            with trio.move_on_after(PREPARED_WITHIN):
                await collector.prepare()
        except Exception as error:  # noqa: BLE001 - traces never end the service; a batch will say why
            self.boundary.note(error)

    def _wake(self) -> None:
        """Send a whole batch at once."""
        self._filled.set()

    async def _wait(self) -> None:
        """Wait for a whole batch, or for the time of an incomplete one."""
        if self._pause:
            await trio.sleep(self._pause)
        else:
            with trio.move_on_after(INTERVAL):
                await self._filled.wait()
        self._filled = trio.Event()

    async def _send(self, collector: Collector) -> None:
        """Send what is queued, batch after batch, as long as the collector accepts it."""
        while batch := self._queue.take():
            sent = Sent()
            try:
                sent = await collector.send(batch)
            except Exception as error:  # noqa: BLE001 - traces never end the service
                self.boundary.note(error)
                sent = Sent(reason=f"spans could not be sent ({type(error).__name__})")
            finally:
                self._exported += sent.accepted
                self._rejected += sent.rejected
                self._undelivered += len(batch) - sent.accepted - sent.rejected
            self._judge(sent)
            if self._state == "away":
                break

    def _judge(self, sent: Sent) -> None:
        """Note how the collector has responded, and record the event of a change."""
        was = self._state
        self._reason = sent.reason
        if sent.accepted:
            self._pause = 0.0
            self._enter("reachable")
            if was == "away":
                self._events.record("ok", "traces", "The collector of traces accepts spans again.")
                _log.info("the collector of traces accepts spans again")
            return
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
        self._enter("away")
        if was != "away":
            text = f"The collector of traces is away: {sent.reason}. Spans are dropped until it responds."
            self._events.record("warn", "traces", text)
            _log.warning("the collector of traces is away", reason=sent.reason, endpoint=self._endpoint)

    def _enter(self, state: CollectorState) -> None:
        if self._state != state:
            self._state, self._since = state, self._wall()

    def statistics(self) -> TracesStatistics:
        """Return the figures now."""
        return TracesStatistics(
            state=self._state,
            since=self._since,
            reason=self._reason,
            endpoint=mask_url(self._endpoint) if self._endpoint else "",
            queued=len(self._queue),
            limit=self._queue.limit,
            exported=self._exported,
            queue_full=self._queue.dropped,
            undelivered=self._undelivered,
            rejected=self._rejected,
            callers_limited=self.tracer.callers.refused,
        )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield from self.boundary.readings()
        now = self.statistics()
        for outcome, count in (
            ("exported", now.exported),
            ("queue_full", now.queue_full),
            ("undelivered", now.undelivered),
            ("rejected", now.rejected),
        ):
            yield Reading(names.SPANS, count, (outcome,))
        yield Reading(names.QUEUED, now.queued)
        yield Reading(names.CALLERS_LIMITED, now.callers_limited)
        if now.state in ("reachable", "away"):
            yield Reading(names.COLLECTOR_REACHABLE, now.state == "reachable")

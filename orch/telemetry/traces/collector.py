"""The OpenTelemetry exporter, in a thread: converts spans, and posts them to the collector.

It is imported in a thread once the service starts, since that takes some 0.3 s, on a busy machine 3 s, and
the package may be missing.

Its own exporter repeats what failed, within the time-out of a batch, and logs each time; here an outage is
logged once, by :mod:`orch.telemetry.traces.service`.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import trio
from msgspec import Struct

from orch.telemetry.traces.context import Context
from orch.telemetry.traces.span import AttributeValue, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext
    from requests import Response

SCOPE: Final = "orch"
"""The name of what has made the spans."""
LONGEST_VALUE: Final = 1_024
"""Characters of a text in a span; the rest is cut off."""
MOST_VALUES: Final = 128
"""Members of a list in a span; the rest is cut off."""
GRACE: Final = 2.0
"""Seconds that a batch may take beyond its time-out until its thread is given up."""
_THREADS: Final = 2
_NANOSECONDS: Final = 1_000_000_000
_LARGEST_INTEGER: Final = 2**63 - 1
_SUCCEEDED: Final = 200
_REDIRECTED: Final = 300
_FAILED: Final = 400


class Sent(Struct, frozen=True):
    """What became of a batch: spans ``accepted`` and ``rejected`` by the collector; the rest was not sent.

    ``reason``: why some were not accepted.
    """

    accepted: int = 0
    rejected: int = 0
    reason: str = ""


class Collector(Protocol):
    """Where ended spans go."""

    async def prepare(self) -> None:
        """Load what sending needs; cancelled, this goes on in its thread. Raises what sending would."""
        ...

    async def send(self, spans: Sequence[Span]) -> Sent:
        """Send a batch, within a bounded time."""
        ...

    def close(self) -> None:
        """End what is in progress, and send nothing more."""
        ...


class OtlpCollector:
    """A collector that is reached by OTLP over HTTP.

    ``timeout``: seconds of a batch with its repetitions; a thread that has not ended :data:`GRACE` later is
    given up, of which there are two at most: while both hang, batches fail at once. The mutable state is the
    exporter.
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str], timeout: float, resource: Mapping[str, str]
    ) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout = timeout
        self._attributes = dict(resource)
        self._threads = trio.CapacityLimiter(_THREADS)
        self._exporter: _Exporter | None = None

    async def prepare(self) -> None:
        """Import the package."""
        await trio.to_thread.run_sync(self._made, abandon_on_cancel=True, limiter=self._threads)

    async def send(self, spans: Sequence[Span]) -> Sent:
        """Send a batch. Cancelled, its thread ends by itself."""
        sent: Sent | None = None
        try:
            with trio.move_on_after(self._timeout + GRACE):
                sent = await trio.to_thread.run_sync(
                    self._send, spans, abandon_on_cancel=True, limiter=self._threads
                )
        finally:
            if sent is None:
                self.close()  # its connection belongs to the thread that was given up
        return sent or Sent(reason=f"it did not respond within {self._timeout + GRACE:g} s")

    def close(self) -> None:
        """Let the exporter repeat nothing more, and close its connections."""
        exporter, self._exporter = self._exporter, None
        if exporter is not None:
            exporter.close()

    def _send(self, spans: Sequence[Span]) -> Sent:
        return self._made().send(spans)

    def _made(self) -> "_Exporter":
        exporter = self._exporter
        if exporter is None:
            made = _Exporter(self._url, self._headers, self._timeout, self._attributes)
            exporter = self._exporter = made
        return exporter


class _Exporter:
    """The package's exporter, and what the collector said last. Used by one thread at a time."""

    def __init__(
        self, url: str, headers: Mapping[str, str], timeout: float, resource: Mapping[str, str]
    ) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from requests import Session  # noqa: PLC0415

        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        session = Session()
        session.hooks["response"].append(self._note)
        self._conversion = Conversion(resource)
        self._exporter = OTLPSpanExporter(
            endpoint=url, headers=dict(headers), timeout=timeout, session=session
        )
        self._status = self._rejected = 0
        self._message = ""

    def send(self, spans: Sequence[Span]) -> Sent:
        """Send a batch, within the time-out."""
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

        self._status = self._rejected = 0
        self._message = ""
        result = self._exporter.export([self._conversion.span(each) for each in spans])
        if result is SpanExportResult.SUCCESS and _SUCCEEDED <= self._status < _REDIRECTED:
            rejected = min(self._rejected, len(spans))
            why = f"it rejected spans: {self._message}" if rejected else ""
            return Sent(accepted=len(spans) - rejected, rejected=rejected, reason=why.removesuffix(": "))
        if self._status == 0:
            return Sent(reason="no connection could be made, or it broke off")
        refused = _FAILED <= self._status < _FAILED + 100 and self._status not in (408, 429)
        return Sent(rejected=len(spans) if refused else 0, reason=f"it responded with {self._status}")

    def close(self) -> None:
        """Close the connections."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _note(self, response: "Response", *_arguments: Any, **_options: Any) -> None:
        """Note the response: the exporter takes a redirection for success, and reads no partial success."""
        self._status = response.status_code
        if response.status_code != _SUCCEEDED or not response.headers.get("content-type", "").startswith(
            "application/x-protobuf"
        ):
            return
        from google.protobuf.message import DecodeError  # noqa: PLC0415
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
            ExportTraceServiceResponse,
        )

        try:
            partial_success = ExportTraceServiceResponse.FromString(response.content).partial_success
        except DecodeError:
            return  # an empty or foreign body beside a status of success says nothing about spans
        self._rejected = max(0, partial_success.rejected_spans)
        self._message = _text(partial_success.error_message)[:200]


class Conversion:
    """Makes the spans of the package's exporter of ours. ``resource``: what all of them are of."""

    def __init__(self, resource: Mapping[str, str]) -> None:
        from opentelemetry import trace  # noqa: PLC0415 - see the module's docstring
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the same
        from opentelemetry.sdk.trace import Event, ReadableSpan  # noqa: PLC0415 - the same
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415 - the same

        self._resource = Resource.create(dict(resource))
        self._scope = InstrumentationScope(SCOPE)
        self._span, self._event, self._link, self._context = (
            ReadableSpan,
            Event,
            trace.Link,
            trace.SpanContext,
        )
        self._kinds = {kind.name.lower(): kind for kind in trace.SpanKind}
        self._status = trace.Status
        self._well, self._error = trace.Status(), trace.StatusCode.ERROR
        self._recorded = trace.TraceFlags(trace.TraceFlags.SAMPLED)

    def span(self, span: Span) -> "ReadableSpan":
        """Return an ended span as the package's exporter takes it."""
        at = partial(_nanoseconds, span.epoch)
        status = self._well
        if span.failure is not None:
            status = self._status(self._error, _text(span.failure) or None)
        return self._span(
            name=_text(span.name),
            context=self._place(span.context),
            parent=None if span.parent is None else self._place(span.parent),
            resource=self._resource,
            attributes=_attributes(span.attributes),
            events=[
                self._event(_text(each.name), _attributes(each.attributes), at(each.at))
                for each in span.events
            ],
            links=[self._link(self._place(each)) for each in span.links],
            kind=self._kinds[span.kind],
            instrumentation_scope=self._scope,
            status=status,
            start_time=at(span.began),
            end_time=at(span.began if span.ended is None else span.ended),
        )

    def _place(self, context: Context) -> "SpanContext":
        trace_id, span_id = int(context.trace_id, 16), int(context.span_id, 16)
        return self._context(trace_id, span_id, is_remote=False, trace_flags=self._recorded)


def _nanoseconds(epoch: float, at: float) -> int:
    # Added as whole numbers: a float has no nanoseconds so long after 1970.
    return max(0, round(epoch * _NANOSECONDS) + round(at * _NANOSECONDS))


def _attributes(given: Mapping[str, AttributeValue]) -> dict[str, Any]:
    return {_text(name): _value(value) for name, value in given.items()}


def _value(value: AttributeValue) -> Any:
    """Return a value that Protobuf can have: texts of bounded length in UTF-8, whole numbers of 64 bits."""
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER else float(value)
    if isinstance(value, str):
        return _text(value)
    return [_text(str(each)) for each in value[:MOST_VALUES]]


def _text(value: str) -> str:
    return value[:LONGEST_VALUE].encode("utf-8", "replace").decode("utf-8")

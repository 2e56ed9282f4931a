"""What traces cost: off, not recorded, and recorded; beside OpenTelemetry's own SDK.

    python benchmarks/traces.py

Times are of the processor, the least of several runs, as other programs of the machine take turns.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.telemetry import microseconds
from orch.telemetry.traces import OFF, Span, Tracer
from orch.telemetry.traces.collector import Conversion
from orch.telemetry.traces.service import BATCH

TIMES: Final = 10_000
ATTRIBUTES: Final[Mapping[str, str | int]] = {
    "http.request.method": "GET",
    "http.route": "/api/audio/",
    "http.response.status_code": 200,
    "orch.service": "audio-service",
    "orch.tries": 1,
}


class Nowhere(SpanExporter):
    """Takes spans and does nothing with them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - the package's signature
        """Return success."""
        return SpanExportResult.SUCCESS


def begun(tracer: Tracer) -> Callable[[], object]:
    """Return what begins a span, describes it and ends it, as the gateway does."""

    def work() -> None:
        span = tracer.start("GET /api/audio/", kind="server")
        if span is not None:
            for name, value in ATTRIBUTES.items():
                span.set(name, value)
            span.end()

    return work


def sdk() -> Callable[[], object]:
    """Return the same by OpenTelemetry's SDK."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=100_000))
    tracer = provider.get_tracer("orch")

    def work() -> None:
        span = tracer.start_span("GET /api/audio/")
        for name, value in ATTRIBUTES.items():
            span.set_attribute(name, value)
        span.end()

    return work


def main() -> None:
    """Measure and print."""
    spans: list[Span] = []

    def take(span: Span) -> None:
        spans.append(span)
        if len(spans) > BATCH:
            spans.clear()

    recorded = begun(Tracer(take, clock=time.perf_counter))
    rows = {
        "off": microseconds(begun(OFF)),
        "a trace that is not recorded": microseconds(begun(Tracer(take, ratio=lambda: 0.0))),
        "a recorded span": microseconds(recorded, TIMES),
        "the same, OpenTelemetry's SDK": microseconds(sdk(), TIMES),
    }
    spans.clear()
    for _ in range(BATCH):
        recorded()
    conversion = Conversion({"service.name": "orchestration"})

    def export() -> None:
        encode_spans([conversion.span(each) for each in spans]).SerializeToString()

    rows["a recorded span, outside of the event loop"] = microseconds(export, 10) / len(spans)
    for name, found in rows.items():
        print(f"{name:45} {found:8.2f} µs")


if __name__ == "__main__":
    main()

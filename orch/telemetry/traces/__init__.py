"""Traces: what one request, utterance or bot consists of, for a collector that speaks OpenTelemetry's OTLP.

``span = tracer.start(…)`` is None where the trace is not recorded, which most are not; so a call site has
``if span is not None``, and builds no attributes before. :data:`OFF` is the tracer where traces are off.
"""

from orch.telemetry.traces.span import AttributeValue, Span
from orch.telemetry.traces.tracer import OFF, Tracer

__all__ = ["OFF", "AttributeValue", "Span", "Tracer"]

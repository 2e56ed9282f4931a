"""The settings of traces. Pure."""

from typing import Annotated

from msgspec import Meta, field

from orch.settings.section import NotNegative, Positive, Secret, Section, Url


class Traces(Section, frozen=True):
    """Where spans of requests, speech and bots go, and how many.

    ``endpoint``: a collector that speaks OTLP over HTTP: its address, or that of its traces
    (``…/v1/traces``); "": where the standard variables of OpenTelemetry say, else traces are off.
    ``headers``: sent with each batch. ``sample_ratio``: the share of traces that is recorded, of those that
    begin here. ``callers_per_second``: how many traces callers may have recorded by the ``sampled`` flag of
    their ``traceparent``; 0: none. ``queue``: spans that wait to be sent. ``timeout``: seconds of a batch,
    with its repetitions.
    """

    endpoint: Url = ""
    headers: dict[str, Secret] = field(default_factory=dict)
    sample_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.1
    callers_per_second: NotNegative = 10
    queue: Annotated[int, Meta(ge=256, le=65_536)] = 2_048
    timeout: Annotated[Positive, Meta(le=60)] = 5

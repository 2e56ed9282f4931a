"""Metrics of the synthetic journey: a second of speech through ``/ws`` to a caption, like a user's. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

OUTCOMES: Final = ("caption", "no_connection", "refused", "no_caption", "error")

JOURNEY_SUCCESS: Final = Name(
    "orch_probe_journey_success",
    "gauge",
    "1 if the last synthetic journey ended with a caption, else 0; absent where the journey is off.",
)
JOURNEYS: Final = Name(
    "orch_probe_journeys_total",
    "counter",
    "Synthetic journeys by outcome.",
    (Label("outcome", OUTCOMES),),
)
JOURNEY_SECONDS: Final = Name(
    "orch_probe_journey_seconds",
    "histogram",
    "Time from the end of the speech of a synthetic journey to its final caption.",
    buckets=(0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20),
)
JOURNEY_AT: Final = Name(
    "orch_probe_journey_last_success_timestamp_seconds",
    "gauge",
    "When a synthetic journey last ended with a caption; 0: never.",
)

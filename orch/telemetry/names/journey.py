"""Metrics of the synthetic journey: a second of speech through ``/ws`` to a caption, like a user's. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

#: Where a journey ended: with a caption; without a session, a connection, a place in it, an open stream; with
#: speech that was given up; without a caption in time. During a suspension or a shutdown it is not judged.
OUTCOMES: Final = (
    "captioned",
    "no_session",
    "no_connection",
    "not_joined",
    "speech_refused",
    "speech_lost",
    "no_caption",
    "not_judged",
)

JOURNEY_SUCCESS: Final = Name(
    "orch_probe_journey_success",
    "gauge",
    "1 if the last synthetic journey ended with a caption, else 0; absent before the first, and while none "
    "are made.",
)
JOURNEYS: Final = Name(
    "orch_probe_journeys_total",
    "counter",
    "Synthetic journeys by outcome: captioned is a success, not_judged says nothing.",
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

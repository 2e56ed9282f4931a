"""Metrics of the service's own analytics. Pure."""

from typing import Final

from orch.telemetry.names.metric import Name

ANALYTICS_SERIES: Final = Name("orch_analytics_series", "gauge", "Series that are stored in memory.")
ANALYTICS_SERIES_REFUSED: Final = Name(
    "orch_analytics_series_refused_total",
    "counter",
    "Series that were not stored because there were too many.",
)
ANALYTICS_BYTES: Final = Name("orch_analytics_memory_bytes", "gauge", "Memory of the stored series.")
ANALYTICS_SAMPLE_SECONDS: Final = Name(
    "orch_analytics_sample_seconds", "gauge", "Time that the last round of samples took."
)
ANOMALIES: Final = Name("orch_analytics_anomalies_total", "counter", "Anomalies that were found.")
INSIGHTS: Final = Name("orch_analytics_insights_total", "counter", "Insights that were shown.")

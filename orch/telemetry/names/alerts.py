"""Metrics of alerts that come in, are acknowledged and escalated. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

ALERTS_ACTIVE: Final = Name(
    "orch_alerts_active",
    "gauge",
    "Alerts that fire, as Alertmanager has sent them.",
    (Label("severity", ("critical", "warning", "info", "none")),),
)
ALERTS_RECEIVED: Final = Name(
    "orch_alerts_received_total",
    "counter",
    "Alerts in accepted notifications of Alertmanager.",
    (Label("status", ("firing", "resolved")),),
)
ALERTS_DROPPED: Final = Name(
    "orch_alerts_dropped_total",
    "counter",
    "Received alerts that were not stored because there were too many.",
)
NOTIFICATIONS_REFUSED: Final = Name(
    "orch_alert_notifications_refused_total",
    "counter",
    "Notifications that were refused: a wrong secret, or a body that is invalid or too large.",
    (Label("reason", ("unauthorized", "invalid", "too_large")),),
)
ACKNOWLEDGEMENTS: Final = Name(
    "orch_alert_acknowledgements_total",
    "counter",
    "Acknowledgements by operators: silenced in Alertmanager, or failed because it did not respond.",
    (Label("outcome", ("silenced", "failed")),),
)
ESCALATIONS: Final = Name(
    "orch_alert_escalations_total",
    "counter",
    "Critical alerts without acknowledgement that were sent to the escalation receiver.",
    (Label("outcome", ("sent", "failed")),),
)
ALERTMANAGER_UP: Final = Name(
    "orch_alertmanager_reachable",
    "gauge",
    "1 if Alertmanager responded when it was last asked, else 0; absent where none is configured.",
)

"""Metrics of the back ends' health, their recovery and incidents. Pure."""

from typing import Final

from orch.telemetry.names.metric import SERVICE, UPSTREAM, Label, Name

STATES: Final = ("unknown", "healthy", "degraded", "busy", "unhealthy", "recovering")
OUTCOMES: Final = ("ok", "failed")
STAGES: Final = (
    "reset",
    "waiting",
    "hook",
    "verifying",
    "recovered",
    "failed",
    "escalated",
    "superseded",
    "stopped",
)

SERVICE_STATE: Final = Name(
    "orch_service_state",
    "gauge",
    "1 for the current state of an instance, 0 for its other states.",
    (SERVICE, UPSTREAM, Label("state", STATES)),
)
PROBE_FAILED_WHILE_SERVING: Final = Name(
    "orch_service_probe_failed_while_serving",
    "gauge",
    "1 while an instance does not respond to health checks, but requests that it has make progress.",
    (SERVICE, UPSTREAM),
)
FLAPPING: Final = Name(
    "orch_service_flapping", "gauge", "1 while an instance changes its state too often.", (SERVICE, UPSTREAM)
)
MAINTENANCE: Final = Name(
    "orch_service_maintenance", "gauge", "1 while a service is in a maintenance window.", (SERVICE,)
)
HEALTH_CHECKS: Final = Name(
    "orch_health_checks_total",
    "counter",
    "Health checks by outcome.",
    (SERVICE, UPSTREAM, Label("outcome", OUTCOMES)),
)
HEALTH_SECONDS: Final = Name(
    "orch_health_check_seconds",
    "histogram",
    "Duration of a health check.",
    (SERVICE,),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
RECOVERIES: Final = Name("orch_recoveries_total", "counter", "Restarts of back ends.", (SERVICE,))
RECOVERY_STEPS: Final = Name(
    "orch_recovery_steps_total",
    "counter",
    "Steps of recoveries of back ends. escalated: the attempts are used up, people are needed.",
    (SERVICE, Label("stage", STAGES)),
)
RECOVERY_ATTEMPTS_LEFT: Final = Name(
    "orch_recovery_attempts_left",
    "gauge",
    "Attempts that the recovery of a service has left before it is given up; absent while none is needed.",
    (SERVICE,),
)
INCIDENTS_OPEN: Final = Name(
    "orch_incidents_open", "gauge", "1 while a service has an open incident.", (SERVICE,)
)
INCIDENT_OPENED: Final = Name(
    "orch_incident_opened_timestamp_seconds",
    "gauge",
    "When the open incident of a service began; absent without one.",
    (SERVICE,),
)

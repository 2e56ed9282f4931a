"""Back ends: states, checks, recoveries and incidents of the services, and how they look from outside."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from scripts.dashboards.frame import WORKER, Section, choice, dashboard
from scripts.dashboards.panels import (
    BAD,
    BUSY,
    CALM,
    GOOD,
    POOR,
    UP_DOWN,
    graph,
    rising,
    timeline,
)
from scripts.dashboards.queries import increase, quantile, rate

_SERVICE: Final = 'service=~"$service"'

#: States of an instance, in an order in which the greater one matters more.
STATES: Final = {
    "healthy": (1, "healthy", GOOD),
    "busy": (2, "busy", BUSY),
    "degraded": (3, "degraded", POOR),
    "unknown": (4, "unknown", CALM),
    "recovering": (5, "recovering", POOR),
    "unhealthy": (6, "unhealthy", BAD),
}
STATE_WORDS: Final = {float(number): (text, color) for number, text, color in STATES.values()}


def states(matchers: str = _SERVICE) -> str:
    """Return the state of each instance as a number of :data:`STATES`, the worst that a worker sees."""
    numbered = (
        f'{number} * (orch_service_state{{@,{matchers},state="{state}"}} == 1)'
        for state, (number, _, _) in STATES.items()
    )
    return f"max by (service, upstream) ({' or '.join(numbered)})"


def _health() -> Section:
    return "Health", [
        timeline(
            "State of each instance",
            "The worst that a worker sees. *busy*: it does not respond to checks while its requests make "
            "progress.",
            (states(), "{{service}} {{upstream}}"),
            words=STATE_WORDS,
            width=24,
        ),
        graph(
            "Health checks that failed",
            "A second, by instance.",
            (
                rate("orch_health_checks_total", "service, upstream", _SERVICE + ',outcome="failed"'),
                "{{service}} {{upstream}}",
            ),
            unit="ops",
        ),
        graph(
            "Duration of health checks",
            "An instance that takes longer than usual is the first to fail.",
            (quantile(0.95, "orch_health_check_seconds", "service", _SERVICE), "{{service}} p95"),
            unit="s",
        ),
        graph(
            "Instances in use",
            "Instances that get requests, and those that the gateway knows.",
            (f"sum by (service) (orch_gateway_instance_usable{{@,{_SERVICE}}})", "{{service}} in use"),
            (f"sum by (service) (orch_gateway_instances{{@,{_SERVICE}}})", "{{service}} known"),
        ),
        timeline(
            "Incidents",
            "Services with an open incident. The page /incidents has its course.",
            (f"max by (service) (orch_incidents_open{{@,{_SERVICE}}})", "{{service}}"),
            words={0.0: ("none", GOOD), 1.0: ("open", BAD)},
            width=8,
        ),
        timeline(
            "Maintenance windows",
            "In one, nothing opens an incident.",
            (f"max by (service) (orch_service_maintenance{{@,{_SERVICE}}})", "{{service}}"),
            words={0.0: ("none", CALM), 1.0: ("maintenance", BUSY)},
            width=8,
        ),
        timeline(
            "Silent while serving",
            "Instances that do not respond to checks while requests that they have make progress.",
            (
                f"max by (service, upstream) (orch_service_probe_failed_while_serving{{@,{_SERVICE}}})",
                "{{service}} {{upstream}}",
            ),
            words={0.0: ("responds", GOOD), 1.0: ("silent, serving", BUSY)},
            width=8,
        ),
        timeline(
            "Taken out of use",
            "Instances that an operator has drained.",
            (
                f"max by (service, upstream) (orch_gateway_instance_drained{{@,{_SERVICE}}})",
                "{{service}} {{upstream}}",
            ),
            words={0.0: ("in use", GOOD), 1.0: ("drained", BUSY)},
            width=8,
        ),
        timeline(
            "Flapping",
            "Instances that change their state too often.",
            (
                f"max by (service, upstream) (orch_service_flapping{{@,{_SERVICE}}})",
                "{{service}} {{upstream}}",
            ),
            words={0.0: ("steady", GOOD), 1.0: ("flapping", POOR)},
            width=8,
        ),
    ]


def _recovery() -> Section:
    return "Recovery", [
        graph(
            "Restarts",
            "Restarts of back ends within the shown range.",
            (increase("orch_recoveries_total", "service", _SERVICE), "{{service}}"),
        ),
        graph(
            "Steps of recoveries",
            "Within the shown range. *escalated*: the attempts are used up, people are needed.",
            (increase("orch_recovery_steps_total", "service, stage", _SERVICE), "{{service}} {{stage}}"),
            stacked=True,
        ),
        graph(
            "Attempts left",
            "Of a recovery in progress, before it is given up. Absent while none is needed.",
            (f"min by (service) (orch_recovery_attempts_left{{@,{_SERVICE}}})", "{{service}}"),
        ),
        graph(
            "Age of open incidents",
            "Absent without one.",
            (
                f"time() - min by (service) (orch_incident_opened_timestamp_seconds{{@,{_SERVICE}}})",
                "{{service}}",
            ),
            unit="s",
            limits=rising(600, 3600),
        ),
        graph(
            "Instances found",
            "In the last good answer about a service's instances.",
            (
                f"min by (service, source) (orch_discovery_instances{{@,{_SERVICE}}})",
                "{{service}} {{source}}",
            ),
        ),
        graph(
            "Age of the last good answer",
            "About a service's instances. Meanwhile it is used.",
            (
                f"max by (service, source) (orch_discovery_age_seconds{{@,{_SERVICE}}})",
                "{{service}} {{source}}",
            ),
            unit="s",
            limits=rising(120, 300),
        ),
        graph(
            "Look-ups of instances that failed",
            "In a row. Meanwhile the last good answer is used.",
            (
                f"max by (service, source) (orch_discovery_failures{{@,{_SERVICE}}})",
                "{{service}} {{source}}",
            ),
            limits=rising(1, 3),
        ),
    ]


def _outside() -> Section:
    return "Seen from outside", [
        timeline(
            "Probes",
            "Requests of the blackbox exporter, which goes the way of a client.",
            ("min by (job, instance) (probe_success)", "{{job}} {{instance}}"),
            words=UP_DOWN,
            width=8,
        ),
        graph(
            "Duration of probes",
            "From outside, name look-up and TLS included.",
            ("max by (job, instance) (probe_duration_seconds)", "{{job}} {{instance}}"),
            unit="s",
        ),
        graph(
            "Status of probes",
            "HTTP statuses that they got.",
            ("max by (job, instance) (probe_http_status_code)", "{{job}} {{instance}}"),
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "backends",
        "States, checks, recoveries and incidents of the back ends, and how they look from outside.",
        [_health(), _recovery(), _outside()],
        variables=[
            choice(*WORKER),
            choice("service", "Service", 'label_values(orch_service_state{job="orchestration"}, service)'),
        ],
    )

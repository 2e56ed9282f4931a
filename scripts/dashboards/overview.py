"""Orchestration overview: what is wrong first, then the load and what users notice."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from scripts.dashboards import overview_details as details
from scripts.dashboards.backends import STATE_WORDS, states
from scripts.dashboards.frame import WORKER, Section, choice, dashboard
from scripts.dashboards.panels import (
    BAD,
    GOOD,
    POOR,
    YES_NO,
    falling,
    figure,
    graph,
    rising,
    rows,
    steps,
    timeline,
)
from scripts.dashboards.queries import quantile, rate, share


def _wrong() -> Section:
    return "What is wrong", [
        figure(
            "Critical alerts",
            "Alerts that fire and call somebody.",
            ('count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)', ""),
            limits=steps((None, GOOD), (1, BAD)),
        ),
        figure(
            "Warnings",
            "Alerts that fire and can wait until tomorrow.",
            ('count(ALERTS{alertstate="firing",severity="warning"}) or vector(0)', ""),
            limits=steps((None, GOOD), (1, POOR)),
        ),
        figure(
            "Workers up",
            "Workers that respond to Prometheus, of those that it knows.",
            ('sum(up{job="orchestration"}) / count(up{job="orchestration"})', ""),
            unit="percentunit",
            limits=falling(0.5, 1),
        ),
        figure(
            "Back ends down",
            "Services of which no instance can be used.",
            (
                "count(max by (service) (orch_gateway_instance_usable{@}) == 0) or vector(0)",
                "",
            ),
            limits=steps((None, GOOD), (1, BAD)),
            words={0.0: ("all usable", GOOD)},
        ),
        figure(
            "Ready",
            "Whether each worker takes requests, seen from outside: /readyz through the blackbox exporter.",
            ('min(probe_success{job="readyz"})', ""),
            words=YES_NO,
        ),
        figure(
            "Journey",
            "The last synthetic journey: a second of speech through /ws to a caption, as a user has it.",
            ("min(orch_probe_journey_success{@})", ""),
            words={0.0: ("failed", BAD), 1.0: ("caption", GOOD)},
        ),
        figure(
            "Store",
            "Whether the store of sessions accepts messages on every worker.",
            ("min(orch_store_healthy{@})", ""),
            words={0.0: ("degraded", BAD), 1.0: ("healthy", GOOD)},
        ),
        figure(
            "Branches",
            "Branches of the nursery tree that do not run.",
            ("count(orch_tree_branch_up{@} == 0) or vector(0)", ""),
            limits=steps((None, GOOD), (1, BAD)),
            words={0.0: ("all run", GOOD)},
        ),
        figure(
            "Incidents",
            "Services with an open incident. The page /incidents has their course.",
            ("sum(max by (service) (orch_incidents_open{@}))", ""),
            limits=steps((None, GOOD), (1, BAD)),
        ),
        rows(
            "Alerts",
            "Alerts that fire or are pending. Watchdog always fires: without it, alerts reach nobody.",
            ('sort(ALERTS{alertstate=~"firing|pending"})', "Value"),
            hidden=["Value", "job", "area"],
            names={
                "alertname": "Alert",
                "alertstate": "State",
                "severity": "Severity",
                "service": "Service",
                "instance": "Instance",
            },
            width=12,
        ),
        timeline(
            "Back ends",
            "The worst state of each instance that a worker sees.",
            (states('service=~".*"'), "{{service}} {{upstream}}"),
            words=STATE_WORDS,
        ),
    ]


def _noticed() -> Section:
    return "What users notice", [
        graph(
            "Time to the caption",
            "From the end of speech to the final caption. The objective is 3 s for 95 %.",
            (quantile(0.5, "orch_speech_caption_seconds"), "p50"),
            (quantile(0.95, "orch_speech_caption_seconds"), "p95"),
            unit="s",
            limits=rising(3, 5),
        ),
        graph(
            "Captions",
            "Final captions and lost utterances, a second.",
            (rate("orch_speech_finals_total"), "captions"),
            (rate("orch_speech_lost_total"), "lost"),
            unit="cps",
        ),
        graph(
            "Translations",
            "Of final captions, a second, and those that failed.",
            (rate("orch_translations_total"), "translations"),
            (rate("orch_translation_failures_total"), "failed"),
            unit="cps",
        ),
        graph(
            "Requests that failed",
            "Share with a status of 500 or above, by service.",
            (
                share(
                    rate("orch_gateway_requests_total", "service", 'status=~"5.."'),
                    rate("orch_gateway_requests_total", "service"),
                ),
                "{{service}}",
            ),
            unit="percentunit",
            limits=rising(0.01, 0.05),
        ),
        graph(
            "Response time of back ends",
            "95 % of the requests through the gateway are within this.",
            (quantile(0.95, "orch_gateway_request_seconds", "service"), "{{service}} p95"),
            unit="s",
            limits=rising(5, 10),
        ),
        graph(
            "Response time of the service",
            "95 % of the responses of its pages and API begin within this.",
            (quantile(0.95, "orch_front_response_seconds", matchers='door=~"page|api"'), "p95"),
            unit="s",
        ),
    ]


def _load() -> Section:
    return "Load", [
        graph(
            "Connections and sessions",
            "WebSocket connections of all workers, and live sessions.",
            ("sum(orch_websocket_connections{@})", "connections"),
            ("max(orch_sessions{@})", "sessions"),
        ),
        graph(
            "Speakers and bots",
            "Open speech streams, and bots with a browser.",
            ("sum(orch_speech_streams{@})", "streams"),
            ("sum(orch_bot_processes{@})", "bots"),
        ),
        graph(
            "Requests",
            "HTTP responses by class of status, the gateway's included.",
            (rate("orch_front_requests_total", "status"), "{{status}}"),
            unit="reqps",
            stacked=True,
        ),
        graph(
            "Processor by worker",
            "A worker uses one core at most.",
            ("rate(process_cpu_seconds_total{@}[$__rate_interval])", "{{instance}}"),
            unit="percentunit",
            most=1,
            limits=rising(0.8, 0.95),
        ),
        graph(
            "Event loop lag",
            "How long a task that is ready waits for the loop.",
            (quantile(0.99, "orch_event_loop_lag_seconds", "instance"), "{{instance}} p99"),
            unit="s",
            limits=rising(0.05, 0.1),
        ),
        graph(
            "Memory by worker",
            "Resident memory.",
            ("process_resident_memory_bytes{@}", "{{instance}}"),
            unit="bytes",
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "overview",
        "What is wrong first; then what users notice, the load, and the service itself.",
        [_wrong(), _noticed(), _load(), *details.sections()],
        variables=[choice(*WORKER)],
    )

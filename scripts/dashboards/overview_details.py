"""The overview's details: workers, branches, stores, settings, access, own limits, alerts that came in."""

from collections.abc import Iterator

from scripts.dashboards.frame import Section
from scripts.dashboards.panels import (
    BAD,
    GOOD,
    POOR,
    UP_DOWN,
    YES_NO,
    bars,
    figure,
    graph,
    rising,
    rows,
    steps,
    timeline,
)
from scripts.dashboards.queries import increase, most, quantile, rate


def sections() -> Iterator[Section]:
    """Yield the sections below the first ones of the overview."""
    yield _service()
    yield _stores()
    yield _settings()
    yield _limits()
    yield _alerts()
    yield _traces()


def _service() -> Section:
    return "The service itself", [
        rows(
            "Workers",
            "Uptime, and the settings that are still waiting for a restart.",
            ("max by (instance) (orch_uptime_seconds{@})", "Uptime"),
            ("max by (instance) (orch_config_restart_pending{@})", "Waiting settings"),
            ("min by (instance) (up{@})", "Up"),
            names={"instance": "Worker"},
            words={"Up": UP_DOWN},
            units={"Uptime": "s"},
        ),
        rows(
            "Versions",
            "More than one version means that an update has not reached all workers.",
            ("orch_build_info{@}", "Value"),
            hidden=["Value", "job"],
            names={"instance": "Worker", "version": "Version", "revision": "Revision", "python": "Python"},
            width=6,
        ),
        rows(
            "Settings in use",
            "Workers by the hash of their settings. More than one: a change has not reached all of them.",
            ("count by (hash) (orch_config_info{@})", "Workers"),
            names={"hash": "Settings"},
            width=6,
        ),
        timeline(
            "Branches of the tree",
            "Whether each branch runs, on the worker where it does so least.",
            ("min by (branch) (orch_tree_branch_up{@})", "{{branch}}"),
            words=UP_DOWN,
        ),
        graph(
            "Restarts",
            "Of branches and workers within the shown range.",
            (increase("orch_tree_branch_restarts_total", "branch"), "{{branch}}"),
            (increase("orch_worker_restarts_total"), "workers"),
            width=6,
        ),
        graph(
            "Lines of the log",
            "Warnings and errors, a second.",
            (rate("orch_log_lines_total", "level", 'level=~"warning|error|critical"'), "{{level}}"),
            unit="cps",
            stacked=True,
            width=6,
        ),
        graph(
            "Items that failed",
            "What failed in a loop that then continued: the eight most frequent. The log has the traceback.",
            (most(8, rate("orch_contained_failures_total", "loop")), "{{loop}}"),
            unit="cps",
            stacked=True,
            width=12,
        ),
        rows(
            "Addresses of workers",
            "The name and number of each worker, when it started, and how many tasks its event loop has.",
            ("max by (instance, worker, number) (orch_worker_info{@})", "Known"),
            ("max by (instance) (process_start_time_seconds{@}) * 1000", "Started"),
            ("max by (instance) (orch_event_loop_tasks{@})", "Tasks"),
            hidden=["Value #A"],
            names={"instance": "Address", "worker": "Worker", "number": "Number"},
            units={"Started": "dateTimeAsIso"},
        ),
    ]


def _stores() -> Section:
    return "Stores", [
        graph(
            "Operations",
            "Operations on stores a second, and those on the store of sessions that failed.",
            (rate("orch_store_operations_total", "store"), "{{store}}"),
            (rate("orch_store_failures_total"), "failed"),
            unit="ops",
        ),
        graph(
            "Time of operations",
            "From when an operation is queued until it is done.",
            (quantile(0.95, "orch_store_operation_seconds", "store"), "{{store}} p95"),
            unit="s",
        ),
        graph(
            "Operations that wait",
            "Queued operations on the store of sessions; at the limit callers wait for room.",
            ("orch_store_waiting{@}", "{{instance}}"),
            ("max(orch_store_waiting_limit{@})", "limit"),
        ),
        figure(
            "Warnings about the store",
            "Such as settings that risk losing messages; /api/health has their words.",
            ("max(orch_store_cautions{@})", ""),
            limits=steps((None, GOOD), (1, POOR)),
            width=4,
        ),
        figure(
            "Stored sessions",
            "Used share of the limit of the bytes of stored sessions.",
            ("max(orch_store_used_bytes{@} / (orch_store_limit_bytes{@} > 0))", ""),
            unit="percentunit",
            limits=rising(0.7, 0.9),
            width=5,
        ),
        figure(
            "Disk with the state",
            "Used share of the disk on which the service has its state, on the fullest machine.",
            ("max(1 - orch_state_folder_free_bytes{@} / orch_state_folder_size_bytes{@})", ""),
            unit="percentunit",
            limits=rising(0.8, 0.95),
            width=5,
        ),
        rows(
            "Certificates",
            "Time until each certificate expires.",
            ("min by (certificate) (orch_certificate_expiry_timestamp_seconds{@}) - time()", "Expires in"),
            unit="s",
            names={"certificate": "Certificate"},
            width=10,
            height=4,
        ),
    ]


def _settings() -> Section:
    return "Settings and access", [
        figure(
            "Settings file",
            "Whether it was valid when it was last read. If not, the former settings apply.",
            ("min(orch_config_last_reload_successful{@})", ""),
            words={0.0: ("invalid", BAD), 1.0: ("valid", GOOD)},
            width=4,
        ),
        figure(
            "Settings applied",
            "When settings were last applied.",
            ("max(orch_config_last_reload_success_timestamp_seconds{@}) * 1000", ""),
            unit="dateTimeFromNow",
            width=4,
            line=False,
        ),
        figure(
            "Changes of settings",
            "Applied and refused, within the range.",
            (increase("orch_config_reloads_total", "outcome"), "{{outcome}}"),
            decimals=0,
            width=4,
        ),
        graph(
            "Refused credentials",
            "Wrong tokens, keys and codes: many are guesses.",
            (rate("orch_auth_failures_total", "kind"), "{{kind}}"),
            (rate("orch_wrong_tokens_total"), "wrong tokens of operators"),
            unit="cps",
            width=6,
        ),
        graph(
            "Rate-limited",
            "Requests and messages refused as their sender sent too many.",
            (rate("orch_rate_limited_total", "door"), "{{door}}"),
            unit="reqps",
            stacked=True,
            width=6,
        ),
        graph(
            "Sign-ins of operators",
            "Within the shown range.",
            (increase("orch_sign_ins_total", "outcome"), "{{outcome}}"),
            width=6,
        ),
        graph(
            "Audit log",
            "Changes that were logged, and lines that could not be written, within the shown range.",
            (increase("orch_audit_entries_total"), "logged"),
            (increase("orch_audit_write_failures_total"), "not written"),
            limits=steps((None, GOOD)),
            width=6,
        ),
        graph(
            "Name look-ups",
            "Names that are being looked up, and look-ups that found no free thread within the shown range.",
            ("sum(orch_name_lookups{@})", "in progress"),
            (increase("orch_name_lookups_refused_total"), "no thread"),
            width=6,
        ),
    ]


def _limits() -> Section:
    return "The process's own limits", [
        graph(
            "Standstills and clock jumps",
            "Times a process was suspended or its loop blocked, and times the machine's clock jumped.",
            (increase("orch_standstills_total", "instance"), "{{instance}} standstills"),
            (increase("orch_clock_jumps_total", "instance"), "{{instance}} clock jumps"),
            width=6,
        ),
        bars(
            "Open files",
            "Share of the limit of open files; each connection is one.",
            ("process_open_fds{@} / process_max_fds{@}", "{{instance}}"),
            limits=rising(0.6, 0.8),
            width=6,
        ),
        timeline(
            "Overload",
            "*scarce*: connections are not kept. *refusing*: new work is refused.",
            ("max by (kind) (orch_overload_step{@})", "{{kind}}"),
            words={0.0: ("enough", GOOD), 1.0: ("scarce", POOR), 2.0: ("refusing", BAD)},
            width=6,
        ),
        graph(
            "Out of a resource",
            "Times a process was out of a resource, within the shown range.",
            (increase("orch_own_shortages_total", "kind"), "{{kind}}"),
            stacked=True,
            width=6,
        ),
    ]


def _alerts() -> Section:
    return "Alerts that came in, and analytics", [
        timeline(
            "Alertmanager",
            "Whether it responded when a worker last asked it.",
            ("min by (instance) (orch_alertmanager_reachable{@})", "{{instance}}"),
            words=YES_NO,
            width=6,
        ),
        graph(
            "Alerts by severity",
            "Alerts that fire, as Alertmanager has sent them to the service.",
            ("max by (severity) (orch_alerts_active{@})", "{{severity}}"),
            stacked=True,
            width=6,
        ),
        graph(
            "Acknowledged and escalated",
            "Within the shown range.",
            (increase("orch_alert_acknowledgements_total", "outcome"), "acknowledged: {{outcome}}"),
            (increase("orch_alert_escalations_total", "outcome"), "escalated: {{outcome}}"),
            width=6,
        ),
        graph(
            "Notifications of Alertmanager",
            "Alerts in them, and notifications that were refused or found no room, within the shown range.",
            (increase("orch_alerts_received_total", "status"), "{{status}}"),
            (increase("orch_alert_notifications_refused_total", "reason"), "refused: {{reason}}"),
            (increase("orch_alerts_dropped_total"), "no room"),
            width=6,
        ),
        graph(
            "Series of the analytics",
            "Series that are stored in memory, and series that found no room within the shown range.",
            ("max(orch_analytics_series{@})", "stored"),
            (increase("orch_analytics_series_refused_total"), "no room"),
            width=6,
        ),
        graph(
            "Memory of the analytics",
            "Of the stored series, by worker.",
            ("orch_analytics_memory_bytes{@}", "{{instance}}"),
            unit="bytes",
            width=6,
        ),
        graph(
            "Anomalies and insights",
            "Found anomalies, and insights that were shown, within the shown range.",
            (increase("orch_analytics_anomalies_total"), "anomalies"),
            (increase("orch_analytics_insights_total"), "insights"),
            width=6,
        ),
        graph(
            "Cost of the metrics",
            "Time that the previous scrape took, and the last round of the analytics' samples.",
            ("max(orch_metrics_render_seconds{@})", "scrape"),
            ("max(orch_analytics_sample_seconds{@})", "samples"),
            unit="s",
            limits=rising(0.05, 0.1),
            width=6,
        ),
        graph(
            "Series of a worker",
            "In the previous scrape, and series that scrapes left out as there were too many of a metric.",
            ("orch_metrics_series{@}", "{{instance}}"),
            (increase("orch_metrics_series_dropped_total"), "left out"),
            width=6,
        ),
    ]


def _traces() -> Section:
    return "Traces", [
        graph(
            "Spans of traces",
            "Exported to the collector, or dropped: its queue was full, it was away, or it rejected them.",
            (rate("orch_trace_spans_total", "outcome"), "{{outcome}}"),
            unit="ops",
        ),
        graph(
            "Spans that wait, and callers' traces",
            "Spans in the queue to the collector; traces that callers wanted recorded beyond their limit.",
            ("max(orch_trace_spans_queued{@})", "queued"),
            (rate("orch_trace_callers_limited_total"), "callers limited"),
        ),
        timeline(
            "Collector of traces",
            "Whether it accepted the last spans of a worker. Absent: there is none.",
            ("min by (instance) (orch_trace_collector_reachable{@})", "{{instance}}"),
            words=YES_NO,
            width=8,
        ),
    ]

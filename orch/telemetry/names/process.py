"""Metrics of the process: its event loop, branches, limits, clocks, logs and files. Pure."""

from typing import Final

from orch.shortages import Shortage
from orch.telemetry.names.metric import Label, Name

RESOURCES: Final = ("memory", "descriptors")

BUILD_INFO: Final = Name(
    "orch_build_info",
    "gauge",
    "The program that runs: its version, and Python's.",
    (Label("version", bound="one"), Label("python", bound="one")),
)
WORKER_INFO: Final = Name(
    "orch_worker_info",
    "gauge",
    "The worker that was scraped: its name in the cluster, and its number among the service's workers.",
    (Label("worker", bound="one"), Label("number", bound="one")),
)
WORKER_RESTARTS: Final = Name(
    "orch_worker_restarts_total",
    "counter",
    "Processes of this worker that ended unexpectedly and were replaced; the count survives the process.",
)
UPTIME: Final = Name("orch_uptime_seconds", "gauge", "Seconds since the service started.")
LOOP_LAG: Final = Name(
    "orch_event_loop_lag_seconds",
    "histogram",
    "How long a task that was due waited for the event loop, sampled.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
LOOP_TASKS: Final = Name("orch_event_loop_tasks", "gauge", "Tasks of the event loop.")
BRANCH_STATE: Final = Name(
    "orch_tree_branch_up",
    "gauge",
    "1 while a branch of the tree is running.",
    (Label("branch", bound="the branches of the tree"),),
)
BRANCH_RESTARTS: Final = Name(
    "orch_tree_branch_restarts_total",
    "counter",
    "Restarts of a branch of the tree.",
    (Label("branch", bound="the branches of the tree"),),
)
SHORTAGES: Final = Name(
    "orch_own_shortages_total",
    "counter",
    "Times this process was out of a resource, by kind.",
    (Label("kind", tuple(Shortage)),),
)
NAME_LOOKUPS: Final = Name(
    "orch_name_lookups", "gauge", "Names that are being looked up, each in a thread that cannot be ended."
)
NAME_LOOKUPS_REFUSED: Final = Name(
    "orch_name_lookups_refused_total", "counter", "Look-ups of names that found no free thread."
)
OVERLOAD_USED: Final = Name(
    "orch_overload_used",
    "gauge",
    "Part of this process's limit of a resource that is used.",
    (Label("kind", RESOURCES),),
)
OVERLOAD_STEP: Final = Name(
    "orch_overload_step",
    "gauge",
    "0: enough of a resource is left, 1: connections are not kept, 2: new work is refused.",
    (Label("kind", RESOURCES),),
)
OVERLOAD_REFUSED: Final = Name(
    "orch_overload_refused_total", "counter", "Requests refused because of this process's overload."
)
STANDSTILLS: Final = Name(
    "orch_standstills_total", "counter", "Times this process was suspended or its event loop blocked."
)
CLOCK_JUMPS: Final = Name("orch_clock_jumps_total", "counter", "Times the machine's clock jumped.")
SHM_FREE: Final = Name(
    "orch_shm_free_bytes", "gauge", "Free bytes of /dev/shm, which browsers of bots need; absent without it."
)
SHM_SIZE: Final = Name("orch_shm_size_bytes", "gauge", "Size of /dev/shm; absent without it.")
STATE_FREE: Final = Name(
    "orch_state_folder_free_bytes", "gauge", "Bytes that are free for the service on the disk with its state."
)
STATE_SIZE: Final = Name(
    "orch_state_folder_size_bytes", "gauge", "Size of the disk with the service's state."
)
LOG_LINES: Final = Name(
    "orch_log_lines_total",
    "counter",
    "Lines that were logged, by level.",
    (Label("level", ("debug", "info", "warning", "error", "critical")),),
)
LOG_FAILURES: Final = Name(
    "orch_log_write_failures_total", "counter", "Lines of the log that could not be written."
)
RENDER_SECONDS: Final = Name(
    "orch_metrics_render_seconds", "gauge", "Time that the previous scrape took the event loop in all."
)
SERIES: Final = Name("orch_metrics_series", "gauge", "Series in the previous scrape.")
SERIES_DROPPED: Final = Name(
    "orch_metrics_series_dropped_total",
    "counter",
    "Series that a scrape left out because their metric had more than the limit.",
)
#: Where one item may fail while the others go on: one request, connection, message, look or change.
LOOPS: Final = (
    "alerts",
    "analytics",
    "analytics limits",
    "analytics observer",
    "analytics store",
    "calendars",
    "captions of bots",
    "certificate",
    "client connections",
    "client messages",
    "client requests",
    "connections",
    "connections of other workers",
    "corrected lines",
    "dashboard",
    "datagrams",
    "deletion of bots",
    "discovery",
    "endings of sessions",
    "gateway requests",
    "gateway sockets",
    "gateway sweep",
    "gateway witnesses",
    "health checks",
    "histories",
    "incidents",
    "leases",
    "media of bots",
    "moderation",
    "page and API requests",
    "pipelines of sessions",
    "presence",
    "meeting bots",
    "metrics",
    "presence of other workers",
    "recordings",
    "session sweep",
    "settings file",
    "settings of other workers",
    "controls of the gateway",
    "sign-ins",
    "speech streams",
    "store",
    "store connection",
    "store feed",
    "stored bytes",
    "surveys",
    "synthetic journey",
    "terms of sessions",
    "topics",
    "traces",
    "webhooks",
    "websocket connections",
    "workers",
)
CONTAINED: Final = Name(
    "orch_contained_failures_total",
    "counter",
    "Items that failed in a loop that then continued.",
    (Label("loop", LOOPS),),
)

# What Prometheus's libraries call these; the names that general dashboards expect.
CPU: Final = Name("process_cpu_seconds_total", "counter", "Processor time of this process, user and system.")
RESIDENT: Final = Name("process_resident_memory_bytes", "gauge", "Resident memory of this process.")
VIRTUAL: Final = Name("process_virtual_memory_bytes", "gauge", "Virtual memory of this process.")
STARTED_AT: Final = Name(
    "process_start_time_seconds", "gauge", "When this process started, in seconds since the epoch."
)
OPEN_FILES: Final = Name("process_open_fds", "gauge", "Open file descriptors of this process.")
MOST_FILES: Final = Name("process_max_fds", "gauge", "Limit of file descriptors of this process.")

"""Every metric: its name, kind, help text, labels, and the closed lists of label values. Pure."""

from typing import Final

from msgspec import Struct

from orch.problems import PROBLEMS
from orch.protocol.closes import CLOSES
from orch.shortages import Shortage


class Name(Struct, frozen=True):
    """A metric: its name, kind, help text and labels.

    ``values``: the values of its only label, if they are a closed list. Each of them has a series from the
    start, at 0, so that Prometheus sees the first increment.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


class Reading(Struct, frozen=True):
    """A value read at scrape time."""

    name: Name
    value: float
    labels: tuple[str, ...] = ()


GATEWAY_REQUESTS: Final = Name(
    "orch_gateway_requests_total", "counter", "Requests through the gateway.", ("service", "status")
)
GATEWAY_SECONDS: Final = Name(
    "orch_gateway_request_seconds",
    "histogram",
    "Response time of a back end, retries included.",
    ("service",),
)
GATEWAY_RETRIES: Final = Name("orch_gateway_retries_total", "counter", "Retried requests.", ("service",))
BREAKER_STATE: Final = Name(
    "orch_gateway_breaker_state",
    "gauge",
    "Circuit breaker: 0 closed, 1 half-open, 2 open; by flow (captions or clients' requests).",
    ("service", "instance", "flow"),
)
_LANE: Final = ("service", "instance", "flow")
LANE_CONNECTIONS: Final = Name(
    "orch_gateway_connections_limit", "gauge", "Limit of connections of a flow to an instance.", _LANE
)
LANE_BUSY: Final = Name(
    "orch_gateway_connections_busy", "gauge", "Connections of a flow to an instance that are in use.", _LANE
)
LANE_EJECTED: Final = Name(
    "orch_gateway_ejected", "gauge", "Whether an instance is ejected for a flow: 0 or 1.", _LANE
)
LANE_EJECTIONS: Final = Name(
    "orch_gateway_ejections_total", "counter", "Ejections of an instance for a flow.", _LANE
)
SERVICE_BREAKER: Final = Name(
    "orch_gateway_service_breaker_state",
    "gauge",
    "Circuit breaker of a whole service: 0 closed, 1 half-open, 2 open.",
    ("service", "flow"),
)
RETRY_BUDGET: Final = Name(
    "orch_gateway_retries_left", "gauge", "Requests that may be repeated now.", ("service", "flow")
)
_ROUTE: Final = ("route",)
HEDGES: Final = Name(
    "orch_gateway_hedges_total", "counter", "Extra requests to a second instance while one was slow.", _ROUTE
)
HEDGES_WON: Final = Name(
    "orch_gateway_hedges_won_total", "counter", "Extra requests that responded first.", _ROUTE
)
HEDGES_DECLINED: Final = Name(
    "orch_gateway_hedges_declined_total",
    "counter",
    "Extra requests that were due and not sent, by reason.",
    ("route", "reason"),
)
HEDGE_DELAY: Final = Name(
    "orch_gateway_hedge_delay_seconds", "gauge", "What is waited before an extra request.", _ROUTE
)
GATEWAY_PLACES: Final = Name("orch_gateway_places_taken", "gauge", "Clients' requests in progress.")
SOCKETS_OPEN: Final = Name("orch_gateway_websockets", "gauge", "Clients' WebSockets to back ends.")
SOCKETS_OPENED: Final = Name(
    "orch_gateway_websockets_opened_total", "counter", "WebSockets that a back end accepted."
)
SOCKETS_REFUSED: Final = Name(
    "orch_gateway_websockets_refused_total", "counter", "Handshakes that the gateway or a back end refused."
)
SOCKETS_ENDED: Final = Name(
    "orch_gateway_websockets_ended_total",
    "counter",
    "WebSockets that have ended, by how and by whom (closed_client, lost_back_end, silent_client, ...).",
    ("how",),
)
SOCKETS_BYTES: Final = Name(
    "orch_gateway_websockets_bytes_total", "counter", "Bytes of their frames, by who sent them.", ("sender",)
)
INSTANCE_SOCKETS: Final = Name(
    "orch_gateway_instance_websockets",
    "gauge",
    "WebSockets that are open to an instance.",
    ("service", "instance"),
)
GATEWAY_SPOOLED: Final = Name(
    "orch_gateway_spooled_bytes", "gauge", "Bytes of clients' request bodies spooled to disk."
)
LANE_WAITING: Final = Name(
    "orch_gateway_waiting",
    "gauge",
    "Requests of a flow that are queued for a connection to an instance.",
    _LANE,
)
PLACES_LIMIT: Final = Name(
    "orch_gateway_concurrency_limit",
    "gauge",
    "Requests that an instance gets at a time, declared or found.",
    ("service", "instance"),
)
PLACES_TAKEN: Final = Name(
    "orch_gateway_concurrency",
    "gauge",
    "Requests in progress at an instance that has a limit.",
    ("service", "instance"),
)
_CLASS: Final = ("service", "priority")
QUEUE_WAITING: Final = Name(
    "orch_gateway_queue", "gauge", "Requests of a class that wait for a place at a service.", _CLASS
)
QUEUED: Final = Name(
    "orch_gateway_queued_total", "counter", "Requests that had to wait for a place at a service.", _CLASS
)
SHED: Final = Name(
    "orch_gateway_shed_total",
    "counter",
    "Requests refused because a service has too much to do: they waited for too long, or the queue was full.",
    (*_CLASS, "reason"),
)
_SOURCE: Final = ("service", "source")
DISCOVERED: Final = Name(
    "orch_discovery_instances", "gauge", "Instances of a service in the last good answer.", _SOURCE
)
DISCOVERY_AGE: Final = Name(
    "orch_discovery_age_seconds", "gauge", "Age of the last good answer about a service's instances.", _SOURCE
)
DISCOVERY_FAILURES: Final = Name(
    "orch_discovery_failures", "gauge", "Look-ups of a service's instances that failed in a row.", _SOURCE
)
RATE_LIMITED: Final = Name(
    "orch_gateway_rate_limited_total", "counter", "Requests refused by a rate limit.", ("limit",)
)
RATE_BUCKETS: Final = Name(
    "orch_gateway_rate_buckets", "gauge", "Token buckets of rate limits that are not full, in this worker."
)
RATE_UNCHECKED: Final = Name(
    "orch_gateway_rate_unchecked_total",
    "counter",
    "Requests let through because the rate limits could not be checked in the shared store.",
)
FALLBACKS: Final = Name(
    "orch_gateway_fallbacks_total",
    "counter",
    "Failed requests to routes with fallbacks, by the kind of the fallback that the client got, or none.",
    ("route", "fallback"),
)
FALLBACKS_ACTIVE: Final = Name(
    "orch_gateway_fallbacks_active", "gauge", "1 while requests to a route get fallbacks.", ("route",)
)
FALLBACK_RESPONSES: Final = Name(
    "orch_gateway_fallback_cache_responses", "gauge", "Last good responses that are stored."
)
FALLBACK_BYTES: Final = Name(
    "orch_gateway_fallback_cache_bytes", "gauge", "Bytes of last good responses that are stored."
)
FALLBACK_EVICTED: Final = Name(
    "orch_gateway_fallback_cache_evicted_total",
    "counter",
    "Last good responses dropped to make room for others.",
)
SERVICE_STATE: Final = Name(
    "orch_service_state",
    "gauge",
    "1 for the current state of an instance, 0 for its other states.",
    ("service", "instance", "state"),
)
HEALTH_CHECKS: Final = Name(
    "orch_health_checks_total", "counter", "Health checks by outcome.", ("service", "instance", "outcome")
)
HEALTH_SECONDS: Final = Name(
    "orch_health_check_seconds", "histogram", "Duration of a health check.", ("service", "instance")
)
RECOVERIES: Final = Name("orch_recoveries_total", "counter", "Restarts of back ends.", ("service",))
SHORTAGES: Final = Name(
    "orch_own_shortages_total",
    "counter",
    "Times this process was out of a resource, by kind.",
    ("kind",),
    tuple(Shortage),
)
NAME_LOOKUPS: Final = Name(
    "orch_name_lookups", "gauge", "Names that are being looked up, each in a thread that cannot be ended."
)
NAME_LOOKUPS_REFUSED: Final = Name(
    "orch_name_lookups_refused_total", "counter", "Look-ups of names that found no free thread."
)
OVERLOAD_USED: Final = Name(
    "orch_overload_used", "gauge", "Part of this process's limit of a resource that is used.", ("kind",)
)
OVERLOAD_STEP: Final = Name(
    "orch_overload_step",
    "gauge",
    "0: enough of a resource is left, 1: connections are not kept, 2: new work is refused.",
    ("kind",),
)
OVERLOAD_REFUSED: Final = Name(
    "orch_overload_refused_total", "counter", "Requests refused because of this process's overload."
)
STANDSTILLS: Final = Name(
    "orch_standstills_total", "counter", "Times this process was suspended or its event loop blocked."
)
CLOCK_JUMPS: Final = Name("orch_clock_jumps_total", "counter", "Times the machine's clock jumped.")
CONNECTIONS: Final = Name("orch_websocket_connections", "gauge", "Open WebSocket connections.")
CONNECTIONS_TOTAL: Final = Name(
    "orch_websocket_connections_total", "counter", "WebSocket connections accepted."
)
EVICTIONS: Final = Name(
    "orch_websocket_evictions_total", "counter", "Clients disconnected because they read too slowly."
)
MESSAGES_IN: Final = Name(
    "orch_websocket_messages_received_total", "counter", "Messages received from clients."
)
MESSAGES_OUT: Final = Name("orch_websocket_messages_sent_total", "counter", "Messages sent to clients.")
WEBSOCKET_PROBLEMS: Final = Name(
    "orch_websocket_problems_total",
    "counter",
    "Rejected messages and handshakes, by problem code.",
    ("code",),
    tuple(PROBLEMS),
)
WEBSOCKET_CLOSES: Final = Name(
    "orch_websocket_closes_total",
    "counter",
    "Closed WebSocket connections, by reason.",
    ("reason",),
    tuple(each.name for each in CLOSES.values()),
)
QUEUED_BYTES: Final = Name("orch_websocket_queued_bytes", "gauge", "Bytes queued for WebSocket clients.")
OUTGOING_BYTES: Final = Name(
    "orch_outgoing_bytes",
    "gauge",
    "Bytes queued for all clients, WebSocket or HTTP.",
)
OUTGOING_EVICTED: Final = Name(
    "orch_outgoing_evicted_total",
    "counter",
    "Clients disconnected because too many bytes were queued in total.",
)
SESSIONS: Final = Name("orch_sessions", "gauge", "Live sessions.")
SUM_TAKEN: Final = Name("orch_sum_taken", "gauge", "Used amount of a limited resource.", ("what",))
SUM_LIMIT: Final = Name("orch_sum_limit", "gauge", "Limit of a limited resource.", ("what",))
ENDED_EARLY: Final = Name(
    "orch_sessions_ended_early_total", "counter", "Empty sessions ended early to make room."
)
WRONG_TOKENS: Final = Name("orch_wrong_tokens_total", "counter", "Requests with a wrong control token.")
JOIN_CODES_ENTERED: Final = Name(
    "orch_join_codes_entered_total",
    "counter",
    "Join codes that were entered: right, wrong, refused as their address had to wait, or not checked as too "
    "many wrong ones were entered by all.",
    ("result",),
    ("right", "wrong", "address_waits", "not_checked"),
)
STORE_HEALTHY: Final = Name("orch_store_healthy", "gauge", "1 while the store accepts messages, else 0.")
STORE_CAUTIONS: Final = Name(
    "orch_store_cautions", "gauge", "Warnings about the store, such as settings that risk losing messages."
)
STORE_WAITING: Final = Name("orch_store_waiting", "gauge", "Store operations that are queued.")
STORE_FAILURES: Final = Name("orch_store_failures_total", "counter", "Store operations that failed.")
BOT_STORE_HEALTHY: Final = Name(
    "orch_bot_store_healthy", "gauge", "1 while the store of bot sessions can be written, else 0."
)
BOT_STORE_WAITING: Final = Name(
    "orch_bot_store_waiting", "gauge", "Operations on the store of bot sessions that are queued."
)
BOT_STORE_FAILURES: Final = Name(
    "orch_bot_store_failures_total", "counter", "Operations on the store of bot sessions that failed."
)
BOT_STORE_BYTES: Final = Name(
    "orch_bot_store_bytes", "gauge", "Used bytes of the SQLite file of bot sessions."
)
BOT_PRUNED: Final = Name(
    "orch_bot_pruned_total",
    "counter",
    "Files, transcripts, webhooks and sessions of bots that were deleted: too old, or files without a row.",
    ("kind",),
    ("audio", "transcript", "evidence", "delivery", "session", "orphan"),
)
BOT_FILES_STUCK: Final = Name(
    "orch_bot_files_stuck", "gauge", "Files of bots that should be deleted and cannot be."
)
CALENDAR_FAILING: Final = Name(
    "orch_calendar_failing", "gauge", "1 while a calendar cannot be fetched or read, else 0.", ("calendar",)
)
WEBHOOK_ENDPOINTS: Final = Name(
    "orch_webhook_endpoints", "gauge", "Endpoints that are registered for webhooks of bots."
)
WEBHOOK_ATTEMPTS: Final = Name(
    "orch_webhook_attempts_total",
    "counter",
    "Attempts to deliver webhooks: delivered, to be retried, or given up.",
    ("result",),
    ("delivered", "retried", "failed"),
)
WEBHOOK_EVENTS_DROPPED: Final = Name(
    "orch_webhook_events_dropped_total",
    "counter",
    "Webhook events dropped because the store was away for too long, or they could not be encoded.",
)
STREAMS: Final = Name("orch_speech_streams", "gauge", "Open speech streams.")
UTTERANCES: Final = Name("orch_speech_utterances_total", "counter", "Utterances detected.")
FINALS: Final = Name("orch_speech_finals_total", "counter", "Final captions published.")
LOST: Final = Name("orch_speech_lost_total", "counter", "Utterances that could not be transcribed.")
REVISIONS_DROPPED: Final = Name(
    "orch_speech_revisions_dropped_total",
    "counter",
    "Interim transcripts skipped because a back end was behind.",
)
GROWING_TRANSLATIONS: Final = Name(
    "orch_speech_growing_translations_total",
    "counter",
    "Translation requests for lines that were still growing.",
)
GROWING_TRANSLATIONS_DEFERRED: Final = Name(
    "orch_speech_growing_translations_deferred_total",
    "counter",
    "Translations of growing lines that waited because their session had reached its limit.",
)
DOUBTED: Final = Name(
    "orch_speech_doubted_total",
    "counter",
    "Segments dropped because the engine reported too little confidence.",
)
SPEECH_REFUSED: Final = Name(
    "orch_speech_refused_total",
    "counter",
    "Transcription and translation requests that were refused or failed.",
    ("service",),
    ("audio-service", "translation-service"),
)
SPEECH_REFUSING: Final = Name(
    "orch_speech_refusing", "gauge", "1 while a back end refuses every request.", ("service",)
)
SPEECH_QUEUED: Final = Name(
    "orch_speech_queued_seconds", "gauge", "Seconds of received audio that this worker has not processed yet."
)
SPEECH_WAITING: Final = Name(
    "orch_speech_waiting_seconds", "gauge", "Seconds of speech that wait for a back end."
)
PIPELINE_RUNNING: Final = Name(
    "orch_pipeline_running", "gauge", "Files that pass through the audio pipeline now."
)
PIPELINE_RUNS: Final = Name(
    "orch_pipeline_runs_total",
    "counter",
    "Files that passed through the audio pipeline, by how that ended.",
    ("outcome",),
    ("finished", "refused", "failed", "cancelled"),
)
VOICE_MODELS_LENT: Final = Name(
    "orch_speech_voice_models_lent", "gauge", "Streams of this worker that have a voice model to themselves."
)
VOICE_MODELS_MISSED: Final = Name(
    "orch_speech_voice_models_missed_total",
    "counter",
    "Streams that had no voice model because none was free or could be loaded.",
)
PIPELINE_STREAMS: Final = Name(
    "orch_pipeline_streams", "gauge", "Streams of this worker whose sound passes through a pipeline."
)
PIPELINE_PROCESSES: Final = Name(
    "orch_pipeline_processes", "gauge", "Processes of this worker that run pipelines of streams."
)
PIPELINE_FAILURES: Final = Name(
    "orch_pipeline_failures_total",
    "counter",
    "Processes with pipelines that ended by themselves or did not respond.",
)
PIPELINE_BYPASSED: Final = Name(
    "orch_pipeline_bypassed_total",
    "counter",
    "How often a stream went on unprocessed because its pipeline failed, was too slow or had no process.",
)
CAPTION_SECONDS: Final = Name(
    "orch_speech_caption_seconds",
    "gauge",
    "Time from the end of speech to the final caption, over the last 15 minutes; absent without captions.",
    ("quantile",),
)
FRONT_OPEN: Final = Name("orch_front_connections", "gauge", "Open connections of any protocol.")
FRONT_ACCEPTED: Final = Name(
    "orch_front_connections_total", "counter", "Accepted connections of any protocol."
)
FRONT_REFUSED: Final = Name(
    "orch_front_refused_total",
    "counter",
    "Connections that the server refused or aborted, by kind.",
    ("kind",),
)
#: Where one item may fail while the others go on: one request, connection, message, look or change.
LOOPS: Final = (
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
    "terms of sessions",
    "topics",
    "webhooks",
    "websocket connections",
    "workers",
)
CONTAINED: Final = Name(
    "orch_contained_failures_total",
    "counter",
    "Items that failed in a loop that then continued.",
    ("loop",),
    LOOPS,
)
INCIDENTS_OPEN: Final = Name(
    "orch_incidents_open", "gauge", "1 while a service has an open incident.", ("service",)
)
BRANCH_STATE: Final = Name(
    "orch_tree_branch_up", "gauge", "1 while a branch of the tree is running.", ("branch",)
)
BRANCH_RESTARTS: Final = Name(
    "orch_tree_branch_restarts_total", "counter", "Restarts of a branch of the tree.", ("branch",)
)
UPTIME: Final = Name("orch_uptime_seconds", "gauge", "Seconds since the service started.")

NAMES: Final = tuple(value for value in list(globals().values()) if isinstance(value, Name))

"""Metrics of clients' WebSocket connections, sessions, and what limits them. Pure."""

from typing import Final

from orch.problems import PROBLEMS
from orch.protocol.closes import CLOSES
from orch.telemetry.names.metric import Label, Name

CONNECTIONS: Final = Name("orch_websocket_connections", "gauge", "Open WebSocket connections.")
CONNECTIONS_LIMIT: Final = Name(
    "orch_websocket_connections_limit",
    "gauge",
    "WebSocket connections that this worker accepts, by its settings and its limit of open files.",
)
CONNECTIONS_DOING: Final = Name(
    "orch_websocket_connections_by_activity",
    "gauge",
    "Open WebSocket connections by what they do. behind: more is queued for them than is in transit.",
    (Label("activity", ("speaking", "listening", "behind", "idle", "closing")),),
)
CONNECTIONS_TOTAL: Final = Name(
    "orch_websocket_connections_opened_total", "counter", "WebSocket connections accepted."
)
EVICTIONS: Final = Name(
    "orch_websocket_evictions_total",
    "counter",
    "Clients disconnected to protect others: slow_client read too slowly, heartbeat_timeout did not respond, "
    "rate_limited sent too much.",
    (Label("reason", ("slow_client", "heartbeat_timeout", "rate_limited")),),
)
MESSAGES_IN: Final = Name(
    "orch_websocket_messages_received_total", "counter", "Messages received from clients."
)
MESSAGES_OUT: Final = Name("orch_websocket_messages_sent_total", "counter", "Messages sent to clients.")
BYTES_IN: Final = Name(
    "orch_websocket_received_bytes_total",
    "counter",
    "Bytes of messages of clients.",
)
BYTES_OUT: Final = Name("orch_websocket_sent_bytes_total", "counter", "Bytes of messages to clients.")
FANOUT_SECONDS: Final = Name(
    "orch_websocket_fanout_seconds",
    "histogram",
    "Time from when a message of a session is accepted until it is stored and queued for all clients of the "
    "session on this worker.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
WEBSOCKET_PROBLEMS: Final = Name(
    "orch_websocket_problems_total",
    "counter",
    "Rejected messages and handshakes, by problem code.",
    (Label("code", tuple(PROBLEMS)),),
)
WEBSOCKET_CLOSES: Final = Name(
    "orch_websocket_closes_total",
    "counter",
    "Closed WebSocket connections, by reason.",
    (Label("reason", tuple(each.name for each in CLOSES.values())),),
)
RECOVERIES: Final = Name(
    "orch_websocket_recoveries_total",
    "counter",
    "Clients that reconnected and asked for what they missed: recovered gets all of it, refused does not.",
    (Label("outcome", ("recovered", "refused")),),
)
RECOVERIES_REFUSED: Final = Name(
    "orch_websocket_recoveries_refused_total",
    "counter",
    "Refused recoveries by reason. removed and ended are decisions of the host.",
    (
        Label(
            "reason",
            (
                "unknown_session",
                "token_required",
                "wrong_token",
                "epoch_changed",
                "history_expired",
                "offset_unknown",
                "recovery_disabled",
                "removed",
                "ended",
            ),
        ),
    ),
)
QUEUED_BYTES: Final = Name("orch_websocket_queued_bytes", "gauge", "Bytes queued for WebSocket clients.")
OUTGOING_BYTES: Final = Name(
    "orch_outgoing_bytes", "gauge", "Bytes queued for all clients, WebSocket or HTTP."
)
OUTGOING_EVICTED: Final = Name(
    "orch_outgoing_evicted_total",
    "counter",
    "Clients disconnected because too many bytes were queued in total.",
)
SESSIONS: Final = Name("orch_sessions", "gauge", "Live sessions.")
ENDED_EARLY: Final = Name(
    "orch_sessions_ended_early_total", "counter", "Empty sessions ended early to make room."
)
_WHAT: Final = (Label("what", bound="the limited resources, of which there are some ten"),)
SUM_TAKEN: Final = Name("orch_sum_taken", "gauge", "Used amount of a limited resource.", _WHAT)
SUM_LIMIT: Final = Name("orch_sum_limit", "gauge", "Limit of a limited resource.", _WHAT)

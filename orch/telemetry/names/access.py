"""Metrics of sign-ins, keys, limits of clients, and the audit log. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

WRONG_TOKENS: Final = Name("orch_wrong_tokens_total", "counter", "Requests with a wrong control token.")
JOIN_CODES_ENTERED: Final = Name(
    "orch_join_codes_entered_total",
    "counter",
    "Join codes that were entered: right, wrong, refused as their address had to wait, or not checked as too "
    "many wrong ones were entered by all.",
    (Label("result", ("right", "wrong", "address_waits", "not_checked")),),
)
AUTH_FAILURES: Final = Name(
    "orch_auth_failures_total",
    "counter",
    "Wrong credentials by kind: tokens for control and registry, keys and codes of sessions, alerts.",
    (Label("kind", ("control_token", "registry_token", "session_key", "join_code", "alerts")),),
)
SIGN_INS: Final = Name(
    "orch_sign_ins_total",
    "counter",
    "Sign-ins of operators' browsers: begun, or failed because the store did not respond.",
    (Label("outcome", ("begun", "failed")),),
)
ALL_RATE_LIMITED: Final = Name(
    "orch_rate_limited_total",
    "counter",
    "Requests refused with 429 by pages and the control API (http) or by the gateway's limits, and messages "
    "refused with rate_limited over WebSocket.",
    (Label("door", ("http", "gateway", "websocket")),),
)
AUDIT_ENTRIES: Final = Name(
    "orch_audit_entries_total", "counter", "Changes by operators and hosts that were logged."
)
AUDIT_FAILURES: Final = Name(
    "orch_audit_write_failures_total", "counter", "Lines of the audit log that could not be written."
)

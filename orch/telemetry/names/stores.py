"""Metrics of the store of sessions. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

_STORE: Final = (Label("store", ("sessions", "bots")),)

STORE_HEALTHY: Final = Name("orch_store_healthy", "gauge", "1 while the store accepts messages, else 0.")
STORE_CAUTIONS: Final = Name(
    "orch_store_cautions", "gauge", "Warnings about the store, such as settings that risk losing messages."
)
STORE_WAITING: Final = Name("orch_store_waiting", "gauge", "Store operations that are queued.")
STORE_WAITING_LIMIT: Final = Name(
    "orch_store_waiting_limit", "gauge", "Store operations that may be queued; beyond, callers wait for room."
)
STORE_FAILURES: Final = Name("orch_store_failures_total", "counter", "Store operations that failed.")
STORE_OPERATIONS: Final = Name(
    "orch_store_operations_total",
    "counter",
    "Operations on a store that ended, failed ones included.",
    _STORE,
)
STORE_SECONDS: Final = Name(
    "orch_store_operation_seconds",
    "histogram",
    "Time of an operation on a store, from when it is queued until it is done.",
    _STORE,
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
STORE_BYTES: Final = Name("orch_store_used_bytes", "gauge", "Bytes of stored sessions, of all workers.")
STORE_BYTES_LIMIT: Final = Name("orch_store_limit_bytes", "gauge", "Limit of the bytes of stored sessions.")
BACKUP_AT: Final = Name(
    "orch_backup_last_success_timestamp_seconds",
    "gauge",
    "When the state of the service was last backed up; 0: never.",
)

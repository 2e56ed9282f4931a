"""Metrics of bots, the naming of speakers, webhooks, calendars, and the store of bot sessions. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

_STATE: Final = (Label("state", listed="orch.bots.states:State"),)

BOTS: Final = Name(
    "orch_bots", "gauge", "Bots of this worker in each state, and those ended since it started.", _STATE
)
BOTS_LIMIT: Final = Name(
    "orch_bots_limit", "gauge", "Bots that may have a browser at a time, on all workers together."
)
BOTS_QUEUED: Final = Name("orch_bots_queued", "gauge", "Bots that wait for a place, of all workers.")
BOTS_QUEUE_LIMIT: Final = Name("orch_bots_queue_limit", "gauge", "Bots that may wait for a place.")
BOTS_STARTED: Final = Name("orch_bots_started_total", "counter", "Bots that this worker began to run.")
BOT_ENDS: Final = Name(
    "orch_bot_ends_total",
    "counter",
    "Ends of bots by reason, and by the stage they had reached.",
    (
        Label("reason", listed="orch.bots.ends:EndReason"),
        Label("stage", listed="orch.bots.states:Stage"),
    ),
)
BOT_STATE_SECONDS: Final = Name(
    "orch_bot_state_seconds",
    "gauge",
    "Seconds for which a bot of this worker has been in a state: of the one that is in it for longest.",
    _STATE,
)
BOT_JOIN_SECONDS: Final = Name(
    "orch_bot_join_seconds",
    "histogram",
    "Time from the start of a bot until it is in the meeting, the wait in the lobby included.",
    buckets=(5, 10, 15, 20, 30, 45, 60, 120, 300, 600),
)
BOT_SILENT: Final = Name(
    "orch_bots_silent",
    "gauge",
    "Bots that have received no sound for 2 minutes while other participants are in the meeting.",
)
BOT_PARTICIPANTS: Final = Name(
    "orch_bot_participants", "gauge", "Participants of the meetings that bots of this worker are in."
)
BOT_PROCESSES: Final = Name(
    "orch_bot_processes", "gauge", "Browsers of this worker that run: one for each bot that has one."
)
BOT_BROWSER_BYTES: Final = Name(
    "orch_bot_browsers_memory_bytes", "gauge", "Memory of the browsers of this worker, shared pages once."
)
BOT_BROWSER_RESTARTS: Final = Name(
    "orch_bot_browser_restarts_total", "counter", "Browsers that crashed or stalled and were started again."
)
BOT_ORPHANS: Final = Name(
    "orch_bot_orphans_total", "counter", "Browsers of ended workers that were found and ended."
)
ATTRIBUTION_WORDS: Final = Name(
    "orch_attribution_words_total",
    "counter",
    "Words of meetings whose speaker was decided: named, or unknown.",
    (Label("outcome", ("named", "unknown")),),
)
ATTRIBUTION_REVISED: Final = Name(
    "orch_attribution_revised_total", "counter", "Words whose speaker was changed after it was shown."
)
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
SPOOL_BYTES: Final = Name(
    "orch_spool_bytes", "gauge", "Bytes of captured records that wait on disk for the store of bot sessions."
)
SPOOL_LIMIT: Final = Name(
    "orch_spool_limit_bytes", "gauge", "Limit of those bytes; beyond, records wait in memory, and bots stall."
)
SPOOL_OLDEST: Final = Name(
    "orch_spool_oldest_seconds",
    "gauge",
    "Seconds for which the oldest record in the spool has waited; 0: it is empty.",
)
SPOOL_REJECTED: Final = Name(
    "orch_spool_rejected_total", "counter", "Captured records that the store refused and that were set aside."
)
SPOOL_LOST: Final = Name(
    "orch_spool_lost_total",
    "counter",
    "Captured records that were lost: the store refused them, and their file beside the spool is full.",
)
SPOOL_FULL: Final = Name(
    "orch_spool_full",
    "gauge",
    "1 while the spool takes no more, by its limit or because the disk is full: then bots wait.",
)
BOT_PRUNED: Final = Name(
    "orch_bot_pruned_total",
    "counter",
    "Files, transcripts, webhooks and sessions of bots that were deleted: too old, or files without a row.",
    (Label("kind", ("audio", "transcript", "evidence", "delivery", "session", "orphan")),),
)
BOT_FILES_STUCK: Final = Name(
    "orch_bot_files_stuck", "gauge", "Files of bots that should be deleted and cannot be."
)
CALENDAR_FAILING: Final = Name(
    "orch_calendar_failing",
    "gauge",
    "1 while a calendar cannot be fetched or read, else 0.",
    (Label("calendar", bound="the calendars of the settings"),),
)
WEBHOOK_ENDPOINTS: Final = Name(
    "orch_webhook_endpoints", "gauge", "Endpoints that are registered for webhooks of bots."
)
WEBHOOK_DISABLED: Final = Name(
    "orch_webhook_endpoints_disabled",
    "gauge",
    "Endpoints that are sent nothing because they failed for long.",
)
WEBHOOK_ATTEMPTS: Final = Name(
    "orch_webhook_attempts_total",
    "counter",
    "Attempts to deliver webhooks: delivered, to be retried, or given up.",
    (Label("result", ("delivered", "retried", "failed")),),
)
WEBHOOK_EVENTS_DROPPED: Final = Name(
    "orch_webhook_events_dropped_total",
    "counter",
    "Webhook events dropped because the store was away for too long, or they could not be encoded.",
)
WEBHOOK_OLDEST: Final = Name(
    "orch_webhook_oldest_seconds", "gauge", "Age of the oldest webhook that is not delivered yet; 0: none is."
)

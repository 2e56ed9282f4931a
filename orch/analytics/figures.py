"""The table of what is measured over time, and from which metric. Pure.

A row reads one metric of :mod:`orch.telemetry.names`: a gauge as it is, a counter as what it grew by per
second, a histogram as a quantile of the last minute. Values of several labels are added up (of a gauge that
is a share, and of a quantile, the highest counts), or there is a series for each value of one label.
"""

from functools import partial
from typing import Final, Literal

from msgspec import Struct

from orch.analytics.series import Figure, Unit, Worse
from orch.telemetry.names import access, audio, bots, health, journey, process, speech, stores, translation
from orch.telemetry.names import front as front_names
from orch.telemetry.names import gateway as gateway_names
from orch.telemetry.names import websocket as websocket_names
from orch.telemetry.names.metric import Name

How = Literal["value", "highest", "rate", "p95"]


class Source(Struct, frozen=True, kw_only=True):
    """How a figure is read from a metric.

    ``by``: the label whose values are subjects of their own; "": there is one series. ``only``: the values
    of a label that count. ``limit``: the metric with its limit, with the same label ``by``. ``scale``: what a
    value is multiplied by. ``most``: a limit that is always the same. ``falls``: the limit is below.
    """

    figure: Figure
    metric: Name
    how: How = "value"
    by: str = ""
    only: tuple[str, tuple[str, ...]] | None = None
    limit: Name | None = None
    scale: float = 1.0
    most: float | None = None
    falls: bool = False


def _row(
    how: How,
    name: str,
    title: str,
    area: str,
    metric: Name,
    *,
    floor: float,
    unit: Unit | None = None,
    worse: Worse = "up",
    by: str = "",
    only: tuple[str, tuple[str, ...]] | None = None,
    limit: Name | None = None,
    most: float | None = None,
    falls: bool = False,
) -> Source:
    """Return a row. Quantiles are in ms, rates per second, unless ``unit`` differs."""
    default: Unit = "/s" if how == "rate" else "ms" if how == "p95" else ""
    return Source(
        figure=Figure(
            name=name,
            title=title,
            area=area,
            unit=default if unit is None else unit,
            worse=worse,
            floor=floor,
        ),
        metric=metric,
        how=how,
        by=by,
        only=only,
        limit=limit,
        most=most,
        falls=falls,
        scale=1_000.0 if how == "p95" else 1.0,
    )


_gauge: Final = partial(_row, "value")
_rate: Final = partial(_row, "rate")
_p95: Final = partial(_row, "p95")

SOURCES: Final = (
    # websocket
    _gauge(
        "connections",
        "Connections",
        "websocket",
        websocket_names.CONNECTIONS,
        worse="both",
        floor=3.0,
        limit=websocket_names.CONNECTIONS_LIMIT,
    ),
    _rate(
        "connections_opened",
        "Connections opened",
        "websocket",
        websocket_names.CONNECTIONS_TOTAL,
        worse="both",
        floor=0.2,
    ),
    _gauge("sessions", "Sessions", "websocket", websocket_names.SESSIONS, worse="both", floor=3.0),
    _rate(
        "messages_in",
        "Messages from clients",
        "websocket",
        websocket_names.MESSAGES_IN,
        worse="both",
        floor=1.0,
    ),
    _rate(
        "messages_out",
        "Messages to clients",
        "websocket",
        websocket_names.MESSAGES_OUT,
        worse="both",
        floor=1.0,
    ),
    _gauge(
        "queued_bytes",
        "Bytes queued for clients",
        "websocket",
        websocket_names.QUEUED_BYTES,
        unit="bytes",
        floor=65_536.0,
    ),
    _rate("evictions", "Clients evicted", "websocket", websocket_names.EVICTIONS, floor=0.02),
    _rate(
        "problems",
        "Rejected messages and handshakes",
        "websocket",
        websocket_names.WEBSOCKET_PROBLEMS,
        floor=0.05,
    ),
    _rate("recoveries", "Clients that came back", "websocket", websocket_names.RECOVERIES, floor=0.1),
    _rate(
        "recoveries_refused",
        "Recoveries refused",
        "websocket",
        websocket_names.RECOVERIES,
        only=("outcome", ("refused",)),
        floor=0.02,
    ),
    _p95(
        "fanout_p95_ms",
        "Message to all clients' queues, p95",
        "websocket",
        websocket_names.FANOUT_SECONDS,
        floor=5.0,
    ),
    _gauge(
        "in_use",
        "In use:",
        "limits",
        websocket_names.SUM_TAKEN,
        by="what",
        floor=1.0,
        limit=websocket_names.SUM_LIMIT,
    ),
    # gateway
    _rate("retries", "Retried requests", "gateway", gateway_names.GATEWAY_RETRIES, by="service", floor=0.05),
    _gauge(
        "queue",
        "Requests waiting for a place",
        "gateway",
        gateway_names.QUEUE_WAITING,
        by="service",
        floor=2.0,
        limit=gateway_names.QUEUE_LIMIT,
    ),
    _rate("shed", "Requests shed", "gateway", gateway_names.SHED, by="service", floor=0.02),
    _rate(
        "rate_limited", "Requests refused by rate limits", "gateway", gateway_names.RATE_LIMITED, floor=0.05
    ),
    _rate("fallbacks", "Responses from fallbacks", "gateway", gateway_names.FALLBACKS, floor=0.02),
    # front
    _gauge(
        "front_connections",
        "Open connections of any protocol",
        "front",
        front_names.FRONT_OPEN,
        worse="both",
        floor=3.0,
    ),
    _rate("front_refused", "Connections refused", "front", front_names.FRONT_REFUSED, floor=0.05),
    _rate("responses", "HTTP responses", "front", front_names.FRONT_REQUESTS, worse="both", floor=0.5),
    _rate(
        "responses_5xx",
        "HTTP responses of 500 or more",
        "front",
        front_names.FRONT_REQUESTS,
        only=("status", ("5xx",)),
        floor=0.02,
    ),
    _p95(
        "own_p95_ms",
        "Own pages and API, p95",
        "front",
        front_names.FRONT_SECONDS,
        only=("door", ("page", "api")),
        floor=5.0,
    ),
    # speech
    _gauge(
        "streams",
        "Speech streams",
        "speech",
        speech.STREAMS,
        worse="both",
        floor=2.0,
        limit=speech.STREAMS_LIMIT,
    ),
    _rate("utterances", "Utterances", "speech", speech.UTTERANCES, worse="both", floor=0.1),
    _rate("finals", "Final captions", "speech", speech.FINALS, worse="down", floor=0.1),
    _rate("captions_late", "Late captions", "speech", speech.CAPTIONS_LATE, floor=0.02),
    _rate("lost", "Utterances lost", "speech", speech.LOST, floor=0.01),
    _rate("empty", "Utterances without a word", "speech", speech.EMPTY, floor=0.02),
    _rate("words", "Words in captions", "speech", speech.WORDS, worse="both", floor=1.0),
    _gauge(
        "speech_waiting",
        "Speech that waits for a back end",
        "speech",
        speech.SPEECH_WAITING,
        unit="s",
        floor=1.0,
    ),
    _gauge(
        "speech_longest_waiting",
        "Longest wait of a stream",
        "speech",
        speech.SPEECH_LONGEST,
        unit="s",
        floor=1.0,
        limit=speech.SPEECH_BUFFER,
    ),
    _rate(
        "speech_refused",
        "Requests for captions refused",
        "speech",
        speech.SPEECH_REFUSED,
        by="service",
        floor=0.02,
    ),
    _rate("revisions_dropped", "Interim captions skipped", "speech", speech.REVISIONS_DROPPED, floor=0.05),
    # translation
    _rate(
        "translations",
        "Translations",
        "translation",
        translation.TRANSLATIONS,
        by="pair",
        worse="both",
        floor=0.1,
    ),
    _rate(
        "translation_failures",
        "Translations that failed",
        "translation",
        translation.TRANSLATION_FAILURES,
        by="pair",
        floor=0.01,
    ),
    _p95(
        "translation_p95_ms",
        "Translation, p95",
        "translation",
        translation.TRANSLATION_SECONDS,
        by="pair",
        floor=20.0,
    ),
    # audio
    _gauge(
        "pipeline_streams",
        "Streams through an audio pipeline",
        "audio",
        audio.PIPELINE_STREAMS,
        worse="",
        floor=2.0,
    ),
    _rate("pipeline_failures", "Audio pipelines failed", "audio", audio.PIPELINE_FAILURES, floor=0.005),
    # bots
    _gauge("bots", "Bots", "bots", bots.BOTS, by="state", worse="", floor=1.0),
    _gauge(
        "bots_queued",
        "Bots that wait for a place",
        "bots",
        bots.BOTS_QUEUED,
        floor=1.0,
        limit=bots.BOTS_QUEUE_LIMIT,
    ),
    _gauge("browsers_bytes", "Memory of browsers", "bots", bots.BOT_BROWSER_BYTES, unit="bytes", floor=5e7),
    _rate("browser_restarts", "Browsers started again", "bots", bots.BOT_BROWSER_RESTARTS, floor=0.005),
    # health
    _rate(
        "checks_failed",
        "Failed health checks",
        "health",
        health.HEALTH_CHECKS,
        by="service",
        only=("outcome", ("failed",)),
        floor=0.02,
    ),
    _p95("check_p95_ms", "Health check, p95", "health", health.HEALTH_SECONDS, by="service", floor=5.0),
    _rate("restarts", "Restarts of back ends", "health", health.RECOVERIES, by="service", floor=0.002),
    # stores
    _gauge(
        "store_waiting",
        "Store operations queued",
        "stores",
        stores.STORE_WAITING,
        floor=10.0,
        limit=stores.STORE_WAITING_LIMIT,
    ),
    _rate("store_failures", "Store operations failed", "stores", stores.STORE_FAILURES, floor=0.02),
    _p95("store_p95_ms", "Store operation, p95", "stores", stores.STORE_SECONDS, floor=5.0),
    _gauge(
        "stored_bytes",
        "Stored sessions",
        "stores",
        stores.STORE_BYTES,
        unit="bytes",
        worse="up",
        floor=1e6,
        limit=stores.STORE_BYTES_LIMIT,
    ),
    _gauge(
        "bot_store_waiting", "Bots' store operations queued", "stores", bots.BOT_STORE_WAITING, floor=10.0
    ),
    _gauge(
        "spool_bytes",
        "Captured records on disk",
        "stores",
        bots.SPOOL_BYTES,
        unit="bytes",
        floor=65_536.0,
        limit=bots.SPOOL_LIMIT,
    ),
    # access
    _rate("wrong_tokens", "Wrong tokens", "access", access.WRONG_TOKENS, floor=0.02),
    _rate("auth_failures", "Failed sign-ins", "access", access.AUTH_FAILURES, floor=0.02),
    # process
    _gauge("memory_bytes", "Memory", "process", process.RESIDENT, unit="bytes", floor=2e7),
    _rate("cpu", "Processor", "process", process.CPU, unit="share", floor=0.05),
    _gauge("open_files", "Open files", "process", process.OPEN_FILES, floor=20.0, limit=process.MOST_FILES),
    _gauge("tasks", "Tasks", "process", process.LOOP_TASKS, floor=50.0),
    _p95("loop_lag_p95_ms", "Event-loop lag, p95", "process", process.LOOP_LAG, floor=2.0),
    _row(
        "highest",
        "overload_used",
        "Share of a limit in use",
        "process",
        process.OVERLOAD_USED,
        by="kind",
        unit="share",
        floor=0.02,
        most=1.0,
    ),
    _rate(
        "overload_refused", "Requests refused by overload", "process", process.OVERLOAD_REFUSED, floor=0.02
    ),
    _gauge(
        "state_free_bytes",
        "Free disk for the service's state",
        "process",
        process.STATE_FREE,
        unit="bytes",
        worse="down",
        floor=5e7,
        most=0.0,
        falls=True,
    ),
    # the synthetic journey
    _p95(
        "journey_p95_ms",
        "Synthetic journey to a caption, p95",
        "journey",
        journey.JOURNEY_SECONDS,
        floor=50.0,
    ),
    _gauge(
        "journey_success",
        "Synthetic journey succeeds",
        "journey",
        journey.JOURNEY_SUCCESS,
        worse="down",
        floor=0.5,
    ),
)
"""Every figure that is read from a metric; :mod:`orch.analytics.measured` has others."""

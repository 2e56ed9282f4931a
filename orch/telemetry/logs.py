"""Logging as JSON lines on standard error, with request and connection ids."""

import logging
import sys
from functools import partial
from typing import Any, Final

import structlog

# Without local variables: they would put keys and speech into the log.
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def configure(level: str, *, pretty: bool = False, worker: int | None = None) -> None:
    """Set up logging for the process. ``pretty``: readable text for a terminal instead of JSON.

    ``worker``: the number of this worker among several, added to each line.
    Libraries that log through the standard library produce the same lines. Request and connection ids come
    from ``structlog.contextvars``, which Trio tasks inherit.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if worker is not None:
        shared.append(partial(_add_worker, worker))
    renderer: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if pretty
        else [_TRACEBACKS, structlog.processors.JSONRenderer(default=str)]
    )
    numeric = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(numeric)
    for noisy in ("httpx2", "httpcore2", "watchfiles", "hypercorn.access", "faster_whisper"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # coredis logs each failed attempt to connect, with a traceback; the store logs an outage once.
    logging.getLogger("coredis").setLevel(logging.CRITICAL)


def _add_worker(
    worker: int, _logger: Any, _name: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    line["worker"] = worker
    return line

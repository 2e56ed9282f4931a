"""Logging as JSON lines on standard error, with request and connection ids."""

import logging
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, TextIO

import structlog

from orch.telemetry.names.access import AUDIT_ENTRIES, AUDIT_FAILURES
from orch.telemetry.names.metric import Reading
from orch.telemetry.names.process import LOG_FAILURES, LOG_LINES

AUDIT: Final = "audit"
"""The logger of changes by operators and hosts."""

# Without local variables: they would put keys and speech into the log.
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


class CountedHandler(logging.StreamHandler[TextIO]):
    """Writes lines to a stream, and counts them. The mutable state is the counts.

    A line that cannot be written is lost: the disk behind the stream is full, or its reader has ended. It is
    counted, and no traceback is printed, for which there would be no place either.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines = dict.fromkeys(LOG_LINES.labels[0].values, 0)
        self._audited = self._lost = self._audit_lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write and count a line."""
        level = record.levelname.lower()
        if level in self._lines:
            self._lines[level] += 1
        self._audited += record.name == AUDIT
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Count a line that could not be written."""
        self._lost += 1
        self._audit_lost += record.name == AUDIT

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        for level, count in self._lines.items():
            yield Reading(LOG_LINES, count, (level,))
        yield Reading(LOG_FAILURES, self._lost)
        yield Reading(AUDIT_ENTRIES, self._audited)
        yield Reading(AUDIT_FAILURES, self._audit_lost)


def log_readings() -> Iterator[Reading]:
    """Yield the metrics of the log that :func:`configure` has set up; nothing without one."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, CountedHandler):
            yield from handler.readings()


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
    handler = CountedHandler(sys.stderr)
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

"""The status of the store, as pages, probes and the API show it. Pure."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from orch.telemetry.histogram import Histogram
from orch.telemetry.names import bots as bot_names
from orch.telemetry.names import stores as names
from orch.telemetry.names.metric import Distribution, Reading


class StoreStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The store's current status: the topic ``store``.

    ``state`` is ``degraded`` while nothing can be stored; ``reason``: the problem, its effect and the remedy,
    empty if there is none. ``since``: when it began, seconds since the epoch, if known. ``cautions``:
    warnings about risks for messages, with the remedy. ``brief``: the reason in a few words for everyone,
    which completes "Nothing can be stored right now:".
    """

    engine: Literal["sqlite", "redis", "postgres"]
    state: Literal["healthy", "degraded"]
    reason: str
    since: float | None
    cautions: tuple[str, ...]
    brief: str = ""


class Load(Struct, frozen=True, kw_only=True):
    """What of a store is in use, of what: operations in a queue, or connections."""

    what: str
    fill: int
    limit: int


def readings(
    status: StoreStatus, *, waiting: int, limit: int, failures: int, seconds: Histogram
) -> Iterator[Reading | Distribution]:
    """Yield a store's metrics.

    ``waiting`` operations now, ``limit`` at most; ``failures`` since the start, and the ``seconds`` that
    operations took.
    """
    yield Reading(names.STORE_HEALTHY, float(status.state == "healthy"))
    yield Reading(names.STORE_CAUTIONS, len(status.cautions))
    yield Reading(names.STORE_WAITING, waiting)
    yield Reading(names.STORE_WAITING_LIMIT, limit)
    yield Reading(names.STORE_FAILURES, failures)
    yield from _times("sessions", seconds)


def bot_readings(
    status: StoreStatus, *, waiting: int, failures: int, used_bytes: int | None, seconds: Histogram
) -> Iterator[Reading | Distribution]:
    """Yield the metrics of the store of bot sessions; ``used_bytes``: None where it is not measured."""
    yield Reading(bot_names.BOT_STORE_HEALTHY, float(status.state == "healthy"))
    yield Reading(bot_names.BOT_STORE_WAITING, waiting)
    yield Reading(bot_names.BOT_STORE_FAILURES, failures)
    if used_bytes is not None:
        yield Reading(bot_names.BOT_STORE_BYTES, used_bytes)
    yield from _times("bots", seconds)


def _times(store: str, seconds: Histogram) -> Iterator[Reading | Distribution]:
    yield Reading(names.STORE_OPERATIONS, seconds.count, (store,))
    yield Distribution(names.STORE_SECONDS, seconds, (store,))

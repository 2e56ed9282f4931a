"""The service without telemetry: the arguments are ``orch``'s. What it counts and samples is left out.

That is: the count and the times of each request, for Prometheus and for the pages; the lag of the event loop;
the series of the Analytics page. Log, health checks and everything that decides about requests stay.
"""

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from orch.analytics.service import AnalyticsService
from orch.cli import main
from orch.gateway.recorder import Recorder
from orch.telemetry.metrics import Metrics
from orch.wiring.process import ProcessMetrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def _nothing(*_: Any, **__: Any) -> None:
    """Count nothing."""


@asynccontextmanager
async def _unmeasured(_: ProcessMetrics) -> "AsyncIterator[None]":
    """Add no instrument to the event loop."""
    await trio.lowlevel.checkpoint()
    yield


async def _idle(
    _: AnalyticsService, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Sample nothing."""
    task_status.started()
    await trio.sleep_forever()


def leave_out() -> None:
    """Replace what measures. Raises AttributeError where a part has another name by now."""
    for owner, name, instead in (
        (Metrics, "gateway_request", _nothing),
        (Metrics, "gateway_retry", _nothing),
        (Metrics, "health_check", _nothing),
        (Recorder, "routed", _nothing),
        (Recorder, "routed_soon", _nothing),
        (Recorder, "fetched", _nothing),
        (ProcessMetrics, "measured", _unmeasured),
        (AnalyticsService, "run", _idle),
    ):
        getattr(owner, name)
        setattr(owner, name, instead)


if __name__ == "__main__":
    leave_out()
    sys.exit(main(sys.argv[1:]))

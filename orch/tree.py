"""The nursery tree, on one page.

    stores                sessions and their history                       stops last
    └─ health             probes, verdicts, recovery of back ends
       └─ bots            one nursery per bot
          └─ websocket    the hub: publisher, sweeper, speech streams
             └─ gateway   connections to the back ends
                └─ front  accepts connections                              stops first

Where spans are exported, the branch ``traces`` is around all of them: it starts first and stops last, so that
the spans of the others are sent.

Everything is built once, by :func:`orch.wiring.build.build`, and passed down; a restarted branch uses the
same objects.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial

import structlog

from orch.front.servers import FrontServer
from orch.supervision.branches import Tree, together
from orch.wiring import branch_details
from orch.wiring.parts import Parts

log = structlog.get_logger("tree")


@asynccontextmanager
async def running(
    parts: Parts, front: FrontServer | None, *, before_front: Callable[[], None] = lambda: None
) -> AsyncIterator[Tree]:
    """Run the tree during the block; without ``front``, an ASGI server accepts connections.

    ``before_front`` is called when everything but the front is up.
    """
    tree = parts.tree
    capacity = parts.capacity()
    for lowered in filter(None, (capacity.sentence, capacity.proxied_sentence)):
        log.warning("max_connections lowered", reason=lowered)
        parts.events.record("warn", "connections", lowered)

    if parts.settings.current.orchestration.bots.enabled and parts.stores.without_bots:
        log.info("no bots", reason=parts.stores.without_bots)
        parts.events.record("info", "bots", parts.stores.without_bots)

    def grace() -> float:
        return parts.settings.current.orchestration.shutdown_grace

    async with (
        parts.process.measured(),
        tree.supervise("traces", parts.traces.run, describe=lambda: branch_details.traces(parts))
        if parts.traces.tracer.is_on
        else nullcontext(),
        tree.supervise(
            "stores",
            together(
                parts.lookups.run,
                parts.stores.engine.run,
                *((parts.stores.bot_engine.run,) if parts.stores.bot_engine else ()),
                *(parts.stored_bots.runs if parts.stored_bots else ()),
                parts.survey.run,
                parts.runtime.run,
                parts.settings.watch,
            ),
            describe=lambda: branch_details.stores(parts),
        ),
        tree.supervise(
            "health",
            together(
                parts.pulse.run,
                parts.overload.run,
                parts.process.disk.run,
                parts.health.run,
                parts.incidents.run,
                parts.alerts.run,
                parts.dashboard.run,
                parts.journey.run,
                parts.analytics.run,
            ),
            describe=lambda: branch_details.health(parts),
        ),
        tree.supervise(
            "bots",
            together(parts.bots.run, *((parts.calendars.run,) if parts.calendars else ())),
            describe=lambda: branch_details.bots(parts),
        ),
        tree.supervise(
            "websocket",
            together(
                parts.pipelines.run,
                parts.hub.run,
                partial(
                    parts.access.sign_ins.watch, lambda: parts.hub.sign_ins | parts.gateway.visits.sign_ins
                ),
            ),
            describe=lambda: branch_details.websocket(parts),
        ),
        tree.supervise(
            "gateway",
            together(parts.controls.run, parts.gateway.run, parts.discovery.run),
            describe=lambda: branch_details.gateway(parts),
        ),
    ):
        if front is None or tree.stopping.is_set():
            yield tree
        else:
            parts.metrics.read_from(front.readings)
            before_front()
            async with tree.supervise(
                "front", front.run, grace=grace(), describe=lambda: branch_details.front(front)
            ):
                yield tree

"""Builds the bots: their store's writer, webhooks, pruning, media, pipelines and service."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Never

import structlog
import trio

from orch.bots.bot_counters import BotCounters
from orch.bots.bot_traces import BotTraces
from orch.bots.calendars.service import Calendars
from orch.bots.media.channel import Channel
from orch.bots.media.server import MediaServer
from orch.bots.pipeline.pipelines import Pipelines
from orch.bots.pruning import Pruning
from orch.bots.requests import BotRequest
from orch.bots.runs.pipelines import RunPipelines
from orch.bots.runs.recording import Recordings
from orch.bots.runs.stays import BrowserStays
from orch.bots.service import BotsService, Joined, Kept
from orch.bots.webcam.fonts import Fonts
from orch.bots.webhooks.service import WebhookService
from orch.cluster.lease import Leases
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name
from orch.settings.live import LiveSettings
from orch.speech.service import SpeechService
from orch.stores.bot_store import BotStore
from orch.stores.bot_writer import BotWriter, spool_at
from orch.stores.opening import Stores, bot_store_place
from orch.stores.spool import spool_folder
from orch.supervision.branches import Run, Tree
from orch.telemetry.names import bots as names
from orch.telemetry.names.metric import Reading
from orch.telemetry.topics import Topics
from orch.telemetry.traces import Tracer
from orch.websocket.service import HubService

SPOOL_OPENED_AGAIN: Final = 5.0
"""Seconds until a spool that cannot be opened is opened again."""

_log = structlog.get_logger("bots")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBots:
    """What there is where bots can be stored. ``runs``: what outlives the bots, as their store does."""

    store: BotStore
    writer: BotWriter
    webhooks: WebhookService
    pruning: Pruning
    pipelines: Pipelines
    counters: BotCounters
    traces: BotTraces

    @property
    def runs(self) -> tuple[Run, ...]:
        """What runs as long as the store: bots store their last words at the end."""
        return (partial(_keep_writing, self.writer), self.webhooks.run, self.pruning.run)

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield from self.webhooks.readings()
        yield from self.pruning.readings()
        yield from self.pipelines.readings()
        spool = self.writer.statistics()
        yield Reading(names.SPOOL_BYTES, spool.spooled_bytes)
        yield Reading(names.SPOOL_LIMIT, spool.spool_limit)
        yield Reading(names.SPOOL_OLDEST, spool.spooled_seconds)
        yield Reading(names.SPOOL_REJECTED, spool.rejected)
        yield Reading(names.SPOOL_LOST, spool.lost)
        yield Reading(names.SPOOL_FULL, float(spool.is_full))


def build(
    configuration: LiveSettings,
    stores: Stores,
    *,
    hub: HubService,
    speech: SpeechService,
    survey: Survey,
    topics: Topics,
    tree: Tree,
    leases: Leases,
    tracer: Tracer,
) -> tuple[BotsService, StoredBots | None, Calendars | None]:
    """Build the bots and what schedules them, none of them running yet."""
    stored = None if stores.bots is None else _stored(configuration, stores, stores.bots, hub, speech, tracer)
    kept = None if stored is None else _kept(configuration, stored, topics)
    service = BotsService(
        kept,
        settings=configuration,
        wall=stores.wall,
        touch=topics.touch,
        worker=survey.me.name,
        survey=survey,
        stopping=lambda: tree.stopping,
        without=stores.without_bots,
        webhooks=(lambda *_: ()) if stored is None else stored.webhooks.compose,
        on_stored=(lambda: None) if stored is None else stored.webhooks.notify,
        counters=None if stored is None else stored.counters,
        traces=None if stored is None else stored.traces,
    )
    service.on_deleted = lambda session_id: _forget_session(hub, session_id)
    if stored is None or not configuration.current.orchestration.bots.calendars:
        return service, stored, None
    calendars = Calendars(
        stored.store,
        service,
        configuration,
        exchanges=stored.webhooks.exchanges,
        lease=leases.lease("calendars"),
        offer=stored.webhooks.offer_of_calendar,
        wall=stores.wall,
    )
    return service, stored, calendars


def _stored(
    configuration: LiveSettings,
    stores: Stores,
    store: BotStore,
    hub: HubService,
    speech: SpeechService,
    tracer: Tracer,
) -> StoredBots:
    bots = configuration.current.orchestration.bots
    # Each process has a spool of its own; those of processes with this store that have ended are adopted.
    spools = spool_folder(Path(bots.spool), bot_store_place(configuration))
    writer = BotWriter(store, spool_at(spools, new_name()))
    counters, traces = BotCounters(), BotTraces(tracer)
    return StoredBots(
        counters=counters,
        traces=traces,
        store=store,
        writer=writer,
        webhooks=WebhookService(store, configuration, wall=stores.wall, traces=traces),
        pruning=Pruning(store, configuration, wall=stores.wall),
        pipelines=Pipelines(
            hub=hub.meetings,
            speech=speech,
            records=writer,
            fonts=Fonts(tuple(Path(each) for each in bots.fonts)),
            tally=counters.attribution,
        ),
    )


def _kept(configuration: LiveSettings, stored: StoredBots, topics: Topics) -> Kept:
    media = MediaServer()
    stays = BrowserStays(lambda: configuration.current.orchestration.bots, counters=stored.counters)

    def channel(bot_id: str, request: BotRequest) -> AbstractContextManager[Channel]:
        camera = request.camera
        return media.channel(bot_id, camera=None if camera is None else (camera.width, camera.height))

    return Kept(
        store=stored.store,
        writer=stored.writer,
        joined=Joined(
            stay=stays,
            channel=channel,
            pipeline=RunPipelines(
                stored.pipelines,
                stored.store,
                recordings=Recordings(configuration, stored.writer.put),
                offer=stored.webhooks.offer,
                touch=topics.touch,
            ),
            alongside=(stays.reap, media.run),
        ),
        remove_files=stored.pruning.remove_files,
        is_alone=not configuration.current.orchestration.bots.postgres_url,
    )


async def _forget_session(hub: HubService, session_id: str) -> None:
    """End the session in which a bot published, with its history."""
    try:
        await hub.end_session(session_id)
    except ProblemError as problem:
        if problem.code != "unknown_session":
            raise


async def _keep_writing(writer: BotWriter, *, task_status: trio.TaskStatus[None]) -> Never:
    """Store what is captured until cancelled. A spool that cannot be opened does not end the service."""
    is_started = False
    while True:
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(writer.run)
                if not is_started:
                    is_started = True
                    task_status.started()
        except* OSError as group:
            _log.error("the spool of bots cannot be opened", reason=str(group.exceptions[0]))
        if not is_started:
            is_started = True
            task_status.started()
        await trio.sleep(SPOOL_OPENED_AGAIN)

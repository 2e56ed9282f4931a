"""The nursery tree, on one page.

    stores                sessions and their history                       stops last
    └─ health             probes, verdicts, recovery of back ends
       └─ bots            one nursery per bot
          └─ websocket    the hub: publisher, sweeper, speech streams
             └─ gateway   connections to the back ends
                └─ front  accepts connections                              stops first

Everything is built once, by :func:`build`, and handed down; a branch that is restarted runs again on the same
objects.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog
import trio

from orch.access.service import Access
from orch.access.sign_ins import SignIns
from orch.analytics.dashboard import Dashboard
from orch.bots.service import BotsService
from orch.capacity import CurrentCapacity
from orch.cluster.lease import Leases, LeaseStore
from orch.cluster.runtime_settings import RuntimeSettings
from orch.cluster.survey import Asking
from orch.cluster.workers import Brief, Counts
from orch.descriptors import limit
from orch.front.servers import FrontServer
from orch.gateway.service import GatewayService
from orch.health.processes import ProcessSpec
from orch.health.service import HealthService
from orch.masking import mask_url
from orch.parts import Parts
from orch.problems import ProblemError
from orch.settings import Change
from orch.settings.live import LiveSettings
from orch.shortages import Shortage
from orch.speech.service import Speech
from orch.speech.transcriber import Transcriber
from orch.speech.translator import Translator
from orch.stores.sqlite.store import SqliteStore, StoreStatistics
from orch.sums import sums
from orch.supervision.branches import Detail, Queue, Run, State, Tree
from orch.telemetry import metrics as names
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.metrics import Metrics, Reading
from orch.telemetry.pulse import Pulse
from orch.telemetry.shortages import ShortageLog
from orch.telemetry.topics import Topics
from orch.websocket.connections.connection_query import NOBODY
from orch.websocket.service import HubService

if TYPE_CHECKING:
    from orch.stores.redis.store import RedisStore

log = structlog.get_logger("tree")


def build(
    configuration: LiveSettings,
    events: EventLog,
    processes: Mapping[str, ProcessSpec],
    *,
    worker: int | None = None,
) -> Parts:
    """Build every part, none of them running yet. ``worker``: which of several processes this is."""
    wall = time.time
    topics, metrics = Topics(), Metrics(lambda: _instances(configuration))
    tree = Tree(events=events, wall=wall, on_change=lambda: topics.touch("tree"), worker=worker)
    store = _store(configuration)
    asking = Asking.over(store, place=worker)
    shortages = ShortageLog(events=events, clock=time.monotonic, wall=wall)
    pulse = Pulse(events=events, wall=wall)
    access = Access(settings=configuration, sign_ins=SignIns(store=store, asking=asking, wall=wall))
    health = HealthService(
        settings=configuration,
        events=events,
        topics=topics,
        metrics=metrics,
        processes=processes,
        leases=Leases(store if isinstance(store, LeaseStore) else None),
        shortages=shortages,
        pulse=pulse,
        wall=wall,
    )
    gateway = GatewayService(
        settings=configuration,
        health=health,
        events=events,
        topics=topics,
        metrics=metrics,
        shortages=shortages,
        pulse=pulse,
    )
    speech = Speech(
        transcriber=Transcriber(settings=configuration, fetch=gateway.fetch),
        translator=Translator(settings=configuration, fetch=gateway.fetch),
        settings=configuration,
        wall=wall,
    )
    capacity = CurrentCapacity(configuration, limit())
    hub = HubService(
        settings=configuration,
        store=store,
        asking=asking,
        gateway=gateway,
        speech=speech,
        events=events,
        topics=topics,
        metrics=metrics,
        capacity=capacity,
        wall=wall if isinstance(store, SqliteStore) else store.wall,
    )
    hub.sums = partial(sums, configuration, capacity, hub, gateway, speech)
    dashboard = Dashboard(
        settings=configuration,
        gateway=gateway,
        speech=speech,
        hub=hub,
        workers=asking.statistics,
        events=events,
        wall=wall,
    )
    parts = Parts(
        access=access,
        settings=configuration,
        runtime=RuntimeSettings(configuration=configuration, store=store, asking=asking),
        events=events,
        topics=topics,
        metrics=metrics,
        shortages=shortages,
        pulse=pulse,
        capacity=capacity,
        store=store,
        asking=asking,
        health=health,
        bots=BotsService(),
        gateway=gateway,
        speech=speech,
        hub=hub,
        dashboard=dashboard,
        tree=tree,
    )
    _connect(parts)
    return parts


def _store(configuration: LiveSettings) -> "SqliteStore | RedisStore":
    settings = configuration.current.session_management
    if settings.persistence == "sqlite":
        return SqliteStore(Path(settings.sqlite_path))

    # A service of one process does without what its client for Redis weighs.
    from orch.stores.redis.store import RedisStore  # noqa: PLC0415 - see above

    def lifetime() -> float:
        # The sweep ends what is silent. This is for what no worker is left to sweep.
        current = configuration.current
        interval = current.session_management.cleanup_interval
        return 2 * (current.orchestration.websocket.session_timeout + interval) + 60

    return RedisStore(settings.redis_url, lifetime=lifetime)


def _instances(configuration: LiveSettings) -> dict[str, set[str]]:
    """Return the instances of each service as the settings are now, as they are shown."""
    services = configuration.current.services
    return {
        name: {mask_url(each.url) for each in service.all_instances()} for name, service in services.items()
    }


def _connect(parts: Parts) -> None:
    """Say what pages can be told of, what is scraped, and what follows from a change."""
    topics = parts.topics
    topics.register("services", parts.health.statistics)
    parts.shortages.on_change = lambda: topics.touch("services")
    topics.register("store", parts.store.standing)
    if isinstance(parts.store, SqliteStore):
        parts.store.on_state = lambda _is_well: _store_changed(parts)
        parts.store.on_rescued = lambda text: _rescued(parts, text)
    topics.register("gateway", parts.gateway.statistics)
    topics.register("connections", parts.hub.pool.latest)
    topics.register("workers", parts.asking.statistics)
    topics.register("counts", lambda: _counts(parts))
    parts.asking.describe = lambda: _brief(parts)
    parts.asking.answer("tree", lambda _: msgspec.json.encode(parts.tree.statistics()))
    parts.asking.answer("restart", partial(_restart, parts))
    parts.asking.answer("recover", lambda question: _recover(parts, question))
    parts.access.sign_ins.on_end = parts.hub.sign_out
    parts.asking.on_change = lambda: topics.touch("workers")
    parts.health.elsewhere = partial(_recover_elsewhere, parts)
    parts.speech.follow_standing(parts.health.note_refusal)
    topics.register("metrics", parts.dashboard.statistics)
    topics.register("tree", parts.tree.statistics)
    topics.register("config", parts.settings.statistics)
    parts.events.on_record = lambda _event: topics.touch("metrics")
    parts.settings.on_applied = partial(_applied, parts)
    parts.metrics.read_from(partial(_readings, parts))


def _rescued(parts: Parts, text: str) -> None:
    parts.events.record("warn", "store", text)


def _store_changed(parts: Parts) -> None:
    """Tell operators and clients that sessions cannot be stored now, or that they can again."""
    parts.topics.touch("store")
    parts.hub.store_changed(parts.store.standing())


def _applied(parts: Parts, changed: tuple[Change, ...]) -> None:
    """Follow a change of the settings."""
    if any(change.path == "orchestration.control_token" for change in changed):
        parts.hub.sign_out_operators()
    parts.topics.touch("config")


def _brief(parts: Parts) -> Brief:
    """Say in few words how this worker is, for the roll call."""
    amiss = tuple(name for name, state in parts.tree.states().items() if state is not State.RUNNING)
    return Brief(
        connections=parts.hub.active,
        limit=parts.capacity().websockets,
        evicted=parts.hub.evicted,
        messages_out_per_second=parts.hub.messages_out_per_second,
        state="stopping" if parts.tree.stopping.is_set() else "running",
        amiss=amiss,
        since=parts.tree.began,
        revision=parts.settings.revision,
    )


def _restart(parts: Parts, question: bytes) -> bytes:
    """Begin a branch anew because an operator has asked another worker for it."""
    branch = msgspec.json.decode(question, type=str)
    if branch not in parts.tree.names():
        return b'"unknown"'
    return b'"restarting"' if parts.tree.restart(branch) else b'"stopped"'


async def _recover_elsewhere(parts: Parts, service: str, reason: str) -> bool:
    """Have the worker whose turn it is start a back end again; return whether there is one."""
    asked = await parts.asking.ask("recover", msgspec.json.encode((service, reason)))
    return any(answer.data == b"true" for answer in asked.answers)


def _recover(parts: Parts, question: bytes) -> bytes:
    """Start a back end again if that is for this worker to do, because another was asked to."""
    service, reason = msgspec.json.decode(question, type=tuple[str, str])
    try:
        return msgspec.json.encode(parts.health.restart_here(service, reason=reason))
    except ProblemError:
        return b"false"  # here it is not known, or health does not run


def _counts(parts: Parts) -> Counts:
    there = parts.asking.statistics().workers
    return Counts(connections=sum(each.brief.connections for each in there), sessions=parts.hub.sessions)


@asynccontextmanager
async def running(
    parts: Parts, front: FrontServer | None, *, before_front: Callable[[], None] = lambda: None
) -> AsyncIterator[Tree]:
    """Run the tree for the length of the block; without ``front`` someone else accepts connections.

    ``before_front`` is called when everything but the front is up.
    """
    tree = parts.tree
    if lowered := parts.capacity().sentence:
        log.warning("fewer connections than asked for", reason=lowered)
        parts.events.record("warn", "connections", lowered)

    def grace() -> float:
        return parts.settings.current.orchestration.shutdown_grace

    async with (
        tree.supervise(
            "stores",
            _together(parts.store.run, parts.asking.run, parts.runtime.run, parts.settings.watch),
            describe=lambda: _stores_detail(parts),
        ),
        tree.supervise(
            "health",
            _together(parts.pulse.run, parts.health.run, parts.dashboard.run),
            describe=lambda: Detail(text=_health_words(parts)),
        ),
        tree.supervise(
            "bots",
            parts.bots.run,
            describe=lambda: Detail(text=_counted(parts.bots.statistics().running, "bot")),
        ),
        tree.supervise(
            "websocket",
            _together(parts.hub.run, partial(parts.access.sign_ins.watch, lambda: parts.hub.sign_ins)),
            describe=lambda: _hub_detail(parts),
        ),
        tree.supervise("gateway", parts.gateway.run, describe=lambda: Detail(text=_gateway_words(parts))),
    ):
        if front is None or tree.stopping.is_set():
            yield tree
        else:
            parts.metrics.read_from(partial(_front_readings, front))
            before_front()
            async with tree.supervise(
                "front", front.run, grace=grace(), describe=lambda: Detail(text=_front_words(front))
            ):
                yield tree


def _together(*runs: Run) -> Run:
    """Return one run out of several that start in order and fail together."""

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            for each in runs:
                await nursery.start(each)
            task_status.started()

    return run


def _counted(number: int, noun: str) -> str:
    """Return ``no bots``, ``1 bot``, ``2 bots``."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _stores_detail(parts: Parts) -> Detail:
    store, standing = parts.store.statistics(), parts.store.standing()
    text = "sqlite" if isinstance(store, StoreStatistics) else f"redis, {store.state}"
    text = " · ".join([text, *filter(None, (standing.reason, *standing.cautions))])
    return Detail(text=text, queues=(Queue(name="operations", fill=store.waiting, limit=store.limit),))


def _health_words(parts: Parts) -> str:
    summary = parts.health.summary()
    amiss = [name for name, state in summary.items() if state not in ("healthy", "unknown")]
    words = _counted(len(summary), "service")
    return words + (f", {len(amiss)} not healthy" if amiss else "")


def _hub_detail(parts: Parts) -> Detail:
    hub = parts.hub.statistics()
    return Detail(
        text=f"{_counted(hub.active, 'connection')}, {_counted(hub.sessions, 'session')}",
        queues=(
            Queue(name="connections", fill=hub.active, limit=hub.limit),
            *(
                Queue(name=f"outbox {c.connection_id}", fill=c.queued_bytes, limit=hub.outbox_limit)
                for c in hub.connections
                if c.queued_bytes > 0
            ),
        ),
    )


def _gateway_words(parts: Parts) -> str:
    return f"{parts.gateway.statistics().requests_per_second:.2g} requests/s"


def _front_words(front: FrontServer) -> str:
    statistics = front.statistics()
    return f"{', '.join(statistics.bound)}, {statistics.open} open"


def _front_readings(front: FrontServer) -> Iterator[Reading]:
    """Read what Prometheus asks for from the front's own statistics."""
    statistics = front.statistics()
    yield Reading(names.FRONT_OPEN, statistics.open)
    yield Reading(names.FRONT_ACCEPTED, statistics.accepted)
    for kind, count in statistics.refused.items():
        yield Reading(names.FRONT_REFUSED, count, (kind,))


def _gateway_readings(parts: Parts) -> Iterator[Reading]:
    gateway = parts.gateway.statistics()
    yield Reading(names.GATEWAY_PLACES, gateway.places)
    yield Reading(names.GATEWAY_SPOOLED, gateway.spooled_bytes)
    for instance in gateway.instances:
        for lane in instance.lanes:
            labels = (instance.service, instance.url, lane.flow)
            yield Reading(names.LANE_CONNECTIONS, lane.connections, labels)
            yield Reading(names.LANE_BUSY, lane.busy, labels)
            yield Reading(names.LANE_WAITING, lane.waiting, labels)


def _readings(parts: Parts) -> Iterator[Reading]:
    """Read what Prometheus asks for from the parts' own statistics."""
    yield from _gateway_readings(parts)
    hub, speech, tree = parts.hub.statistics(NOBODY), parts.speech.statistics(), parts.tree.statistics()
    yield Reading(names.UPTIME, tree.uptime)
    for shortage in Shortage:
        yield Reading(names.SHORTAGES, parts.shortages.counts[shortage], (str(shortage),))
    yield Reading(names.STANDSTILLS, parts.pulse.gaps)
    yield Reading(names.CLOCK_JUMPS, parts.pulse.jumps)
    yield Reading(names.CONNECTIONS, hub.active)
    yield Reading(names.CONNECTIONS_TOTAL, hub.total)
    yield Reading(names.EVICTIONS, hub.evicted)
    yield Reading(names.MESSAGES_IN, hub.messages_in)
    yield Reading(names.MESSAGES_OUT, hub.messages_out)
    yield Reading(names.QUEUED_BYTES, hub.queued_bytes)
    yield Reading(names.SESSIONS, hub.sessions)
    yield Reading(names.ENDED_EARLY, parts.hub.beginnings.ended_early)
    for each in hub.sums:
        yield Reading(names.SUM_TAKEN, each.taken, (each.name,))
        yield Reading(names.SUM_LIMIT, each.limit, (each.name,))
    yield Reading(names.WRONG_TOKENS, parts.access.wrong_tokens)
    store, standing = parts.store.statistics(), parts.store.standing()
    yield Reading(names.STORE_HEALTHY, float(standing.state == "healthy"))
    yield Reading(names.STORE_CAUTIONS, len(standing.cautions))
    yield Reading(names.STORE_WAITING, store.waiting)
    yield Reading(names.STORE_FAILURES, store.failures)
    yield Reading(names.STREAMS, speech.streams)
    yield Reading(names.UTTERANCES, speech.utterances)
    yield Reading(names.FINALS, speech.finals)
    yield Reading(names.LOST, speech.lost)
    yield Reading(names.REVISIONS_DROPPED, speech.revisions_dropped)
    yield Reading(names.DOUBTED, speech.doubted)
    for asked in speech.back_ends:
        yield Reading(names.SPEECH_REFUSED, asked.refused, (asked.service,))
        yield Reading(names.SPEECH_REFUSING, float(asked.refusal is not None), (asked.service,))
    yield Reading(names.SPEECH_WAITING, speech.waiting_seconds)
    for quantile, milliseconds in (("0.5", speech.caption_p50_ms), ("0.95", speech.caption_p95_ms)):
        if milliseconds is not None:
            yield Reading(names.CAPTION_SECONDS, milliseconds / 1000, (quantile,))
    for boundary in _boundaries(parts):
        yield Reading(names.CONTAINED, boundary.failures, (boundary.loop,))
    for branch in tree.branches:
        yield Reading(names.BRANCH_STATE, float(branch.state == "running"), (branch.name,))
        yield Reading(names.BRANCH_RESTARTS, branch.restarts, (branch.name,))


def _boundaries(parts: Parts) -> Iterator[Boundary]:
    """Go through the loops that go on although one of their items failed."""
    yield from (parts.settings.boundary, parts.dashboard.boundary)
    yield from (parts.health.boundary, parts.gateway.boundary, *parts.hub.boundaries)
    yield from (parts.asking.boundary, parts.runtime.boundary, parts.access.boundary, *parts.store.boundaries)
    yield parts.health.lease_boundary

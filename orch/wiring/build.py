"""Builds every part of one process, from the stores up; none of them runs yet."""

import time
from functools import partial

from orch import own_usage
from orch.access.service import Access
from orch.access.sign_ins import SignIns
from orch.alerts.service import AlertService
from orch.analytics.dashboard import Dashboard
from orch.analytics.insights.graph import graph_of
from orch.analytics.insights.happenings import happenings
from orch.analytics.service import AnalyticsService
from orch.audio import silero
from orch.audio.pipeline_pool import PipelinePool, available_cores, processes_for
from orch.audio.pipeline_runs import PipelineRuns
from orch.capacity import CurrentCapacity
from orch.cluster.lease import Leases
from orch.cluster.runtime_settings import RuntimeSettings
from orch.cluster.survey import Survey
from orch.cluster.workers import described
from orch.gateway.controls.shared import SharedControls
from orch.gateway.discovery.registry import Registry
from orch.gateway.discovery.resolver import DnsResolver
from orch.gateway.discovery.service import Discovery
from orch.gateway.service import GatewayService
from orch.gateway.shedding.priorities import Priority
from orch.health.incidents.service import IncidentService
from orch.health.service import HealthService
from orch.journey.service import JourneyService
from orch.limit_usage import limit_usages
from orch.name_lookups import NameLookups
from orch.open_files import limit
from orch.overload_watch import OverloadWatch
from orch.processes import Children
from orch.settings.live import LiveSettings
from orch.settings.shown import shown_instances, shown_routes
from orch.shortages import Shortage
from orch.speech.promised_api import PromisedApi
from orch.speech.service import SpeechService
from orch.speech.transcriber import Transcriber
from orch.speech.translator import Translator
from orch.speech.voice_models import VoiceModels
from orch.stores.opening import open_stores
from orch.supervision.branches import Tree
from orch.telemetry.events import KEPT, EventLog
from orch.telemetry.metrics import Metrics
from orch.telemetry.pulse import Pulse
from orch.telemetry.shortages import ShortageLog
from orch.telemetry.topics import Topics
from orch.websocket.service import HubService
from orch.wiring import bots, callbacks, process, traces, worker_surveys
from orch.wiring.parts import Parts
from orch.wiring.real_requests import make_real_request


def build(
    configuration: LiveSettings,
    events: EventLog,
    processes: Children,
    *,
    worker: int | None = None,
    restarts: int = 0,
) -> Parts:
    """Build every part, none of them running yet. Raises SettingsError for what only a start can check.

    ``worker``: which of several processes this is; ``restarts``: how often it was replaced after a failure.
    """
    wall = time.time
    stores = open_stores(configuration)
    registry = Registry(stores.documents, settings=configuration, wall=stores.wall)
    discovery = Discovery(configuration, resolver=DnsResolver(), events=events, registry=registry)
    topics = Topics()
    metrics = Metrics(lambda: shown_instances(discovery.current), lambda: shown_routes(configuration.current))
    tree = Tree(events=events, wall=wall, on_change=lambda: topics.touch("tree"), worker=worker)
    survey = Survey(stores.cluster, place=worker)
    traced = traces.build(configuration, survey.me, events, wall)
    shortages = ShortageLog(events=events, clock=time.monotonic, wall=wall)
    pulse = Pulse(events=events, wall=wall)
    access = Access(settings=configuration, sign_ins=SignIns(store=stores.sign_ins, survey=survey, wall=wall))
    leases = Leases(stores.cluster)
    health = HealthService(
        settings=discovery,
        events=events,
        topics=topics,
        metrics=metrics,
        processes=processes,
        leases=leases,
        shortages=shortages,
        pulse=pulse,
        wall=wall,
    )
    files = limit()
    capacity = CurrentCapacity(configuration, files)
    gateway = GatewayService(
        settings=discovery,
        discovered=discovery.statistics,
        health=health,
        events=events,
        topics=topics,
        metrics=metrics,
        shortages=shortages,
        pulse=pulse,
        shared_buckets=stores.rates,
        capacity=capacity,
        tracer=traced.tracer,
    )
    health.work_of = gateway.work_of
    health.reset_connections = gateway.reset
    health.make_real_request = make_real_request
    later = partial(gateway.fetch, priority=Priority.BATCH)
    transcriber = Transcriber(settings=discovery, fetch=gateway.fetch, fetch_later=later)
    translator = Translator(settings=discovery, fetch=gateway.fetch, fetch_later=later)
    gateway.use_adapter(PromisedApi(transcriber=transcriber, translator=translator, settings=discovery))
    pipelines = PipelinePool(limit=processes_for(available_cores()))
    speech = SpeechService(
        transcriber=transcriber,
        translator=translator,
        settings=discovery,
        wall=wall,
        voices=VoiceModels(silero.load, frame=silero.FRAME) if silero.is_installed() else None,
        pipelines=pipelines,
        concurrency=gateway.concurrency,
        tracer=traced.tracer,
    )
    overload = OverloadWatch(
        settings=configuration,
        events=events,
        wall=wall,
        sources={
            Shortage.MEMORY: own_usage.memory,
            Shortage.DESCRIPTORS: lambda: own_usage.descriptors(files, capacity().reserve),
        },
    )
    hub = HubService(
        settings=configuration,
        stores=stores,
        survey=survey,
        gateway=gateway,
        speech=speech,
        events=events,
        topics=topics,
        metrics=metrics,
        capacity=capacity,
        wall=stores.wall,
    )
    hub.sums = partial(limit_usages, configuration, capacity, hub, gateway, speech)
    dashboard = Dashboard(
        settings=configuration,
        gateway=gateway,
        speech=speech,
        hub=hub,
        workers=survey.statistics,
        events=events,
        overload=overload.statistics,
        wall=wall,
    )
    alerts = AlertService(
        settings=configuration,
        documents=stores.documents,
        events=events,
        wall=wall,
        touch=lambda: topics.touch("alerts"),
        leases=leases,
    )
    analytics = AnalyticsService(
        sources=lambda: metrics.sources,
        gateway=gateway.statistics_as_read,
        speech=speech.statistics,
        store=stores.documents,
        owner=f"{survey.me.host}-{survey.me.place or 0}" if survey.is_shared else "0",
        worker=survey.me.name,
        graph=lambda: graph_of(
            ((each.prefix, each.service) for each in gateway.statistics().routes), discovery.current.services
        ),
        happened=lambda: happenings(
            events.latest(KEPT), services=discovery.current.services, branches=tree.names()
        ),
        alerts=alerts.alerts,
        wording=lambda: configuration.current.orchestration.analytics.wording,
        wall=wall,
    )
    bot_service, stored_bots, calendars = bots.build(
        configuration,
        stores,
        hub=hub,
        speech=speech,
        survey=survey,
        topics=topics,
        tree=tree,
        leases=leases,
        tracer=traced.tracer,
    )
    parts = Parts(
        access=access,
        settings=configuration,
        runtime=RuntimeSettings(configuration=configuration, store=stores.cluster, survey=survey),
        events=events,
        topics=topics,
        traces=traced,
        metrics=metrics,
        process=process.build(configuration, metrics, overload, survey.me, restarts),
        shortages=shortages,
        overload=overload,
        lookups=NameLookups(),
        pulse=pulse,
        capacity=capacity,
        stores=stores,
        survey=survey,
        health=health,
        incidents=IncidentService(
            settings=configuration,
            health=health,
            documents=stores.documents,
            events=events,
            wall=wall,
            leases=leases,
        ),
        alerts=alerts,
        bots=bot_service,
        stored_bots=stored_bots,
        calendars=calendars,
        gateway=gateway,
        controls=SharedControls(gateway=gateway, store=stores.documents, survey=survey, wall=stores.wall),
        discovery=discovery,
        registry=registry,
        speech=speech,
        pipelines=pipelines,
        hub=hub,
        pipeline_runs=PipelineRuns(),
        dashboard=dashboard,
        journey=JourneyService(
            settings=configuration,
            host=hub,
            events=events,
            was_suspended_since=pulse.was_stopped_since,
            is_stopping=tree.stopping.is_set,
            wall=wall,
            worker=described(survey.me) if survey.is_shared else "",
        ),
        analytics=analytics,
        tree=tree,
    )
    callbacks.connect(parts)
    worker_surveys.connect(parts)
    return parts

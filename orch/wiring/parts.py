"""The long-lived objects of a process: known where the service is put together, and nowhere else."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orch.access.service import Access
    from orch.alerts.service import AlertService
    from orch.analytics.dashboard import Dashboard
    from orch.analytics.service import AnalyticsService
    from orch.audio.pipeline_pool import PipelinePool
    from orch.audio.pipeline_runs import PipelineRuns
    from orch.bots.calendars.service import Calendars
    from orch.bots.service import BotsService
    from orch.capacity import CurrentCapacity
    from orch.cluster.runtime_settings import RuntimeSettings
    from orch.cluster.survey import Survey
    from orch.gateway.controls.shared import SharedControls
    from orch.gateway.discovery.registry import Registry
    from orch.gateway.discovery.service import Discovery
    from orch.gateway.service import GatewayService
    from orch.health.incidents.service import IncidentService
    from orch.health.service import HealthService
    from orch.journey.service import JourneyService
    from orch.name_lookups import NameLookups
    from orch.overload_watch import OverloadWatch
    from orch.settings.live import LiveSettings
    from orch.speech.service import SpeechService
    from orch.stores.opening import Stores
    from orch.supervision.branches import Tree
    from orch.telemetry.events import EventLog
    from orch.telemetry.metrics import Metrics
    from orch.telemetry.pulse import Pulse
    from orch.telemetry.shortages import ShortageLog
    from orch.telemetry.topics import Topics
    from orch.telemetry.traces.service import Traces
    from orch.websocket.service import HubService
    from orch.wiring.bots import StoredBots
    from orch.wiring.process import ProcessMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The long-lived objects of one process. Each survives restarts of its branch."""

    access: "Access"
    settings: "LiveSettings"
    runtime: "RuntimeSettings"
    events: "EventLog"
    topics: "Topics"
    traces: "Traces"
    metrics: "Metrics"
    process: "ProcessMetrics"
    shortages: "ShortageLog"
    overload: "OverloadWatch"
    lookups: "NameLookups"
    pulse: "Pulse"
    capacity: "CurrentCapacity"
    stores: "Stores"
    survey: "Survey"
    health: "HealthService"
    incidents: "IncidentService"
    alerts: "AlertService"
    bots: "BotsService"
    stored_bots: "StoredBots | None"
    calendars: "Calendars | None"
    gateway: "GatewayService"
    controls: "SharedControls"
    discovery: "Discovery"
    registry: "Registry"
    speech: "SpeechService"
    pipelines: "PipelinePool"
    hub: "HubService"
    pipeline_runs: "PipelineRuns"
    dashboard: "Dashboard"
    journey: "JourneyService"
    analytics: "AnalyticsService"
    tree: "Tree"

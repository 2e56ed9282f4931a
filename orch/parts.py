"""What the tree has built, handed to the pages and the application."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orch.access.service import Access
    from orch.bots.service import BotsService
    from orch.capacity import CurrentCapacity
    from orch.cluster.asking import Asking
    from orch.cluster.runtime_settings import RuntimeSettings
    from orch.configuration import Configuration
    from orch.dashboard import Dashboard
    from orch.gateway.service import GatewayService
    from orch.health.service import HealthService
    from orch.speech.live import Speech
    from orch.stores.redis import RedisStore
    from orch.stores.sqlite import SqliteStore
    from orch.supervision import Tree
    from orch.telemetry.events import EventLog
    from orch.telemetry.metrics import Metrics
    from orch.telemetry.pulse import Pulse
    from orch.telemetry.shortages import ShortageLog
    from orch.websocket.service import HubService
    from orch.websocket.topics import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The long-lived objects of one process. Each outlives the restarts of its branch."""

    access: "Access"
    settings: "Configuration"
    runtime: "RuntimeSettings"
    events: "EventLog"
    topics: "Topics"
    metrics: "Metrics"
    shortages: "ShortageLog"
    pulse: "Pulse"
    capacity: "CurrentCapacity"
    store: "SqliteStore | RedisStore"
    asking: "Asking"
    health: "HealthService"
    bots: "BotsService"
    gateway: "GatewayService"
    speech: "Speech"
    hub: "HubService"
    dashboard: "Dashboard"
    tree: "Tree"

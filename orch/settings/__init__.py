"""Settings: YAML and environment in, frozen structs out, and which changes need a restart.

Pure. :mod:`orch.settings.live` reads the file and watches it.
"""

from orch.settings.bots import Bots
from orch.settings.decoding import Decoded, decode
from orch.settings.fallbacks import Fallback, FallbackCache, StaticResponse
from orch.settings.gateway_structs import Gateway, PublicRoute, Repeatable, Route, Share, Uploads
from orch.settings.outliers import Breakers, Ejection
from orch.settings.rate_limits import RateLimit
from orch.settings.reload_rules import Change, changes
from orch.settings.service_structs import Instance, Service
from orch.settings.shedding import RoutePriority, Shedding
from orch.settings.structs import (
    AlertThresholds,
    Fault,
    Frontend,
    Monitoring,
    Orchestration,
    SessionManagement,
    Settings,
    SettingsError,
    Speech,
    Vad,
    Websocket,
)

__all__ = [
    "AlertThresholds",
    "Bots",
    "Breakers",
    "Change",
    "Decoded",
    "Ejection",
    "Fallback",
    "FallbackCache",
    "Fault",
    "Frontend",
    "Gateway",
    "Instance",
    "Monitoring",
    "Orchestration",
    "PublicRoute",
    "RateLimit",
    "Repeatable",
    "Route",
    "RoutePriority",
    "Service",
    "SessionManagement",
    "Settings",
    "SettingsError",
    "Share",
    "Shedding",
    "Speech",
    "StaticResponse",
    "Uploads",
    "Vad",
    "Websocket",
    "changes",
    "decode",
]

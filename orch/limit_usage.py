"""The totals that are limited across all clients, each with its limit, in one table."""

from collections.abc import Iterator

from orch.capacity import CurrentCapacity
from orch.gateway.service import GatewayService
from orch.settings.live import LiveSettings
from orch.speech.service import SpeechService
from orch.websocket.service import HubService
from orch.websocket.statistics import Bounded


def limit_usages(
    configuration: LiveSettings,
    capacity: CurrentCapacity,
    hub: HubService,
    gateway: GatewayService,
    speech: SpeechService,
) -> Iterator[Bounded]:
    """Yield the totals of this worker, and those shared by all workers."""
    limits, under_way, spoken = configuration.current.orchestration, gateway.usage(), speech.statistics()
    yield Bounded(
        name="connections",
        taken=hub.active,
        limit=capacity().websockets,
        setting="websocket.max_connections",
    )
    yield Bounded(
        name="sessions",
        taken=hub.sessions,
        limit=limits.websocket.max_sessions,
        setting="websocket.max_sessions",
        is_shared=True,
    )
    yield Bounded(
        name="stored_bytes",
        taken=hub.storage.used,
        limit=hub.storage.limit,
        setting="session_management.max_bytes",
        is_shared=True,
    )
    yield Bounded(
        name="outgoing_bytes",
        taken=hub.outgoing.bytes,
        limit=hub.outgoing.limit,
        setting="websocket.outboxes_bytes",
    )
    yield Bounded(
        name="streams",
        taken=spoken.streams,
        limit=limits.speech.max_streams,
        setting="speech.max_streams",
    )
    yield Bounded(
        name="waiting_speech_seconds",
        taken=spoken.waiting_seconds,
        limit=limits.speech.max_waiting_seconds,
        setting="speech.max_waiting_seconds",
    )
    yield Bounded(
        name="gateway_requests",
        taken=under_way.places,
        limit=under_way.places_limit,
        setting="gateway.max_requests",
    )
    yield Bounded(
        name="spooled_bytes",
        taken=under_way.spooled_bytes,
        limit=under_way.spool_limit,
        setting="gateway.spool_bytes",
    )

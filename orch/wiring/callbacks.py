"""Registers the topics of pages, the metrics, and the callbacks for changes."""

from orch.settings import Change
from orch.stores import backups
from orch.telemetry.topics import Family
from orch.wiring import worker_surveys
from orch.wiring.parts import Parts


def connect(parts: Parts) -> None:
    """Register topics and metrics, and the callbacks for changes."""
    topics = parts.topics
    topics.register("services", parts.health.statistics)
    topics.register("store", parts.stores.engine.status)
    topics.register("gateway", parts.gateway.statistics)
    topics.register("connections", parts.hub.cluster_connections.latest)
    topics.register("workers", parts.survey.statistics)
    topics.register("counts", lambda: worker_surveys.counts(parts))
    topics.register("metrics", parts.dashboard.statistics)
    topics.register("alerts", parts.alerts.statistics)
    topics.register("analytics", parts.analytics.live)
    topics.register("insights", parts.analytics.observer.open_insights)
    topics.register("tree", parts.tree.statistics)
    topics.register("config", parts.settings.statistics)
    parts.shortages.others = parts.overload.lines
    parts.overload.on_change = lambda: topics.touch("services")
    parts.shortages.on_change = lambda: topics.touch("services")
    parts.analytics.on_sample = lambda: topics.touch("analytics")
    parts.analytics.observer.on_change = lambda: _insights_changed(parts)
    parts.events.on_record = lambda _event: _event_recorded(parts)
    parts.settings.on_applied = lambda changed: _settings_applied(parts, changed)
    parts.access.sign_ins.on_end = lambda name: _signed_out(parts, name)
    parts.speech.follow_refusals(parts.health.note_refusal)
    parts.pipelines.on_failure = lambda reason: _pipelines_failed(parts, reason)
    parts.health.on_engine_change = lambda _service: parts.speech.expire_languages()
    for readings in (
        parts.tree.readings,
        parts.shortages.readings,
        parts.overload.readings,
        parts.lookups.readings,
        parts.pulse.readings,
        parts.gateway.readings,
        parts.discovery.readings,
        parts.health.readings,
        parts.incidents.readings,
        parts.alerts.readings,
        parts.traces.readings,
        parts.speech.readings,
        parts.pipeline_runs.readings,
        parts.stores.engine.readings,
        parts.access.readings,
        parts.settings.readings,
        parts.runtime.boundary.readings,
        parts.controls.boundary.readings,
        parts.survey.boundary.readings,
        parts.dashboard.boundary.readings,
        parts.journey.readings,
        parts.analytics.readings,
    ):
        parts.metrics.read_from(readings)
    parts.metrics.read_from(lambda: backups.readings(parts.settings.current.session_management.sqlite_path))
    topics.register("bots", parts.bots.listed)
    topics.register_family("bots", Family(read=parts.bots.live, has=parts.bots.can_have))
    parts.metrics.read_from(parts.bots.readings)
    if parts.stored_bots is not None:
        parts.metrics.read_from(parts.stored_bots.readings)
    if parts.calendars is not None:
        parts.metrics.read_from(parts.calendars.readings)
    if parts.stores.bot_engine is not None:
        parts.metrics.read_from(parts.stores.bot_engine.readings)


def _event_recorded(parts: Parts) -> None:
    """Show an event, and conclude from it."""
    parts.topics.touch("metrics")
    parts.analytics.observer.wake()


def _insights_changed(parts: Parts) -> None:
    parts.topics.touch("analytics")
    parts.topics.touch("insights")


def _pipelines_failed(parts: Parts, reason: str) -> None:
    parts.events.record(
        "warn", "speech", f"A process with audio pipelines failed; its speech goes on unprocessed. {reason}"
    )


def _signed_out(parts: Parts, sign_in: str) -> None:
    parts.hub.sign_out(sign_in)
    parts.gateway.visits.sign_out(sign_in)


def _settings_applied(parts: Parts, changed: tuple[Change, ...]) -> None:
    if any(change.path == "orchestration.control_token" for change in changed):
        parts.hub.sign_out_operators()
        parts.gateway.visits.sign_out_operators()
    parts.topics.touch("config")

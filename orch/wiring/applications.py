"""Gives each blueprint, the pages and the ASGI application the parts that they need."""

import time
from pathlib import Path

from quart import Blueprint

from orch.application import Application
from orch.web import app, join, status_page
from orch.web.api import (
    alerts,
    analytics,
    bot_camera,
    bot_commands,
    bot_files,
    bot_results,
    bot_transcripts,
    bots,
    calendars,
    config,
    connections,
    gateway,
    health,
    incidents,
    join_codes,
    languages,
    metrics,
    moderation,
    pipeline,
    recordings,
    registry,
    route_history,
    services,
    sessions,
    tree,
    uploads,
    webhooks,
    workers,
)
from orch.web.assets import Assets
from orch.web.bot_records import BotRecords
from orch.web.ended_sessions import EndedSessions
from orch.web.upload_files import UploadFiles
from orch.wiring.parts import Parts


def create_pages(parts: Parts, *, assets: Assets | None = None) -> app.Pages:
    """Return the pages and the control API. ``assets``: read from the static folder if not given."""
    settings, hub = parts.settings, parts.hub
    folder = Path(settings.current.session_management.sqlite_path).parent / "uploads"
    files = UploadFiles(folder, wall=time.time)
    files.remove_old()
    ended = EndedSessions(hub, files)
    hub.after_each_sweep(ended.remove_uploads)
    return app.create_pages(
        settings=settings,
        access=parts.access,
        session_keys=hub.access,
        refuse_work=parts.overload.refuse,
        socket_refusal=hub.would_refuse,
        blueprints=(
            health.blueprint(parts.tree, parts.stores.engine, parts.health, hub, parts.stores.bot_engine),
            services.blueprint(parts.health),
            alerts.blueprint(parts.alerts),
            incidents.blueprint(settings, parts.incidents),
            status_page.blueprint(status_page.PublicStatusSource(settings, parts.incidents)),
            metrics.blueprint(settings, parts.metrics, parts.dashboard),
            analytics.blueprint(parts.analytics, parts.survey),
            sessions.blueprint(hub, ended),
            join_codes.blueprint(hub.join_codes),
            moderation.blueprint(hub.moderator, hub.endings),
            join.blueprint(hub.join_codes),
            recordings.blueprint(settings, hub, parts.speech, files),
            uploads.blueprint(settings, hub, files),
            connections.blueprint(hub),
            languages.blueprint(parts.speech),
            gateway.blueprint(parts.gateway, parts.controls),
            route_history.blueprint(parts.dashboard, parts.survey),
            registry.blueprint(parts.registry),
            workers.blueprint(parts.survey),
            tree.blueprint(parts.tree, parts.survey),
            config.blueprint(settings, parts.runtime),
            pipeline.blueprint(settings, parts.speech, parts.gateway, parts.pipeline_runs),
            *_bots(parts),
        ),
        assets=assets,
        tracer=parts.traces.tracer,
    )


def _bots(parts: Parts) -> tuple[Blueprint, ...]:
    """Return the routes of meeting bots, their results and webhooks."""
    stores, stored = parts.stores, parts.stored_bots
    captured = BotRecords(lambda: stores.bots, stores.without_bots)
    return (
        bots.blueprint(parts.bots, parts.settings, time.time),
        bot_commands.blueprint(parts.bots),
        bot_camera.blueprint(parts.bots),
        bot_transcripts.blueprint(captured),
        bot_results.blueprint(captured),
        bot_files.blueprint(captured, parts.settings),
        calendars.blueprint(parts.calendars, parts.settings),
        webhooks.blueprint(None if stored is None else stored.webhooks, stores.without_bots),
    )


def create_application(parts: Parts, *, trusts_local: bool = True) -> Application:
    """Return the ASGI application; ``trusts_local`` as in :class:`Application`."""
    pages = create_pages(parts)
    parts.metrics.read_from(pages.readings)
    return Application(
        access=parts.access,
        gateway=parts.gateway,
        hub=parts.hub,
        pages=pages,
        overload=parts.overload,
        trusts_local=trusts_local,
    )

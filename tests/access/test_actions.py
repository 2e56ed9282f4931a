"""Every route, message and topic has a row with its action."""

import time
from pathlib import Path

from orch.access.actions import (
    MESSAGES,
    ROUTES,
    TOPICS,
    Action,
    action_of_message,
    action_of_route,
    action_of_topic,
)
from orch.access.permissions import allowed
from orch.settings.live import LiveSettings
from orch.telemetry.events import EventLog
from orch.websocket.connections.decoding import TYPES
from orch.wiring.build import build
from tests.fakes.asgi import STRANGER
from tests.fakes.scripted_service import ScriptedService


def routes() -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in ScriptedService().pages.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    """A route without an action would be for operators only, and fails here."""
    assert routes() == set(ROUTES)


def test_every_message_has_a_row_and_every_row_a_message() -> None:
    """Frames of audio count as one more type."""
    assert {*TYPES, "binary"} == set(MESSAGES)


def test_every_topic_has_a_row_and_every_row_a_topic(tmp_path: Path) -> None:
    """The topics of the whole service, as the wiring registers them."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("{}", encoding="utf-8")
    events = EventLog(wall=time.time)
    parts = build(LiveSettings(path, {}, events=events, wall=time.time), events, {})
    assert set(parts.topics.names()) == set(TOPICS)


def test_without_a_row_only_operators_may_use_it() -> None:
    """A forgotten row denies access rather than grants it."""
    for action in (action_of_route("GET", "/new"), action_of_message("new"), action_of_topic("new")):
        assert not allowed(STRANGER, action).is_allowed


def test_head_counts_as_get_and_options_is_public() -> None:
    """OPTIONS lists the methods only, so neither bypasses a row."""
    assert action_of_route("HEAD", "/api/config") is Action.VIEW_OPERATIONS
    assert action_of_route("OPTIONS", "/api/config") is Action.USE_PUBLIC

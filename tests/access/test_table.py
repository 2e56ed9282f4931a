"""Every way in has a row that says who may use it, and the doors keep to it."""

import time
from pathlib import Path

import pytest

from orch.access.actors import Actor
from orch.access.table import (
    GATEWAY,
    MESSAGES,
    ROUTES,
    TOPICS,
    Need,
    allowed,
    need_of_message,
    need_of_route,
    need_of_topic,
    passes_door,
)
from orch.protocol.session_keys import Right
from orch.settings.live import LiveSettings
from orch.telemetry.events import EventLog
from orch.websocket.connections.decoding import TYPES
from orch.wiring.build import build
from tests.fakes.asgi import LOCAL_OPERATOR, STRANGER
from tests.fakes.scripted_service import ScriptedService

LOCAL_GUEST = Actor(is_operator=False, is_local=True, via="none", address="127.0.0.1")
BY_TOKEN = Actor(is_operator=True, is_local=False, via="token", address="192.0.2.7")
BY_COOKIE = Actor(is_operator=True, is_local=False, via="cookie", address="192.0.2.7", sign_in="s")


def routes() -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in ScriptedService().pages.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    """A route that nobody thought about would be an operator's alone, and fails here."""
    assert routes() == set(ROUTES)


def test_every_message_has_a_row_and_every_row_a_message() -> None:
    """Frames of audio count as one more type."""
    assert {*TYPES, "binary"} == set(MESSAGES)


def test_every_topic_has_a_row_and_every_row_a_topic(tmp_path: Path) -> None:
    """The topics of the whole service, as the tree registers them."""
    path = tmp_path / "orchestration.yaml"
    path.write_text("{}", encoding="utf-8")
    events = EventLog(wall=time.time)
    parts = build(LiveSettings(path, {}, events=events, wall=time.time), events, {})
    assert set(parts.topics.names()) == set(TOPICS)


def test_what_has_no_row_is_an_operators() -> None:
    """So that a forgotten row closes a door rather than opens one."""
    assert need_of_route("GET", "/new") is Need.OPERATOR
    assert need_of_message("new") is Need.OPERATOR
    assert need_of_topic("new") is Need.OPERATOR


def test_a_head_is_a_get_and_options_say_no_more_than_the_methods() -> None:
    """Neither is a way around a row."""
    assert need_of_route("HEAD", "/api/config") is Need.OPERATOR
    assert need_of_route("OPTIONS", "/api/config") is Need.ANY


@pytest.mark.parametrize(
    ("need", "stranger", "reader", "speaker", "local_guest"),
    [
        (Need.ANY, True, True, True, True),
        (Need.READ, False, True, True, True),
        (Need.SPEAK, False, False, True, True),
        (Need.LOCAL, False, False, False, True),
        (Need.GATEWAY, False, False, False, True),
        (Need.MACHINE, False, False, False, False),
        (Need.OPERATOR, False, False, False, False),
    ],
)
def test_each_need_is_met_by_whom_it_says(
    *, need: Need, stranger: bool, reader: bool, speaker: bool, local_guest: bool
) -> None:
    """A read key never speaks, no key is an operator's right, and an operator may do everything."""
    assert allowed(STRANGER, need) is stranger
    assert allowed(STRANGER, need, right=Right.READ) is reader
    assert allowed(STRANGER, need, right=Right.SPEAK) is speaker
    assert allowed(LOCAL_GUEST, need) is local_guest
    for operator in (LOCAL_OPERATOR, BY_TOKEN, BY_COOKIE):
        assert allowed(operator, need)


def test_the_gateway_is_open_to_strangers_where_the_settings_say_so() -> None:
    """And nowhere else."""
    assert not passes_door(STRANGER, GATEWAY)
    assert passes_door(STRANGER, GATEWAY, is_public=True)
    assert not allowed(STRANGER, Need.OPERATOR, is_public=True)


def test_what_needs_a_sessions_key_is_decided_where_the_session_is() -> None:
    """The doors let it pass; they have no session to look at."""
    assert passes_door(STRANGER, Need.READ)
    assert not allowed(STRANGER, Need.READ)

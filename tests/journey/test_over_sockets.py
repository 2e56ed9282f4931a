"""A journey over real sockets: the front, the hub, the gateway, and an engine that is asked over HTTP."""

import ssl
from functools import partial
from pathlib import Path

import pytest
import trio

from orch.journey.service import AGENT, _dial_of
from orch.telemetry.names import journey as names
from orch.websocket.service import HubService
from tests.fakes.engine_server import engine_server
from tests.fakes.readings import values
from tests.fakes.whole import whole

SETTINGS = """\
services:
  audio-service: {{url: "{url}"}}
  translation-service: {{url: "{url}"}}
"""


@pytest.mark.real_time
async def test_a_journey_is_made_like_a_user_s_and_fails_like_one(tmp_path: Path) -> None:
    """Its connection names itself; without the engine there is no caption, and the reason is the user's."""
    async with (
        engine_server() as engine,
        whole(tmp_path, settings=SETTINGS.format(url=engine.url)) as running,
    ):
        journey = running.parts.journey
        journey.serve_at((), (running.url,))
        journey._was_suspended_since = lambda _moment: False  # however busy the machine is
        seen: set[str | None] = set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, running.parts.hub, seen)
            verdict = await journey._journey(running.url, language="en", within=20)
            nursery.cancel_scope.cancel()
        assert verdict.outcome == "captioned", verdict
        assert verdict.caption_seconds is not None
        assert seen == {AGENT}
        away = "http://127.0.0.1:9"
        refused = await journey._journey(away, language="en", within=0.5)
        assert refused.outcome == "no_connection"
        assert "cannot be reached" in refused.reason
        assert running.parts.hub.sessions == 0
        assert await running.parts.stores.sessions.count() == 0
        assert values(journey.readings(), names.JOURNEY_SUCCESS) == {}, "only the loop's own journeys count"


async def _watch(hub: HubService, seen: set[str | None]) -> None:
    while True:
        seen |= {each.agent for each in hub.statistics().connections}
        await trio.sleep(0.05)


def test_only_its_own_certificate_is_not_checked() -> None:
    """A worker's certificate names the service, not the address that it connects to."""
    plain, secure = _dial_of("http://127.0.0.1:1"), _dial_of("https://127.0.0.1:1")
    assert isinstance(plain, partial)
    assert isinstance(secure, partial)
    assert plain.keywords == {"agent": AGENT, "is_direct": True}
    assert secure.keywords["tls"].verify_mode is ssl.CERT_NONE
    assert secure.keywords["is_direct"] is True

"""Webhooks: of restarts and of escalations."""

import json

import httpx2
import pytest
import trio

from orch.health.hooks.hook import HookCall, Outcome
from orch.health.hooks.webhook import Webhook
from orch.health.probes import open_client
from orch.telemetry.work import Work
from tests.fakes.health import refused


def call() -> HookCall:
    return HookCall(
        service="audio-service",
        attempt=2,
        reason="connection refused",
        fence=7,
        work=Work(3, 41.0, makes_progress=True),
        on_line=lambda _stream, _text: None,
        on_begun=lambda: None,
    )


def hook(answer: httpx2.MockTransport, token: str = "") -> Webhook:
    return Webhook("https://ops.example/restart?x=1", token, open_client=lambda: open_client(answer))


async def test_the_request_says_what_is_down_why_and_what_a_restart_would_end() -> None:
    """And has the token that the settings name."""
    seen: list[httpx2.Request] = []

    async def accept(request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()
        seen.append(request)
        return httpx2.Response(202)

    assert await hook(httpx2.MockTransport(accept), "secret")(call()) == Outcome()
    assert json.loads(seen[0].content) == {
        "event": "restart",
        "service": "audio-service",
        "attempt": 2,
        "reason": "connection refused",
        "fence": 7,
        "work": {"in_flight": 3, "oldest_s": 41.0},
    }
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert await hook(httpx2.MockTransport(accept))(call()) == Outcome()
    assert "authorization" not in seen[1].headers


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (httpx2.Response(302, headers={"location": "https://elsewhere.example/"}), "responded 302"),
        (httpx2.Response(401, json={"detail": "wrong token"}), "responded 401: wrong token"),
        (httpx2.Response(500, content=b"\xff\xfe" * 100_000), "responded 500"),
    ],
)
async def test_other_responses_are_failures(response: httpx2.Response, fault: str) -> None:
    """Redirects are not followed: the token is for one address."""

    async def answer(_request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()
        return response

    assert await hook(httpx2.MockTransport(answer))(call()) == Outcome(fault)


async def test_an_address_at_which_nothing_listens_is_a_failure() -> None:
    """In words."""
    outcome = await hook(httpx2.MockTransport(refused))(call())
    assert outcome == Outcome("could not be called: connection refused")

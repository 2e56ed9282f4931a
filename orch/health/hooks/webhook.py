"""Requests a restart, or reports that one is needed, by a POST to a URL of the settings.

The body is JSON: ``{"event": "restart" | "escalation", "service", "attempt", "reason", "fence", "work":
{"in_flight", "oldest_s"}}``. Any 2xx is a success; redirects are not followed.
"""

import http
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import httpx2

from orch.health.hooks.hook import HookCall, Outcome
from orch.health.hooks.http_call import post
from orch.health.probes import open_client


@dataclass(frozen=True, slots=True)
class Webhook:
    """Sends a POST to ``url``; ``token``: its bearer token, or ""."""

    url: str
    token: str = ""
    event: Literal["restart", "escalation"] = "restart"
    open_client: Callable[[], httpx2.AsyncClient] = open_client

    @property
    def subject(self) -> str:
        """The hook as the subject of a sentence."""
        return "The webhook" if self.event == "restart" else "The escalation webhook"

    async def __call__(self, call: HookCall) -> Outcome:
        """Send the request and wait for the response."""
        call.on_begun()
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        document = {
            "event": self.event,
            "service": call.service,
            "attempt": call.attempt,
            "reason": call.reason,
            "fence": call.fence,
            "work": {"in_flight": call.work.in_flight, "oldest_s": round(call.work.oldest, 3)},
        }
        async with self.open_client() as client:
            reply = await post(client, self.url, json=document, headers=headers)
        if isinstance(reply, Outcome):
            return reply
        if http.HTTPStatus.OK <= reply.status < http.HTTPStatus.MULTIPLE_CHOICES:
            return Outcome()
        return Outcome(f"responded {reply.status}" + (f": {reply.message}" if reply.message else ""))

"""Requests to the pages and the control API over scripted parts, without a server."""

from typing import Any

import msgspec
from msgspec import Struct

from orch.access.actors import ACTOR
from orch.problems import TYPE_PREFIX
from orch.settings import Frontend, Orchestration, Settings
from tests.fakes.running import run
from tests.fakes.scripted_service import ScriptedService

LOCAL = {"Host": "localhost:3000"}
TOKEN = "s3cret-token"  # noqa: S105 - a test's own
#: Bound beyond loopback, so that operators need the token.
WIDE = Settings(orchestration=Orchestration(frontend=Frontend(host="0.0.0.0"), control_token=TOKEN))


class Reply(Struct, frozen=True):
    """A response with its complete body."""

    status_code: int
    headers: Any
    content_type: str
    whole: bytes


def ask(method: str, path: str, service: ScriptedService | None = None, **more: Any) -> Reply:
    """Send a request from this machine and return the response."""
    chosen = service or ScriptedService("full")
    headers = LOCAL | more.pop("headers", {})
    bound = chosen.settings.orchestration.frontend.host
    base: dict[str, Any] = {"client": ("127.0.0.1", 50000), "server": (bound, 3000)}
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def main() -> Reply:
        base[ACTOR] = chosen.access.actor(base | {"headers": pairs}, trusts_local=True)
        response = await chosen.pages.test_client().open(
            path, method=method, headers=headers, scope_base=base, **more
        )
        return Reply(
            response.status_code,
            response.headers,
            response.content_type or "",
            await response.get_data(as_text=False),
        )

    # Quart runs some of its work in threads, which a virtual clock outruns.
    return run(main, virtual=False)


def problem(response: Reply) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = msgspec.json.decode(response.whole)
    assert document["type"] == TYPE_PREFIX + document["code"]
    assert document["status"] == response.status_code
    assert document["title"]
    assert document["instance"].startswith("urn:request:")
    return document

"""Access to the back ends through the whole service."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from orch.gateway.response_headers import SECURITY
from tests.fakes.running import run
from tests.fakes.websocket_client import connect
from tests.fakes.whole import Whole, whole

TOKEN: Final = "control-token-of-the-test"  # noqa: S105 - made up
FORWARDED: Final = {"X-Forwarded-For": "192.0.2.7"}
#: What lets a request through to a back end that is not there.
PASSED: Final = 503
REFUSED: Final = 401


def served(folder: Path, use: Callable[[Whole], Awaitable[None]], **gateway: Any) -> None:
    overlay: dict[str, Any] = {
        "orchestration.control_token": TOKEN,
        "services.audio-service.url": "http://127.0.0.1:9",
        "services.translation-service.url": "http://127.0.0.1:9",
        "orchestration.gateway.retries": 0,
        **{f"orchestration.gateway.{key}": value for key, value in gateway.items()},
    }

    async def main() -> None:
        async with whole(folder, **overlay) as service:
            await use(service)

    run(main, virtual=False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [(FORWARDED, REFUSED), ({}, PASSED), (FORWARDED | {"Authorization": f"Bearer {TOKEN}"}, PASSED)],
    ids=["stranger", "local", "operator"],
)
def test_routes_are_for_local_requests_and_operators(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    """Every method, on every route; a refusal has the same security headers as a response."""

    async def use(service: Whole) -> None:
        async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=120) as client:
            for path in ("/api/audio/transcribe", "/api/whisper/x", "/api/translate", "/api/translation/x"):
                for method in ("GET", "POST", "DELETE", "OPTIONS"):
                    answer = await client.request(method, path)
                    assert answer.status_code == status, (method, path, answer.text)
                    for name, value in SECURITY:
                        assert answer.headers[name.decode()] == value.decode()

    served(tmp_path, use)


def test_listed_routes_are_open_to_all(tmp_path: Path) -> None:
    """And only that: not another method, not a path below, not the same back end by another route."""

    async def use(service: Whole) -> None:
        async with httpx2.AsyncClient(base_url=service.url, headers=FORWARDED, timeout=120) as client:
            assert (await client.post("/api/translate", json={})).status_code == PASSED
            for method, path in (
                ("GET", "/api/translate"),
                ("POST", "/api/translate/batch"),
                ("POST", "/api/translation/translate"),
                ("POST", "/api/audio/transcribe"),
            ):
                assert (await client.request(method, path)).status_code == REFUSED, (method, path)
            other_site = {"Origin": "https://elsewhere.example"}
            assert (await client.post("/api/translate", headers=other_site)).status_code == 403

    served(tmp_path, use, public=True, public_routes=[{"path": "/api/translate", "methods": ["POST"]}])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, PASSED),
        ({"Sec-Fetch-Site": "none"}, PASSED),
        ({}, PASSED),
    ],
)
def test_a_page_of_another_site_reads_nothing_of_a_back_end(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    """Even in an operator's browser: reading may have effects in a back end. Public routes stay public."""

    async def use(service: Whole) -> None:
        async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=120) as client:
            assert (await client.get("/api/audio/models")).status_code == status
            assert (await client.get("/api/audio/open")).status_code == PASSED

    served(tmp_path, use, public=True, public_routes=[{"path": "/api/audio/open"}])


@pytest.mark.parametrize("is_public", [False, True])
def test_a_message_to_a_back_end_obeys_the_same_list(tmp_path: Path, is_public: bool) -> None:  # noqa: FBT001 - a column
    """The socket is no way around it."""
    listed = {"public": is_public, "public_routes": [{"path": "/api/translate", "methods": ["POST"]}]}

    async def code(socket: Any, service: str, action: str, payload: Any = None) -> str:
        message = {"type": "service_message", "target_service": service, "action": action, "id": 1}
        await socket.send(json.dumps(message | ({} if payload is None else {"payload": payload})))
        while (answer := json.loads(await socket.recv())).get("id") != 1:
            continue
        return str(answer["code"])

    async def use(service: Whole) -> None:
        async with connect(service.socket_url, additional_headers=FORWARDED) as socket:
            listed_one = await code(socket, "translation-service", "translate", {"text": "x"})
            assert listed_one == ("service_unavailable" if is_public else "token_required")
            assert await code(socket, "translation-service", "translate") == "token_required"
            assert await code(socket, "translation-service", "languages", {}) == "token_required"
            assert await code(socket, "audio-service", "translate", {}) == "token_required"
        async with connect(service.socket_url) as socket:
            assert await code(socket, "audio-service", "models") == "service_unavailable"

    served(tmp_path, use, **listed)


@pytest.mark.parametrize(
    "path",
    ["/api/audio/%252e%252e/x", "/api/audio/a%252fb", "/api/audio/%c0%ae%c0%ae/x", "/api/audio/..%2fx"],
)
def test_an_ambiguous_path_is_refused(tmp_path: Path, path: str) -> None:
    """400, as documented, and not passed to the pages."""

    async def use(service: Whole) -> None:
        async with httpx2.AsyncClient(base_url=service.url, timeout=120) as client:
            answer = await client.get(httpx2.URL(service.url).copy_with(raw_path=path.encode()))
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")

    served(tmp_path, use)

"""What an operator does to connections, on the real service, with clients on real sockets."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from tests.fakes.client import Client, connected
from tests.fakes.service import service

pytestmark = pytest.mark.real_time


@pytest.fixture(params=["own", "hypercorn"])
def environ(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return what chooses the server."""
    return {"ORCH_FRONTEND__SERVER": "hypercorn"} if request.param == "hypercorn" else {}


async def asked(method: str, url: str, **more: Any) -> httpx2.Response:
    """Ask the control API, in a thread: the clients go on meanwhile."""
    return await trio.to_thread.run_sync(lambda: httpx2.request(method, url, timeout=180, **more))


async def test_an_announcement_reaches_all_and_one_connection_is_closed(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    """The announcement reaches both and is counted; the close reaches only one, with its code."""
    with service("serve", tmp_path, environ=environ) as s:
        async with connected(s.url) as ann, connected(s.url) as bob:
            began = trio.current_time()
            answer = await asked("POST", s.url + "/api/announcements", json={"message": "hello é"})
            lasted = trio.current_time() - began
            assert answer.status_code == 200
            told = answer.json()
            assert (told["taken"], told["evicted"]) == (2, 0)
            assert 0 <= told["seconds"] <= lasted
            for client in (ann, bob):
                await client.until(lambda m: m["type"] == "system_announcement" and m["message"] == "hello é")
            name = (await bob.of_type("connected"))["connection_id"]
            answer = await asked("DELETE", f"{s.url}/api/connections/{name}")
            assert (answer.status_code, answer.json()["status"]) == (202, "closing")
            await bob.closed()
            assert bob.close_code == 4001
            assert (await ann.ask("pong", type="ping"))["type"] == "pong"
            again = await asked("DELETE", f"{s.url}/api/connections/{name}")
            assert (again.status_code, again.json()["code"]) == (404, "unknown_connection")


async def test_a_flooding_client_gets_an_error_then_a_close_and_others_are_served(tmp_path: Path) -> None:
    """On a real socket, too, the word comes before the close.

    Under Hypercorn the client may never learn the code: it ends the socket with the flood unread, and the
    kernel then throws away what was on its way to the client.
    """

    async def flood(client: Client) -> None:
        try:
            for number in range(2000):
                await client.send(type="ping", id=number)
        except Exception:  # noqa: BLE001 - the library's own, whichever it meets when the other side has closed
            return

    with service("serve", tmp_path, environ={"ORCH_WEBSOCKET__MAX_MESSAGES_PER_SECOND": "50"}) as s:
        async with connected(s.url) as ann, connected(s.url) as fast:
            await flood(fast)
            await fast.closed()
            assert fast.close_code == 4101
            codes = [each["code"] for each in fast.messages if each["type"] == "error"]
            assert codes
            assert set(codes) == {"rate_limited"}
            assert [m["id"] for m in fast.messages if m["type"] == "pong"][:100] == list(range(100))
            assert (await ann.ask("pong", type="ping"))["type"] == "pong"

"""What operators decide about a session over HTTP, and what the Python client of its host does."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

import orch.client
from orch.client import Client, StoppedError
from orch.protocol.messages import ModerationChanged, SessionLeft
from orch.protocol.session_keys import GivenKeys
from tests.fakes.patience import PATIENCE
from tests.fakes.running import run
from tests.fakes.whole import whole
from tests.web.test_sessions import code

AWAY: dict[str, Any] = {
    f"services.{name}.url": "http://127.0.0.1:9" for name in ("audio-service", "translation-service")
}


async def left(client: Client) -> None:
    """Read events until the client is stopped."""
    async for event in client:
        assert not isinstance(event, SessionLeft) or event.reason == "removed"


def test_an_operator_moderates_a_session(tmp_path: Path) -> None:
    """Each decision can be read, and reaches the participants; nonsense is refused."""

    async def main() -> None:
        async with (
            whole(tmp_path, **AWAY) as service,
            httpx2.AsyncClient(base_url=f"{service.url}/api/sessions", timeout=120) as http,
            orch.client.connect(service.url) as ann,
            orch.client.connect(service.url) as bob,
        ):
            made = await ann.create("s", name="Ann")
            me = (await bob.join("s", name="Guest 7")).participant_id
            assert (await http.get("/s/moderation")).json() == {
                "locked": False,
                "speaking": "everyone",
                "ending": False,
                "muted": [],
                "speakers": [],
                "removed": [],
            }
            locked = await http.patch("/s/moderation", json={"locked": True, "speaking": "host"})
            assert (locked.json()["locked"], locked.json()["speaking"]) == (True, "host")
            assert (await http.get("/s")).json()["locked"] is True
            changed = await http.patch(f"/s/participants/{me}", json={"muted": False, "name": "Bob"})
            assert changed.json()["speakers"] == [me]
            names = [each["name"] for each in (await http.get("/s")).json()["participants"]]
            assert names == ["Ann", "Bob"]
            for method, path, body, problem in (
                ("PATCH", "/s/moderation", {"locked": 1}, (400, "invalid_request")),
                ("PATCH", "/s/moderation", {"speaking": "nobody"}, (400, "invalid_request")),
                ("PATCH", f"/s/participants/{me}", {}, (400, "invalid_request")),
                ("PATCH", "/s/participants/none", {"muted": True}, (404, "unknown_participant")),
                ("DELETE", "/s/participants/none", None, (404, "unknown_participant")),
                ("DELETE", f"/s/participants/{me}?new_keys=perhaps", None, (400, "invalid_request")),
                ("POST", "/none/keys", None, (404, "unknown_session")),
                ("POST", "/none/end", None, (404, "unknown_session")),
                ("GET", "/none/moderation", None, (404, "unknown_session")),
            ):
                assert code(await http.request(method, path, json=body)) == problem, (path, body)
            keys = (await http.post("/s/keys")).json()
            assert isinstance(made.keys, GivenKeys)
            assert keys["speak"] != made.keys.speak
            removed = await http.delete(f"/s/participants/{me}", params={"new_keys": "true"})
            assert removed.json()["removed"] == [me]
            with pytest.raises(StoppedError) as caught:
                await left(bob)
            assert caught.value.close_code == 4003
            ended = await http.post("/s/end")
            assert (ended.status_code, ended.json()["ending"]) == (202, True)
            async for event in ann:
                if isinstance(event, SessionLeft):
                    assert event.by_host is True
                    break

    run(main, virtual=False)


def test_the_python_client_hosts_a_session(tmp_path: Path) -> None:
    """Each of its methods."""

    async def main() -> None:
        async with (
            whole(tmp_path, **AWAY) as service,
            orch.client.connect(service.url) as ann,
            orch.client.connect(service.url) as bob,
        ):
            await ann.create("s", name="Ann")
            joined = await bob.join("s", name="Guest 7")
            me = joined.participant_id
            assert (await ann.set_session("s", locked=True)).locked
            assert not (await ann.mute("s", me)).muted
            with trio.fail_after(PATIENCE):
                async for event in bob:
                    if isinstance(event, ModerationChanged) and event.muted:
                        break
            assert not (await bob.unmute("s")).muted
            assert not (await ann.mute("s")).muted
            await ann.let_speak("s", me)
            await ann.rename_participant("s", me, "Bob")
            assert (await ann.new_keys("s")).keys.speak
            async with orch.client.connect(service.url) as again:
                returned = await again.join("s", recovery_token=joined.recovery_token)
                assert [each.name for each in returned.participants] == ["Ann", "Bob"]
                assert (await ann.remove("s", me, new_keys=True)).locked
            assert (await ann.end("s")).ending

    run(main, virtual=False)

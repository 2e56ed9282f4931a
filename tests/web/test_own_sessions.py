"""What the page of one's own sessions requests: one session with its end, and a search in it."""

import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2

from orch.protocol.messages import Transcript
from tests.fakes.running import run
from tests.fakes.whole import Whole, whole

#: Through a proxy on this machine, as it says itself: a stranger.
STRANGER = {"X-Forwarded-For": "192.0.2.7"}

Use = Callable[[Whole, httpx2.AsyncClient, dict[str, str]], Awaitable[None]]


def using(folder: Path, use: Use, **overlay: Any) -> None:
    """Run ``use`` against a whole service with the session ``s``, whose keys it gets."""

    async def main() -> None:
        async with (
            whole(folder, **overlay) as service,
            httpx2.AsyncClient(base_url=service.url, timeout=120) as client,
        ):
            made = await client.post(
                "/api/sessions/create", json={"session_id": "s", "config": {"title": "Budget"}}
            )
            await use(service, client, made.json()["keys"])

    run(main, virtual=False)


def said(text: str) -> Transcript:
    return Transcript(
        timestamp=0,
        session_id="s",
        segment_id="a-0",
        revision=1,
        final=True,
        text=text,
        language="fr",
        confidence=None,
        start=1.0,
        end=2.0,
        stream_started=1_700_000_000_000,
    )


def test_a_guest_searches_with_the_read_key(tmp_path: Path) -> None:
    """Without a key, with a wrong one or in a session that is gone there is nothing to search."""

    async def use(service: Whole, client: httpx2.AsyncClient, keys: dict[str, str]) -> None:
        await service.parts.hub.publish("s", said("Le déjeuner est à midi."))

        async def search(
            query: object, key: str | None = keys["read"], session: str = "s"
        ) -> httpx2.Response:
            headers = {**STRANGER, **({} if key is None else {"X-Session-Key": key})}
            return await client.post(
                f"/api/sessions/{session}/search", json={"query": query}, headers=headers
            )

        found = await search("DEJEUNER")
        assert found.status_code == 200
        assert found.headers["Cache-Control"] == "no-store"
        assert found.json() == {
            "lines": [
                {
                    "segment_id": "a-0",
                    "start": 1.0,
                    "speaker": None,
                    "language": "fr",
                    "text": "Le déjeuner est à midi.",
                }
            ],
            "count": 1,
        }
        assert (await search("dîner")).json() == {"lines": [], "count": 0}
        for query in ("", "x" * 201, 7, None):
            assert (await search(query)).status_code == 400
        assert (await search("x", None)).json()["code"] == "key_required"
        assert (await search("x", "w" * 22)).json()["code"] == "unknown_session"
        assert (await search("x", keys["read"], "gone")).json()["code"] == "unknown_session"

    using(tmp_path, use)


def test_a_session_says_how_long_it_is_kept(tmp_path: Path) -> None:
    """From its last use: ``keep_days``, or the time-out of sessions where that is longer."""

    async def use(service: Whole, client: httpx2.AsyncClient, keys: dict[str, str]) -> None:
        async def kept() -> float:
            found = (
                await client.get("/api/sessions/s", headers={**STRANGER, "X-Session-Key": keys["read"]})
            ).json()
            assert found["config"] == {"title": "Budget"}
            return float(found["expires"] - found["last_active"])

        assert math.isclose(await kept(), 30 * 86_400, abs_tol=1)
        changed = await client.patch("/api/config", json={"values": {"orchestration.websocket.keep_days": 0}})
        assert changed.status_code == 200, changed.text
        assert math.isclose(await kept(), 1_800, abs_tol=1)
        assert service.parts.hub.statistics().sessions == 1

    using(tmp_path, use, **{"orchestration.websocket.keep_days": 30})


def test_an_operator_gives_a_session_a_title(tmp_path: Path) -> None:
    """It names the files; a name that is not ASCII is encoded. No key of the session allows it."""

    async def use(_service: Whole, client: httpx2.AsyncClient, keys: dict[str, str]) -> None:
        path = "/api/sessions/s"
        changed = await client.patch(path, json={"title": " Café\n "})
        assert (changed.status_code, changed.json()["title"]) == (200, "Café")
        file = await client.get(f"{path}/transcript?format=txt")
        assert file.headers["Content-Disposition"] == (
            "attachment; filename=\"Caf-s.txt\"; filename*=UTF-8''Caf%C3%A9-s.txt"
        )
        listed = (await client.get("/api/sessions")).json()["sessions"]
        assert [each["title"] for each in listed] == ["Café"]
        for title in (None, 7, "x" * 121):
            assert (await client.patch(path, json={"title": title})).status_code == 400
        refused = await client.patch(
            path, json={"title": "x"}, headers={**STRANGER, "X-Session-Key": keys["speak"]}
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "not_owner")
        assert (await client.patch("/api/sessions/gone", json={"title": "x"})).status_code == 404
        assert (await client.patch(path, json={"title": ""})).json()["title"] == ""

    using(tmp_path, use)


def test_the_page_is_for_guests_in_their_language(tmp_path: Path) -> None:
    """It has no session in it: which ones are listed is in the browser alone."""

    async def use(_service: Whole, client: httpx2.AsyncClient, _keys: dict[str, str]) -> None:
        page = await client.get("/sessions", headers={**STRANGER, "Accept-Language": "de"})
        assert page.status_code == 200
        assert page.headers["Content-Language"] == "de"
        assert "Noch keine Sitzungen" in page.text

    using(tmp_path, use)

"""Join codes over HTTP: who creates them, what they open, and what is done against guessing."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from orch.protocol.identifiers import new_join_code
from orch.websocket.sessions.join_codes import FREE_TRIES
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
            made = await client.post("/api/sessions/create", json={"session_id": "s"})
            await use(service, client, made.json()["keys"])

    run(main, virtual=False)


async def join(client: httpx2.AsyncClient, code: str, address: str = "192.0.2.7") -> httpx2.Response:
    return await client.post("/api/join", json={"code": code}, headers={"X-Forwarded-For": address})


def entered(metrics: str) -> dict[str, int]:
    """Return how many codes were entered by result, from the metrics."""
    found = re.findall(r'^orch_join_codes_entered_total\{result="(\w+)"\} ([\d.]+)$', metrics, re.MULTILINE)
    return {result: int(float(count)) for result, count in found}


def test_a_code_opens_the_session_with_its_read_key(tmp_path: Path) -> None:
    """However it is typed, for a stranger; the form leads to the session's link."""

    async def use(_service: Whole, client: httpx2.AsyncClient, keys: dict[str, str]) -> None:
        made = await client.post(
            "/api/sessions/s/codes", headers={**STRANGER, "X-Session-Key": keys["speak"]}
        )
        assert made.status_code == 201
        assert made.json()["right"] == "read"
        opened = await join(client, made.json()["shown"].lower())
        assert opened.json() == {"session_id": "s", "key": keys["read"], "right": "read"}
        led = await client.post("/join", data={"code": made.json()["code"]}, headers=STRANGER)
        assert led.status_code == 303
        address = urlsplit(led.headers["Location"])
        assert (address.path, address.query) == ("/translation", "")
        assert parse_qs(address.fragment) == {"session": ["s"], "key": [keys["read"]]}

    using(tmp_path, use)


def test_only_who_may_speak_creates_codes(tmp_path: Path) -> None:
    """With the read key nobody makes a code, nor sees one: it could be for speaking."""

    async def use(_service: Whole, client: httpx2.AsyncClient, keys: dict[str, str]) -> None:
        for key, refusal in ((keys["read"], "read_only"), ("wrong", "unknown_session"), ("", "key_required")):
            headers = {**STRANGER, "X-Session-Key": key}
            for response in (
                await client.post("/api/sessions/s/codes", headers=headers),
                await client.get("/api/sessions/s/codes", headers=headers),
                await client.delete("/api/sessions/s/codes/read", headers=headers),
            ):
                assert response.json()["code"] == refusal

    using(tmp_path, use)


def test_the_speak_key_is_only_behind_a_code_for_speaking(tmp_path: Path) -> None:
    """It has to be chosen; the code for reading stays as it is beside it."""

    async def use(_service: Whole, client: httpx2.AsyncClient, keys: dict[str, str]) -> None:
        reading = (await client.post("/api/sessions/s/codes")).json()["code"]
        speaking = (await client.post("/api/sessions/s/codes", json={"right": "speak"})).json()["code"]
        assert (await join(client, reading)).json()["key"] == keys["read"]
        assert (await join(client, speaking)).json()["key"] == keys["speak"]
        listed = (await client.get("/api/sessions/s/codes")).json()["codes"]
        assert {each["right"]: each["code"] for each in listed} == {"read": reading, "speak": speaking}

    using(tmp_path, use)


def test_a_replaced_or_deleted_code_or_one_of_an_ended_session_opens_nothing(tmp_path: Path) -> None:
    """A session of the same name that is created later is not opened either."""

    async def use(_service: Whole, client: httpx2.AsyncClient, _keys: dict[str, str]) -> None:
        first = (await client.post("/api/sessions/s/codes")).json()["code"]
        second = (await client.post("/api/sessions/s/codes")).json()["code"]
        assert (await join(client, first)).json()["code"] == "unknown_code"
        assert (await join(client, second)).status_code == 200
        assert (await client.delete("/api/sessions/s/codes/read")).status_code == 204
        assert (await client.delete("/api/sessions/s/codes/read")).json()["code"] == "unknown_code"
        assert (await client.delete("/api/sessions/s/codes/other")).json()["code"] == "unknown_code"
        assert (await join(client, second)).json()["code"] == "unknown_code"
        third = (await client.post("/api/sessions/s/codes")).json()["code"]
        assert (await client.delete("/api/sessions/s")).status_code == 204
        await client.post("/api/sessions/create", json={"session_id": "s"})
        assert (await join(client, third)).json()["code"] == "unknown_code"
        assert (await client.get("/api/sessions/s/codes")).json() == {"codes": []}
        assert (await client.post("/api/sessions/none/codes")).json()["code"] == "unknown_session"

    using(tmp_path, use)


def test_wrong_codes_make_their_address_wait_and_others_join(tmp_path: Path) -> None:
    """After some typing errors; the same one again and what cannot be a code are not counted."""

    async def use(_service: Whole, client: httpx2.AsyncClient, _keys: dict[str, str]) -> None:
        right = (await client.post("/api/sessions/s/codes")).json()["code"]
        wrong = new_join_code(len(right))
        for _ in range(FREE_TRIES + 3):
            assert (await join(client, wrong)).json()["code"] == "unknown_code"
            assert (await join(client, "no code")).json()["code"] == "invalid_request"
        for _ in range(FREE_TRIES):
            assert (await join(client, new_join_code(len(right)))).json()["code"] == "unknown_code"
        refused = await join(client, right)
        assert refused.json()["code"] == "rate_limited"
        assert entered((await client.get("/metrics")).text)["address_waits"] == 1
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await join(client, right, address="192.0.2.8")).status_code == 200

    using(tmp_path, use)


def test_wrong_codes_of_all_addresses_together_are_limited(tmp_path: Path) -> None:
    """From many addresses, a few each: no code is checked for a while, and the page names other ways."""

    async def use(service: Whole, client: httpx2.AsyncClient, _keys: dict[str, str]) -> None:
        right = (await client.post("/api/sessions/s/codes")).json()["code"]
        answers = [
            (await join(client, new_join_code(len(right)), address=f"192.0.2.{number // 10}")).json()["code"]
            for number in range(110)
        ]
        assert answers == ["unknown_code"] * 100 + ["rate_limited"] * 10
        refused = await client.post("/join", data={"code": right}, headers=STRANGER)
        assert refused.status_code == 429
        assert "QR code" in refused.text
        assert refused.headers["Retry-After"]
        metrics = (await client.get("/metrics")).text
        assert entered(metrics) == {"right": 0, "wrong": 100, "address_waits": 0, "not_checked": 11}
        # This machine is not limited.
        assert (await client.post("/api/join", json={"code": right})).status_code == 200

    using(tmp_path, use)


def test_the_form_names_what_is_wrong_and_keeps_what_was_entered(tmp_path: Path) -> None:
    """Escaped, as HTML of whoever typed it must not be run."""

    async def use(_service: Whole, client: httpx2.AsyncClient, _keys: dict[str, str]) -> None:
        shown = await client.get("/join", headers=STRANGER)
        assert shown.status_code == 200
        assert 'name="code"' in shown.text
        for entered, status, words in (
            ("", 400, "Enter the code"),
            ("K7M4", 400, "too short"),
            ("K" * 6, 404, "No session has this code"),
            ('"><script>', 400, "No code contains"),
        ):
            response = await client.post("/join", data={"code": entered}, headers=STRANGER)
            assert response.status_code == status
            assert words in response.text
            assert "<script>" not in response.text.replace("<script src", "")
            assert "aria-invalid" in response.text

    using(tmp_path, use)

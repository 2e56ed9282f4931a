"""Webhook endpoints and calendars through the API, from a real store."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orch.bots.calendars.fetcher import CalendarStatistics
from orch.bots.calendars.service import Calendars
from orch.bots.webhooks.signature import read_secret
from orch.stores.bot_records import WebhookAttempt
from orch.stores.bot_scripts.webhooks import Outcome
from tests.fakes.bot_sessions import NOW, requested, webhook
from tests.fakes.bots_api import BotsApi, bots_api

pytestmark = pytest.mark.real_time

URL = "https://hooks.example.org/bots"
NEW = {"url": URL, "triggers": ["bot.state_change"]}


async def registered(api: BotsApi, **more: Any) -> dict[str, Any]:
    status, made = await api.json("POST", "/api/webhooks", json=NEW | more)
    assert status == 201
    return cast("dict[str, Any]", made)


async def test_a_secret_is_shown_once(tmp_path: Path) -> None:
    """When it is made and when it is replaced; lists and changes have none."""
    async with bots_api(tmp_path) as (api, _, _store):
        made = await registered(api, description=" tickets\x00\u202e ")
        assert len(read_secret(made["secret"]).key) == 32
        assert (made["description"], made["secrets"]) == ("tickets", 1)
        path = f"/api/webhooks/{made['endpoint_id']}"
        _, rotated = await api.json("POST", f"{path}/rotate", json={"overlap": 60})
        assert rotated["secret"] not in (None, made["secret"])
        assert (rotated["secrets"], rotated["replaced_until"]) == (2, NOW + 60)
        _, rotated = await api.json("POST", f"{path}/rotate")
        own = "whsec_" + "A" * 32
        _, given = await api.json("POST", f"{path}/rotate", json={"secret": own, "overlap": 0})
        assert (given["secret"], given["secrets"]) == (own, 1)
        for method, place, body in (("GET", path, None), ("PATCH", path, {"description": "x"})):
            more: dict[str, Any] = {} if body is None else {"json": body}
            assert (await api.json(method, place, **more))[1]["secret"] is None
        listed = await api.ask("GET", "/api/webhooks")
        assert b"whsec_" not in await listed.get_data(as_text=False)


async def test_what_is_no_endpoint_is_refused_with_its_place(tmp_path: Path) -> None:
    """Private addresses, unknown triggers, secrets that are none; and nothing is registered."""
    async with bots_api(tmp_path) as (api, _, _store):
        for body, code, path in (
            (NEW | {"url": "http://hooks.example.org/"}, "bad_webhook_url", "$.url"),
            (NEW | {"url": "https://10.0.0.1/"}, "bad_webhook_url", "$.url"),
            (NEW | {"url": "https://u:p@hooks.example.org/"}, "bad_webhook_url", "$.url"),
            (NEW | {"url": "https://localhost/\r\nx"}, "bad_webhook_url", "$.url"),
            (NEW | {"triggers": ["bot.nothing"]}, "invalid_request", "$.triggers"),
            (NEW | {"triggers": []}, "invalid_request", "$.triggers"),
            (NEW | {"secret": "whsec_c2hvcnQ="}, "invalid_request", "$.secret"),
            (NEW | {"secret": "x" * 200}, "invalid_request", "$.secret"),
            (NEW | {"other": 1}, "invalid_request", "$"),
            ({"url": URL}, "invalid_request", "$"),
        ):
            status, problem = await api.json("POST", "/api/webhooks", json=body)
            assert status in (400, 422)
            assert (problem["code"], problem["path"]) == (code, path), body
            assert problem["expected"]
        assert (await api.json("GET", "/api/webhooks"))[1]["endpoints"] == []


async def test_an_endpoint_is_changed_switched_off_and_removed(tmp_path: Path) -> None:
    """What is left out stays; one that is removed is unknown."""
    async with bots_api(tmp_path) as (api, _, _store):
        path = f"/api/webhooks/{(await registered(api))['endpoint_id']}"
        _, off = await api.json("PATCH", path, json={"is_enabled": False})
        assert off["disabled_reason"]
        changed = {"triggers": ["transcript.update"], "is_enabled": True, "url": URL + "?x=1"}
        _, on = await api.json("PATCH", path, json=changed)
        assert (on["triggers"], on["disabled_at"], on["url"]) == (["transcript.update"], None, URL + "?x=1")
        assert (await api.json("PATCH", path, json={"url": "https://127.0.0.1/"}))[0] == 422
        assert (await api.ask("DELETE", path)).status_code == 204
        for method, place in (
            ("GET", path),
            ("DELETE", path),
            ("POST", f"{path}/rotate"),
            ("GET", f"{path}/deliveries"),
            ("GET", "/api/webhooks/%00"),
            ("GET", "/api/webhooks/" + "x" * 400),
        ):
            assert (await api.json(method, place))[1]["code"] == "unknown_endpoint", place


async def test_deliveries_are_read_page_by_page_with_their_attempts(tmp_path: Path) -> None:
    """Exactly what was sent; a delivery is sent again with the same body."""
    async with bots_api(tmp_path) as (api, _, store):
        endpoint = (await registered(api))["endpoint_id"]
        await requested(store, 1)
        await store.enqueue([webhook(number, endpoint_id=endpoint) for number in range(1, 4)])
        path = f"/api/webhooks/{endpoint}/deliveries?limit=2"
        _, page = await api.json("GET", path)
        assert ([each["delivery_id"] for each in page["deliveries"]], page["next"]) == (["d3", "d2"], "d2")
        _, page = await api.json("GET", f"{path}&before={page['next']}")
        assert ([each["delivery_id"] for each in page["deliveries"]], page["next"]) == (["d1"], None)
        attempt = WebhookAttempt(
            delivery_id="d1",
            number=1,
            at=NOW,
            duration=0.25,
            method="POST",
            url=URL,
            address="192.0.2.1",
            request_headers=(("webhook-id", "m1"),),
            status=500,
            response=b"\xff oops",
            reason="It responded with 500.",
        )
        assert await store.record_attempt(attempt, Outcome(state="failed"))
        _, details = await api.json("GET", "/api/webhooks/deliveries/d1")
        assert (details["delivery"]["state"], details["body"]) == ("failed", {"number": 1})
        (shown,) = details["attempts"]
        assert (shown["request_headers"], shown["response"]) == ([["webhook-id", "m1"]], "\ufffd oops")
        status, again = await api.json("POST", "/api/webhooks/deliveries/d1/redeliver")
        assert (status, again["state"], again["message_id"]) == (202, "pending", "m1")
        await api.json("PATCH", f"/api/webhooks/{endpoint}", json={"is_enabled": False})
        status, problem = await api.json("POST", "/api/webhooks/deliveries/d1/redeliver")
        assert (status, problem["code"]) == (409, "endpoint_disabled")
        for method, place in (
            ("GET", "/api/webhooks/deliveries/none"),
            ("POST", "/api/webhooks/deliveries/%00/redeliver"),
            ("GET", f"/api/webhooks/{endpoint}/deliveries?before=none"),
        ):
            assert (await api.json(method, place))[1]["code"] == "unknown_delivery", place


async def test_without_a_store_there_are_no_webhooks(tmp_path: Path) -> None:
    """With the reason."""
    async with bots_api(tmp_path) as (_, bots, _store):
        status, problem = await BotsApi(tmp_path, bots, None).json("GET", "/api/webhooks")
        assert (status, problem["code"]) == (503, "bots_off")


async def test_calendars_show_how_they_are_and_no_address(tmp_path: Path) -> None:
    """Read, failing, and one that another worker follows."""
    statistics = (
        CalendarStatistics("team", "", NOW, 7, 1),
        CalendarStatistics("other", "The calendar was not found (404).", None, 0, 0),
    )
    followed = cast("Calendars", SimpleNamespace(statistics=lambda: statistics))
    async with bots_api(tmp_path) as (_, bots, store):
        response = await BotsApi(tmp_path, bots, store, followed=followed).ask("GET", "/api/calendars")
        assert b"hush" not in await response.get_data(as_text=False)
        _, listed = await BotsApi(tmp_path, bots, store, followed=followed).json("GET", "/api/calendars")
        states = [(each["calendar_id"], each["state"], each["reason"]) for each in listed["calendars"]]
        assert states == [
            ("team", "connected", ""),
            ("other", "failing", "The calendar was not found (404)."),
            ("third", "unknown", ""),
        ]
        assert (listed["calendars"][0]["events"], listed["calendars"][1]["lead"]) == (7, 60)

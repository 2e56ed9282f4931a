"""Endpoints that programs register, on both engines; webhooks about calendars; and the migration to them."""

from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from orch.stores.bot_records import Subscription
from orch.stores.sqlite.database import migrations, open_database
from tests.fakes.bot_sessions import NOW, BotEngine, requested, webhook


def subscription(number: int = 1) -> Subscription:
    return Subscription(
        endpoint_id=f"e{number}",
        url=f"https://hooks.example/{number}",
        triggers=("bot.state_change", "transcript.update"),
        secret="whsec_AAAA",
        at=NOW + number,
        description="of a test",
        replaced_secrets=(("whsec_BBBB", NOW + 60.0),),
    )


async def test_an_endpoint_is_stored_changed_and_removed(engine: BotEngine) -> None:
    """As it was given; at most so many; what waits for a removed one has failed, and it may come again."""
    async with engine.running() as store:
        await requested(store, 1)
        assert await store.subscribe(subscription(1), most=2)
        assert not await store.subscribe(subscription(1), most=2)
        assert await store.subscribe(subscription(2), most=2)
        assert not await store.subscribe(subscription(3), most=2)
        assert await store.subscriptions() == (subscription(1), subscription(2))
        assert await store.subscriptions(["e2", "e9"]) == (subscription(2),)
        assert await store.subscriptions([]) == ()
        changed = await store.change_subscription("e1", lambda s: replace(s, triggers=()))
        assert changed == replace(subscription(1), triggers=())
        assert (await store.subscriptions(["e1"]))[0] == changed
        assert await store.change_subscription("e9", lambda s: s) is None
        await store.enqueue([webhook(1), webhook(2, endpoint_id="e2")])
        await store.disable_endpoint("e1", "gone", now=NOW)
        assert await store.unsubscribe("e1")
        assert not await store.unsubscribe("e1")
        assert await store.webhook_endpoints() == ()
        failed = await store.webhook_delivery("d1")
        assert failed is not None
        assert (failed.state, failed.due_at) == ("failed", None)
        assert await store.webhook_delivery("d9") is None
        assert [each.delivery_id for each in await store.claim_webhooks(9, now=NOW + 9, until=NOW + 99)] == [
            "d2"
        ]


async def test_what_a_change_raises_reaches_the_caller_and_changes_nothing(engine: BotEngine) -> None:
    """A secret that cannot replace itself is refused while the row is locked."""

    def refuse(_: Subscription) -> Subscription:
        raise KeyError("no")

    async with engine.running() as store:
        await store.subscribe(subscription(), most=9)
        with pytest.raises(KeyError):
            await store.change_subscription("e1", refuse)
        assert await store.subscriptions() == (subscription(),)


async def test_webhooks_about_calendars_need_no_bot_and_keep_their_order(engine: BotEngine) -> None:
    """One at a time for each calendar and endpoint; they are about exactly one of the two."""
    async with engine.running() as store:
        await requested(store, 1)
        of_calendar = [
            webhook(number, bot_id=None, calendar_id="c1", trigger="calendar.events_update")
            for number in (2, 1)
        ]
        assert await store.enqueue([*of_calendar, webhook(3), webhook(4, bot_id="unknown")]) == 3
        first = await store.claim_webhooks(9, now=NOW + 9, until=NOW + 99)
        assert [(each.delivery_id, each.bot_id, each.calendar_id) for each in first] == [("d1", None, "c1")]
        second = await store.claim_webhooks(9, now=NOW + 9, until=NOW + 99)
        assert [each.delivery_id for each in second] == ["d3"]
        assert await store.claim_webhooks(9, now=NOW + 9, until=NOW + 99) == ()
        with pytest.raises(ValueError, match=r"(?i)check"):
            await store.enqueue([webhook(5, calendar_id="c1")])


async def test_what_is_sent_to_an_endpoint_is_paged_newest_first(engine: BotEngine) -> None:
    """Whatever it is about."""
    async with engine.running() as store:
        await requested(store, 1)
        await store.enqueue([*(webhook(n) for n in (1, 2)), webhook(3, bot_id=None, calendar_id="c")])
        await store.enqueue([webhook(4, endpoint_id="other")])
        page = await store.webhook_deliveries_to("e1", limit=2)
        assert [each.delivery_id for each in page] == ["d3", "d2"]
        rest = await store.webhook_deliveries_to("e1", before=page[-1], limit=2)
        assert [each.delivery_id for each in rest] == ["d1"]


def test_a_file_with_deliveries_is_migrated_with_their_attempts(tmp_path: Path) -> None:
    """The tables are made again, and attempts refer to the new one."""
    path = tmp_path / "b.sqlite3"
    steps = migrations("bot_schema")
    with closing(open_database(path, steps[:1])) as old:
        old.executescript(
            "INSERT INTO bot_lives (bot_id, session_id, state, since, requested_at, name, meeting_url,"
            " settings, metadata) VALUES ('b', 's', 'ended', 1, 1, '', '', '{}', '{}');"
            "INSERT INTO bot_webhook_deliveries VALUES"
            " ('d', 'm', 'b', 'e', 1, 't', x'00', 'failed', 1, 1, NULL, NULL, 5);"
            "INSERT INTO bot_webhook_attempts VALUES"
            " ('a', 'd', 1, 0.5, NULL, NULL, NULL, '[]', NULL, x'', '', '', 6);"
        )
    with closing(open_database(path, steps)) as new:
        kept = new.execute("SELECT attempt_id, delivery_id, created_at FROM bot_webhook_attempts").fetchall()
        assert kept == [("a", "d", 6.0)]
        found = new.execute("SELECT delivery_id, bot_id, calendar_id, created_at FROM bot_webhook_deliveries")
        assert found.fetchall() == [("d", "b", None, 5.0)]
        new.execute("DELETE FROM bot_lives")
        assert new.execute("SELECT count(*) FROM bot_webhook_attempts").fetchone() == (0,)
        tables = {name for (name,) in new.execute("SELECT name FROM sqlite_master")}
        assert not {"kept_attempts", "former_deliveries"} & tables

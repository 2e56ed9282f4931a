"""Lives of bots, their places and their owners: the same tests on every engine."""

from collections.abc import Sequence

import pytest
import trio
from msgspec.structs import replace

from orch.stores.bot_records import Life, RefusedRecordError, SessionEvent
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import BotStore
from tests.fakes.bot_sessions import NOW, BotEngine, life, requested, session, webhook

SOON = NOW + 100
LATER = NOW + 130


async def test_a_new_life_is_returned_as_it_was_stored(engine: BotEngine) -> None:
    """Every field, with times to the microsecond, and text that PostgreSQL would refuse made storable."""
    new = life(
        since=NOW + 0.123456,
        idempotency_key="k",
        due_at=NOW + 60,
        name="Bot 名 \0 \ud83d",
        meeting_url="https://meet.example/a",
        settings={"languages": ["es", "zh"], "camera": None, "depth": {"a\0": [1.5, True]}},
        metadata={"order": 7},
    )
    async with engine.running() as store:
        stored, is_new = await store.request(Change(new), session())
        assert is_new
        expected = replace(
            new,
            name="Bot 名 \ufffd \ufffd",
            settings={"languages": ["es", "zh"], "camera": None, "depth": {"a\ufffd": [1.5, True]}},
        )
        assert stored == expected
        assert await store.life("b1") == expected
        assert await store.life("b2") is None


async def test_a_request_with_a_known_idempotency_key_returns_the_first_bot(engine: BotEngine) -> None:
    """Nothing of the second request is stored; and an id that is taken is refused."""
    async with engine.running() as store:
        first, _ = await store.request(Change(life(idempotency_key="k")), session())
        again, is_new = await store.request(Change(life(2, idempotency_key="k")), session(2))
        assert (again, is_new) == (first, False)
        assert await store.session("s2") is None
        with pytest.raises(RefusedRecordError, match="b1"):
            await store.request(Change(life()), session())


async def test_a_transition_is_stored_once_with_what_belongs_to_it(engine: BotEngine) -> None:
    """Of two changes based on the same revision one is stored; the other leaves no event and no webhook."""
    async with engine.running() as store:
        first, _ = await store.request(Change(life()), session())
        due = replace(first, state="starting", since=SOON)
        event = SessionEvent(
            event_id="e", session_id="s1", event_type="state", at=SOON, source_component="bots"
        )
        changed = await store.advance(Change(due, [event], [webhook()]), owner=None)
        assert changed == replace(due, revision=2)
        other = Change(due, [replace(event, event_id="late")], [webhook(2)])
        assert await store.advance(other, owner=None) is None
        assert await store.events("s1") == (event,)
        assert [each.delivery_id for each in await store.webhook_deliveries("b1")] == ["d1"]
        found = await store.session("s1")
        assert found is not None
        assert found.status == "starting"


async def test_only_the_owner_changes_a_bot_that_runs(engine: BotEngine) -> None:
    """A worker that lost its bot, and one that never had it, are refused; an ended bot is nobody's."""
    async with engine.running() as store:
        await requested(store, 1)
        placed = await store.place("w1", 1, now=NOW, until=SOON)
        assert placed is not None
        starting = replace(placed, state="starting")
        assert await store.advance(Change(starting), owner=None) is None
        assert await store.advance(Change(starting), owner="w2") is None
        started = await store.advance(Change(starting), owner="w1")
        assert started is not None
        assert (started.place, started.owner, started.lease_until) == (1, "w1", SOON)
        ended = replace(started, state="failed", reason="captcha", stage="join", ended_at=LATER)
        over = await store.advance(Change(ended), owner="w1")
        assert over is not None
        assert (over.place, over.owner, over.lease_until) == (None, None, None)
        found = await store.session("s1")
        assert found is not None
        assert (found.status, found.end_reason, found.end_stage, found.end_time) == (
            "failed",
            "captcha",
            "join",
            LATER,
        )


async def test_of_fifty_requests_at_once_five_start_at_a_limit_of_five(engine: BotEngine) -> None:
    """Each request stores its bot and then tries to place one, as workers do that know of no other."""
    placed: list[Life | None] = []

    async def one(store: BotStore, number: int) -> None:
        await requested(store, number)
        placed.append(await store.place(f"w{number}", 5, now=NOW, until=SOON))

    async with engine.running() as first, engine.running() as second:
        async with trio.open_nursery() as nursery:
            for number in range(1, 51):
                nursery.start_soon(one, first if number % 2 else second, number)
        started = [each for each in placed if each is not None]
        assert len(placed) == 50
        assert sorted(each.place or 0 for each in started) == [1, 2, 3, 4, 5]
        assert len({each.bot_id for each in started}) == 5
        assert await first.place("w", 5, now=NOW, until=SOON) is None
        assert sum(each.place is not None for each in await first.lives()) == 5


async def test_who_waits_longest_gets_the_place_that_becomes_free(engine: BotEngine) -> None:
    """Positions count from 1; a limit that was lowered starts nobody until fewer run."""
    async with engine.running() as store:
        await requested(store, 1, 2, 3, 4)
        assert [await store.position(f"b{number}") for number in (1, 4, 9)] == [1, 4, None]
        first, second = [await store.place("w", 2, now=NOW, until=SOON) for _ in range(2)]
        assert first is not None
        assert second is not None
        assert (first.bot_id, second.bot_id) == ("b1", "b2")
        assert [await store.position(f"b{number}") for number in (1, 3, 4)] == [None, 1, 2]
        assert await store.place("w", 1, now=NOW, until=SOON) is None
        assert await store.place("w", 0, now=NOW, until=SOON) is None
        await store.advance(Change(replace(first, state="ended", ended_at=SOON)), owner="w")
        assert await store.place("w", 1, now=NOW, until=SOON) is None
        third = await store.place("w", 2, now=NOW, until=SOON)
        assert third is not None
        assert (third.bot_id, third.place) == ("b3", 1)


async def test_a_bot_that_is_scheduled_waits_for_its_time_and_not_for_a_place(engine: BotEngine) -> None:
    """It is due from its time on, until it is queued or ended."""
    async with engine.running() as store:
        new = life(state="scheduled", queued_at=None, due_at=SOON)
        await store.request(Change(new), session())
        assert await store.place("w", 5, now=NOW, until=SOON) is None
        assert await store.position("b1") is None
        assert await store.due(SOON - 0.001) == ()
        (due,) = await store.due(SOON)
        await store.advance(Change(replace(due, state="requested", queued_at=SOON)), owner=None)
        assert await store.due(LATER) == ()
        assert await store.position("b1") == 1


async def test_a_bot_whose_lease_expired_is_taken_over_by_one_worker(engine: BotEngine) -> None:
    """Its former owner can no longer change it, and finds that out when it renews."""
    async with engine.running() as store:
        await requested(store, 1, 2, 3)
        for _ in range(3):
            await store.place("w1", 3, now=NOW, until=SOON)
        assert await store.take_over("w2", 10, now=SOON, until=LATER) == ()
        assert await store.take_over("w1", 10, now=SOON + 1, until=LATER) == ()
        mine = await store.renew("w1", until=SOON + 5)
        assert len(mine) == 3
        taken: list[Sequence[Life]] = []

        async def take(name: str) -> None:
            taken.append(await store.take_over(name, 2, now=SOON + 6, until=LATER))

        async with trio.open_nursery() as nursery:
            for number in range(2, 8):
                nursery.start_soon(take, f"w{number}")
        owners = {each.bot_id: each.owner for lives in taken for each in lives}
        assert sum(map(len, taken)) == len(owners) == 3
        assert "w1" not in owners.values()
        assert await store.renew("w1", until=LATER) == ()
        assert await store.advance(Change(replace(mine[0], state="joining")), owner="w1") is None


async def test_an_owner_that_stops_gives_its_bots_up_at_once(engine: BotEngine) -> None:
    """Another worker takes them over without waiting for the leases to expire."""
    async with engine.running() as store:
        await requested(store, 1)
        await store.place("w1", 3, now=NOW, until=LATER)
        assert await store.release("w1", now=NOW + 1) == 1
        (taken,) = await store.take_over("w2", 3, now=NOW + 1, until=LATER)
        assert taken.owner == "w2"


async def test_a_request_to_leave_reaches_the_owner(engine: BotEngine) -> None:
    """It is returned when the lease is renewed; a state stored meanwhile does not undo it."""
    async with engine.running() as store:
        await requested(store, 1)
        placed = await store.place("w1", 3, now=NOW, until=SOON)
        assert placed is not None
        asked = await store.request_leave("b1", now=NOW + 2)
        assert asked is not None
        assert asked.leave_requested_at == NOW + 2
        again = await store.request_leave("b1", now=NOW + 9)
        assert again == asked
        joined = await store.advance(Change(replace(placed, state="joining")), owner="w1")
        assert joined is not None
        (renewed,) = await store.renew("w1", until=LATER)
        assert renewed.leave_requested_at == NOW + 2
        await store.advance(Change(replace(joined, state="ended", ended_at=SOON)), owner="w1")
        assert await store.request_leave("b1", now=SOON) is None
        assert await store.request_leave("nobody", now=SOON) is None


async def test_bots_are_listed_page_by_page(engine: BotEngine) -> None:
    """The last requested first; those that have ended can be left out; states are counted."""
    async with engine.running() as store:
        await requested(store, 1, 2, 3, 4, 5)
        pages = [await store.lives(2)]
        while pages[-1]:
            pages.append(await store.lives(2, before=pages[-1][-1]))
        assert [[each.bot_id for each in page] for page in pages] == [["b5", "b4"], ["b3", "b2"], ["b1"], []]
        await store.advance(Change(replace(pages[0][0], state="ended", ended_at=SOON)), owner=None)
        assert [each.bot_id for each in await store.lives(active=True)] == ["b4", "b3", "b2", "b1"]
        assert await store.counts() == {"requested": 4, "ended": 1}

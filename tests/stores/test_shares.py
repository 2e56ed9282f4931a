"""Clients' messages push no captions out of the history, in every engine."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
import trio

from orch.stores.history import Budget, Kind, Limits, Losses, Share, pressed
from orch.stores.protocols import SessionStore
from orch.stores.records import ParticipantRecord
from orch.stores.sqlite import statements
from orch.stores.sqlite.database import close_database, migrations, open_database
from orch.stores.sqlite.store import SqliteStore
from tests.fakes.hub import inline
from tests.fakes.redis import RedisServer
from tests.fakes.redis_workers import workers
from tests.fakes.stores import Engine, append, record, running

CAPTION, BROADCAST, NAME = Kind

#: As large as it is by default, and small.
USUAL = Limits(messages=10_000, seconds=1e9)
SMALL = Limits(messages=40, seconds=1e9, bytes=3_000, broadcasts=Budget(20, 1_500), names=Budget(4, 300))

FORMER = (Path(__file__).parents[1] / "data" / "redis" / "append_before_shares.lua").read_text()


def body(size: int) -> bytes:
    """Return a message of about that many bytes."""
    return b'{"a":"%s"}' % (b"x" * size)


async def offsets(store: SessionStore) -> list[int]:
    """Return the offsets stored."""
    return [message.offset for message in await store.read("s", after=0, until=10**6)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "size"), [(9, 65_000), (10_000, 20), (30, 1_000_000)], ids=["large", "small", "huge"]
)
async def test_a_flood_of_broadcasts_removes_no_caption(engine: Engine, count: int, size: int) -> None:
    """However many and however large; nobody misses a caption for it."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        for _ in range(20):
            await append(store, body=body(100), limits=USUAL, share=Share(CAPTION, "alice"))
        tickets = [
            await store.begin_append(
                "s", body(size), at=20.0, limits=USUAL, share=Share(BROADCAST, "flooder")
            )
            for _ in range(count)
        ]
        for ticket in tickets:
            await ticket.wait()
        await append(store, body=body(100), limits=USUAL, share=Share(CAPTION, "alice"))
        kept = await store.read("s", after=0, until=10**6)
        assert [message.offset for message in kept][:20] == list(range(1, 21))
        assert kept[-1].offset == count + 21
        broadcasts = [message for message in kept if 20 < message.offset <= count + 20]
        assert len(broadcasts) <= 1_000
        assert sum(len(message.frame) for message in broadcasts) <= 2**20
        losses = await store.losses("s")
        assert losses is not None
        assert losses.captions == 0
        assert (losses.others > 0) == (len(broadcasts) < count)


async def test_a_flooder_replaces_only_their_own_messages(engine: Engine) -> None:
    """Of three participants, for captions as well as for broadcasts."""
    store = engine.store()
    async with running(store):
        for kind in (CAPTION, BROADCAST):
            session = f"s{int(kind)}"
            await store.create(record(session))
            for place in range(120):
                name = ("ann", "bob")[place // 2 % 2] if place % 2 == 0 and place < 24 else "flooder"
                await append(store, session, body(60), limits=SMALL, share=Share(kind, name))
            kept = {m.offset for m in await store.read(session, after=0, until=10**6)}
            modest = [place + 1 for place in range(0, 24, 2)]
            wanted = SMALL.budget(kind)
            assert kept.issuperset(modest)
            assert len(kept) <= wanted.messages
            assert max(kept) == 120


async def test_erased_messages_are_gone_and_count_for_nothing(engine: Engine) -> None:
    """On purpose, so nothing is lost: the totals, the oldest offset and what is dropped later agree."""
    store, limits = engine.store(), Limits(messages=6, seconds=1e9)
    async with running(store):
        await store.create(record())
        for number in range(6):
            await append(
                store, body=body(50), limits=limits, share=Share(CAPTION, ("ann", "bob")[number % 2])
            )
        assert await store.erase("s", [1, 4, 99]) == 2
        assert await store.erase("s", [1, 4]) == 0
        assert await store.erase("other", [1]) == 0
        assert await offsets(store) == [2, 3, 5, 6]
        assert await store.losses("s") == Losses(0, 0)
        loaded = await store.load("s")
        assert loaded is not None
        assert loaded.kept_first == 2
        for _ in range(2):
            await append(store, body=body(50), limits=limits, share=Share(CAPTION, "ann"))
        assert await offsets(store) == [2, 3, 5, 6, 7, 8]
        assert await store.losses("s") == Losses(0, 0)
        await append(store, body=body(50), limits=limits, share=Share(CAPTION, "bob"))
        assert await offsets(store) == [2, 5, 6, 7, 8, 9]
        assert await store.losses("s") == Losses(3, 0)


async def test_names_remove_no_caption_and_only_the_newest_of_each_is_stored(engine: Engine) -> None:
    """Someone who calls themselves ten thousand things has one name in the history."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        await append(store, limits=SMALL, share=Share(CAPTION, "ann"))
        for number in range(300):
            await append(store, body=body(50), limits=SMALL, share=Share(NAME, "ann"))
            if number == 100:
                await append(store, body=body(50), limits=SMALL, share=Share(NAME, "bob"))
        assert await offsets(store) == [1, 103, 302]
        assert await store.losses("s") == Losses(0, 0)
        for number in range(6):
            await append(store, body=body(20), limits=SMALL, share=Share(NAME, f"p{number}"))
        assert (await offsets(store))[0] == 1
        assert len(await offsets(store)) == 5
        losses = await store.losses("s")
        assert losses is not None
        assert losses.captions == 0
        assert losses.others > 0


def by_the_rule(messages: Sequence[tuple[Share, int]], limits: Limits) -> tuple[list[int], Losses]:
    """Return which of these messages are left, by offset, and what was dropped: the slow way."""
    left: list[tuple[int, Share, int]] = []
    captions = others = 0
    for offset, (share, size) in enumerate(messages, 1):
        if share.kind is NAME:
            left = [each for each in left if each[1] != share]
        left.append((offset, share, size))
        while True:
            mine = [each for each in left if each[1].kind is share.kind]
            total = Budget(len(mine), sum(each[2] for each in mine))
            what = pressed(total, limits.budget(share.kind))
            if what is None:
                break
            holds: dict[str, int] = {}
            for each in mine:
                holds[each[1].sender] = holds.get(each[1].sender, 0) + (each[2] if what == "bytes" else 1)
            fullest = max(holds, key=lambda name: (holds[name], name))
            gone = next(each for each in mine if each[1].sender == fullest)
            left.remove(gone)
            if share.kind is CAPTION:
                captions = max(captions, gone[0])
            else:
                others = max(others, gone[0])
    return [offset for offset, _, _ in left], Losses(captions, others)


@pytest.mark.parametrize("seed", range(4))
async def test_every_engine_follows_the_same_rule(engine: Engine, seed: int) -> None:
    """Whatever is said by whom, one after the other: the same is left."""
    random = Random(seed)
    messages: list[tuple[Share, int]] = []

    store = engine.store()
    async with running(store):
        await store.create(record())
        for place in range(400):
            share = Share(random.choice([CAPTION, CAPTION, BROADCAST, NAME]), random.choice("abcdefgh"))
            said = body(random.choice([0, 5, 80, 400]))
            offset = await append(store, body=said, limits=SMALL, share=share)
            assert offset == len(messages) + 1
            messages.append((share, len(said) + 10 + len(str(offset))))
            if place % 20 == 0 or place > 380:
                assert (await offsets(store), await store.losses("s")) == by_the_rule(messages, SMALL)


async def test_messages_appended_at_once_follow_the_same_rule(engine: Engine) -> None:
    """Many in one step: the budgets hold, and the modest ones stay."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        tickets = []
        for place in range(500):
            share = Share(BROADCAST, "modest" if place in {3, 200, 333} else f"flooder {place % 2}")
            tickets.append(await store.begin_append("s", body(60), at=20.0, limits=SMALL, share=share))
        for ticket in tickets:
            await ticket.wait()
        kept = await store.read("s", after=0, until=10**6)
        assert {4, 201, 334} <= {message.offset for message in kept}
        assert len(kept) <= 20
        assert sum(len(message.frame) for message in kept) <= 1_500


async def test_captions_find_room_in_a_queue_full_of_broadcasts(engine: Engine) -> None:
    """What clients say fills half of the queue to the store at most."""
    store = engine.store(operations=10, size=10_000)
    async with running(store):
        await store.create(record())
        accepted = 0

        async def say() -> None:
            nonlocal accepted
            ticket = await store.begin_append(
                "s", body(5), at=20.0, limits=USUAL, share=Share(BROADCAST, "eve")
            )
            accepted += 1
            await ticket.wait()

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(say)
            for _ in range(2):  # enough for all to have asked, and too few for any to be stored
                await trio.lowlevel.checkpoint()
            assert accepted == 5
            ticket = await store.begin_append(
                "s", body(5), at=20.0, limits=USUAL, share=Share(CAPTION, "ann")
            )
            assert accepted == 5  # it did not wait
            assert await ticket.wait() <= 11
        assert accepted == 20


async def test_speakers_may_return_however_many_join_after_them(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those who are absent, who only came and went is forgotten first."""
    monkeypatch.setattr("orch.stores.records.PARTICIPANTS_LIMIT", 5)

    store = engine.store()
    async with running(store):
        await store.create(record())
        for place, name in enumerate(["ann", "bob", *(f"p{number}" for number in range(8))]):
            someone = ParticipantRecord(name, name, "participant", (), b"h", 20.0 + place)
            await store.put_participant("s", someone)
        await append(store, limits=USUAL, share=Share(CAPTION, "ann"))
        await append(store, limits=USUAL, share=Share(BROADCAST, "bob"))
        await store.prune(1.0, USUAL)
        assert await store.trim_participants("s", frozenset(), 90.0) == 5
        names = ["ann", "bob", *(f"p{number}" for number in range(8))]
        found = [name for name in names if await store.participant("s", name) is not None]
        assert found == ["ann", "p4", "p5", "p6", "p7"]


def test_the_cost_of_an_append_does_not_grow_with_the_history(tmp_path: Path) -> None:
    """Also where what has to go lies behind thousands of captions; counted in the database's own steps."""
    database = open_database(tmp_path / "s.sqlite3", migrations())
    statements.create(database, record())

    def put(share: Share) -> int:
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        database.set_progress_handler(step, 20)
        statements.append(database, "s", body(50), at=20.0, limits=USUAL, origin=None, share=share)
        database.set_progress_handler(None, 20)
        return steps

    eve = Share(BROADCAST, "eve")
    for _ in range(1_000):
        put(eve)
    few = max(put(eve) for _ in range(40))
    database.execute("BEGIN")
    for _ in range(4_000):
        put(Share(CAPTION, "ann"))
    for _ in range(1_000):
        put(eve)
    database.execute("COMMIT")
    assert max(put(eve) for _ in range(40)) <= few * 2
    database.close()


async def test_lower_limits_apply_with_the_next_message(engine: Engine) -> None:
    """Also where far more is stored than they allow; nothing but what is over goes."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        for _ in range(300):
            await append(store, limits=USUAL, share=Share(CAPTION, "ann"))
        few = Limits(messages=3, seconds=1e9)
        assert await append(store, limits=few, share=Share(CAPTION, "ann")) == 301
        assert await offsets(store) == [299, 300, 301]
        assert await store.losses("s") == Losses(298, 0)
        assert await store.losses("none") is None


async def test_a_file_from_before_shares_is_migrated_without_losses(tmp_path: Path) -> None:
    """Kinds and senders are found in what is stored; what was missing before is still said to be."""
    path = tmp_path / "s.sqlite3"
    old = open_database(path, [step for step in migrations() if step.version < 5])
    frames = [
        b'{"type":"transcript","participant_id":"ann","offset":4}',
        b'{"type":"session_message","sender":"eve","data":{"type":"transcript"},"offset":5}',
        b'{"type":"participant_renamed","participant_id":"ann","name":"A","offset":6}',
        b'{"type":"translation","text":"x","offset":7}',
        b'{"type":"session_message","sender":"eve","data":2,"offset":8}',
    ]
    old.execute(
        "INSERT INTO sessions (session_id, epoch, last_offset, kept_first, kept_bytes, config, created,"
        " last_active) VALUES ('s', 'e', 8, 4, ?, '{}', 1.0, 1.0)",
        (sum(map(len, frames)),),
    )
    for offset, frame in enumerate(frames, 4):
        old.execute("INSERT INTO history VALUES (1, ?, 5.0, ?)", (offset, frame))
    old.execute("INSERT INTO openings VALUES (1, 'boot', 1)")
    old.close()

    new = open_database(path, migrations())
    found = new.execute("SELECT kind, sender, messages, bytes FROM shares ORDER BY kind, sender").fetchall()
    assert found == [
        (0, "", 1, len(frames[3])),
        (0, "ann", 1, len(frames[0])),
        (1, "eve", 2, len(frames[1]) + len(frames[4])),
        (2, "ann", 1, len(frames[2])),
    ]
    assert new.execute("SELECT count(*) FROM history WHERE share = 0").fetchone() == (0,)
    assert new.execute("PRAGMA foreign_key_check").fetchall() == []
    close_database(new)

    store = SqliteStore(path, offload=inline)
    async with running(store):
        kept = await store.read("s", after=0, until=99)
        assert [message.frame for message in kept] == frames
        assert await store.losses("s") == Losses(3, 3)
        one = Limits(messages=10, seconds=1e9, broadcasts=Budget(2, 10_000))
        await append(store, limits=one, share=Share(BROADCAST, "eve"))
        assert await offsets(store) == [4, 6, 7, 8, 9]
        assert await store.losses("s") == Losses(3, 5)


def _former(server: RedisServer, header: str, text: str) -> bytes:
    return server.ask("EVAL", FORMER, "2", "orch:{s}", "orch:{s}:history", header, text)


def _make_former(server: RedisServer) -> None:
    assert server.ask("FLUSHALL") == b"+OK\r\n"
    server.ask("ZADD", "orch:sessions", "1", "s")
    fields = "token t epoch e offset 3 first 4 config {} created 1.0 active 1.0 bytes 0 speak a read b"
    server.ask("HSET", "orch:{s}", *fields.split())
    assert _former(server, "[5.0]", '{"type":"transcript","participant_id":"ann"}') == b":4\r\n"
    assert _former(server, '[5.0,"c","1"]', '{"type":"session_message","sender":"eve","data":1}') == b":5\r\n"
    assert _former(server, '[5.0,"c",2]', '{"type":"session_message","sender":"eve","data":2}') == b":6\r\n"


@pytest.mark.real_time
async def test_data_of_an_older_version_in_redis_is_migrated(lone_redis: RedisServer) -> None:
    """Before anything is appended, and from then on."""
    _make_former(lone_redis)

    async with workers(lone_redis.url, 1) as (a,):
        assert await a.store.losses("s") == Losses(3, 3)
        assert await offsets(a.store) == [4, 5, 6]
        one = Limits(messages=10, seconds=1e9, broadcasts=Budget(2, 10_000))
        await append(a.store, limits=one, share=Share(BROADCAST, "eve"))
        assert await offsets(a.store) == [4, 6, 7]
        assert await a.store.losses("s") == Losses(3, 5)


@pytest.mark.real_time
async def test_workers_of_the_older_version_may_run_beside(lone_redis: RedisServer) -> None:
    """While one after the other is replaced, each finds what the others have stored."""
    _make_former(lone_redis)

    one = Limits(messages=10, seconds=1e9, broadcasts=Budget(3, 10_000))
    async with workers(lone_redis.url, 1) as (a,):
        await append(a.store, limits=one, share=Share(CAPTION, "ann"))  # 7
        assert _former(lone_redis, '[5.0,"c",3]', '{"type":"session_message","sender":"eve","data":3}')
        assert await a.store.losses("s") == Losses(3, 3)
        await append(a.store, limits=one, share=Share(BROADCAST, "eve"))  # 9
        assert await offsets(a.store) == [4, 6, 7, 8, 9]
        assert await a.store.losses("s") == Losses(3, 5)
        assert await a.store.prune(1.0, one) == 0


@pytest.mark.real_time
@pytest.mark.parametrize("lost", ["by_sender", "shares", "both", "entry", "history", "all"])
async def test_history_evicted_by_a_full_redis_counts_as_lost(lone_redis: RedisServer, lost: str) -> None:
    """A key that is gone is made anew; a message that is gone is nobody's whole history."""
    assert lone_redis.ask("FLUSHALL") == b"+OK\r\n"
    keys = {
        "by_sender": ["orch:{s}:index"],
        "shares": ["orch:{s}:shares"],
        "both": ["orch:{s}:index", "orch:{s}:shares"],
        "history": ["orch:{s}:history"],
        "all": ["orch:{s}:history", "orch:{s}:index", "orch:{s}:shares"],
        "entry": [],
    }[lost]

    async with workers(lone_redis.url, 1) as (a,):
        await a.store.create(record())
        for number in range(5):
            await append(a.store, limits=USUAL, share=Share(Kind(number % 2), "ann"))
        for key in keys:
            assert lone_redis.ask("DEL", key) == b":1\r\n"
        if lost == "entry":
            assert lone_redis.ask("XDEL", "orch:{s}:history", "3-0") == b":1\r\n"
        before = await a.store.losses("s")
        await append(a.store, limits=USUAL, share=Share(CAPTION, "ann"))
        after = await a.store.losses("s")
        if lost in {"history", "all"}:
            assert before == after == Losses(5, 5)
            assert await offsets(a.store) == [6]
        elif lost == "entry":
            assert before == Losses(5, 5)  # until the next message: all of it is in doubt
            assert after == Losses(3, 3)
            assert await offsets(a.store) == [1, 2, 4, 5, 6]
        else:
            assert before == after == Losses(0, 0)
            assert await offsets(a.store) == [1, 2, 3, 4, 5, 6]
        # The sums are whole again.
        for _ in range(30):
            await append(a.store, body=body(100), limits=SMALL, share=Share(BROADCAST, "eve"))
        assert len(await offsets(a.store)) <= 6 + 20


@pytest.mark.real_time
async def test_shares_are_deleted_with_their_session(lone_redis: RedisServer) -> None:
    """Ended, a session leaves no key but marks; left alone, all its keys have an end."""
    assert lone_redis.ask("FLUSHALL") == b"+OK\r\n"

    async with workers(lone_redis.url, 1) as (a,):
        await a.store.create(record())
        await append(a.store, share=Share(BROADCAST, "eve"))
        lone_redis.ask("DEL", "orch:{s}:index")
        await a.store.prune(1.0, USUAL)
        for key in ("orch:{s}", "orch:{s}:history", "orch:{s}:index", "orch:{s}:shares"):
            assert int(lone_redis.ask("PTTL", key)[1:]) > 0
        await a.store.delete(["s"])
        for key in ("orch:{s}", "orch:{s}:history", "orch:{s}:index", "orch:{s}:shares"):
            assert lone_redis.ask("EXISTS", key) == b":0\r\n"


@pytest.mark.real_time
async def test_a_worker_that_was_away_gets_all_captions_or_loses_the_session(
    lone_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that missed the news reads the history: only where captions are gone is its session lost."""
    assert lone_redis.ask("FLUSHALL") == b"+OK\r\n"

    async with workers(lone_redis.url, 2) as (a, b):
        lost = b.events.lost_sessions
        await a.store.create(record())
        await b.cluster.follow("s")
        await append(a.store, limits=SMALL, share=Share(CAPTION, "ann"))
        await b.until_heard(1)
        # As where the network loses the news.
        monkeypatch.setattr(b.store._feed, "_published", lambda *_: None)
        monkeypatch.setattr(b.store._feed, "doubt", lambda *_: None)
        for number in range(60):
            share = Share(CAPTION, "ann") if number in {0, 30, 59} else Share(BROADCAST, "eve")
            await append(a.store, limits=SMALL, share=share)
        assert b.offsets == [1]
        monkeypatch.undo()
        await b.cluster.wait_for("s", 61)
        assert b.offsets[:2] == [1, 2]
        assert 32 in b.offsets
        assert b.offsets == sorted(set(b.offsets))
        assert len(b.offsets) < 61
        assert lost == []
        monkeypatch.setattr(b.store._feed, "_published", lambda *_: None)
        monkeypatch.setattr(b.store._feed, "doubt", lambda *_: None)
        for _ in range(60):
            await append(a.store, limits=SMALL, share=Share(CAPTION, "ann"))
        await b.cluster.wait_for("s", 121)
        assert lost == ["s"]

"""Several workers on one server."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import trio
import trio.testing

from orch.stores.history import Limits
from orch.stores.opening import open_stores
from orch.stores.operations import QueueLimits
from orch.stores.records import Origin, StoredSettings, SurveyReplies
from orch.stores.redis import survey as redis_asking
from orch.stores.redis.calls import load_scripts
from orch.stores.redis.connection import Link
from orch.stores.redis.store import RedisStore
from orch.stores.redis.times import RedisTimes
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import RedisServer
from tests.fakes.redis_workers import Worker, workers
from tests.fakes.settings import FakeSettings
from tests.fakes.stores import LIMITS, PARTICIPANT, append, record, running

pytestmark = pytest.mark.real_time

#: A machine that is busy with other tests may need more than 10 s for what is sent again and again.
PATIENT = QueueLimits(operations=20_000, size=64 * 2**20, patience=PATIENCE)


async def test_two_workers_never_give_one_offset_to_two_messages(redis_address: str) -> None:
    """Both append at once; both hear everything once, in the order of the offsets, and the same of each."""
    async with workers(redis_address) as (a, b):
        await a.store.create(record())
        for worker in (a, b):
            assert await worker.cluster.follow("s") == record()
        given: list[int] = []

        async def say(worker: Worker, speaker: int) -> None:
            for number in range(100):
                body = b'{"by":%d,"n":%d}' % (speaker, number)
                given.append(await append(worker.store, body=body))
                # Whoever appended goes on after it was told of.
                assert worker.heard[given[-1] - 1].offset == given[-1]

        async with trio.open_nursery() as nursery:
            for speaker in range(10):
                nursery.start_soon(say, (a, b)[speaker % 2], speaker)
        assert sorted(given) == list(range(1, 1001))
        for worker in (a, b):
            await worker.until_heard(1000)
            assert worker.offsets == list(range(1, 1001))
        assert [message.frame for message in a.heard] == [message.frame for message in b.heard]
        kept = await b.store.read("s", after=0, until=1000)
        assert [message.frame for message in kept] == [message.frame for message in a.heard]


async def test_the_origin_of_a_message_reaches_the_workers(redis_address: str) -> None:
    """Sender and ``id`` travel with it, whether as answer, as news or from the history."""
    async with workers(redis_address) as (a, b):
        await a.store.create(record())
        await b.cluster.follow("s")
        origin = Origin("c", "seven")
        await append(a.store, origin=origin, at=12.5)
        await b.until_heard(1)
        assert b.heard[0].origin == origin
        assert b.heard[0].at == 12.5


async def test_a_session_is_followed_without_a_gap_from_the_offset_it_was_read_at(redis_address: str) -> None:
    """While others append, someone comes: nothing between what was read and what is told of is missing."""
    async with workers(redis_address) as (a, b):
        await a.store.create(record())
        stop = trio.Event()

        async def talk() -> None:
            while not stop.is_set():
                await append(a.store)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(talk)
            while not a.heard:
                await a.changed.wait()
            begun = await b.cluster.follow("s")
            assert begun is not None
            again = await b.cluster.follow("s")
            assert again is not None
            await b.until_heard(200)
            stop.set()
        last = await a.store.load("s")
        assert last is not None
        await b.until_heard(last.offset - begun.offset)
        assert b.offsets == list(range(begun.offset + 1, last.offset + 1))
        assert again.offset >= begun.offset


async def test_lost_publications_are_read_from_the_history(
    redis_address: str, shared_redis: RedisServer
) -> None:
    """Published messages go to whoever is connected just then; the others find out and catch up."""
    async with workers(redis_address) as (a, b):
        await a.store.create(record())
        await b.cluster.follow("s")
        for number in range(1, 501):
            await append(a.store)
            if number % 100 == 50:
                # Every connection that listens, cut by the server.
                await trio.to_thread.run_sync(shared_redis.ask, "CLIENT", "KILL", "TYPE", "pubsub")
        await b.until_heard(500)
        assert b.offsets == list(range(1, 501))
        assert b.store.statistics().reconnects >= 1


async def test_many_sessions_are_subscribed_to_again(redis_address: str, shared_redis: RedisServer) -> None:
    """Wherever in a cluster they lie: one command names the channels of one place only."""
    async with workers(redis_address) as (a, b):
        names = [f"s{number}" for number in range(50)]
        for name in names:
            await a.store.create(record(name))
            await b.cluster.follow(name)
        before = b.store.statistics().reconnects
        await trio.to_thread.run_sync(shared_redis.ask, "CLIENT", "KILL", "TYPE", "pubsub")
        for name in names:
            await append(a.store, name)
        await b.until_heard(50)
        caught_up = b.store.statistics().caught_up
        for name in names:
            await append(a.store, name)
        await b.until_heard(100)
        assert sorted(message.session_id for message in b.heard if message.offset == 2) == sorted(names)
        # The second time they were heard, not read.
        assert b.store.statistics().caught_up == caught_up
        assert b.store.statistics().reconnects == before + 1


async def test_lost_replies_duplicate_nothing(redis_address: str, shared_redis: RedisServer) -> None:
    """A batch that was not answered is said again, and what of it was done is not done again."""
    async with workers(redis_address, limits=PATIENT) as (a, b):
        await a.store.create(record())
        await b.cluster.follow("s")
        given: list[tuple[int, int]] = []

        async def say(number: int) -> None:
            ticket = await a.store.begin_append("s", b'{"n":%d}' % number, at=1.0, limits=Limits(10_000, 1e9))
            given.append((await ticket.wait(), number))

        async def cut() -> None:
            answered = -1
            while True:
                if len(given) > answered:  # on a busy machine, too, something gets through each time
                    answered = len(given)
                    await trio.to_thread.run_sync(shared_redis.ask, "CLIENT", "KILL", "TYPE", "normal")
                await trio.sleep(0.05)

        async with trio.open_nursery() as cutting:
            cutting.start_soon(cut)
            async with trio.open_nursery() as nursery:
                for number in range(3000):
                    nursery.start_soon(say, number)
                    if number % 20 == 0:
                        await trio.sleep(0.005)
            cutting.cancel_scope.cancel()
        given.sort()
        assert [offset for offset, _ in given] == list(range(1, 3001))
        kept = await b.store.read("s", after=0, until=9999)
        assert [message.frame for message in kept] == [
            b'{"n":%d,"offset":%d}' % (number, offset) for offset, number in given
        ]
        await b.until_heard(3000)
        assert b.offsets == list(range(1, 3001))
        assert a.store.statistics().reconnects >= 2


async def test_a_cancelled_caller_never_shifts_replies_to_another(redis_address: str) -> None:
    """Cancelled at any moment, a caller takes nothing with it: everyone else gets what is theirs."""
    async with workers(redis_address, 1) as (a,):
        for number in range(50):
            await a.store.create(record(f"s{number}", config=b"%d" % number))
        finished = 0

        async def ask(number: int) -> None:
            nonlocal finished
            for turn in range(40):
                step = (number * 7 + turn) % 11  # 0: cancelled whatever the speed; 10: never
                with trio.move_on_after(math.inf if step == 10 else 0.0005 * step):
                    found = await a.store.load(f"s{number}")
                    assert found is not None
                    assert found.config == b"%d" % number
                    finished += 1

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(ask, number)
        assert 0 < finished < 2000
        statistics = a.store.statistics()
        assert (statistics.reconnects, statistics.failures) == (0, 0)


async def test_transient_messages_reach_the_other_workers_that_follow_the_session(redis_address: str) -> None:
    """Not the one that published it, and none that does not follow the session."""
    async with workers(redis_address, 3) as (a, b, c):
        await a.store.create(record())
        await a.store.create(record("t"))
        await a.cluster.follow("s")
        await b.cluster.follow("s")
        await c.cluster.follow("t")
        a.cluster.publish("s", b"\x00 passing\n")
        a.cluster.publish("t", b"last")
        for worker in (b, c):
            while not worker.told:
                await worker.changed.wait()
        assert (a.told, b.told, c.told) == ([], [("s", b"\x00 passing\n")], [("t", b"last")])


async def test_a_session_that_ends_ends_everywhere(redis_address: str) -> None:
    """Workers with someone in it are told; one that is made under its name afterwards is another one."""
    async with workers(redis_address) as (a, b):
        await a.store.create(record())
        await b.cluster.follow("s")
        assert await a.store.delete(["s"]) == ("s",)
        await b.until_gone()
        assert b.gone == ["s"]
        assert await b.cluster.follow("s") is None
        for turn in range(30):
            await a.store.create(record(epoch=f"e{turn}"))
            watched = await b.cluster.follow("s")
            assert watched is not None
            assert watched.epoch == f"e{turn}"
            b.heard.clear()
            assert await append(a.store) == 1
            await b.until_heard(1)
            await a.store.delete(["s"])


async def test_a_survey_is_replied_to_by_every_other_worker(redis_address: str) -> None:
    """The result has the replies of the others, and the names of workers without one."""

    def numbered(number: int, payload: bytes) -> bytes:
        return b"%d: %s" % (number, payload)

    async with workers(redis_address, 4) as all_of_them:
        for number, worker in enumerate(all_of_them):
            worker.events.reply = partial(numbered, number)

        def fail(_: bytes) -> bytes:
            raise RuntimeError("listener")

        all_of_them[3].events.reply = fail
        surveying = all_of_them[0].cluster
        answers, missing = await surveying.survey(b"hello\nthere", within=10)
        assert sorted(answers.values()) == [b"1: hello\nthere", b"2: hello\nthere"]
        assert missing == {all_of_them[3].cluster.worker}
        alone = all_of_them[2].cluster.worker
        assert await surveying.survey(b"you", within=10, only=alone) == ({alone: b"2: you"}, frozenset())
        assert await surveying.survey(b"you", within=10, only="nobody") == ({}, frozenset())


async def test_a_long_request_is_replied_to_later(redis_address: str) -> None:
    """As long as the longest speech of a bot; others are replied to meanwhile."""
    async with workers(redis_address) as (a, b), trio.open_nursery() as nursery:
        later: list[Callable[[], None]] = []

        def listen(request: bytes, reply: Callable[[bytes], None]) -> None:
            if len(request) < 100:
                reply(request)
            else:
                later.append(partial(reply, request[-3:]))

        b.events.surveyed = listen  # type: ignore[method-assign]
        found: list[SurveyReplies] = []

        async def ask() -> None:
            asked = await a.cluster.survey(b"x" * 5_200_000 + b"end", within=30, only=b.cluster.worker)
            found.append(asked)

        nursery.start_soon(ask)
        while not later:
            assert (await a.cluster.survey(b"short", within=10)).replies == {b.cluster.worker: b"short"}
        assert found == []
        later[0]()
        with trio.fail_after(PATIENCE):
            while not found:
                await a.cluster.survey(b"short", within=10)
    assert found == [SurveyReplies({b.cluster.worker: b"end"}, frozenset())]


async def test_sessions_without_members_are_unfollowed(redis_address: str) -> None:
    """The handler is asked; an unfollowed session costs nothing, and can be followed again."""
    async with workers(redis_address, times=RedisTimes(drop_unused_every=0.05)) as (a, b):
        asked = trio.Event()

        def is_unused(session_id: str) -> bool:
            if session_id == "t":
                asked.set()
            return session_id == "t"

        b.events.unused = is_unused
        for name in ("s", "t"):
            await a.store.create(record(name))
            await b.cluster.follow(name)
        await asked.wait()
        assert b.store.statistics().watched == 1
        await append(a.store, "t")
        await append(a.store, "s")
        await b.until_heard(1)
        assert [message.session_id for message in b.heard] == ["s"]
        again = await b.cluster.follow("t")
        assert again is not None
        assert again.offset == 1


async def test_a_newer_offset_from_another_worker_is_waited_for(redis_address: str) -> None:
    """A client may have received it there: the worker reads the history before it replies."""
    async with workers(redis_address) as (a, b):
        await a.store.create(record())
        await b.cluster.follow("s")
        tickets = [await a.store.begin_append("s", b'{"a":1}', at=1.0, limits=LIMITS) for _ in range(200)]
        assert await tickets[-1].wait() == 200
        await b.cluster.wait_for("s", 200)
        assert b.offsets == list(range(1, 201))
        await b.cluster.wait_for("s", 999)


async def test_sessions_expire_if_no_worker_is_left_to_end_them(
    redis_address: str, shared_redis: RedisServer
) -> None:
    """Every key of a session has an end, later than the one the sweep gives it, and use puts it off."""
    store = RedisStore(redis_address, lifetime=lambda: 1000.0)
    async with running(store):
        await store.create(record(), PARTICIPANT)
        await append(store)

        def lives(key: str) -> int:
            return int(shared_redis.ask("TTL", key)[1:].strip())

        for key in ("orch:{s}", "orch:{s}:history", "orch:{s}:participants"):
            assert 990 < lives(key) <= 1000
            shared_redis.ask("EXPIRE", key, "50")
        await store.touch(["s"], 99.0)
        for key in ("orch:{s}", "orch:{s}:history", "orch:{s}:participants"):
            assert 990 < lives(key) <= 1000


async def test_a_longer_lifetime_is_that_of_sessions_that_are_stored_already(
    redis_address: str, shared_redis: RedisServer
) -> None:
    """A sweep prolongs them, counting from their last use; what a shorter one ends is left to the hub."""
    lifetime = 1000.0
    store = RedisStore(redis_address, lifetime=lambda: lifetime)
    async with running(store):
        await store.create(record(), PARTICIPANT)
        await append(store, at=20.0)
        names = ("orch:{s}", "orch:{s}:history", "orch:{s}:participants", "orch:{s}:index", "orch:{s}:shares")

        def lives() -> list[int]:
            return [int(shared_redis.ask("TTL", name)[1:].strip()) for name in names]

        await store.prune(120.0, LIMITS)
        assert all(990 < left <= 1000 for left in lives())
        lifetime = 9000.0
        await store.prune(120.0, LIMITS)
        assert all(8890 < left <= 8900 for left in lives())
        lifetime = 10.0
        await store.prune(120.0, LIMITS)
        assert all(8890 < left <= 8900 for left in lives())


async def test_sessions_from_before_there_were_keys_are_given_keys(
    redis_address: str, shared_redis: RedisServer
) -> None:
    """Whoever looks first gives a session its keys, and every worker sees the same."""
    one, two = RedisStore(redis_address), RedisStore(redis_address)
    async with running(one), running(two):
        for name in ("a", "b"):
            await one.create(record(name))
            shared_redis.ask("HDEL", f"orch:{{{name}}}", "speak", "read")
        found = await one.load("a")
        assert found is not None
        assert len({found.keys.speak, found.keys.read}) == 2
        assert len(found.keys.speak) == 22
        for store in (one, two):
            assert await store.load("a") == found
            watched = await store.cluster.follow("b")
            assert watched is not None
            assert watched.keys.read
        assert await one.load("none") is None


async def test_an_outdated_index_ends_no_session_in_use(
    redis_address: str, shared_redis: RedisServer
) -> None:
    """The index of sessions is written after them: the session itself is asked, and the index mended."""
    store = RedisStore(redis_address)
    async with running(store):
        await store.create(record("used", last_active=500.0))
        await store.create(record("idle", last_active=5.0))
        shared_redis.ask("ZADD", "orch:sessions", "1", "used", "2", "vanished")
        assert await store.idle(100.0, 10) == ("idle",)
        assert await store.count() == 2
        assert [each.session_id for each in await store.newest(5)] == ["used", "idle"]


async def test_all_keys_of_a_session_are_in_one_cluster_slot(
    redis_address: str, shared_redis: RedisServer
) -> None:
    """Everything about a session has its name as the part that a cluster places it by."""
    store = RedisStore(redis_address)
    async with running(store):
        await store.create(record(), PARTICIPANT)
        await append(store)
        await store.delete(["s"])
        await store.create(record(), PARTICIPANT)
        await append(store)
    words = shared_redis.ask("KEYS", "*").decode().split("\r\n")
    found = {word for word in words if word.startswith("orch:")}
    shared = {"orch:sessions", "orch:server_run", "orch:trial", "orch:rate:{1}:?"}
    others = {word for word in found - shared if not word.startswith("orch:{?}:")}
    assert others == {word for word in found if "{s}" in word}
    assert len(others) == 7


async def test_thousands_of_operations_share_a_few_round_trips(redis_address: str) -> None:
    """Operations that are asked for at once share their trips to the server."""
    store = RedisStore(redis_address)
    async with running(store):
        async with trio.open_nursery() as nursery:
            for number in range(2_000):
                nursery.start_soon(store.create, record(f"s{number}"))
        assert await store.count() == 2_000
        async with trio.open_nursery() as nursery:
            for number in range(2_000):
                nursery.start_soon(store.load, f"s{number}")
        assert store.statistics().commits <= 10


async def test_the_settings_decide_whether_workers_share_the_stores() -> None:
    """A service of one process has no cluster; nobody finds out by looking at what a store can do."""
    one = open_stores(FakeSettings(session_management={"persistence": "sqlite"}))
    several = open_stores(
        FakeSettings(session_management={"persistence": "redis", "redis_url": "redis://localhost"})
    )
    assert one.cluster is None
    assert several.cluster is not None
    assert several.sessions is not one.sessions


async def test_an_invalid_address_is_reported() -> None:
    """A wrong scheme is no server that is away."""
    store = RedisStore("http://localhost")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        await trio.testing.wait_all_tasks_blocked()
        assert "http://localhost" in (store.statistics().last_error or "")
        nursery.cancel_scope.cancel()


async def test_a_server_without_sharded_channels_works(
    redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis 6.2 publishes to all; the worker and the scripts agree on which it is."""
    choice = b"redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH'"
    scripts = {name: text.replace(choice, b"'PUBLISH'") for name, text in load_scripts().items()}
    assert sum(choice in text for text in load_scripts().values()) == 3
    monkeypatch.setattr("orch.stores.redis.store.load_scripts", lambda: scripts)
    monkeypatch.setattr(Link, "is_sharded", property(lambda _: False))

    async with workers(redis_address) as (a, b):
        await a.store.create(record())
        await b.cluster.follow("s")
        await append(a.store)
        await b.until_heard(1)
        a.cluster.publish("s", b"x")
        await a.store.delete(["s"])
        await b.until_gone()
        assert b.told == [("s", b"x")]


async def test_a_repeated_survey_is_replied_to_once(redis_address: str) -> None:
    """A batch that is said again after a lost connection does nothing a second time."""
    async with workers(redis_address) as (a, b):
        heard: list[bytes] = []

        def listen(payload: bytes) -> bytes:
            heard.append(payload)
            return b"yes"

        b.events.reply = listen
        surveys = b.store._feed.surveys
        said = b"?1 %s\nhello" % a.cluster.worker.encode()
        for _ in range(3):
            surveys.receive(said, b.events.surveyed)
        assert heard == [b"hello"]
        answers, _ = await a.cluster.survey(b"again", within=10)
        assert answers == {b.cluster.worker: b"yes"}


async def test_a_survey_reply_that_is_too_long_counts_as_none(
    redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks learns that there is no answer from that worker, rather than holding it."""
    monkeypatch.setattr(redis_asking, "ANSWER_BYTES", 10)

    async with workers(redis_address) as (a, b):
        b.events.reply = lambda payload: payload * 4
        assert (await a.cluster.survey(b"ab", within=10)).replies == {b.cluster.worker: b"abababab"}
        assert await a.cluster.survey(b"abc", within=10) == ({}, frozenset({b.cluster.worker}))


async def test_settings_are_stored_once_for_each_revision(redis_address: str) -> None:
    """Of two changes on top of the same revision only one is kept; the other has to be made anew."""
    async with workers(redis_address) as (a, b):
        known = await a.cluster.settings()
        kept = StoredSettings(known.revision + 1, b'{"x":1}')
        assert await a.cluster.store_settings(known.revision, kept)
        assert not await b.cluster.store_settings(known.revision, StoredSettings(known.revision + 1, b"{}"))
        assert await b.cluster.settings() == kept

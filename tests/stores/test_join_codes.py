"""The codes that sessions are joined with: the same tests on every engine."""

from pathlib import Path
from typing import Any

import pytest

from orch.protocol.session_keys import Right
from orch.stores.records import JoinCode
from orch.stores.redis.store import RedisStore
from orch.stores.sqlite.store import SqliteStore
from tests.fakes.hub import inline
from tests.fakes.stores import Engine, record, running

NOW = 1_000.0


def code(text: str = "K7M4QX", session_id: str = "s", **changes: Any) -> JoinCode:
    fields: dict[str, Any] = {"right": Right.READ, "created": 10.0, "expires": NOW + 3600}
    return JoinCode(text, session_id, **(fields | changes))


async def test_a_code_is_found_until_it_expires(engine: Engine) -> None:
    """It names its session and the right, and is listed with the session."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        assert await store.join_codes.code("K7M4QX", now=NOW) is None
        assert await store.join_codes.store_code(code(), now=NOW)
        assert await store.join_codes.code("K7M4QX", now=NOW) == code()
        assert await store.join_codes.codes_of("s", now=NOW) == (code(),)
        assert await store.join_codes.count_codes(now=NOW) == 1
        assert await store.join_codes.code("K7M4QX", now=NOW + 3600) is None
        assert await store.join_codes.codes_of("s", now=NOW + 3600) == ()
        assert await store.join_codes.count_codes(now=NOW + 3601) == 0


async def test_a_new_code_replaces_the_earlier_one_for_the_same_right(engine: Engine) -> None:
    """At once; the code for the other right stays."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        speaking = code("RRRRRR", right=Right.SPEAK)
        for each in (code(), speaking, code("CCCCCC")):
            assert await store.join_codes.store_code(each, now=NOW)
        assert await store.join_codes.code("K7M4QX", now=NOW) is None
        assert await store.join_codes.code("CCCCCC", now=NOW) == code("CCCCCC")
        assert await store.join_codes.codes_of("s", now=NOW) == (code("CCCCCC"), speaking)
        assert await store.join_codes.count_codes(now=NOW) == 2
        # The replaced one can be given to another session.
        await store.create(record("other"))
        assert await store.join_codes.store_code(code(session_id="other"), now=NOW)


async def test_a_code_in_use_is_not_given_to_another_session(engine: Engine) -> None:
    """The session that has it keeps it, and the other one keeps its own."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        await store.create(record("other"))
        assert await store.join_codes.store_code(code(), now=NOW)
        assert await store.join_codes.store_code(code("CCCCCC", "other"), now=NOW)
        assert not await store.join_codes.store_code(code(session_id="other"), now=NOW)
        assert await store.join_codes.code("K7M4QX", now=NOW) == code()
        assert await store.join_codes.codes_of("other", now=NOW) == (code("CCCCCC", "other"),)


async def test_a_deleted_code_is_gone(engine: Engine) -> None:
    """Deleting it again says that there is none; the other right's code stays."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        speaking = code("RRRRRR", right=Right.SPEAK)
        await store.join_codes.store_code(code(), now=NOW)
        await store.join_codes.store_code(speaking, now=NOW)
        assert await store.join_codes.delete_code("s", Right.READ)
        assert not await store.join_codes.delete_code("s", Right.READ)
        assert await store.join_codes.code("K7M4QX", now=NOW) is None
        assert await store.join_codes.codes_of("s", now=NOW) == (speaking,)
        assert await store.join_codes.count_codes(now=NOW) == 1


async def test_guesses_are_limited_and_the_same_one_counts_once(engine: Engine) -> None:
    """A right code does not count."""
    store = engine.store()
    async with running(store):
        codes = store.join_codes

        async def begin(digest: bytes) -> bool:
            return await codes.begin_guess(digest, most=2, seconds=600, now=NOW)

        assert [await begin(each) for each in (b"a", b"a", b"b", b"a", b"c", b"c", b"b")] == [
            True,
            True,
            True,
            True,
            False,
            False,
            True,
        ]
        await codes.end_guess(b"b")
        assert await begin(b"c")
        assert not await begin(b"b")


async def test_guesses_are_allowed_again_when_their_window_has_ended(tmp_path: Path) -> None:
    """Or when the clock was set back, rather than never again; Redis ends it by its own expiry."""
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    async with running(store):
        for now, expected in ((NOW, True), (NOW + 599, False), (NOW + 600, True), (NOW - 100, True)):
            digest = str(now).encode()
            assert await store.join_codes.begin_guess(digest, most=1, seconds=600, now=now) is expected


@pytest.mark.real_time
async def test_workers_share_codes_and_the_limit_on_guesses(redis_address: str) -> None:
    """A code that one worker created or replaced is so on the other; guesses count together."""
    one, two = RedisStore(redis_address), RedisStore(redis_address)
    async with running(one), running(two):
        await one.create(record())
        assert await one.join_codes.store_code(code(), now=NOW)
        assert await two.join_codes.code("K7M4QX", now=NOW) == code()
        assert await two.join_codes.store_code(code("CCCCCC"), now=NOW)
        assert await one.join_codes.code("K7M4QX", now=NOW) is None
        for number, worker in enumerate((one, two, one)):
            is_allowed = await worker.join_codes.begin_guess(
                str(number).encode(), most=2, seconds=600, now=NOW
            )
            assert is_allowed is (number < 2)

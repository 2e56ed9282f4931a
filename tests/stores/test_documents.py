"""Small documents of the service itself: the same tests on every engine."""

import pytest

from orch.stores.records import Document
from orch.stores.redis.store import RedisStore
from tests.fakes.stores import Engine, running

NOW = 1_000.0


def document(name: str = "1", revision: int = 1, body: bytes = b"{}", *, kind: str = "incident") -> Document:
    return Document(kind, name, revision, NOW + 60, body)


async def test_a_document_is_stored_once_for_each_revision(engine: Engine) -> None:
    """Who has not seen the latest revision changes nothing, and what is in the body comes back as it was."""
    store = engine.store()
    async with running(store):
        first, second = document(body=b'{"a": " b  c\n\xff"}'), document(revision=2, body=b"")
        assert not await store.documents.store_document(second, now=NOW)
        assert await store.documents.store_document(first, now=NOW)
        assert not await store.documents.store_document(document(body=b"other"), now=NOW)
        assert await store.documents.documents("incident", now=NOW) == (first,)
        assert await store.documents.store_document(second, now=NOW)
        assert not await store.documents.store_document(document(revision=4), now=NOW)
        assert await store.documents.documents("incident", now=NOW) == (second,)


async def test_kinds_are_apart_and_names_in_order(engine: Engine) -> None:
    """Deleting a document of one kind leaves the other kind's, and one that is deleted begins anew."""
    store = engine.store()
    async with running(store):
        other = document("b", kind="uptime")
        for each in (document("b"), other, document("a")):
            assert await store.documents.store_document(each, now=NOW)
        assert await store.documents.documents("incident", now=NOW) == (document("a"), document("b"))
        await store.documents.delete_document("incident", "b")
        await store.documents.delete_document("incident", "never was")
        assert await store.documents.documents("incident", now=NOW) == (document("a"),)
        assert await store.documents.documents("uptime", now=NOW) == (other,)
        assert await store.documents.store_document(document("b"), now=NOW)


async def test_an_expired_document_is_gone(engine: Engine) -> None:
    """It is not returned, and after that its name is free."""
    store = engine.store()
    async with running(store):
        await store.documents.store_document(document(), now=NOW)
        assert await store.documents.documents("incident", now=NOW + 60) == ()
        assert await store.documents.store_document(document(), now=NOW + 60)


@pytest.mark.real_time
async def test_of_two_workers_one_stores_a_revision(redis_address: str) -> None:
    """The other one is refused, and then reads what the first has stored."""
    one, two = RedisStore(redis_address), RedisStore(redis_address)
    async with running(one), running(two):
        assert await one.documents.store_document(document(body=b"one"), now=NOW)
        assert not await two.documents.store_document(document(body=b"two"), now=NOW)
        (found,) = await two.documents.documents("incident", now=NOW)
        assert found.body == b"one"

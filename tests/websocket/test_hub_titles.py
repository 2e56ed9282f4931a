"""The title of a session: given by its owner or an operator, for everyone."""

from pathlib import Path
from typing import Any

import pytest
import trio

from orch.access.actors import Actor
from orch.problems import ProblemError
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import running_hub

TITLE = {"type": "title_session", "session_id": "s"}
GUEST = Actor(is_operator=False, is_local=True, via="none", address="127.0.0.1")


async def create(socket: FakeSocket, **more: Any) -> dict[str, Any]:
    return await socket.ask({"type": "create_session", "session_id": "s"} | more, "session_created")


async def test_a_title_reaches_everyone_and_those_who_join_later(tmp_path: Path) -> None:
    """Its sender with the id; it is a message with an offset, of which only the newest is stored."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        created = await create(ann)
        assert "title" not in created
        await bob.ask({"type": "join_session", "session_id": "s"})
        await ann.ask({**TITLE, "title": "Draft"}, "session_titled")
        titled = await ann.ask({**TITLE, "title": " Budget\u202e  2027\n", "id": 7}, "session_titled")
        assert (titled["title"], titled["id"]) == ("Budget 2027", 7)
        assert titled["participant_id"] == created["participant_id"]
        first, second = await bob.until("session_titled"), await bob.until("session_titled")
        assert (first["title"], second["title"], "id" in second) == ("Draft", "Budget 2027", False)
        assert second["offset"] == titled["offset"] == first["offset"] + 1
        async with hub.connected() as late:
            joined = await late.ask({"type": "join_session", "session_id": "s", "history": True})
            assert (joined["title"], joined["config"]) == ("Budget 2027", {"title": "Budget 2027"})
            stored = [each["title"] for each in joined["messages"] if each["type"] == "session_titled"]
            assert stored == ["Budget 2027"]
        assert (await hub.service.get_session("s")).title == "Budget 2027"
        assert [each.title for each in await hub.service.list_sessions()] == ["Budget 2027"]
        assert (await hub.service.messages("s")).title == "Budget 2027"
        assert hub.service.statistics().session_list[0].title == "Budget 2027"


@pytest.mark.limit(10_000)
async def test_a_title_survives_a_restart_and_a_lost_connection(tmp_path: Path) -> None:
    """One that was given at creation too, and after the message about it is too old to be stored."""
    async with running_hub(tmp_path) as hub:
        hub.settings.change(
            orchestration={"websocket": {"history_seconds": 50, "session_timeout": 5_000}},
            session_management={"cleanup_interval": 20},
        )
        async with hub.connected() as ann:
            created = await create(ann, config={"title": "Plans", "a": 1})
            assert created["title"] == "Plans"
            await ann.ask({**TITLE, "title": "Budget"}, "session_titled")
            await trio.sleep(400)
            assert (await hub.service.messages("s")).messages == ()
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        assert (await hub.service.get_session("s")).title == "Budget"
        back = {key: created[key] for key in ("session_id", "recovery_token")}
        epoch = (await hub.service.get_session("s")).epoch
        recovered = await ann.ask(
            {"type": "recover_session", **back, "epoch": epoch, "offset": 1}, "session_recovered"
        )
        assert (recovered["recovered"], recovered["title"], recovered["role"]) == (True, "Budget", "owner")
        titled = await ann.ask({**TITLE, "title": ""}, "session_titled")
        assert titled["title"] == ""
        async with hub.connected() as bob:
            joined = await bob.ask({"type": "join_session", "session_id": "s"})
            assert ("title" in joined, joined["config"]) == (False, {"a": 1})


async def test_only_its_owner_and_operators_give_a_session_a_title(tmp_path: Path) -> None:
    """An operator over HTTP is no participant."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = (await create(ann))["keys"]
        for right in ("speak", "read"):
            async with hub.connected(actor=GUEST) as bob:
                assert (await bob.ask({**TITLE, "title": "x"}, "error"))["code"] == "not_in_session"
                await bob.ask({"type": "join_session", "session_id": "s", "key": keys[right]})
                assert (await bob.ask({**TITLE, "title": "x"}, "error"))["code"] == "not_owner"
        await hub.service.title_session("s", "Of the operator")
        titled = await ann.until("session_titled")
        assert (titled["title"], titled["participant_id"]) == ("Of the operator", None)
        with pytest.raises(ProblemError, match="ended"):
            await hub.service.title_session("gone", "x")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"title": "x" * 121}, "invalid_message"),
        ({"title": None}, "invalid_message"),
        ({"title": ["x"]}, "invalid_message"),
        ({"session_id": "other"}, "not_in_session"),
    ],
)
async def test_what_is_no_title_is_refused(tmp_path: Path, change: dict[str, object], code: str) -> None:
    """The title that the session has stays."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await create(ann, config={"title": "Plans"})
        refused = await ann.ask({**TITLE, "title": "x", "id": 1, **change}, "error")
        assert (refused["code"], refused["id"]) == (code, 1)
        assert (await hub.service.get_session("s")).title == "Plans"


async def test_a_title_counts_as_part_of_the_config(tmp_path: Path) -> None:
    """Which everyone who joins is sent."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await create(ann, config={"a": "x" * 16_300})
        refused = await ann.ask({**TITLE, "title": "ö" * 100}, "error")
        assert (refused["code"], refused["path"]) == ("invalid_message", "$.title")
        await ann.ask({**TITLE, "title": "Short"}, "session_titled")


async def test_of_many_titles_at_once_all_see_the_same_last_one(tmp_path: Path) -> None:
    """The stored one is also the last that was published."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await create(ann)
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(hub.service.title_session, "s", f"Title {number}")
        stored = (await hub.service.get_session("s")).title
        record = await hub.store.load("s")
        assert record is not None
        assert record.config == b'{"title":"%s"}' % stored.encode()
        messages = (await hub.service.messages("s")).messages
        assert len(messages) == 1
        assert stored.encode() in bytes(messages[0])

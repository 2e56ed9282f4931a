"""Names and terms of a session: who may set them, who receives them, and what they are used for."""

from pathlib import Path
from typing import Any

import pytest
import trio

from orch.protocol.terms import Term
from orch.stores.redis.store import RedisStore
from tests.fakes.hub import running_hub
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import redis_server
from tests.websocket.test_line_edits import answer, correction, said

NORLAND = {"text": "Norland"}
CHAIR = {"text": "chair", "translations": {"de": "Vorsitz"}}


def setting(*terms: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "set_terms", "session_id": "s", "terms": list(terms), "id": "t"} | more


async def test_terms_reach_those_who_may_speak_and_nobody_else(tmp_path: Path) -> None:
    """Their sender with the id, others without; those who join or return later receive them too."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected() as ann,
        hub.connected() as bob,
        hub.connected() as eve,
    ):
        created = await ann.ask({"type": "create_session", "session_id": "s", "terms": [NORLAND, NORLAND]})
        assert created["terms"] == [NORLAND]
        joined = await bob.ask({"type": "join_session", "session_id": "s"})
        assert joined["terms"] == [NORLAND]
        read = await eve.ask({"type": "join_session", "session_id": "s", "role": "observer"})
        assert "terms" not in read
        set_by_bob = await bob.ask(setting({"text": " Norland\n"}, CHAIR), "terms")
        assert (set_by_bob["terms"], set_by_bob["revision"], set_by_bob["id"]) == ([NORLAND, CHAIR], 1, "t")
        received = await ann.until("terms")
        assert (received["terms"], "id" in received) == ([NORLAND, CHAIR], False)
        assert received["participant_id"] == joined["participant_id"]
        assert (await ann.ask(setting(), "terms"))["terms"] == []
        ann.say({"type": "broadcast", "session_id": "s", "data": 1})
        while (message := await eve.hear())["type"] != "session_message":
            assert message["type"] != "terms"
        async with hub.connected() as late:
            assert "terms" not in await late.ask({"type": "join_session", "session_id": "s"})
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        back = await ann.ask(
            {
                "type": "recover_session",
                "session_id": "s",
                "recovery_token": created["recovery_token"],
                "epoch": created["epoch"],
                "offset": 0,
            }
        )
        assert (back["recovered"], back["terms"]) == (True, [])


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (
            setting(*({"text": f"t{n}"} for n in range(10_000))),
            "invalid_message",
            "10,000 terms; a session can",
        ),
        (setting({"text": "x" * 601}), "invalid_message", "601 characters"),
        (setting({"text": " "}), "invalid_message", r"$.terms[0].text"),
        (setting({"text": 1}), "invalid_message", "$.terms"),
        (setting(NORLAND, session_id="other"), "not_in_session", "Join session other"),
    ],
    ids=["many", "long", "empty", "no text", "elsewhere"],
)
async def test_terms_that_cannot_be_used_change_nothing(
    tmp_path: Path, message: dict[str, Any], code: str, words: str
) -> None:
    """The error says in words what is wrong; the former terms stay."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s", "terms": [NORLAND]})
        refused = await ann.ask(message, "error")
        assert (refused["code"], refused["id"], words in refused["detail"]) == (code, "t", True)
        async with hub.connected() as bob:
            assert (await bob.ask({"type": "join_session", "session_id": "s"}))["terms"] == [NORLAND]
        too_many = {"type": "create_session", "terms": [{"text": "x" * 601}], "id": 1}
        assert (await ann.ask(too_many, "error"))["code"] == "invalid_message"


async def test_a_corrected_line_is_translated_with_the_terms(tmp_path: Path) -> None:
    """As every other line of the session."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s", "languages": ["de"], "terms": [CHAIR]})
        offset = await said(hub, "the hair")
        await answer(ann, correction(offset, "the chair"))
        await ann.until("translation")
        (asked,) = [one for one in hub.room.back_ends.asked if one.service == "translation-service"]
        assert asked.fields["terms"] == [{"text": "chair", "translation": "Vorsitz"}]


@pytest.mark.process
@pytest.mark.real_time
async def test_other_workers_use_the_newest_terms(tmp_path: Path) -> None:
    """Those who speak there receive them; what was lost with the connection to Redis is read again."""
    with redis_server(tmp_path / "redis") as server:
        async with (
            running_hub(tmp_path, None, RedisStore(server.url)) as a,
            running_hub(tmp_path, None, RedisStore(server.url)) as b,
            a.connected() as ann,
            b.connected() as bob,
        ):
            await ann.ask({"type": "create_session", "session_id": "s", "terms": [NORLAND]})
            assert (await bob.ask({"type": "join_session", "session_id": "s"}))["terms"] == [NORLAND]
            await ann.ask(setting(CHAIR), "terms")
            received = await bob.until("terms")
            assert (received["terms"], received["revision"]) == ([CHAIR], 1)
            await bob.ask(setting(NORLAND, CHAIR), "terms")
            assert (await ann.until("terms"))["terms"] == [NORLAND, CHAIR]
            for hub in (a, b):
                session = hub.service._sessions.cache.peek("s")
                assert session is not None
                assert session.terms == (Term("Norland"), Term("chair", {"de": "Vorsitz"}))
            # As when the message of another worker was lost.
            await a.service._sessions.store.store_terms("s", ())
            b.service._sessions.cluster.resynchronise()
            with trio.fail_after(PATIENCE):
                again = await bob.until("terms")
            assert (again["terms"], again["revision"], "participant_id" in again) == ([], 3, False)

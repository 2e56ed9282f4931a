"""How many sessions may begin: from one address, and in all."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from orch.access.actors import Actor
from orch.problems import ProblemError
from orch.protocol.messages import Participant
from orch.websocket.sessions.address_rates import ADDRESSES, AddressRates
from orch.websocket.sessions.session import PARTICIPANTS_BYTES, SessionListed, within_bytes
from tests.fakes.hub import running_hub

LOCAL = Actor(is_operator=False, is_local=True, via="none", address="127.0.0.1")


def operator(number: int) -> Actor:
    return Actor(is_operator=True, is_local=False, via="token", address=f"192.0.2.{number}")


def limits(**websocket: int) -> dict[str, Any]:
    return {"orchestration": {"websocket": websocket}}


async def codes(creating: Any, times: int, **options: Any) -> list[str]:
    """Begin sessions; return how each try ended."""
    found = []
    for _ in range(times):
        try:
            await creating(**options)
        except ProblemError as error:
            found.append(error.code)
        else:
            found.append("made")
    return found


async def test_sessions_of_one_address_begin_only_so_fast(tmp_path: Path) -> None:
    """Over the socket and HTTP together; all of this machine is one address; the service itself is none."""
    async with running_hub(tmp_path, **limits(max_sessions_per_minute_per_address=4)) as hub:
        create = hub.service.create_session
        assert await codes(create, 3, actor=operator(1)) == ["made"] * 3
        async with hub.connected(actor=operator(1)) as client:
            answer = {"type": "create_session"}
            assert (await client.ask(answer, "session_created"))["type"] == "session_created"
            assert (await client.ask(answer, "error"))["code"] == "rate_limited"
        assert await codes(create, 1, actor=operator(2)) == ["made"]
        other = msgspec.structs.replace(LOCAL, address="::1")
        assert await codes(create, 3, actor=LOCAL) + await codes(create, 2, actor=other) == [
            *["made"] * 4,
            "rate_limited",
        ]
        assert await codes(create, 20) == ["made"] * 20
        await trio.sleep(61)
        assert await codes(create, 1, actor=operator(1)) == ["made"]


async def test_one_address_has_only_so_many_sessions(tmp_path: Path) -> None:
    """Until some of them have ended, and after a restart as well; those who join do not count."""
    overlay = limits(max_sessions_per_address=3)
    async with running_hub(tmp_path, **overlay) as hub:
        create = hub.service.create_session
        assert await codes(create, 2, actor=operator(1)) == ["made"] * 2
        async with hub.connected(actor=operator(1)) as client, hub.connected(actor=operator(2)) as other:
            made = await client.ask({"type": "create_session", "session_id": "mine"}, "session_created")
            joining = {"type": "join_session", "session_id": "mine", "key": made["keys"]["speak"]}
            assert (await other.ask(joining, "session_joined"))["type"] == "session_joined"
            refused = await client.ask({"type": "create_session"}, "error")
            assert refused["code"] == "too_many_sessions_from_address"
            for words in ("3 sessions", "websocket.max_sessions_per_address", "30 minutes"):
                assert words in refused["detail"]
        assert await codes(create, 4, actor=operator(2)) == [*["made"] * 3, refused["code"]]
    async with running_hub(tmp_path, **overlay) as hub:
        create = hub.service.create_session
        assert await codes(create, 1, actor=operator(1)) == [refused["code"]]
        await hub.service.end_session("mine")
        assert await codes(create, 2, actor=operator(1)) == ["made", refused["code"]]


async def test_sessions_that_are_begun_at_once_are_counted_together(tmp_path: Path) -> None:
    """However many requests one address has under way, there are not more sessions than may be."""
    async with running_hub(tmp_path, **limits(max_sessions_per_address=5)) as hub:
        found: list[str] = []

        async def begin() -> None:
            found.extend(await codes(hub.service.create_session, 1, actor=operator(1)))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(begin)
        assert found.count("made") <= 5
        assert await codes(hub.service.create_session, 9, actor=operator(1))
        assert await hub.service.list_sessions()
        assert len(await hub.service.list_sessions()) == 5


def test_addresses_whose_rates_are_known_are_bounded() -> None:
    """The one that did it longest ago is forgotten."""
    rates = AddressRates()
    for number in range(ADDRESSES + 5):
        rates.take(str(number), 0.0, a_minute=1, what="things were done")
    assert len(rates) == ADDRESSES
    rates.take("0", 0.0, a_minute=1, what="things were done")
    with pytest.raises(ProblemError, match="More than 1 things were done in a minute"):
        rates.take(str(ADDRESSES), 0.0, a_minute=1, what="things were done")


async def test_where_there_are_as_many_sessions_as_may_be_the_oldest_that_nobody_is_in_end(
    tmp_path: Path,
) -> None:
    """First those that were used longest ago; one with someone in it never, nor one that was just left."""
    async with running_hub(tmp_path, **limits(max_sessions=3)) as hub, hub.connected() as ann:
        create = hub.service.create_session
        await ann.ask({"type": "create_session", "session_id": "attended"}, "session_created")
        await create("old")
        await trio.sleep(10)
        await create("older-than-a-minute-later")
        assert await codes(create, 1) == ["sessions_full"]
        await trio.sleep(55)
        await create("new")
        there = {each.session_id for each in await hub.service.list_sessions()}
        assert there == {"attended", "older-than-a-minute-later", "new"}
        assert await codes(create, 1) == ["sessions_full"]
        assert hub.service.creation_limits.ended_early == 1


def test_a_list_of_sessions_is_bounded_in_bytes() -> None:
    """Beyond, sessions are listed with the number of their participants alone."""
    crowd = tuple(
        Participant(participant_id=str(number), name="名" * 80, role="participant", languages=("en",))
        for number in range(10)
    )
    sessions = [
        SessionListed(
            session_id=str(number),
            epoch="e",
            offset=0,
            created=0.0,
            last_active=0.0,
            participants=crowd,
            participant_count=500,
        )
        for number in range(200)
    ]
    listed = within_bytes(sessions)
    assert len(msgspec.json.encode(listed)) < PARTICIPANTS_BYTES + 200 * 200
    assert listed[0].participants == crowd
    assert listed[-1].participants == ()
    assert {each.participant_count for each in listed} == {500}

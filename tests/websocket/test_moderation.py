"""The host of a session mutes, removes and renames participants, locks it, replaces its keys, and ends it."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from orch.access.actors import Actor
from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.session_keys import Right
from orch.stores.redis.store import RedisStore
from orch.websocket.moderation.ending import ABANDONED, LAST_WORDS
from orch.websocket.moderation.moderator import Host
from tests.fakes.asgi import LOCAL_OPERATOR, STRANGER, FakeSocket
from tests.fakes.hub import running_hub
from tests.fakes.redis import redis_server
from tests.fakes.sounds import pcm, silence, voice

GUEST = Actor(is_operator=False, is_local=True, via="none", address="127.0.0.1")
OPERATOR = Host(LOCAL_OPERATOR)
SPOKEN = pcm(silence(0.3), voice(1.0))
START = {"type": "audio_start", "session_id": "s", "sample_rate": 16_000, "source_language": "en"}


async def answer(socket: FakeSocket, message: dict[str, Any]) -> dict[str, Any]:
    """Send a request about the session; return its reply, and pass over other messages."""
    socket.say({"session_id": "s", "id": "asked", **message})
    while (reply := await socket.hear()).get("id") != "asked":
        pass
    return reply


async def create(socket: FakeSocket, **more: Any) -> dict[str, Any]:
    return await answer(socket, {"type": "create_session", **more})


async def join(socket: FakeSocket, **more: Any) -> dict[str, Any]:
    return await answer(socket, {"type": "join_session", **more})


async def recover(socket: FakeSocket, joined: dict[str, Any], **more: Any) -> dict[str, Any]:
    return await answer(
        socket,
        {
            "type": "recover_session",
            "recovery_token": joined["recovery_token"],
            "epoch": joined["epoch"],
            "offset": joined["offset"],
            **more,
        },
    )


async def mute(socket: FakeSocket, participant_id: str | None, **more: Any) -> dict[str, Any]:
    named = {} if participant_id is None else {"participant_id": participant_id}
    return await answer(socket, {"type": "mute_participant", **named, **more})


async def closed(socket: FakeSocket) -> list[dict[str, Any]]:
    """Return the messages up to the end of the connection."""
    messages: list[dict[str, Any]] = []
    try:
        while True:
            messages.append(await socket.hear())
    except trio.EndOfChannel:
        return messages


def muted_in(presence: dict[str, Any]) -> dict[str, bool]:
    return {each["participant_id"]: each["muted"] for each in presence["participants"]}


# Mute.


async def test_a_muted_participant_is_transcribed_no_further(tmp_path: Path) -> None:
    """What arrived before becomes a line; from then on they cannot start again, until they unmute."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
    ):
        await create(ann)
        me = (await join(bob))["participant_id"]
        await answer(bob, START)
        bob.say(SPOKEN)
        await trio.testing.wait_all_tasks_blocked()
        reply = await mute(ann, me)
        assert (reply["type"], reply["muted"]) == ("moderation", False)
        received = await bob.until_all("moderation", "transcript", "audio_ended")
        assert received["moderation"]["muted"] is True
        assert (received["transcript"]["final"], received["transcript"]["offset"]) == (True, 1)
        assert received["audio_ended"]["seconds"] == 1.3
        assert (await bob.ask(SPOKEN, "error"))["code"] == "audio_not_started"
        refused = await answer(bob, START)
        assert (refused["type"], refused["code"]) == ("error", "muted")
        assert (await answer(bob, {"type": "unmute"}))["muted"] is False
        assert (await answer(bob, START))["type"] == "audio_started"


async def test_everyone_sees_who_is_muted(tmp_path: Path) -> None:
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
    ):
        me = (await create(ann))["participant_id"]
        other = (await join(bob))["participant_id"]
        await trio.sleep(1)
        await ann.settle()
        await bob.settle()
        await mute(ann, other)
        assert muted_in(await bob.until("presence")) == {me: False, other: True}
        async with hub.connected(actor=GUEST) as eve:
            assert muted_in(await join(eve))[other] is True


async def test_a_mute_survives_a_lost_connection_a_rejoin_and_a_restart(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        await create(ann)
        async with hub.connected(actor=GUEST) as bob:
            joined = await join(bob)
        assert (await mute(ann, joined["participant_id"]))["type"] == "moderation"
        async with hub.connected(actor=GUEST) as bob:
            recovered = await recover(bob, joined)
            assert recovered["moderation"]["muted"] is True
            assert (await answer(bob, START))["code"] == "muted"
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as bob:
        again = await join(bob, recovery_token=joined["recovery_token"])
        assert again["participant_id"] == joined["participant_id"]
        assert again["moderation"]["muted"] is True
        assert (await answer(bob, START))["code"] == "muted"


async def test_the_stream_of_a_speaker_whose_connection_is_lost_is_muted_too(tmp_path: Path) -> None:
    """It waits for its speaker, who may not continue it."""
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        await create(ann)
        bob = hub.socket(actor=GUEST)
        await bob.until("connected")
        joined = await join(bob)
        started = await answer(bob, {**START, "age": 0})
        bob.say(SPOKEN)
        bob.hang_up()
        await trio.testing.wait_all_tasks_blocked()
        await mute(ann, joined["participant_id"])
        async with hub.connected(actor=GUEST) as bob:
            await recover(bob, joined)
            continued = await answer(
                bob, {**START, "age": 1.3, "stream_id": started["stream_id"], "position": 0}
            )
            assert continued["code"] == "muted"


async def test_only_the_host_may_speak_until_they_let_others(tmp_path: Path) -> None:
    """Those who join later are muted too, and nobody unmutes themselves."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
        hub.connected(actor=GUEST) as eve,
    ):
        await create(ann)
        other = (await join(bob))["participant_id"]
        reply = await answer(ann, {"type": "set_session", "speaking": "host"})
        assert (reply["speaking"], reply["muted"]) == ("host", False)
        assert (await answer(ann, START))["type"] == "audio_started"
        assert (await join(eve))["moderation"] == {
            "locked": False,
            "speaking": "host",
            "ending": False,
            "muted": True,
        }
        for socket in (bob, eve):
            assert (await answer(socket, START))["code"] == "muted"
            refused = await answer(socket, {"type": "unmute"})
            assert (refused["code"], "Ask the host" in refused["detail"]) == ("muted", True)
        await mute(ann, other, muted=False)
        assert (await answer(bob, START))["type"] == "audio_started"
        assert (await answer(eve, START))["code"] == "muted"
        assert (await answer(bob, {"type": "unmute"}))["muted"] is False  # which they are not
        await answer(ann, {"type": "set_session", "speaking": "everyone"})
        assert (await answer(eve, START))["type"] == "audio_started"


async def test_all_are_muted_at_once_and_may_speak_again(tmp_path: Path) -> None:
    """Not the owner, nor those who only read."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
        hub.connected(actor=GUEST) as eve,
    ):
        await create(ann)
        await join(bob)
        await join(eve, role="observer")
        await answer(bob, START)
        assert (await mute(ann, None))["muted"] is False
        assert (await bob.until("moderation"))["muted"] is True
        assert (await answer(bob, START))["code"] == "muted"
        assert len((await hub.service.moderator.decided("s")).muted) == 1
        assert (await mute(ann, None, muted=False))["path"] == "$.participant_id"
        await answer(bob, {"type": "unmute"})
        assert (await answer(bob, START))["type"] == "audio_started"


async def test_an_owner_may_mute_themselves_and_take_it_back(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        me = (await create(ann))["participant_id"]
        await answer(ann, START)
        assert (await mute(ann, me))["muted"] is True
        assert (await answer(ann, START))["code"] == "muted"
        await answer(ann, {"type": "set_session", "speaking": "host"})
        assert (await answer(ann, {"type": "unmute"}))["muted"] is False
        assert (await answer(ann, START))["type"] == "audio_started"


# Remove.


async def test_a_removed_participant_is_disconnected_and_cannot_return(tmp_path: Path) -> None:
    """Their lines stay; the connection closes with a code of its own; neither token nor rejoin helps."""
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        await create(ann)
        bob = hub.socket(actor=GUEST)
        await bob.until("connected")
        joined = await join(bob)
        await answer(bob, START)
        bob.say(SPOKEN)
        await trio.testing.wait_all_tasks_blocked()
        reply = await answer(ann, {"type": "remove_participant", "participant_id": joined["participant_id"]})
        assert reply["type"] == "moderation"
        messages = await closed(bob)
        assert ("session_left", "removed") in [(each["type"], each.get("reason")) for each in messages]
        assert bob.close_code == closes.REMOVED.code == 4003
        assert (await ann.until("transcript"))["participant_id"] == joined["participant_id"]
        async with hub.connected(actor=GUEST) as bob:
            refused = await recover(bob, joined)
            assert (refused["recovered"], refused["reason"]) == (False, "removed")
            assert (await join(bob, recovery_token=joined["recovery_token"]))["code"] == "removed"
        left = (await hub.service.get_session("s")).participants
        assert [each.role for each in left] == ["owner"]


async def test_a_connection_in_other_sessions_stays_open(tmp_path: Path) -> None:
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
    ):
        await create(ann)
        await answer(bob, {"type": "create_session", "session_id": "other"})
        other = (await join(bob))["participant_id"]
        await answer(ann, {"type": "remove_participant", "participant_id": other})
        assert (await bob.until("session_left"))["reason"] == "removed"
        assert (await bob.ask({"type": "ping"}, "pong"))["type"] == "pong"
        assert (await answer(bob, START))["code"] == "not_in_session"


async def test_with_new_keys_the_former_links_and_codes_stop(tmp_path: Path) -> None:
    """The participants stay and receive the keys that they may pass on; readers only the key to read."""
    afar = Actor(is_operator=False, is_local=False, via="none", address="192.0.2.7")
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=STRANGER) as bob,
        hub.connected(actor=afar) as eve,
    ):
        keys = (await create(ann))["keys"]
        code = await hub.service.join_codes.create(LOCAL_OPERATOR, "s", Right.SPEAK)
        removed = (await join(bob, key=keys["speak"]))["participant_id"]
        await join(eve, key=keys["read"])
        await answer(ann, {"type": "remove_participant", "participant_id": removed, "new_keys": True})
        told = await eve.until("session_keys")
        assert set(told["keys"]) == {"read"}
        assert told["keys"]["read"] != keys["read"]
        with pytest.raises(ProblemError) as caught:
            await hub.service.join_codes.resolve(STRANGER, code.code)
        assert caught.value.code == "unknown_code"
        async with hub.connected(actor=STRANGER) as again:
            for key in keys.values():
                assert (await join(again, key=key))["code"] == "unknown_session"
            assert (await join(again, key=told["keys"]["read"]))["role"] == "observer"
        replaced = await answer(ann, {"type": "new_keys"})
        assert (replaced["type"], set(replaced["keys"])) == ("session_keys", {"read", "speak"})
        assert replaced["keys"]["read"] != told["keys"]["read"]
        assert (await join(ann))["keys"] == replaced["keys"]


async def test_nobody_removes_themselves_or_one_who_is_not_there(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        me = (await create(ann))["participant_id"]
        refused = await answer(ann, {"type": "remove_participant", "participant_id": me})
        assert (refused["code"], refused["path"]) == ("invalid_message", "$.participant_id")
        for message in (
            {"type": "remove_participant", "participant_id": "none"},
            {"type": "mute_participant", "participant_id": "none"},
            {"type": "rename_participant", "participant_id": "none", "name": "x"},
        ):
            assert (await answer(ann, message))["code"] == "unknown_participant"


async def test_an_operator_removes_an_owner(tmp_path: Path) -> None:
    """Over HTTP: the session goes on without one."""
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as bob:
        ann = hub.socket(actor=GUEST)
        await ann.until("connected")
        created = await create(ann)
        await join(bob)
        await hub.service.moderator.remove(OPERATOR, "s", created["participant_id"], new_keys=False)
        await closed(ann)
        assert (await answer(bob, START))["type"] == "audio_started"


# Lock.


async def test_nobody_new_joins_a_locked_session_and_those_inside_return(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        keys = (await create(ann))["keys"]
        code = await hub.service.join_codes.create(LOCAL_OPERATOR, "s", Right.READ)
        async with hub.connected(actor=GUEST) as bob:
            joined = await join(bob, name="Bob")
        assert (await answer(ann, {"type": "set_session", "locked": True}))["locked"] is True
        assert (await hub.service.get_session("s")).locked
        for actor, key in ((GUEST, {}), (LOCAL_OPERATOR, {}), (STRANGER, {"key": keys["read"]})):
            async with hub.connected(actor=actor) as eve:
                refused = await join(eve, **key)
                assert (refused["code"], "unlock" in refused["detail"]) == ("session_locked", True)
        with pytest.raises(ProblemError) as caught:
            await hub.service.join_codes.resolve(STRANGER, code.code)
        assert (caught.value.code, caught.value.status) == ("session_locked", 423)
        async with hub.connected(actor=STRANGER) as bob:  # without a key
            assert (await recover(bob, joined))["recovered"] is True
        async with hub.connected(actor=STRANGER) as bob:
            again = await join(bob, recovery_token=joined["recovery_token"])
            assert (again["participant_id"], again["role"]) == (joined["participant_id"], "participant")
            assert [each["name"] for each in again["participants"]][-1] == "Bob"
            assert (await join(bob, name="Robert"))["type"] == "session_joined"
        async with hub.connected(actor=GUEST) as eve:
            forged = f"{joined['participant_id']}.wrong"
            assert (await join(eve, recovery_token=forged))["code"] == "session_locked"
            await answer(ann, {"type": "set_session", "locked": False})
            assert (await join(eve))["type"] == "session_joined"


async def test_a_participant_who_returns_has_the_role_that_they_had(tmp_path: Path) -> None:
    """Also the owner, and while the former connection is still open; a reader gains nothing."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as other,
        hub.connected(actor=STRANGER) as eve,
    ):
        created = await create(ann)
        again = await join(other, recovery_token=created["recovery_token"])
        assert (again["role"], again["participant_count"]) == ("owner", 1)
        assert (await ann.until("session_left"))["reason"] == "left"
        assert (await answer(other, {"type": "set_session", "locked": False}))["type"] == "moderation"
        reader = await join(eve, key=created["keys"]["read"])
        async with hub.connected(actor=STRANGER) as more:
            token = reader["recovery_token"]
            back = await join(more, recovery_token=token, key=created["keys"]["speak"])
            assert (back["role"], set(back["keys"])) == ("observer", {"read"})


async def test_a_lock_during_a_join_keeps_the_newcomer_out(tmp_path: Path) -> None:
    """Their place is being stored when the lock is decided: it is deleted again."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
    ):
        await create(ann)
        store = hub.service._sessions.store
        original, stored = store.put_participant, []

        async def slow(session_id: str, participant: Any) -> bool:
            kept = await original(session_id, participant)
            stored.append(participant.participant_id)
            await hub.service.moderator.set_session(OPERATOR, "s", locked=True, speaking=None)
            return kept

        store.put_participant = slow  # type: ignore[method-assign]
        assert (await join(bob))["code"] == "session_locked"
        assert await store.participant("s", stored[0]) is None
        assert (await hub.service.get_session("s")).participant_count == 1


# Rename.


async def test_the_host_renames_another_also_in_earlier_lines(tmp_path: Path) -> None:
    """Everyone sees it; the name stays unique, and survives the other's return."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
    ):
        await create(ann, name="Ann")
        async with hub.connected(actor=GUEST) as bob:
            joined = await join(bob, name="Guest 7")
            me = joined["participant_id"]
            reply = await answer(ann, {"type": "rename_participant", "participant_id": me, "name": " ann "})
            assert reply["type"] == "moderation"
            renamed = await bob.until("participant_renamed")
            assert (renamed["participant_id"], renamed["name"]) == (me, "ann (2)")
            empty = await answer(ann, {"type": "rename_participant", "participant_id": me, "name": " "})
            assert empty["path"] == "$.name"
        await answer(ann, {"type": "rename_participant", "participant_id": me, "name": "Bob"})
        async with hub.connected(actor=GUEST) as bob:
            back = await recover(bob, joined, offset=1)
            assert [each["name"] for each in back["messages"]] == ["Bob"]
            assert [each["name"] for each in back["participants"]] == ["Ann", "Bob"]


# End.


async def test_everyone_receives_the_last_words_before_the_session_ends(tmp_path: Path) -> None:
    """No more speech is accepted, from anyone; then all its data is deleted."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
    ):
        await create(ann)
        await join(bob, languages=["es"])
        await answer(bob, START)
        bob.say(SPOKEN)
        await trio.testing.wait_all_tasks_blocked()
        hub.room.back_ends.audio_delay = lambda _: 2.0
        reply = await answer(ann, {"type": "end_session"})
        assert (reply["ending"], reply["muted"]) == (True, True)
        assert (await answer(ann, START))["code"] == "muted"
        async with hub.connected(actor=GUEST) as eve:
            refused = await join(eve)
            assert (refused["code"], "ended" in refused["detail"]) == ("session_ended", True)
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["type"] != "session_left":
            seen.append(await bob.hear())
        kinds = [each["type"] for each in seen]
        assert kinds.index("transcript") < kinds.index("translation") < kinds.index("session_left")
        assert (seen[-1]["reason"], seen[-1]["by_host"]) == ("ended", True)
        assert (await ann.until("session_left"))["by_host"] is True
        with pytest.raises(ProblemError):
            await hub.service.get_session("s")


async def test_a_session_ends_although_the_back_end_never_answers(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        await create(ann)
        hub.room.back_ends.audio_delay = lambda _: 1000.0
        await answer(ann, START)
        ann.say(SPOKEN)
        await answer(ann, {"type": "end_session"})
        began = trio.current_time()
        assert (await ann.until("session_left"))["reason"] == "ended"
        assert LAST_WORDS <= trio.current_time() - began < LAST_WORDS + 1


async def test_a_session_that_is_kept_ends_for_all_and_stays_readable(tmp_path: Path) -> None:
    """With ``keep_days`` its transcript stays as long as that; nobody enters it again, not even its owner."""
    kept = {"websocket": {"keep_days": 7}}
    async with running_hub(tmp_path, orchestration=kept) as hub, hub.connected(actor=GUEST) as ann:
        created = await create(ann)
        await answer(ann, START)
        ann.say(SPOKEN)
        await answer(ann, {"type": "end_session"})
        assert (await ann.until("session_left"))["by_host"] is True
        assert len((await hub.service.messages("s")).messages) == 1
        assert (await recover(ann, created))["reason"] == "ended"
        assert (await join(ann, recovery_token=created["recovery_token"]))["code"] == "session_ended"
        assert (await join(ann))["code"] == "session_ended"
        again = await hub.service.endings.end(OPERATOR, "s")
        assert again.ended
    async with running_hub(tmp_path, orchestration=kept) as hub, hub.connected(actor=GUEST) as ann:
        assert (await join(ann))["code"] == "session_ended"
        assert len((await hub.service.messages("s")).messages) == 1


async def test_an_ending_that_was_abandoned_is_finished(tmp_path: Path) -> None:
    """The worker that began it was killed: after a restart those inside still leave."""
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        created = await create(ann)
        await hub.service.moderator.change(
            OPERATOR, "s", "session ended by its host", lambda before: replace(before, ending=True)
        )
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        assert (await recover(ann, created))["moderation"]["ending"] is True
        assert (await ann.until("session_left"))["by_host"] is True
        assert trio.current_time() < 2 * ABANDONED


async def test_a_recording_that_is_read_ends_with_the_session(tmp_path: Path) -> None:
    """What was read of it becomes lines; another is refused."""
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        await create(ann)
        more = trio.Event()

        async def chunks() -> AsyncIterator[bytes]:
            yield SPOKEN
            await more.wait()
            yield SPOKEN

        await hub.service.open_recording(
            "s", name="talk", source_language="en", target_languages=(), chunks=chunks()
        )
        await trio.sleep(0.1)
        assert (await answer(ann, {"type": "end_session"}))["ending"] is True
        with pytest.raises(ProblemError, match="has ended"):
            await hub.service.open_recording(
                "s", name="talk", source_language="en", target_languages=(), chunks=chunks()
            )
        received = await ann.until_all("transcript", "audio_ended", "session_left")
        assert received["transcript"]["final"] is True
        assert received["audio_ended"]["seconds"] == 1.3


# Who may, and several at once.


async def test_only_owners_and_operators_decide(tmp_path: Path) -> None:
    """Neither those who speak nor those who read."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=STRANGER) as bob,
        hub.connected(actor=STRANGER) as eve,
    ):
        created = await create(ann)
        await join(bob, key=created["keys"]["speak"])
        await join(eve, key=created["keys"]["read"])
        owner = {"participant_id": created["participant_id"]}
        for message in (
            {"type": "set_session", "locked": True},
            {"type": "mute_participant", **owner},
            {"type": "mute_participant"},
            {"type": "remove_participant", **owner},
            {"type": "rename_participant", **owner, "name": "x"},
            {"type": "new_keys"},
            {"type": "end_session"},
        ):
            for socket in (bob, eve):
                assert (await answer(socket, message))["code"] == "not_owner", message
        assert (await answer(eve, {"type": "unmute"}))["code"] == "read_only"
        assert (await answer(bob, {"type": "unmute"}))["muted"] is False
        async with hub.connected(actor=STRANGER) as other:
            assert (await answer(other, {"type": "end_session"}))["code"] == "not_in_session"
        assert (await hub.service.moderator.decided("s")).revision == 0


async def test_decisions_made_at_once_are_all_kept(tmp_path: Path) -> None:
    """The owner's and an operator's: none overwrites another."""
    async with running_hub(tmp_path) as hub:
        await hub.service.create_session("s")
        sockets, names = [], []
        for _ in range(6):
            socket = hub.socket(actor=GUEST)
            await socket.until("connected")
            names.append((await join(socket))["participant_id"])
            sockets.append(socket)
        moderator = hub.service.moderator
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(partial(moderator.mute, OPERATOR, "s", name, muted=True))
            nursery.start_soon(partial(moderator.set_session, OPERATOR, "s", locked=True, speaking=None))
        decided = await moderator.decided("s")
        assert (set(decided.muted), decided.locked, decided.revision) == (set(names), True, 7)
        for socket in sockets:
            assert (await socket.until("moderation"))["type"] == "moderation"


async def test_hosts_cannot_flood_the_session(tmp_path: Path) -> None:
    """Each decision counts as many messages."""
    settings = {"orchestration": {"websocket": {"max_messages_per_second": 100}}}
    async with running_hub(tmp_path, **settings) as hub, hub.connected(actor=GUEST) as ann:
        await create(ann)
        for number in range(40):
            ann.say({"type": "set_session", "session_id": "s", "locked": number % 2 == 0})
        codes = {each["code"] for each in await ann.settle() if each["type"] == "error"}
        assert codes == {"rate_limited"}


# Two workers.


@pytest.mark.process
@pytest.mark.real_time
async def test_decisions_hold_on_every_worker(tmp_path: Path) -> None:
    """The host is on one worker, the others are on another one."""
    with redis_server(tmp_path / "redis") as server:
        async with (
            running_hub(tmp_path, None, RedisStore(server.url)) as a,
            running_hub(tmp_path, None, RedisStore(server.url)) as b,
            a.connected(actor=GUEST) as ann,
            b.connected(actor=GUEST) as bob,
        ):
            created = await create(ann)
            joined = await join(bob, name="Guest 7")
            me = joined["participant_id"]
            await answer(bob, START)
            bob.say(SPOKEN)
            await mute(ann, me)
            received = await bob.until_all("moderation", "transcript", "audio_ended")
            assert received["moderation"]["muted"] is True
            assert (await answer(bob, START))["code"] == "muted"
            presence = await ann.until("presence")
            while not muted_in(presence).get(me):
                presence = await ann.until("presence")
            await answer(ann, {"type": "rename_participant", "participant_id": me, "name": "Bob"})
            assert (await bob.until("participant_renamed"))["name"] == "Bob"
            keys = (await answer(ann, {"type": "new_keys"}))["keys"]
            assert (await bob.until("session_keys"))["keys"] == keys
            await answer(ann, {"type": "set_session", "locked": True})
            assert (await bob.until("moderation"))["locked"] is True
            async with b.connected(actor=GUEST) as eve:
                assert (await join(eve))["code"] == "session_locked"
            other = b.socket(actor=GUEST)
            await other.until("connected")
            assert (await recover(other, joined, offset=0))["recovered"] is True
            await answer(ann, {"type": "remove_participant", "participant_id": me})
            assert ("session_left", "removed") in [
                (each["type"], each.get("reason")) for each in await closed(other)
            ]
            assert other.close_code == closes.REMOVED.code
            async with a.connected(actor=GUEST) as again:
                assert (await recover(again, joined))["reason"] == "removed"
            assert (await answer(ann, {"type": "end_session"}))["ending"] is True
            assert (await ann.until("session_left"))["by_host"] is True
            assert await a.store.load("s") is None
            assert created["role"] == "owner"


@pytest.mark.process
@pytest.mark.real_time
async def test_the_last_words_on_another_worker_are_awaited(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as server:
        async with (
            running_hub(tmp_path, None, RedisStore(server.url)) as a,
            running_hub(tmp_path, None, RedisStore(server.url)) as b,
            a.connected(actor=GUEST) as ann,
            b.connected(actor=GUEST) as bob,
        ):
            b.room.back_ends.audio_delay = lambda _: 1.0
            await create(ann)
            await join(bob)
            await answer(bob, START)
            bob.say(SPOKEN)
            await bob.until("audio_status")
            await answer(ann, {"type": "end_session"})
            seen: list[dict[str, Any]] = []
            while not seen or seen[-1]["type"] != "session_left":
                seen.append(await ann.hear())
            assert [each["type"] for each in seen if each["type"] in ("transcript", "session_left")] == [
                "transcript",
                "session_left",
            ]

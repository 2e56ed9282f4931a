from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from orch.problems import ProblemError
from orch.protocol.messages import SessionMessage
from tests.fakes.hub import FakeAnswer, running_hub


def said(number: int, session_id: str = "s") -> SessionMessage:
    return SessionMessage(timestamp=0, session_id=session_id, sender="x", data=Raw(b"%d" % number))


async def test_a_session_is_created_joined_and_spoken_in(tmp_path: Path) -> None:
    """Everyone in a session sees the same message at the same offset; answers carry their question's id."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        created = await ann.ask(
            {"type": "create_session", "session_id": "s", "config": {"a": [1]}, "name": "Ann", "id": 1}
        )
        assert created["type"] == "session_created"
        assert (created["id"], created["offset"], created["config"]) == (1, 0, {"a": [1]})
        assert [p["role"] for p in created["participants"]] == ["owner"]
        joined = await bob.ask({"type": "join_session", "session_id": "s", "languages": ["es"], "id": "j"})
        assert (joined["type"], joined["id"], joined["epoch"]) == (
            "session_joined",
            "j",
            created["epoch"],
        )
        assert joined["participants"][0]["name"] == "Ann"
        assert joined["participants"][1]["languages"] == ["es"]
        assert "messages" not in joined
        assert joined["recovery_token"] != created["recovery_token"]
        bob.say({"type": "broadcast", "session_id": "s", "data": {"b": [1, None]}, "id": 9})
        theirs, own = await ann.until("session_message"), await bob.until("session_message")
        assert own.pop("id") == 9
        assert theirs == own
        assert (theirs["offset"], theirs["sender"]) == (1, joined["participant_id"])
        assert theirs["data"] == {"b": [1, None]}


async def test_names_that_exist_are_not_given_again_and_unknown_ones_are_unknown(tmp_path: Path) -> None:
    """Every way to be wrong about a session has its own code; the connection stays."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s"}, "session_created")
        for message, code in (
            ({"type": "create_session", "session_id": "s"}, "session_exists"),
            ({"type": "create_session", "config": {"x": "y" * 70_000}}, "invalid_message"),
            ({"type": "join_session", "session_id": "nowhere"}, "unknown_session"),
            ({"type": "leave_session", "session_id": "s"}, "not_in_session"),
            ({"type": "broadcast", "session_id": "s", "data": 1}, "not_in_session"),
            ({"type": "audio_start", "session_id": "s", "sample_rate": 16000}, "not_in_session"),
            ({"type": "subscribe", "topic": "nothing"}, "unknown_topic"),
            ({"type": "unsubscribe", "topic": "nothing"}, "unknown_topic"),
            ({"type": "audio_end"}, "audio_not_started"),
        ):
            answer = await bob.ask({**message, "id": "q"})
            assert (answer["type"], answer["code"], answer["id"]) == ("error", code, "q")
        assert (await bob.ask({"type": "ping", "id": 1}))["type"] == "pong"
        assert hub.service.statistics().problems["not_in_session"] == 3


async def test_observers_read_and_nothing_else(tmp_path: Path) -> None:
    """An observer is sent everything and may say nothing, also after it has returned."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        async with hub.connected() as eve:
            joined = await eve.ask({"type": "join_session", "session_id": "s", "role": "observer"})
            for message in (
                {"type": "broadcast", "session_id": "s", "data": 1},
                {"type": "audio_start", "session_id": "s", "sample_rate": 16000},
                {"type": "name_speaker", "session_id": "s", "speaker_label": "1-a", "name": "Eve"},
                {"type": "set_terms", "session_id": "s", "terms": []},
            ):
                assert (await eve.ask(message, "error"))["code"] == "read_only"
            ann.say({"type": "broadcast", "session_id": "s", "data": 1})
            await eve.until("session_message")
        async with hub.connected() as eve:
            back = await eve.ask(recovery(joined, 1), "session_recovered")
            assert back["recovered"]
            answer = await eve.ask({"type": "broadcast", "session_id": "s", "data": 1}, "error")
            assert answer["code"] == "read_only"


def recovery(joined: dict[str, Any], offset: int, /, **changes: Any) -> dict[str, Any]:
    return {
        "type": "recover_session",
        "session_id": joined["session_id"],
        "recovery_token": joined["recovery_token"],
        "epoch": joined["epoch"],
        "offset": offset,
    } | changes


async def test_joining_again_changes_name_and_languages_and_nothing_else(tmp_path: Path) -> None:
    """One connection is one participant of a session; its token stays."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        first = await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
        again = await ann.ask(
            {
                "type": "join_session",
                "session_id": "s",
                "name": "Anna",
                "languages": ["de"],
                "role": "observer",
            },
            "session_joined",
        )
        assert again["participant_id"] == first["participant_id"]
        assert again["recovery_token"] == first["recovery_token"]
        assert [(p["name"], p["languages"], p["role"]) for p in again["participants"]] == [
            ("Anna", ["de"], "owner")
        ]


async def test_what_was_missed_is_recovered_by_the_same_participant(tmp_path: Path) -> None:
    """A lost connection costs nothing: the same person is back and has every message, in order."""
    async with running_hub(tmp_path) as hub, hub.connected() as bob:
        async with hub.connected() as ann:
            joined = await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
        await bob.ask({"type": "join_session", "session_id": "s"})
        for number in range(5):
            bob.say({"type": "broadcast", "session_id": "s", "data": number})
        heard = [await bob.until("session_message") for _ in range(5)]
        async with hub.connected() as ann:
            back = await ann.ask(recovery(joined, 2, id="r"), "session_recovered")
            assert back["recovered"] is True
            assert back["id"] == "r"
            assert back["participant_id"] == joined["participant_id"]
            assert back["messages"] == heard[2:]
            assert back["offset"] == 5
            assert back["participants"][0]["name"] == "Ann"  # its owner, though the last to come
            bob.say({"type": "broadcast", "session_id": "s", "data": "next"})
            assert (await ann.until("session_message"))["offset"] == 6


async def test_who_recovers_as_another_participant_is_that_one_alone(tmp_path: Path) -> None:
    """A connection is one participant of a session; nobody is left in it who has no connection."""
    async with running_hub(tmp_path) as hub:
        async with hub.connected() as ann:
            joined = await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
        async with hub.connected() as bob:
            await bob.ask({"type": "join_session", "session_id": "s", "name": "Bob"}, "session_joined")
            back = await bob.ask(recovery(joined, 0), "session_recovered")
            assert back["recovered"] is True
            assert [each["name"] for each in back["participants"]] == ["Ann"]
        assert hub.service.statistics().session_list[0].participants == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recovery_token": None}, "token_required"),
        ({"recovery_token": ""}, "token_required"),
        ({"recovery_token": "x"}, "wrong_token"),
        ({"recovery_token": "nobody.secret"}, "wrong_token"),
        ({"epoch": "other"}, "epoch_changed"),
        ({"epoch": None}, "epoch_changed"),
        ({"offset": None}, "offset_unknown"),
        ({"offset": 99}, "offset_unknown"),
        ({"session_id": "t"}, "wrong_token"),
        ({"session_id": "nowhere"}, "unknown_session"),
    ],
)
async def test_a_recovery_that_cannot_be_is_an_honest_false(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    """The reason is said, nothing of the session is, and the client is not in it."""
    async with running_hub(tmp_path) as hub:
        await hub.service.create_session("t")
        async with hub.connected() as ann:
            joined = await ann.ask({"type": "create_session", "session_id": "s"})
        async with hub.connected() as ann:
            answer = await ann.ask(recovery(joined, 0, **changes), "session_recovered")
            answer.pop("timestamp")
            session_id = changes.get("session_id", "s")
            assert answer == {
                "type": "session_recovered",
                "session_id": session_id,
                "recovered": False,
                "reason": reason,
            }
            refused = await ann.ask({"type": "broadcast", "session_id": session_id, "data": 1})
            assert refused["code"] == "not_in_session"


async def test_another_participants_token_opens_nothing_of_yours(tmp_path: Path) -> None:
    """Half of one token and half of another is a wrong token."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        one = await ann.ask({"type": "create_session", "session_id": "s"})
        two = await bob.ask({"type": "join_session", "session_id": "s"})
        forged = one["recovery_token"].split(".")[0] + "." + two["recovery_token"].split(".")[1]
        async with hub.connected() as eve:
            answer = await eve.ask(recovery(one, 0, recovery_token=forged), "session_recovered")
            assert answer["reason"] == "wrong_token"


async def test_history_that_is_gone_is_an_honest_false(tmp_path: Path) -> None:
    """Never a part: with one message dropped, none is given."""
    limits = {"orchestration": {"websocket": {"history_messages": 3}}}
    async with running_hub(tmp_path, **limits) as hub:
        async with hub.connected() as ann:
            joined = await ann.ask({"type": "create_session", "session_id": "s"})
        for number in range(5):
            await hub.service.publish("s", said(number))
        async with hub.connected() as ann:
            lost = await ann.ask(recovery(joined, 1), "session_recovered")
            assert (lost["recovered"], lost["reason"]) == (False, "history_expired")
            whole = await ann.ask(recovery(joined, 2), "session_recovered")
            assert [message["data"] for message in whole["messages"]] == [2, 3, 4]
            joined_anew = await ann.ask(
                {"type": "join_session", "session_id": "s", "history": True}, "session_joined"
            )
            assert [message["data"] for message in joined_anew["messages"]] == [2, 3, 4]
            # No caption is missing, but broadcasts are.
            assert (joined_anew["complete"], joined_anew["broadcasts_complete"]) == (True, False)


async def test_recovery_can_be_switched_off(tmp_path: Path) -> None:
    """`recovery_enabled: false` is obeyed at the next message."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        joined = await ann.ask({"type": "create_session", "session_id": "s"})
        hub.settings.change(session_management={"recovery_enabled": False})
        assert (await ann.ask(recovery(joined, 0), "session_recovered"))["reason"] == "recovery_disabled"


async def test_history_is_given_to_those_who_ask_for_it(tmp_path: Path) -> None:
    """A second window shows the same lines at the same offsets, and goes on from there."""
    async with running_hub(tmp_path) as hub:
        await hub.service.create_session("s")
        for number in range(3):
            assert await hub.service.publish("s", said(number)) == number + 1
        async with hub.connected() as ann:
            joined = await ann.ask({"type": "join_session", "session_id": "s", "history": True})
            assert [(m["offset"], m["data"]) for m in joined["messages"]] == [(1, 0), (2, 1), (3, 2)]
            assert (joined["complete"], joined["offset"]) == (True, 3)
            await hub.service.publish("s", said(9))
            assert (await ann.until("session_message"))["offset"] == 4
        kept = await hub.service.messages("s")
        assert (len(kept.messages), kept.complete, kept.offset) == (4, True, 4)


async def test_messages_said_during_a_join_come_after_its_history_and_none_twice(tmp_path: Path) -> None:
    """Where the answer ends the stream begins, however busy the session is."""
    async with running_hub(tmp_path) as hub:
        await hub.service.create_session("s")

        async def talk() -> None:
            for number in range(200):
                await hub.service.publish("s", said(number))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            for _ in range(20):
                await trio.lowlevel.checkpoint()
            async with hub.connected() as ann:
                joined = await ann.ask({"type": "join_session", "session_id": "s", "history": True})
                offsets = [message["offset"] for message in joined["messages"]]
                while not offsets or offsets[-1] < 200:
                    offsets.append((await ann.until("session_message"))["offset"])
                assert offsets == list(range(1, 201))


async def test_a_gap_is_recovered_on_the_same_connection(tmp_path: Path) -> None:
    """Who finds a gap asks for it without leaving; it stays one participant."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        joined = await ann.ask({"type": "create_session", "session_id": "s"})
        for number in range(3):
            await hub.service.publish("s", said(number))
        back = await ann.ask(recovery(joined, 1), "session_recovered")
        assert [message["offset"] for message in back["messages"]] == [2, 3]
        assert len(back["participants"]) == 1


async def test_a_participant_who_returns_replaces_the_connection_left_behind(tmp_path: Path) -> None:
    """A dead connection that nobody has noticed yet is not a second person."""
    async with running_hub(tmp_path) as hub, hub.connected() as old:
        joined = await old.ask({"type": "create_session", "session_id": "s"})
        async with hub.connected() as new:
            back = await new.ask(recovery(joined, 0), "session_recovered")
            assert [p["participant_id"] for p in back["participants"]] == [joined["participant_id"]]
            assert (await old.until("session_left"))["session_id"] == "s"
            await hub.service.publish("s", said(1))
            assert (await new.until("session_message"))["offset"] == 1
            assert "session_message" not in {message["type"] for message in await old.settle()}


async def test_leaving_ends_the_right_to_return(tmp_path: Path) -> None:
    """Who leaves by their own will is out: no message, no token."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s"})
        joined = await bob.ask({"type": "join_session", "session_id": "s"})
        left = await bob.ask({"type": "leave_session", "session_id": "s", "id": 4}, "session_left")
        assert (left["reason"], left["id"]) == ("left", 4)
        await hub.service.publish("s", said(1))
        assert (await bob.ask(recovery(joined, 0), "session_recovered"))["reason"] == "wrong_token"
        everyone = [await ann.until("presence"), *(await ann.settle())]
        assert len([m for m in everyone if m["type"] == "presence"][-1]["participants"]) == 1


async def test_presence_is_told_and_several_changes_are_one(tmp_path: Path) -> None:
    """Twenty people who come at once are one message, not twenty."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await ann.settle()
        await trio.sleep(10)
        await ann.settle()
        others = [hub.socket() for _ in range(20)]
        for other in others:
            other.say({"type": "join_session", "session_id": "s"})
        await trio.sleep(10)
        presence = [message for message in await ann.settle() if message["type"] == "presence"]
        assert len(presence) <= 3
        assert len(presence[-1]["participants"]) == 21
        for other in others:
            other.hang_up()
        await trio.sleep(10)
        presence = [message for message in await ann.settle() if message["type"] == "presence"]
        assert len(presence) <= 3
        assert [p["role"] for p in presence[-1]["participants"]] == ["owner"]


async def test_presence_tells_leaving_from_falling_silent_and_from_coming_back(tmp_path: Path) -> None:
    """Who left will not be back; who has gone silent may be, as the same participant."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})

        async def changes() -> list[tuple[str, str, str]]:
            await trio.sleep(5)
            told = [message for message in await ann.settle() if message["type"] == "presence"]
            return [(c["name"], c["role"], c["change"]) for message in told for c in message["changes"]]

        assert await changes() == [("Ann", "owner", "joined")]
        async with hub.connected() as bob, hub.connected() as eve:
            lost = await bob.ask({"type": "join_session", "session_id": "s", "name": "Bob"})
            await eve.ask({"type": "join_session", "session_id": "s", "name": "Eve", "role": "observer"})
            assert await changes() == [("Bob", "participant", "joined"), ("Eve", "observer", "joined")]
            await eve.ask({"type": "leave_session", "session_id": "s"}, "session_left")
            assert await changes() == [("Eve", "observer", "left")]
        assert await changes() == [("Bob", "participant", "silent")]
        async with hub.connected() as bob:
            await bob.ask(recovery(lost, 0), "session_recovered")
            assert await changes() == [("Bob", "participant", "joined")]
            async with hub.connected() as again:
                await again.ask(recovery(lost, 0), "session_recovered")
                assert await changes() == []


async def test_a_connection_is_in_so_many_sessions_at_most(tmp_path: Path) -> None:
    """One client cannot hold every session of the service."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        for number in range(64):
            await ann.ask({"type": "create_session", "session_id": f"s{number}"}, "session_created")
        answer = await ann.ask({"type": "create_session", "session_id": "more"}, "error")
        assert answer["code"] == "too_many_sessions"
        assert hub.service.statistics().sessions == 64
        await ann.ask({"type": "leave_session", "session_id": "s0"}, "session_left")
        await ann.ask({"type": "create_session", "session_id": "more"}, "session_created")


async def test_an_ended_session_is_gone_for_everyone(tmp_path: Path) -> None:
    """Members are told, nothing can be said, found or recovered, and the name is free again."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        joined = await ann.ask({"type": "create_session", "session_id": "s"})
        await hub.service.end_session("s")
        left = await ann.until("session_left")
        assert left["reason"] == "ended"
        assert (await ann.ask(recovery(joined, 0), "session_recovered"))["reason"] == "unknown_session"
        for call in (
            hub.service.end_session("s"),
            hub.service.get_session("s"),
            hub.service.messages("s"),
            hub.service.publish("s", said(1)),
        ):
            with pytest.raises(ProblemError) as caught:
                await call
            assert caught.value.code == "unknown_session"
        again = await hub.service.create_session("s")
        assert again.epoch != joined["epoch"]
        assert (await ann.ask(recovery(joined, 0), "session_recovered"))["recovered"] is False


async def test_what_is_said_while_a_session_ends_is_answered(tmp_path: Path) -> None:
    """Once each: by the message itself, or by an error where nobody was told any more."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        async with trio.open_nursery() as nursery:
            for number in range(20):
                ann.say({"type": "broadcast", "session_id": "s", "data": number, "id": number})
                if number == 10:
                    nursery.start_soon(hub.service.end_session, "s")
                await trio.lowlevel.checkpoint()
        answers: list[tuple[int, str]] = []
        while len(answers) < 20:
            message = await ann.hear()
            if "id" in message:
                answers.append((message["id"], message.get("code", message["type"])))
        assert sorted(number for number, _ in answers) == list(range(20))
        assert {kind for _, kind in answers} <= {"session_message", "unknown_session", "not_in_session"}
        await ann.ask({"type": "ping", "id": "last"}, "pong")


async def test_ending_a_session_while_it_is_loaded_does_not_bring_it_back(tmp_path: Path) -> None:
    """However lookups and the end interleave, afterwards there is no session."""
    async with running_hub(tmp_path) as hub:
        await hub.service.create_session("s")
    async with running_hub(tmp_path) as hub:

        async def look() -> None:
            with suppress(ProblemError):
                await hub.service.get_session("s")

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(look)
                if number == 15:
                    nursery.start_soon(hub.service.end_session, "s")
        with pytest.raises(ProblemError):
            await hub.service.get_session("s")
        assert not hub.service.statistics().session_list


async def test_sessions_outlive_the_process(tmp_path: Path) -> None:
    """After a restart a client recovers everything it had missed, as the same participant."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        joined = await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
        for number in range(4):
            await hub.service.publish("s", said(number))
    async with running_hub(tmp_path) as hub:
        assert hub.service.statistics().sessions == 1
        async with hub.connected() as ann:
            back = await ann.ask(recovery(joined, 1), "session_recovered")
            assert back["recovered"] is True
            assert [message["data"] for message in back["messages"]] == [1, 2, 3]
            assert back["participants"][0] == joined["participants"][0]
            assert await hub.service.publish("s", said(9)) == 5


@pytest.mark.limit(10_000)
async def test_sessions_that_nobody_uses_expire(tmp_path: Path, server: str) -> None:
    """What is in use stays; silent members are told why it ended, unless heartbeats show that they listen."""
    async with running_hub(tmp_path) as hub:
        hub.settings.change(
            orchestration={"websocket": {"session_timeout": 1000}},
            session_management={"cleanup_interval": 100},
        )
        await hub.service.create_session("empty")
        await hub.service.create_session("talked")
        async with hub.connected() as silent, hub.connected() as lively:
            await silent.ask({"type": "create_session", "session_id": "silent"})
            await lively.ask({"type": "create_session", "session_id": "lively"})
            for _ in range(12):
                await trio.sleep(90)
                await lively.ask({"type": "ping"}, "pong")
                await hub.service.publish("talked", said(1))
            await trio.sleep(400)
            kept = {"lively", "talked"}
            if server == "link":
                kept |= {"silent"}
            else:
                left = await silent.until("session_left")
                assert (left["session_id"], left["reason"]) == ("silent", "expired")
            assert {summary.session_id for summary in await hub.service.list_sessions()} == kept
            assert hub.service.statistics().sessions == len(kept)


@pytest.mark.limit(10_000)
async def test_sessions_are_kept_for_keep_days_after_their_last_use(tmp_path: Path) -> None:
    """With their messages, which are otherwise dropped after ``history_seconds``."""
    async with running_hub(tmp_path) as hub:
        hub.settings.change(
            orchestration={"websocket": {"session_timeout": 100, "history_seconds": 100, "keep_days": 0.01}},
            session_management={"cleanup_interval": 50},
        )
        await hub.service.create_session("s")
        await hub.service.publish("s", said(1))
        await trio.sleep(800)
        assert (await hub.service.messages("s")).complete
        assert len((await hub.service.messages("s")).messages) == 1
        await trio.sleep(200)
        assert await hub.service.list_sessions() == ()


async def test_those_who_may_return_are_limited_in_a_session_that_nobody_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be stored for days; its owner and those who left last may return."""
    monkeypatch.setattr("orch.stores.records.PARTICIPANTS_LIMIT", 3)
    async with running_hub(tmp_path) as hub:
        there = []
        for number in range(6):
            async with hub.connected() as guest:
                kind = "join_session" if number else "create_session"
                there.append(await guest.ask({"type": kind, "session_id": "s"}))
            await trio.sleep(1)
        await hub.service.sweep()
        found = [await hub.store.participant("s", each["participant_id"]) is not None for each in there]
        assert found == [True, False, False, False, True, True]


@pytest.mark.limit(10_000)
@pytest.mark.slow
async def test_what_is_in_use_survives_a_restart_and_the_first_sweep(tmp_path: Path) -> None:
    """Members who only listened for an hour still find their session after the service was killed."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        joined = await ann.ask({"type": "create_session", "session_id": "s"})
        for _ in range(60):
            await trio.sleep(60)
            await ann.ask({"type": "ping"}, "pong")
    async with running_hub(tmp_path) as hub:
        await trio.sleep(400)
        async with hub.connected() as ann:
            assert (await ann.ask(recovery(joined, 0), "session_recovered"))["recovered"] is True


async def test_sessions_are_listed_last_used_first(tmp_path: Path) -> None:
    """The list is the store's, with who is in them now."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await hub.service.create_session("a", {"x": 1})
        await trio.sleep(1)
        await ann.ask({"type": "create_session", "session_id": "b"})
        await trio.sleep(1)
        await hub.service.publish("a", said(1))
        listed = await hub.service.list_sessions()
        assert [(each.session_id, each.offset, len(each.participants)) for each in listed] == [
            ("a", 1, 0),
            ("b", 0, 1),
        ]
        assert not hasattr(listed[0], "config")  # it may be large, and there are many
        assert bytes((await hub.service.get_session("a")).config) == b'{"x":1}'
        assert [each.session_id for each in await hub.service.list_sessions(1)] == ["a"]


async def test_while_the_store_is_away_clients_are_told_and_stay(tmp_path: Path) -> None:
    """What must be kept is refused with a code; what needs no store works; afterwards all does."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await hub.stop_store()
        refused = await ann.ask({"type": "broadcast", "session_id": "s", "data": 1, "id": 5}, "error")
        assert (refused["code"], refused["id"]) == ("store_unavailable", 5)
        assert (await ann.ask({"type": "ping"}, "pong"))["type"] == "pong"
        await hub.start_store()
        ann.say({"type": "broadcast", "session_id": "s", "data": 1})
        assert (await ann.until("session_message"))["offset"] == 1


async def test_the_hub_s_restart_is_not_noticed_in_sessions(tmp_path: Path) -> None:
    """A branch that is started again costs no connection, no message and no membership."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await hub.restart_hub()
        await hub.restart_store()
        ann.say({"type": "broadcast", "session_id": "s", "data": 1})
        assert (await ann.until("session_message"))["offset"] == 1
        async with hub.connected() as bob:
            await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
            await ann.until("presence")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["publish", "publish", "drop", "recover", "restart_store", "restart_hub", "tick"]),
        max_size=25,
    ),
    st.integers(2, 6),
)
async def test_whatever_happens_a_client_has_every_message_once_or_knows_that_it_has_not(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], keeps: int
) -> None:
    """Publishing, lost connections, recoveries and restarts in any order, with a short history."""
    limits = {"orchestration": {"websocket": {"history_messages": keeps}}}
    published = 0
    async with running_hub(tmp_path_factory.mktemp("hub"), **limits) as hub:
        socket = hub.socket()
        await socket.hear()
        joined = await socket.ask({"type": "create_session", "session_id": "s"})
        heard: list[int] = []
        is_in = True
        for step in [*steps, "recover"]:
            if step == "publish":
                published += 1
                assert await hub.service.publish("s", said(published)) == published
            elif step == "drop" and is_in:
                heard += [m["data"] for m in await socket.settle() if m["type"] == "session_message"]
                socket.hang_up()
                await socket.has_ended.wait()
                is_in = False
            elif step == "recover" and not is_in:
                socket = hub.socket()
                await socket.hear()
                back = await socket.ask(recovery(joined, heard[-1] if heard else 0), "session_recovered")
                if back["recovered"]:
                    heard += [message["data"] for message in back["messages"]]
                else:
                    assert back["reason"] == "history_expired"
                    assert published - (heard[-1] if heard else 0) > keeps
                    joined = await socket.ask({"type": "join_session", "session_id": "s"})
                    heard = list(range(1, joined["offset"] + 1))
                is_in = True
            elif step == "restart_store":
                await hub.restart_store()
            elif step == "restart_hub":
                await hub.restart_hub()
            elif step == "tick":
                await trio.sleep(1)
        heard += [m["data"] for m in await socket.settle() if m["type"] == "session_message"]
        assert heard == list(range(1, published + 1))


async def test_ten_thousand_sessions_are_created_and_found(tmp_path: Path) -> None:
    """As many as come at once; each is found by its name, from memory or from the store."""
    async with running_hub(tmp_path) as hub:
        async with trio.open_nursery() as nursery:
            for number in range(10_000):
                nursery.start_soon(hub.service.create_session, f"s{number}", {"test": True})
        for number in range(10_000):
            found = await hub.service.get_session(f"s{number}")
            assert found.session_id == f"s{number}"
        assert hub.service.statistics().sessions == 10_000


async def test_gateway_is_asked_beside_the_conversation(tmp_path: Path) -> None:
    """A back end that takes its time holds up nothing else; its answer carries the question's id."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        hub.gateway.gate = trio.Event()
        hub.gateway.answer = FakeAnswer(200, b'{"models": [1]}')
        ann.say(
            {
                "type": "service_message",
                "target_service": "audio-service",
                "action": "models/x",
                "session_id": "s",
                "id": "q",
            }
        )
        assert (await ann.ask({"type": "ping"}))["type"] == "pong"
        hub.gateway.gate.set()
        answer = await ann.hear()
        answer.pop("timestamp")
        assert answer == {
            "type": "service_response",
            "id": "q",
            "source_service": "audio-service",
            "action": "models/x",
            "status": 200,
            "data": {"models": [1]},
            "session_id": "s",
        }
        assert hub.gateway.asked == [("audio-service", "GET", "/api/models/x", b"")]


async def test_looking_at_sessions_does_not_change_their_order(tmp_path: Path) -> None:
    """The list says what was used last; who reads it, or a transcript, has used nothing."""
    async with running_hub(tmp_path) as hub:
        for name in ("first", "second", "third"):
            await hub.service.create_session(name)

        def order() -> list[str]:
            return [line.session_id for line in hub.service.statistics().session_list]

        assert order() == ["third", "second", "first"]
        await hub.service.list_sessions()
        await hub.service.get_session("first")
        await hub.service.messages("first")
        await hub.service.sweep()
        assert order() == ["third", "second", "first"]

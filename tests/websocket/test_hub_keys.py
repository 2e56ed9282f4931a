"""A session is opened with its keys: who reads, who speaks, and what strangers learn."""

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from orch.access.actions import Action
from orch.access.actors import Actor
from orch.problems import ProblemError
from orch.stores import records
from tests.fakes.asgi import LOCAL_OPERATOR, STRANGER
from tests.fakes.hub import running_hub

OPERATOR = Actor(is_operator=True, is_local=False, via="token", address="192.0.2.9")
LOCAL_GUEST = Actor(is_operator=False, is_local=True, via="none", address="127.0.0.1")


def stranger(number: int = 7) -> Actor:
    return Actor(is_operator=False, is_local=False, via="none", address=f"192.0.2.{number}")


async def begun(client: Any, session_id: str = "s", **fields: Any) -> dict[str, str]:
    """Begin a session; return its keys."""
    made = await client.ask({"type": "create_session", "session_id": session_id, **fields}, "session_created")
    keys: dict[str, str] = made["keys"]
    return keys


def joining(session_id: str = "s", **fields: Any) -> dict[str, Any]:
    return {"type": "join_session", "session_id": session_id, **fields}


async def refused(client: Any, message: dict[str, Any]) -> str:
    answer = await client.ask(message, "error")
    assert answer["type"] == "error"
    return str(answer["code"])


async def test_a_session_has_two_keys_that_nobody_guesses(tmp_path: Path) -> None:
    """128 bits each, others in each session, fit for a URL."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        given = [await begun(ann, f"s{number}") for number in range(5)]
        all_keys = {key for keys in given for key in keys.values()}
        assert len(all_keys) == 10
        assert all(len(key) == 22 and key.replace("-", "").replace("_", "").isalnum() for key in all_keys)


async def test_the_key_decides_the_role(tmp_path: Path) -> None:
    """Whatever is asked for: the read key reads, the speak key speaks; less may be asked for."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = await begun(ann)
        for actor in (stranger(), LOCAL_OPERATOR, OPERATOR, LOCAL_GUEST):
            for key, asked, role, both in (
                ("read", "participant", "observer", False),
                ("read", "observer", "observer", False),
                ("speak", "participant", "participant", True),
                ("speak", "observer", "observer", True),
            ):
                async with hub.connected(actor=actor) as guest:
                    joined = await guest.ask(joining(key=keys[key], role=asked), "session_joined")
                    assert joined["role"] == role
                    assert joined["keys"] == (keys if both else {"read": keys["read"]})
                    assert keys["speak"] not in str(joined) or both


async def test_the_read_key_never_speaks_nor_comes_by_the_other(tmp_path: Path) -> None:
    """Not by any message, by joining again, by recovering, or after the owner has left."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = await begun(ann)
        async with hub.connected(actor=stranger()) as eve:
            joined = await eve.ask(joining(key=keys["read"]), "session_joined")
            speaking: list[dict[str, Any]] = [
                {"type": "broadcast", "session_id": "s", "data": 1},
                {"type": "audio_start", "session_id": "s", "sample_rate": 16000},
            ]
            for message in speaking:
                assert await refused(eve, message) == "read_only"
            eve.say(b"\0\0")
            assert (await eve.until("error"))["code"] in ("read_only", "audio_not_started")
            for again in (
                joining(role="participant"),
                joining(role="participant", key=keys["read"]),
                joining(key="x" * 22),
            ):
                answer = await eve.ask(again, "session_joined")
                assert (answer["role"], answer["keys"]) == ("observer", {"read": keys["read"]})
                for message in speaking:
                    assert await refused(eve, message) == "read_only"
        async with hub.connected(actor=stranger()) as eve:
            recovered = await eve.ask(
                {
                    "type": "recover_session",
                    "session_id": "s",
                    "recovery_token": joined["recovery_token"],
                    "epoch": joined["epoch"],
                    "offset": 0,
                },
                "session_recovered",
            )
            assert recovered["recovered"] is True
            assert (recovered["role"], recovered["keys"]) == ("observer", {"read": keys["read"]})
            assert await refused(eve, speaking[0]) == "read_only"


async def test_a_reader_writes_nothing_into_the_history(tmp_path: Path) -> None:
    """Not even by changing the name; those who are there see it all the same."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = await begun(ann)
        async with hub.connected(actor=stranger()) as eve:
            await eve.ask(joining(key=keys["read"], name="Eve"), "session_joined")
            renamed = await eve.ask(joining(name="Eva"), "session_joined")
            await trio.sleep(1)
            assert "Eva" in str(renamed["participants"])
            assert (await hub.service.get_session("s")).offset == 0


async def test_a_recovery_token_carries_its_participant_s_role(tmp_path: Path) -> None:
    """Who could speak speaks again without the key, and may invite others again."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = await begun(ann)
        async with hub.connected(actor=stranger()) as bob:
            joined = await bob.ask(joining(key=keys["speak"]), "session_joined")
        async with hub.connected(actor=stranger()) as bob:
            recovered = await bob.ask(
                {
                    "type": "recover_session",
                    "session_id": "s",
                    "recovery_token": joined["recovery_token"],
                    "epoch": joined["epoch"],
                    "offset": 0,
                },
                "session_recovered",
            )
            assert (recovered["role"], recovered["keys"]) == ("participant", keys)
            bob.say({"type": "broadcast", "session_id": "s", "data": 1})
            await bob.until("session_message")


async def test_from_this_machine_and_for_operators_the_name_is_enough(tmp_path: Path) -> None:
    """They are given both keys, so that they can invite others; a stranger is not let in."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = await begun(ann)
        for actor in (LOCAL_OPERATOR, LOCAL_GUEST, OPERATOR):
            async with hub.connected(actor=actor) as guest:
                joined = await guest.ask(joining(), "session_joined")
                assert (joined["role"], joined["keys"]) == ("participant", keys)
        async with hub.connected(actor=stranger()) as eve:
            assert await refused(eve, joining()) == "key_required"
            assert await refused(eve, joining(key="")) == "key_required"
            assert await refused(eve, {"type": "create_session"}) == "token_required"
            assert await refused(eve, {"type": "create_session", "session_id": "s"}) == "token_required"


async def test_strangers_do_not_learn_which_sessions_there_are(tmp_path: Path) -> None:
    """A wrong key and a session that there is none of are answered alike, to a join and to a recovery."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = await begun(ann)
        await begun(ann, "real-1")

        async def answers(session_id: str, **fields: Any) -> list[Any]:
            found = []
            async with hub.connected(actor=stranger()) as eve:
                for message in (
                    joining(session_id, **fields),
                    {"type": "recover_session", "session_id": session_id},
                    {"type": "recover_session", "session_id": session_id, "recovery_token": "a.b"},
                    {"type": "recover_session", "session_id": session_id, "recovery_token": "ab"},
                    {"type": "broadcast", "session_id": session_id, "data": 1},
                    {"type": "audio_start", "session_id": session_id, "sample_rate": 16000},
                    {"type": "leave_session", "session_id": session_id},
                ):
                    answer = await eve.ask(message)
                    del answer["timestamp"]
                    found.append(str(answer).replace(session_id, "…"))
            return found

        for fields in ({}, {"key": "x" * 22}, {"key": keys["speak"][:-1]}):
            assert await answers("real-1", **fields) == await answers("none", **fields)
        assert await answers("real-1", key=keys["speak"]) == await answers("none", key=keys["speak"])


async def test_wrong_keys_are_slowed_down_by_address(tmp_path: Path) -> None:
    """Then not even the right one is looked at for a moment; other addresses and this machine go on."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = await begun(ann)
        async with hub.connected(actor=stranger(7)) as eve, hub.connected(actor=stranger(8)) as bob:
            codes = [await refused(eve, joining(key=f"{number:022}")) for number in range(7)]
            assert codes == ["unknown_session"] * 6 + ["rate_limited"]
            assert await refused(eve, joining(key=keys["read"])) == "rate_limited"
            assert (await bob.ask(joining(key=keys["read"])))["type"] == "session_joined"
            await trio.sleep(1.1)
            assert (await eve.ask(joining(key=keys["read"])))["type"] == "session_joined"


async def test_an_old_link_is_no_guess_however_many_follow_it(tmp_path: Path) -> None:
    """Everyone in one office may follow it, and then a new one."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = await begun(ann)
        for _ in range(20):
            async with hub.connected(actor=stranger()) as guest:
                assert await refused(guest, joining(key="x" * 22)) == "unknown_session"
        async with hub.connected(actor=stranger()) as guest:
            assert (await guest.ask(joining(key=keys["read"])))["type"] == "session_joined"


async def test_joins_from_one_address_are_bounded(tmp_path: Path) -> None:
    """From elsewhere, that is: a crowd does not push out those who may return."""
    overlay = {"orchestration": {"websocket": {"max_joins_per_minute_per_address": 3}}}

    async with running_hub(tmp_path, **overlay) as hub, hub.connected() as ann:
        keys = await begun(ann)

        async def come(actor: Actor) -> str:
            async with hub.connected(actor=actor) as guest:
                answer = await guest.ask(joining(key=keys["read"]))
                return str(answer.get("code", answer["type"]))

        assert [await come(stranger(1)) for _ in range(4)] == ["session_joined"] * 3 + ["rate_limited"]
        assert await come(stranger(2)) == "session_joined"
        assert [await come(LOCAL_GUEST) for _ in range(5)] == ["session_joined"] * 5
        await trio.sleep(61)
        assert await come(stranger(1)) == "session_joined"


async def test_neither_the_owner_nor_who_is_there_is_pushed_out_by_a_crowd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many join and go, at the next cleanup they may still return."""
    monkeypatch.setattr(records, "PARTICIPANTS_LIMIT", 10)

    async with running_hub(tmp_path) as hub:
        async with hub.connected() as ann, hub.connected() as bob:
            made = await ann.ask({"type": "create_session", "session_id": "s"}, "session_created")
            joined = await bob.ask(joining(), "session_joined")
            ann.hang_up()
            await trio.sleep(1)
            for _ in range(40):
                async with hub.connected() as passer_by:
                    await passer_by.ask(joining(), "session_joined")
                await trio.sleep(0.1)
            await hub.service.sweep()
        for who in (made, joined):
            async with hub.connected() as again:
                recovered = await again.ask(
                    {
                        "type": "recover_session",
                        "session_id": "s",
                        "recovery_token": who["recovery_token"],
                        "epoch": who["epoch"],
                        "offset": 0,
                    },
                    "session_recovered",
                )
                assert recovered["recovered"] is True


@pytest.mark.parametrize(
    ("what", "is_ended"),
    [("nothing", True), ("said", False), ("another is there", False), ("another was there", False)],
)
async def test_an_owner_who_leaves_may_have_a_session_ended_that_was_not_used(
    tmp_path: Path,
    what: str,
    is_ended: bool,  # noqa: FBT001 - a table's column
) -> None:
    """Nobody else can have anything in it; where somebody may, it stays."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await begun(ann)
        if what == "said":
            await ann.ask({"type": "broadcast", "session_id": "s", "data": 1}, "session_message")
        if what.startswith("another"):
            await bob.ask(joining(), "session_joined")
        if what == "another was there":
            bob.hang_up()
            await trio.testing.wait_all_tasks_blocked()
        await ann.ask({"type": "leave_session", "session_id": "s", "end_if_empty": True}, "session_left")
        listed = [each.session_id for each in await hub.service.list_sessions()]
        assert listed == ([] if is_ended else ["s"])


def named(answer: dict[str, Any]) -> str:
    """Return what whoever was answered is called."""
    return next(
        str(each["name"])
        for each in answer["participants"]
        if each["participant_id"] == answer["participant_id"]
    )


async def test_a_name_is_one_participant_s(tmp_path: Path) -> None:
    """A second Alice is told apart, also by a look-alike spelling, and by changing the name later."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await begun(ann, name="Alice")
        async with hub.connected() as eve:
            joined = await eve.ask(joining(name="\u202ealice\u200b\n"), "session_joined")
            assert named(joined) == "alice (2)"
            for wanted, called in (
                ("Eve", "Eve"),
                ("\uff21LICE", "\uff21LICE (2)"),
                ("\x00", "\uff21LICE (2)"),
                ("Eve\x00", "Eve"),
            ):
                assert named(await eve.ask(joining(name=wanted), "session_joined")) == called
        async with hub.connected() as bob:
            joined = await bob.ask(joining(name="eve"), "session_joined")
            assert named(joined) == "eve (2)"  # Eve's connection was lost; she may return
            assert named(await bob.ask(joining(name=""), "session_joined")) == "eve (2)"
        async with hub.connected() as nobody:
            joined = await nobody.ask(joining(name="\u200b\u3164"), "session_joined")
            assert named(joined).startswith("Guest ")


async def test_a_recording_takes_no_participant_s_name(tmp_path: Path) -> None:
    """What is heard in it is never shown as said by someone who is there, or comes later."""

    async def chunks() -> Any:
        yield b"\0\0"

    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await begun(ann, name="Alice")
        for name in ("Alice", "a\u200blice", "interview.mp3", "\u202e", None):
            await hub.service.open_recording(
                "s", name=name, source_language="en", target_languages=(), chunks=chunks()
            )
        said = [opened.origin.speaker for opened in hub.speech.opened]
        assert said == ["Alice (2)", "alice (3)", "interview.mp3", None, None]
        async with hub.connected() as late:
            joined = await late.ask(joining(name="Interview.mp3"), "session_joined")
            assert named(joined) == "Interview.mp3 (2)"


@pytest.mark.parametrize("key", [None, "", "x" * 22, "é" * 22])
async def test_over_http_the_same_is_decided(tmp_path: Path, key: str | None) -> None:
    """Wrong or missing, for a session that there is and for one that there is not."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await begun(ann)
        codes = []
        for session_id in ("s", "none"):
            with pytest.raises(ProblemError) as caught:
                await hub.service.access.require(STRANGER, session_id, key, Action.READ_SESSION)
            codes.append(caught.value.code)
        assert codes == (["unknown_session"] * 2 if key else ["key_required"] * 2)


async def test_keys_are_in_no_statistics_and_no_list(tmp_path: Path) -> None:
    """Those who look after the service see sessions, not the keys to them."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        keys = await begun(ann)
        shown = str([await hub.service.list_sessions(), hub.service.statistics()])
        for key in keys.values():
            assert key not in shown

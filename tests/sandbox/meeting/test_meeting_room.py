"""A running meeting on a virtual clock: what its pages are sent, and what guests and host can do."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from orch.sandbox.meeting.guest import QUEUED, Guest, Outbox, Place
from orch.sandbox.meeting.messages import MessageError, decode_far, decode_near
from orch.sandbox.meeting.room import MOST_GUESTS, Room
from orch.sandbox.meeting.script import Clip, Script
from orch.sandbox.meeting.script_decoding import decode_script

LIBRARY = {"two": Clip(file="two.wav", seconds=2.0, words="good morning")}

PEOPLE = """
participants:
  - {id: ana, name: Ana, is_host: true, camera: true}
  - {id: bo, name: Bo, present: [{joins: 0, leaves: 50}]}
says: [{who: ana, clip: two, at: 3}, {who: bo, clip: two, at: 6}]
"""


def script(more: str = "") -> Script:
    """Return a script of two people."""
    return decode_script(PEOPLE + more)


@asynccontextmanager
async def playing(more: str = "") -> AsyncIterator[Room]:
    """Play a meeting."""
    room = Room(script(more), LIBRARY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run)
        await wait_all_tasks_blocked()
        yield room
        nursery.cancel_scope.cancel()


def received(outbox: Outbox) -> list[dict[str, Any]]:
    """Return the messages that are queued for a page."""
    found = []
    while outbox._receiving.statistics().current_buffer_used:
        found.append(json.loads(outbox._receiving.receive_nowait()))
    return found


def kinds(outbox: Outbox) -> list[str]:
    """Return the types of the messages that are queued for a page."""
    return [each["type"] for each in received(outbox)]


def send(room: Room, guest: Guest, **message: Any) -> None:
    """Do what a guest's page does."""
    room.apply_near(guest, decode_near(json.dumps(message)))


def enter(room: Room, name: str = "Bot", *, has_account: bool = False) -> Guest:
    """Press the join button."""
    guest = room.connect(has_account=has_account)
    send(room, guest, type="enter", name=name)
    return guest


async def in_call(room: Room) -> tuple[Guest, Outbox]:
    """Join the call, with sound, so that the meeting starts."""
    guest = enter(room)
    far = room.connect_far(guest)
    room.apply_far(guest, decode_far('{"type": "connected"}'))
    await wait_all_tasks_blocked()
    return guest, far


def place(guest: Guest) -> Place:
    """Return where a guest is now."""
    return guest.place


OPEN = "entry: {button: join_now}\n"


async def test_a_guest_waits_in_the_lobby_until_admitted() -> None:
    async with playing("entry: {lobby: {verdict: admit, after: 2}}") as room:
        guest = enter(room)
        assert place(guest) is Place.LOBBY
        await trio.sleep(1.9)
        assert place(guest) is Place.LOBBY
        await trio.sleep(0.2)
        assert place(guest) is Place.CALL


async def test_a_guest_can_be_denied() -> None:
    async with playing("entry: {lobby: {verdict: deny, after: 2}}") as room:
        guest = enter(room)
        await trio.sleep(3)
        assert place(guest) is Place.DENIED


async def test_a_silent_host_leaves_a_guest_in_the_lobby_until_a_test_decides() -> None:
    async with playing("entry: {lobby: {verdict: silence}}") as room:
        guest = enter(room)
        await trio.sleep(100)
        assert place(guest) is Place.LOBBY
        room.move(guest, "admit")
        assert place(guest) is Place.CALL
        room.move(guest, "deny")
        assert place(guest) is Place.CALL, "who is in the call is not in the lobby"
        room.move(guest, "remove")
        assert place(guest) is Place.REMOVED


async def test_the_host_decides_before_the_script_does() -> None:
    async with playing("entry: {lobby: {verdict: admit, after: 5}}") as room:
        guest = enter(room)
        room.move(guest, "deny")
        await trio.sleep(10)
        assert place(guest) is Place.DENIED


@pytest.mark.parametrize(
    ("more", "has_account", "name", "expected"),
    [
        ("entry: {button: join_now, login_wall: true}", False, "Bot", Place.DOOR),
        ("entry: {button: join_now, login_wall: true}", True, "Bot", Place.CALL),
        ("entry: {button: join_now, captcha: blocking}", True, "Bot", Place.DOOR),
        ("entry: {button: join_now, blocked: true}", True, "Bot", Place.DOOR),
        ("entry: {button: join_now, captcha: harmless}", False, "Bot", Place.CALL),
        ("entry: {button: join_now}", False, "   ", Place.DOOR),
    ],
)
async def test_the_server_refuses_whom_the_page_does(
    *, more: str, has_account: bool, name: str, expected: Place
) -> None:
    """A page that is driven past its own refusal does not get in either."""
    async with playing(more) as room:
        assert place(enter(room, name, has_account=has_account)) is expected


async def test_the_meeting_starts_when_the_first_guest_can_hear() -> None:
    async with playing(OPEN) as room:
        await trio.sleep(100)
        assert not room.playback.is_running
        guest = enter(room)
        await trio.sleep(3)
        assert not room.playback.is_running
        room.apply_far(guest, decode_far('{"type": "connected"}'))
        await wait_all_tasks_blocked()
        assert room.playback.is_running


async def test_a_guest_without_sound_delays_the_start_but_does_not_prevent_it() -> None:
    async with playing(OPEN) as room:
        enter(room)
        await trio.sleep(11)
        assert room.playback.is_running


async def test_pages_receive_what_happens_at_its_time() -> None:
    async with playing(OPEN + "marks: {delay: 0.5, hang: 0.5}") as room:
        guest, far = await in_call(room)
        send(room, guest, type="captions", is_on=True, language="en")
        near_before, far_before = received(guest.near), received(far)
        assert [each["type"] for each in near_before] == [
            "hello",
            "view",
            "roster",
            "presenting",
            "far_ready",
            "captions",
        ]
        (roster,) = [each for each in near_before if each["type"] == "roster"]
        assert [person["name"] for person in roster["people"]] == ["Ana", "Bo", "Bot"]
        assert [each["type"] for each in far_before] == ["begin", "channels"]
        assert far_before[0]["cameras"] == ["Ana"]
        assert far_before[1]["open"] == [{"channel": 0, "who": "ana"}, {"channel": 1, "who": "bo"}]
        await trio.sleep(2.1)
        (sound,) = received(far)
        assert (sound["type"], sound["clip"], sound["channel"], sound["in"]) == ("sound", "two", 0, 1.0)
        await trio.sleep(3.6)
        (on, *captions, off) = received(guest.near)
        assert (on["type"], on["id"], on["is_on"]) == ("mark", "ana", True)
        assert (off["type"], off["id"], off["is_on"]) == ("mark", "ana", False)
        assert captions
        assert {each["type"] for each in captions} == {"caption"}
        assert captions[0]["name"] == "Ana"


async def test_a_page_is_not_told_which_marks_leak() -> None:
    async with playing(OPEN + "marks: {leak: 1}") as room:
        guest, _ = await in_call(room)
        await trio.sleep(20)
        marks = [each for each in received(guest.near) if each["type"] == "mark"]
        assert len(marks) >= 4
        assert all(set(each) == {"type", "id", "is_on"} for each in marks)


async def test_captions_come_only_while_they_are_on() -> None:
    async with playing(OPEN) as room:
        guest, _ = await in_call(room)
        await trio.sleep(5)
        assert "caption" not in kinds(guest.near)
        send(room, guest, type="captions", is_on=True, language="de")
        assert kinds(guest.near) == ["captions", "caption"], "those that are visible are shown at once"
        assert guest.captions_language == "de"
        send(room, guest, type="captions", is_on=False, language="de")
        received(guest.near)
        await trio.sleep(10)
        assert "caption" not in kinds(guest.near)


@pytest.mark.parametrize(
    ("route", "at_near", "at_far"),
    [("dom", True, False), ("data_channel", False, True), ("both", True, True)],
)
async def test_captions_take_their_route(*, route: str, at_near: bool, at_far: bool) -> None:
    async with playing(OPEN + f"captions: {{starts_on: true, route: {route}}}") as room:
        guest, far = await in_call(room)
        await trio.sleep(12)
        assert ("caption" in kinds(guest.near)) is at_near
        assert ("caption" in kinds(far)) is at_far


async def test_interface_texts_are_in_the_page_alone() -> None:
    more = OPEN + "captions: {starts_on: true, route: both, interface: [{at: 1, text: You are muted}]}"
    async with playing(more) as room:
        guest, far = await in_call(room)
        await trio.sleep(1.5)
        assert "interface" in kinds(guest.near)
        assert "interface" not in kinds(far)


async def test_nothing_arrives_during_an_outage_and_all_of_the_state_after_it() -> None:
    async with playing(OPEN + "captions: {starts_on: true}\nnetwork: [{drops: 2.5, returns: 9}]") as room:
        guest, far = await in_call(room)
        await trio.sleep(2.6)
        received(far)
        assert received(guest.near)[-1] == {"type": "network", "is_up": False, "is_final": False}
        await trio.sleep(6)
        assert kinds(guest.near) == []
        assert kinds(far) == []
        await trio.sleep(0.5)
        assert kinds(guest.near)[:2] == ["network", "roster"]
        assert kinds(far)[:2] == ["network", "channels"]


async def test_removal_and_end_by_the_script() -> None:
    async with playing(OPEN + "removal: 5\nends: 12") as room:
        guest, far = await in_call(room)
        await trio.sleep(5.5)
        assert place(guest) is Place.REMOVED
        assert not far.is_open
    async with playing(OPEN + "ends: 12") as room:
        guest, _ = await in_call(room)
        await trio.sleep(11)
        assert guest.is_in_call
        await trio.sleep(1.5)
        assert place(guest) is Place.ENDED


async def test_a_meeting_begins_again_for_the_next_guest_unless_it_does_not_reopen() -> None:
    async with playing(OPEN) as room:
        guest, _ = await in_call(room)
        await trio.sleep(20)
        room.disconnect(guest)
        await wait_all_tasks_blocked()
        assert not room.playback.is_running
        guest, far = await in_call(room)
        await trio.sleep(8)
        assert kinds(far).count("sound") == 2
    async with playing(OPEN + "reopens: false\nends: 12") as room:
        guest, _ = await in_call(room)
        await trio.sleep(20)
        room.disconnect(guest)
        assert enter(room).place is Place.ENDED


async def test_who_leaves_is_off_the_roster() -> None:
    async with playing(OPEN) as room:
        guest, _ = await in_call(room)
        other = enter(room, "Other")
        received(guest.near)
        send(room, other, type="leave")
        assert place(other) is Place.LEFT
        (roster,) = received(guest.near)
        assert [person["name"] for person in roster["people"]] == ["Ana", "Bo", "Bot"]
        await trio.sleep(51)
        roster = [each for each in received(guest.near) if each["type"] == "roster"][-1]
        assert [person["name"] for person in roster["people"]] == ["Ana", "Bot"]


async def test_chat_reaches_everybody_and_the_host_replies_once() -> None:
    async with playing(OPEN + "host: {recording: allow, after: 2, reply: Please do.}") as room:
        guest, _ = await in_call(room)
        other = enter(room, "Other")
        received(guest.near), received(other.near)
        send(room, guest, type="chat", text="May I record?")
        assert received(guest.near)[0] == {
            "type": "chat",
            "name": "Bot",
            "text": "May I record?",
            "is_own": True,
        }
        assert received(other.near) == [
            {"type": "chat", "name": "Bot", "text": "May I record?", "is_own": False}
        ]
        assert guest.state().may_record is None
        await trio.sleep(2.1)
        assert guest.state().may_record is True
        assert {"type": "chat", "name": "Ana", "text": "Please do.", "is_own": False} in received(guest.near)
        send(room, guest, type="chat", text="Thanks")
        await trio.sleep(1)
        assert "recording" not in kinds(guest.near)


@pytest.mark.parametrize(("answer", "expected"), [("allow", True), ("refuse", False), ("silence", None)])
async def test_the_host_answers_the_record_button(*, answer: str, expected: bool | None) -> None:
    async with playing(OPEN + f"host: {{recording: {answer}}}") as room:
        guest, _ = await in_call(room)
        send(room, guest, type="record")
        await trio.sleep(1.5)
        assert guest.state().may_record is expected
        room.allow_recording(guest, is_allowed=False)
        assert guest.state().may_record is False, "permission can be withdrawn"


async def test_a_guest_can_ask_again() -> None:
    async with playing(OPEN + "host: {recording: refuse}") as room:
        guest, _ = await in_call(room)
        for _ in range(2):
            send(room, guest, type="record")
            send(room, guest, type="record")
            await trio.sleep(1.5)
        states = [each["state"] for each in received(guest.near) if each["type"] == "recording"]
        assert states == ["asked", "refused", "asked", "refused"]


async def test_a_host_can_speak_and_write_at_any_time() -> None:
    async with playing(OPEN + "captions: {starts_on: true}") as room:
        guest, far = await in_call(room)
        await trio.sleep(10)
        received(guest.near), received(far)
        begins = room.say("bo", clip="two")
        room.say("ana", text="nothing to hear but to read")
        room.post_chat("ana", "hello")
        await trio.sleep(8)
        assert [each["channel"] for each in received(far) if each["type"] == "sound"] == [1]
        shown = [each["text"] for each in received(guest.near) if each["type"] == "caption"]
        assert {"Good morning.", "Nothing to hear but to read."} <= set(shown)
        said = room.playback.truth().utterances[-2:]
        assert [(each.who, each.begin, each.channel) for each in said] == [
            ("bo", begins, 1),
            ("ana", begins, None),
        ]
        with pytest.raises(KeyError):
            room.say("nobody", text="x")


async def test_what_a_guest_says_is_captioned_under_its_name() -> None:
    """As a meeting does with a bot's own voice."""
    async with playing(OPEN + "captions: {starts_on: true}") as room:
        guest, far = await in_call(room)
        await trio.sleep(10)
        received(guest.near), received(far)
        room.say(guest.key, text="this is the bot")
        await trio.sleep(5)
        shown = [each for each in received(guest.near) if each["type"] == "caption"]
        assert (shown[-1]["name"], shown[-1]["text"]) == ("Bot", "This is the bot.")
        assert received(far) == []
        assert room.playback.truth().utterances[-1].name == "Bot"
        with pytest.raises(KeyError):
            room.say(guest.key, clip="two")


async def test_guests_are_bounded_and_a_slow_page_is_disconnected() -> None:
    async with playing(OPEN) as room:
        guests = [enter(room, f"Bot {number}") for number in range(MOST_GUESTS)]
        with pytest.raises(RuntimeError):
            room.connect(has_account=False)
        for _ in range(QUEUED + 10):
            room.post_chat("ana", "x")
        assert not guests[0].near.is_open
        room.disconnect(guests[0])
        room.connect(has_account=False)


@pytest.mark.parametrize("text", ["", "[]", '{"type": "none"}', '{"type": "enter"}', "[" * 100_000])
def test_messages_that_cannot_be_decoded_are_refused(text: str) -> None:
    for decode in (decode_near, decode_far):
        with pytest.raises(MessageError):
            decode(text)


async def test_a_meeting_can_run_before_anybody_comes() -> None:
    """Who joins later is sent the state: open channels, clips that are playing, marks."""
    async with playing(OPEN + "starts: at_once\nmarks: {delay: 0.1}") as room:
        await trio.sleep(4)
        assert room.playback.is_running
        guest, far = await in_call(room)
        begin, channels, sound = received(far)
        assert (begin["type"], len(channels["open"])) == ("begin", 2)
        assert (sound["clip"], sound["in"]) == ("two", -1.0)
        marks = [each["id"] for each in received(guest.near) if each["type"] == "mark"]
        assert marks == ["ana"]
        assert room.playback.wait() < 2, "the meeting goes on where it was"


async def test_a_far_page_that_connects_again_takes_the_place_of_the_first() -> None:
    async with playing(OPEN) as room:
        guest, first = await in_call(room)
        second = room.connect_far(guest)
        assert not first.is_open
        room.disconnect_far(guest, first)
        assert guest.far is second
        await trio.sleep(3)
        assert "sound" in kinds(second)
        room.disconnect_far(guest, second)
        await trio.sleep(3)
        assert guest.is_in_call, "a guest without sound stays"
        assert "sound" not in kinds(second)

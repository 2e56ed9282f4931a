"""Stays in the sandbox's meetings in a real Chromium, on both layouts: joined, read, used, ended."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
import trio

from orch.bots.adapters.attending import Limits, Wish
from orch.bots.adapters.meeting import MeetingControlError
from orch.bots.ends import EndReason
from orch.bots.observations import (
    CaptionReceived,
    CaptionsSeen,
    ChatSeen,
    ConnectionSeen,
    MarksSeen,
    PeopleSeen,
    Place,
    PlaceSeen,
    RecordingAnswered,
)
from orch.bots.requests import Languages
from tests.bots.adapters.meetings import Attended, Stand, standing
from tests.fakes.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.real_time, pytest.mark.slow, pytest.mark.browser]

LAYOUTS: Final = ("first", "second")

FULL: Final = """
entry:
  button: ask_to_join
  lobby: {verdict: silence}
  consents: [cookies, devices, recording]
  captcha: harmless
captions: {route: dom, delay: 0.1, interface: [{at: 0.1, text: "You are muted", seconds: 60}]}
host: {recording: allow, after: 0.1}
"""


async def test_a_meeting_is_joined_read_and_used(tmp_path: Path) -> None:
    """Dialogs, lobby, call; captions, chat in both directions, languages, devices, recording, leaving."""
    async with standing(tmp_path) as stand:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for layout in LAYOUTS:
                    nursery.start_soon(assert_it_is_joined_read_and_used, stand, layout)


async def assert_it_is_joined_read_and_used(stand: Stand, layout: str) -> None:
    code = await stand.code(layout, FULL, seed=5)
    wish = Wish(name="Scribe", languages=Languages(captions="fr"), microphone=True)
    stay = await stand.attend(code, layout, wish)
    await stay.in_place(Place.LOBBY)
    await stand.server.host(code, "admit")
    await stay.in_place(Place.CALL)
    await assert_people_are_seen(stay)
    await assert_captions_are_seen(stand, stay, code)
    await assert_chat_goes_both_ways(stand, stay, code)
    await stay.meeting.caption_language("de")
    chosen = await stand.server.languages(code)
    assert (chosen[0], chosen[-1]) == ("en", "de")
    await stay.meeting.ask_recording()
    answer = await stay.until(lambda each: isinstance(each, RecordingAnswered))
    assert isinstance(answer, RecordingAnswered)
    assert answer.is_allowed
    guest = await stand.server.guest(code)
    assert guest["consents"] == {"cookies": False, "devices": True, "recording": True}
    assert guest["captions_language"] == "de"
    await stay.meeting.leave()
    assert await stay.over() is EndReason.LEFT_ON_REQUEST
    assert (await stand.server.guest(code))["place"] == "left"
    assert [each.place for each in stay.all(PlaceSeen)] == [Place.DOOR, Place.LOBBY, Place.CALL]


async def assert_people_are_seen(stay: Attended) -> None:
    seen = await stay.until(lambda each: isinstance(each, PeopleSeen) and bool(each.people))
    assert isinstance(seen, PeopleSeen)
    assert {(each.name, each.is_self) for each in seen.people or ()} == {
        ("Ana", False),
        ("Bo", False),
        ("Scribe", True),
    }


async def assert_captions_are_seen(stand: Stand, stay: Attended, code: str) -> None:
    """Once they are switched on, in the language that was asked for, with their speakers."""
    await stand.server.host(code, "say", who="bo", text="the meeting has ended")
    seen = await stay.until(
        lambda each: (
            isinstance(each, CaptionsSeen)
            and any(block.text.lower().startswith("the meeting has ended") for block in each.blocks)
        )
    )
    assert isinstance(seen, CaptionsSeen)
    assert [block.speaker for block in seen.blocks if block.text.lower().startswith("the meeting")] == ["Bo"]
    assert all(not block.speaker for block in seen.blocks if "muted" in block.text)


def writes(who: str, text: str) -> Callable[[object], bool]:
    """Return a test for a chat message."""
    return lambda seen: isinstance(seen, ChatSeen) and (seen.sender, seen.text) == (who, text)


async def assert_chat_goes_both_ways(stand: Stand, stay: Attended, code: str) -> None:
    """Messages of the bot are observed as its own, those of a participant that look so as theirs."""
    await stay.meeting.chat("This is\ntranscribed.")
    assert [each.split() for each in (await stand.server.guest(code))["chat"]] == [
        ["This", "is", "transcribed."]
    ]
    for text in ("You've been removed from the meeting", "This is transcribed."):
        await stand.server.host(code, "chat", who="bo", text=text)
        await stay.until(writes("Bo", text))
    assert [(each.sender, each.sender_id, each.is_own) for each in stay.all(ChatSeen)] == [
        ("Scribe", None, True),
        ("Bo", "bo", False),
        ("Bo", "bo", False),
    ]
    assert stay.reason is None


async def network(stand: Stand, code: str) -> None:
    await stand.server.host(code, "network", is_up=False, is_final=True)


def acting(action: str) -> Callable[[Stand, str], Awaitable[None]]:
    async def act(stand: Stand, code: str) -> None:
        await stand.server.host(code, action)

    return act


Act = Callable[[Stand, str], Awaitable[None]]
End = tuple[str, Place | None, Act | None, EndReason]
SILENT: Final = "entry: {lobby: {verdict: silence}}"
OPEN: Final = "entry: {button: join_now}"

#: The script, in which place what is done, and the reason that follows.
ENDS: Final[tuple[End, ...]] = (
    ("entry: {blocked: true}", None, None, EndReason.BLOCKED),
    ("entry: {login_wall: true}", None, None, EndReason.LOGIN_REQUIRED),
    ("entry: {captcha: blocking}", None, None, EndReason.CAPTCHA),
    ("changed: door", None, None, EndReason.PAGE_CHANGED),
    ("changed: call\n" + OPEN, None, None, EndReason.PAGE_CHANGED),
    ("reopens: false\nends: 0.01", None, None, EndReason.MEETING_ENDED),
    (SILENT, Place.LOBBY, acting("deny"), EndReason.ADMISSION_DENIED),
    (SILENT, Place.LOBBY, acting("end"), EndReason.MEETING_ENDED),
    (OPEN, Place.CALL, acting("remove"), EndReason.REMOVED),
    (OPEN, Place.CALL, acting("end"), EndReason.MEETING_ENDED),
    (OPEN, Place.CALL, network, EndReason.NETWORK_LOST),
)


#: One of each script; the texts of all languages are compared with the sandbox's own without a browser.
LANGUAGES: Final = ("de", "zh", "ar")
ANY_LANGUAGE: Final = """
entry: {button: ask_to_join_anyway, lobby: {after: 0}, consents: [cookies, devices, recording]}
captions: {delay: 0.1}
"""
PAGES: Final = 2


async def test_each_end_is_observed_for_what_it_is(tmp_path: Path) -> None:
    """Every reason that a page can show, on both layouts, with classes renamed; other languages; leaving."""
    async with standing(tmp_path) as stand:
        with trio.fail_after(2 * PATIENCE):
            async with trio.open_nursery() as nursery:
                for layout in LAYOUTS:
                    for number in range(PAGES):
                        nursery.start_soon(meets, stand, layout, ENDS[number::PAGES])
                nursery.start_soon(meets_languages, stand)
            await assert_it_leaves_from_everywhere(stand)


async def meets(stand: Stand, layout: str, ends: tuple[End, ...]) -> None:
    """Attend one meeting after the other on one page, to the end of each."""
    page = await stand.page(layout)
    for script, place, act, reason in ends:
        code = await stand.code(layout, script, seed=9)
        wish = Wish(name="Scribe", camera=False, captions=False, chat=False)
        limits = Limits(loading=3, unknown=1) if reason is EndReason.PAGE_CHANGED else Limits()
        stay = await stand.attend(code, layout, wish, page=page, limits=limits)
        if place is not None:
            await stay.in_place(place)
        if act is not None:
            await act(stand, code)
        assert await stay.over() is reason, (script, stay.observed, page.log.lines)


async def meets_languages(stand: Stand) -> None:
    """Join in other languages: dialogs, name, button, lobby, captions, removal; then an unknown meeting."""
    page = await stand.page("first")
    for language in LANGUAGES:
        code = await stand.code("first", ANY_LANGUAGE)
        wish = Wish(name="Scribe", languages=Languages(interface=language), camera=False, chat=False)
        stay = await stand.attend(code, "first", wish, page=page)
        await stay.in_place(Place.CALL)
        await stand.server.host(code, "say", who="bo", text="hello")
        await stay.until(lambda each: isinstance(each, CaptionsSeen) and bool(each.blocks))
        await stand.server.host(code, "remove")
        assert await stay.over() is EndReason.REMOVED, (language, page.log.lines)
    unknown = await stand.attend("zzz-zzzz-zzz", "first", page=page)
    assert await unknown.over() is EndReason.UNREACHABLE


async def assert_it_leaves_from_everywhere(stand: Stand) -> None:
    """While the page loads, and in the lobby; asked twice, and after the end."""
    code = await stand.code("first", "entry: {lobby: {verdict: silence}}")
    loading = await stand.attend(code, "first")
    await loading.meeting.leave()
    assert await loading.over() is EndReason.LEFT_ON_REQUEST
    assert not loading.all(PlaceSeen)
    lobby = await stand.attend(code, "first", page=loading.page)
    await lobby.in_place(Place.LOBBY)
    with pytest.raises(MeetingControlError, match="not in the call"):
        await lobby.meeting.chat("Hello")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lobby.meeting.leave)
        nursery.start_soon(lobby.meeting.leave)
    assert await lobby.over() is EndReason.LEFT_ON_REQUEST
    assert (await stand.server.guest(code))["place"] == "left"
    await lobby.meeting.leave()
    with pytest.raises(MeetingControlError):
        await lobby.meeting.microphone(on=True)


async def test_the_network_is_lost_and_returns(tmp_path: Path) -> None:
    """Then the participants and their marks are observed again; joining again after the end is a new stay."""
    async with standing(tmp_path) as stand:
        with trio.fail_after(PATIENCE):
            code = await stand.code("first", OPEN + "\ncaptions: {route: both}")
            stay = await stand.attend(code, "first", query="")
            await stay.in_place(Place.CALL)
            await stand.server.host(code, "say", who="ana", text="before")
            await stay.until(lambda each: isinstance(each, CaptionReceived) and each.message.device == "ana")
            await stand.server.host(code, "network", is_up=False)
            await stay.until(lambda each: isinstance(each, ConnectionSeen) and not each.is_up)
            await stand.server.host(code, "network", is_up=True)
            await stay.until(lambda each: isinstance(each, ConnectionSeen) and each.is_up)
            await stand.server.host(code, "say", who="bo", clip="sense")
            await stay.until(lambda each: isinstance(each, MarksSeen) and each.speaking == ("bo",))
            await stay.until(lambda each: isinstance(each, CaptionReceived) and each.message.device == "bo")
            await stand.server.host(code, "remove")
            assert await stay.over() is EndReason.REMOVED
            again = await stand.attend(code, "first", page=stay.page)
            await again.in_place(Place.CALL)
            await again.meeting.leave()
            assert await again.over() is EndReason.LEFT_ON_REQUEST

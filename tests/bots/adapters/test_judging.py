"""Where a bot is, why its stay is over and what it does next, for every combination of signs that decides."""

from itertools import combinations, product

import pytest

from orch.bots.adapters.judging import (
    ATTEMPTS,
    DOORS,
    ENDING,
    MOST,
    PRESSED,
    Stay,
    Step,
    Wanted,
    judge,
    needs_language,
)
from orch.bots.adapters.signs import BUTTONS, CHOICES, FIELDS, Sign
from orch.bots.adapters.snapshots import Item, Seen
from orch.bots.ends import ENDS, EndReason
from orch.bots.observations import Place
from orch.bots.states import Stage

NAME = "Scribe"
WANTED = Wanted(name=NAME)

#: The stages of a bot's life in which its page is in each place. A bot that joins again may be anywhere.
STAGES = {None: Stage.JOIN, Place.DOOR: Stage.JOIN, Place.LOBBY: Stage.LOBBY, Place.CALL: Stage.MEETING}
PLACES = tuple(STAGES)


def seen(
    *signs: Sign, tiles: int = 0, name: str = NAME, disabled: tuple[Sign, ...] = (), host: str = "h"
) -> Seen:
    """Return a snapshot that shows these signs, each control once."""
    items = {
        sign: (
            Item(
                n=number,
                kind="field" if sign in FIELDS else "choice" if sign in CHOICES else "button",
                label=sign,
                enabled=sign not in disabled,
                value=name if sign is Sign.NAME else "",
            ),
        )
        for number, sign in enumerate(signs)
        if sign in BUTTONS | FIELDS | CHOICES
    }
    return Seen(host=host, path="/", signs=frozenset(signs), items=items, tiles=tiles)


def stay(place: Place | None = None, *, lobby: bool = False, **attempts: int) -> Stay:
    return Stay(
        place=place, was_in_lobby=lobby, attempts={Step(step): times for step, times in attempts.items()}
    )


TOOL_BAR = (Sign.UNMUTE, Sign.CAMERA_ON, Sign.CAPTIONS_ON, Sign.CHAT, Sign.RECORD, Sign.LEAVE)


@pytest.mark.parametrize("before", PLACES)
@pytest.mark.parametrize("tiles", [0, 1, 5])
def test_the_lobby_has_the_tool_bar_and_is_no_call(before: Place | None, tiles: int) -> None:
    """Also with a preview of its own camera, and for a bot that was sent back from the call."""
    verdict = judge(seen(Sign.LOBBY, *TOOL_BAR, tiles=tiles), WANTED, stay(before))
    assert (verdict.place, verdict.step, verdict.reason) == (Place.LOBBY, None, None)


def test_the_tool_bar_alone_proves_nothing() -> None:
    assert judge(seen(*TOOL_BAR), WANTED, stay(Place.LOBBY)).place is None
    assert judge(seen(tiles=3), WANTED, stay(Place.LOBBY)).place is None
    assert judge(seen(*TOOL_BAR, tiles=1), WANTED, stay(Place.LOBBY)).place is Place.CALL


def test_in_the_call_the_tool_bar_may_hide_and_all_others_may_leave() -> None:
    assert judge(seen(tiles=2), WANTED, stay(Place.CALL)).place is Place.CALL
    assert judge(seen(Sign.LEAVE), WANTED, stay(Place.CALL)).place is Place.CALL
    assert judge(seen(), WANTED, stay(Place.CALL)).place is None


@pytest.mark.parametrize("tiles", [0, 1])
def test_a_page_with_a_join_button_is_the_door(tiles: int) -> None:
    """Also with a preview, and with buttons of the call."""
    for signs in ((Sign.JOIN,), (Sign.NAME,), (Sign.JOIN, *TOOL_BAR)):
        assert judge(seen(*signs, tiles=tiles), WANTED, stay()).place is Place.DOOR


@pytest.mark.parametrize(("place", "sign"), list(product(PLACES, ENDING)))
def test_each_end_has_a_reason_that_its_stage_allows(place: Place | None, sign: Sign) -> None:
    """The life of a bot refuses a reason that cannot arise where it is."""
    for lobby, signed_in, more in product((False, True), (False, True), ((), (Sign.SIGN_IN,))):
        wanted = Wanted(name=NAME, is_signed_in=signed_in)
        verdict = judge(seen(sign, *more), wanted, stay(place, lobby=lobby))
        assert verdict.reason is not None
        assert verdict.detail.startswith("The page ")
        assert STAGES[place] in ENDS[verdict.reason].stages, (verdict.reason, place)
        assert verdict.step is None
        if place is not Place.CALL:
            assert Stage.RECOVERY in ENDS[verdict.reason].stages


REASONS = [
    (Place.DOOR, (Sign.LOGIN_WALL, Sign.SIGN_IN), EndReason.LOGIN_REQUIRED),
    (Place.DOOR, (Sign.LOGIN_WALL,), EndReason.BLOCKED),
    (None, (Sign.CAPTCHA,), EndReason.CAPTCHA),
    (None, (Sign.BLOCKED,), EndReason.BLOCKED),
    (None, (Sign.NO_MEETING,), EndReason.UNREACHABLE),
    (None, (Sign.ENDED,), EndReason.MEETING_ENDED),
    (Place.LOBBY, (Sign.REFUSED, Sign.DENIED), EndReason.ADMISSION_DENIED),
    (Place.LOBBY, (Sign.REFUSED, Sign.UNANSWERED), EndReason.NEVER_ADMITTED),
    (Place.LOBBY, (Sign.REFUSED, Sign.ENDED), EndReason.MEETING_ENDED),
    (Place.LOBBY, (Sign.REMOVED,), EndReason.ADMISSION_DENIED),
    (Place.LOBBY, (Sign.NO_MEETING,), EndReason.MEETING_ENDED),
    (Place.CALL, (Sign.REMOVED, Sign.REJOIN), EndReason.REMOVED),
    (Place.CALL, (Sign.ENDED,), EndReason.MEETING_ENDED),
    (Place.CALL, (Sign.DISCONNECTED,), EndReason.NETWORK_LOST),
    (Place.CALL, (Sign.CAPTCHA,), EndReason.PAGE_CHANGED),
    (Place.CALL, (Sign.LEFT,), EndReason.LEFT_ON_REQUEST),
]


@pytest.mark.parametrize(("place", "signs", "reason"), REASONS)
def test_the_reason_is_what_the_page_says(
    place: Place | None, signs: tuple[Sign, ...], reason: EndReason
) -> None:
    lobby = place is Place.LOBBY
    assert judge(seen(*signs), WANTED, stay(place, lobby=lobby)).reason is reason


def test_a_refusal_without_a_reason_is_a_denial_only_after_the_lobby() -> None:
    refused = seen(Sign.REFUSED)
    assert judge(refused, WANTED, stay(Place.DOOR)).reason is EndReason.BLOCKED
    assert judge(refused, WANTED, stay(Place.DOOR, lobby=True)).reason is EndReason.ADMISSION_DENIED


def test_a_profile_with_an_account_is_signed_out_where_an_account_is_wanted() -> None:
    signed_in = Wanted(name=NAME, is_signed_in=True)
    for view in (seen(Sign.LOGIN_WALL, Sign.SIGN_IN), seen(host="accounts.google.com")):
        assert judge(view, WANTED, stay()).reason is EndReason.LOGIN_REQUIRED
        assert judge(view, signed_in, stay()).reason is EndReason.SIGNED_OUT
    assert judge(seen(host="workspace.google.com"), WANTED, stay()).reason is EndReason.UNREACHABLE


@pytest.mark.parametrize("sign", ENDING)
def test_what_is_written_in_the_call_ends_nothing(sign: Sign) -> None:
    """A participant may be called "The meeting has ended"."""
    verdict = judge(seen(sign, *TOOL_BAR, tiles=2), WANTED, stay(Place.CALL))
    assert (verdict.place, verdict.reason) == (Place.CALL, None)


def test_of_two_ends_the_one_that_says_why_counts() -> None:
    for one, other in combinations(ENDING, 2):
        first = judge(seen(one), WANTED, stay(Place.LOBBY, lobby=True))
        both = judge(seen(other, one), WANTED, stay(Place.LOBBY, lobby=True))
        assert both.detail == first.detail


QUESTIONS = {
    Sign.COOKIES: (Step.REFUSE_COOKIES, Sign.REJECT_COOKIES),
    Sign.DEVICES: (Step.USE_DEVICES, Sign.USE_DEVICES),
    Sign.RECORDING_CONSENT: (Step.AGREE, Sign.AGREE),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_before_anything_else(question: Sign) -> None:
    """Wherever it is asked; its buttons alone are no question."""
    step, button = QUESTIONS[question]
    for background in ((), (Sign.JOIN, Sign.NAME), (Sign.LOBBY,), TOOL_BAR):
        assert judge(seen(question, button, *background, tiles=1), WANTED, stay()).step is step
        assert judge(seen(button, *background, tiles=1), WANTED, stay()).step is not step
        tired = Stay(attempts={step: MOST})
        assert judge(seen(question, button, *background, tiles=1), WANTED, tired).step is not step


def test_a_bot_without_devices_uses_none() -> None:
    view = seen(Sign.DEVICES, Sign.USE_DEVICES, Sign.NO_DEVICES)
    assert judge(view, Wanted(name=NAME, camera=False), stay()).step is Step.NO_DEVICES
    assert judge(view, Wanted(name=NAME, camera=False, microphone=True), stay()).step is Step.USE_DEVICES


def test_at_the_door_it_types_its_name_then_mutes_itself_then_joins() -> None:
    door = (Sign.NAME, Sign.MUTE, Sign.CAMERA_OFF, Sign.JOIN)
    assert judge(seen(*door, name=""), WANTED, stay(Place.DOOR)).step is Step.TYPE_NAME
    assert judge(seen(*door, name="Scri"), WANTED, stay(Place.DOOR, type_name=2)).step is Step.MUTE
    assert judge(seen(*door), WANTED, stay(Place.DOOR)).step is Step.MUTE
    assert judge(seen(*door), WANTED, stay(Place.DOOR, mute=1)).step is Step.JOIN
    without = Wanted(name=NAME, camera=False)
    assert judge(seen(*door), without, stay(Place.DOOR, mute=1)).step is Step.CAMERA_OFF
    assert judge(seen(Sign.JOIN), WANTED, stay(Place.DOOR)).step is Step.JOIN
    assert judge(seen(Sign.JOIN, disabled=(Sign.JOIN,)), WANTED, stay(Place.DOOR)).step is None
    assert judge(seen(Sign.JOIN), WANTED, stay(Place.DOOR, join=MOST)).step is None


def test_in_the_call_it_sets_its_devices_its_captions_and_opens_the_chat() -> None:
    call = stay(Place.CALL)
    assert judge(seen(*TOOL_BAR, tiles=1), WANTED, call).step is Step.CAMERA_ON
    assert judge(seen(Sign.MUTE, Sign.LEAVE, tiles=1), WANTED, call).step is Step.MUTE
    loud = Wanted(name=NAME, microphone=True)
    assert judge(seen(Sign.UNMUTE, Sign.LEAVE, tiles=1), loud, call).step is Step.UNMUTE
    dark = Wanted(name=NAME, camera=False)
    assert judge(seen(*TOOL_BAR, tiles=1), dark, call).step is Step.CAPTIONS_ON
    assert judge(seen(Sign.CHAT, Sign.LEAVE, tiles=1), dark, call).step is Step.OPEN_CHAT
    assert judge(seen(Sign.CHAT, Sign.CHAT_FIELD, Sign.LEAVE, tiles=1), dark, call).step is None
    quiet = Wanted(name=NAME, camera=False, captions=False, chat=False)
    assert judge(seen(*TOOL_BAR, tiles=1), quiet, call).step is None


@pytest.mark.parametrize("step", PRESSED)
def test_no_step_is_tried_for_ever(step: Step) -> None:
    """In any view that asks for it; what the bot does without it is tried as little."""
    signs = tuple(Sign(each) for each in Sign if each not in (*ENDING, Sign.LOBBY))
    for tiles, place, camera in product((0, 1), PLACES, (False, True)):
        tried = dict.fromkeys(Step, 0)
        for _ in range(200):
            wanted = Wanted(name=NAME, camera=camera)
            verdict = judge(seen(*signs, tiles=tiles, name=""), wanted, Stay(place=place, attempts=tried))
            if verdict.step is None:
                break
            tried[verdict.step] += 1
        assert tried[step] <= ATTEMPTS.get(step, MOST)
        assert sum(tried.values()) < 60


def test_nothing_is_pressed_while_the_network_is_lost() -> None:
    verdict = judge(seen(Sign.NETWORK_LOST, *TOOL_BAR, tiles=2), WANTED, stay(Place.CALL))
    assert (verdict.is_connected, verdict.step, verdict.reason) == (False, None, None)


def test_the_captions_language_is_the_exact_code_before_another_of_the_language() -> None:
    choice = Item(
        n=1, kind="choice", label="", value="en", options=(("en", "English"), ("pt-PT", "P"), ("pt", "P"))
    )
    view = Seen(
        host="h",
        path="/",
        signs=frozenset({Sign.CAPTIONS_LANGUAGE}),
        items={Sign.CAPTIONS_LANGUAGE: (choice,)},
    )
    assert not needs_language(view, None)
    assert not needs_language(view, "en-GB")
    assert not needs_language(view, "de")
    assert needs_language(view, "pt")
    assert needs_language(view, "pt-BR")


def test_a_page_that_loads_again_and_again_is_joined_some_times() -> None:
    known = Stay()
    for _ in range(DOORS):
        known = known.moved(Place.DOOR)
        assert judge(seen(Sign.JOIN), WANTED, known).step is Step.JOIN
        known = known.moved(Place.CALL)
        assert not known.attempts
    assert judge(seen(Sign.JOIN), WANTED, known.moved(Place.DOOR)).step is None
    assert known.moved(Place.LOBBY).moved(Place.DOOR).was_in_lobby

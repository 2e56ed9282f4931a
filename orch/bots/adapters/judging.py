"""Where a bot is by what its page shows, why its stay is over, and what to do next. Pure.

Negatives come first. The lobby has the call's tool bar, a captcha's frame is on every page, and a preview of
the bot's own camera looks like a participant: none of these proves anything. The bot is in the call if
participants are shown, it can leave, and nothing says otherwise. What ends a stay counts only where no
participant is shown, because a text in the call may be a participant's.
"""

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Final

from msgspec import Struct, field

from orch.bots.adapters.signs import Sign
from orch.bots.adapters.snapshots import Item, Seen
from orch.bots.ends import EndReason
from orch.bots.observations import Place


class Step(StrEnum):
    """Something that the bot does on its page."""

    REFUSE_COOKIES = auto()
    USE_DEVICES = auto()
    NO_DEVICES = auto()
    AGREE = auto()
    DISMISS = auto()
    TYPE_NAME = auto()
    JOIN = auto()
    MUTE = auto()
    UNMUTE = auto()
    CAMERA_OFF = auto()
    CAMERA_ON = auto()
    CAPTIONS_ON = auto()
    CAPTION_LANGUAGE = auto()
    OPEN_CHAT = auto()


PRESSED: Final[Mapping[Step, Sign]] = {
    Step.REFUSE_COOKIES: Sign.REJECT_COOKIES,
    Step.USE_DEVICES: Sign.USE_DEVICES,
    Step.NO_DEVICES: Sign.NO_DEVICES,
    Step.AGREE: Sign.AGREE,
    Step.DISMISS: Sign.DISMISS,
    Step.JOIN: Sign.JOIN,
    Step.MUTE: Sign.MUTE,
    Step.UNMUTE: Sign.UNMUTE,
    Step.CAMERA_OFF: Sign.CAMERA_OFF,
    Step.CAMERA_ON: Sign.CAMERA_ON,
    Step.CAPTIONS_ON: Sign.CAPTIONS_ON,
    Step.OPEN_CHAT: Sign.CHAT,
}
"""The button of each step that presses one."""

ATTEMPTS: Final[Mapping[Step, int]] = {
    Step.TYPE_NAME: 2,
    Step.MUTE: 2,
    Step.UNMUTE: 2,
    Step.CAMERA_OFF: 2,
    Step.CAMERA_ON: 2,
    Step.OPEN_CHAT: 3,
    Step.DISMISS: 5,
}
"""How often a step is tried in one place; the others :data:`MOST`."""

MOST: Final = 4
DOORS: Final = 4
"""How often the bot joins on one page: pages load again by themselves, but not for ever."""

AT_THE_DOOR: Final = 1
"""Attempts to switch a device before the call, where the buttons may have no effect."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What the bot wants on its page. ``is_signed_in``: it runs in a profile with an account."""

    name: str
    is_signed_in: bool = False
    microphone: bool = False
    camera: bool = True
    captions: bool = True
    caption_language: str | None = None
    chat: bool = True


class Stay(Struct, frozen=True, kw_only=True):
    """What is known of the stay so far. ``attempts``: in the present place; ``doors``: times at the door."""

    place: Place | None = None
    attempts: Mapping[Step, int] = field(default_factory=dict)
    was_in_lobby: bool = False
    doors: int = 0

    def moved(self, place: Place) -> "Stay":
        """Return the stay after the page has shown the bot somewhere else."""
        return Stay(
            place=place,
            was_in_lobby=self.was_in_lobby or place is Place.LOBBY,
            doors=self.doors + (place is Place.DOOR),
        )


class Verdict(Struct, frozen=True, kw_only=True):
    """What a snapshot means. ``place`` None: it cannot be known, which may pass; ``step``: what to do."""

    place: Place | None = None
    reason: EndReason | None = None
    detail: str = ""
    step: Step | None = None
    is_connected: bool = True


_DETAILS: Final[Mapping[Sign, str]] = {
    Sign.UNANSWERED: "The page says that nobody responded to the request to join.",
    Sign.DENIED: "The page says that the request to join was denied.",
    Sign.REMOVED: "The page says that it was removed.",
    Sign.CAPTCHA: "The page asks for a captcha.",
    Sign.SIGN_IN_FIRST: "The page asks to sign in.",
    Sign.LOGIN_WALL: "The page says that it cannot join, and offers to sign in.",
    Sign.BLOCKED: "The page says that it may not join.",
    Sign.NO_MEETING: "The page says that there is no meeting at this address.",
    Sign.ENDED: "The page says that the meeting has ended.",
    Sign.LEFT: "The page says that it has left.",
    Sign.DISCONNECTED: "The page says that it was disconnected.",
    Sign.REFUSED: "The page says that it cannot join, without a reason.",
}

ENDING: Final = tuple(_DETAILS)
"""The signs that end a stay; of several, the first counts. ``REFUSED`` is behind those that say why."""

_ENTERING: Final[Mapping[Sign, EndReason]] = {
    Sign.UNANSWERED: EndReason.NEVER_ADMITTED,
    Sign.DENIED: EndReason.ADMISSION_DENIED,
    Sign.REMOVED: EndReason.ADMISSION_DENIED,
    Sign.CAPTCHA: EndReason.CAPTCHA,
    Sign.SIGN_IN_FIRST: EndReason.LOGIN_REQUIRED,
    Sign.BLOCKED: EndReason.BLOCKED,
    Sign.NO_MEETING: EndReason.UNREACHABLE,
    Sign.ENDED: EndReason.MEETING_ENDED,
    Sign.LEFT: EndReason.LEFT_ON_REQUEST,
    Sign.DISCONNECTED: EndReason.NETWORK_LOST,
}

_IN_CALL: Final[Mapping[Sign, EndReason]] = {
    Sign.UNANSWERED: EndReason.REMOVED,
    Sign.DENIED: EndReason.REMOVED,
    Sign.REFUSED: EndReason.REMOVED,
    Sign.REMOVED: EndReason.REMOVED,
    Sign.ENDED: EndReason.MEETING_ENDED,
    Sign.LEFT: EndReason.LEFT_ON_REQUEST,
    Sign.DISCONNECTED: EndReason.NETWORK_LOST,
    Sign.NO_MEETING: EndReason.MEETING_ENDED,
}
"""From the call; what is missing here makes no sense there: the page has changed."""

LOGIN_HOSTS: Final = frozenset({"accounts.google.com"})
"""Where a meeting sends those who have to sign in."""

START_HOSTS: Final = frozenset({"workspace.google.com"})
"""Where it sends guests whose meeting does not exist."""


def judge(seen: Seen, wanted: Wanted, stay: Stay) -> Verdict:
    """Return what a snapshot of the page means for a bot that has been in ``stay.place``."""
    ended = _ended(seen, wanted, stay)
    if ended is not None:
        return ended
    place = _place(seen, stay)
    is_connected = Sign.NETWORK_LOST not in seen.signs
    step = _question(seen, wanted, stay) or (_next(seen, wanted, stay, place) if is_connected else None)
    return Verdict(place=place, step=step, is_connected=is_connected)


def _ended(seen: Seen, wanted: Wanted, stay: Stay) -> Verdict | None:
    """Return why the stay is over, if the page says so."""
    if seen.host in LOGIN_HOSTS:
        return _over(Sign.SIGN_IN_FIRST, wanted, stay, seen)
    if seen.host in START_HOSTS:
        return _over(Sign.NO_MEETING, wanted, stay, seen)
    if seen.tiles and Sign.LEAVE in seen.signs:
        return None
    sign = next((each for each in ENDING if each in seen.signs), None)
    return _over(sign, wanted, stay, seen) if sign is not None else None


def _over(sign: Sign, wanted: Wanted, stay: Stay, seen: Seen) -> Verdict:
    if stay.place is Place.CALL:
        reason = _IN_CALL.get(sign, EndReason.PAGE_CHANGED)
    elif sign is Sign.LOGIN_WALL:
        can_sign_in = Sign.SIGN_IN in seen.signs
        reason = EndReason.LOGIN_REQUIRED if can_sign_in else EndReason.BLOCKED
    elif sign is Sign.REFUSED:
        reason = EndReason.ADMISSION_DENIED if stay.was_in_lobby else EndReason.BLOCKED
    else:
        reason = _ENTERING[sign]
    if reason is EndReason.LOGIN_REQUIRED:
        reason = _login(wanted, stay)
    if reason is EndReason.UNREACHABLE and stay.place is Place.LOBBY:
        reason = EndReason.MEETING_ENDED
    return Verdict(reason=reason, detail=_DETAILS[sign])


def _login(wanted: Wanted, stay: Stay) -> EndReason:
    """Return the reason where the page wants an account; from the lobby it is a refusal."""
    if stay.place is Place.LOBBY:
        return EndReason.BLOCKED
    return EndReason.SIGNED_OUT if wanted.is_signed_in else EndReason.LOGIN_REQUIRED


def _place(seen: Seen, stay: Stay) -> Place | None:
    """Return where the bot is. In the call, the tool bar may hide, and everybody else may have left."""
    signs = seen.signs
    if Sign.LOBBY in signs:
        return Place.LOBBY
    if Sign.JOIN in signs or Sign.NAME in signs:
        return Place.DOOR
    evidence = (seen.tiles > 0) + (Sign.LEAVE in signs)
    return Place.CALL if evidence > (0 if stay.place is Place.CALL else 1) else None


def _question(seen: Seen, wanted: Wanted, stay: Stay) -> Step | None:
    """Return the answer to a question that the page asks: it comes before everything else."""
    devices = Step.USE_DEVICES if wanted.microphone or wanted.camera else Step.NO_DEVICES
    for question, answer in (
        (Sign.COOKIES, Step.REFUSE_COOKIES),
        (Sign.DEVICES, devices),
        (Sign.RECORDING_CONSENT, Step.AGREE),
    ):
        if question in seen.signs and _can(answer, seen, stay):
            return answer
    return Step.DISMISS if _can(Step.DISMISS, seen, stay) else None


def _can(step: Step, seen: Seen, stay: Stay) -> bool:
    """Whether a step is possible, and has not been tried in vain."""
    sign = PRESSED.get(step)
    most = ATTEMPTS.get(step, MOST)
    return stay.attempts.get(step, 0) < most and (sign is None or seen.item(sign) is not None)


def _next(seen: Seen, wanted: Wanted, stay: Stay, place: Place | None) -> Step | None:
    if place is Place.DOOR:
        return _at_door(seen, wanted, stay) if stay.doors <= DOORS else None
    if place is Place.CALL:
        steps = (*_devices(wanted), *_in_call(seen, wanted, stay))
        return next((step for step in steps if _can(step, seen, stay)), None)
    return None


def _at_door(seen: Seen, wanted: Wanted, stay: Stay) -> Step | None:
    name = seen.item(Sign.NAME)
    if name is not None and name.value != wanted.name and _can(Step.TYPE_NAME, seen, stay):
        return Step.TYPE_NAME
    for step in _devices(wanted):
        if stay.attempts.get(step, 0) < AT_THE_DOOR and _can(step, seen, stay):
            return step
    return Step.JOIN if _can(Step.JOIN, seen, stay) else None


def _devices(wanted: Wanted) -> tuple[Step, Step]:
    """Return the presses that switch the devices as wanted; each button is there only if it is needed."""
    return (
        Step.UNMUTE if wanted.microphone else Step.MUTE,
        Step.CAMERA_ON if wanted.camera else Step.CAMERA_OFF,
    )


def _in_call(seen: Seen, wanted: Wanted, stay: Stay) -> tuple[Step, ...]:
    steps: list[Step] = []
    if wanted.captions:
        steps.append(Step.CAPTIONS_ON)
        is_tried = Step.CAPTION_LANGUAGE in stay.attempts
        if needs_language(seen, wanted.caption_language) or (has_list(seen, wanted) and not is_tried):
            steps.append(Step.CAPTION_LANGUAGE)
    if wanted.chat and Sign.CHAT_FIELD not in seen.signs:
        steps.append(Step.OPEN_CHAT)
    return tuple(steps)


def needs_language(seen: Seen, code: str | None) -> bool:
    """Whether the captions are in another language than wanted, and the page offers to change it."""
    if code is None:
        return False
    radio = chosen_radio(seen, code)
    if radio is not None:
        return not radio.on
    choice = seen.item(Sign.CAPTIONS_LANGUAGE)
    if choice is None:
        return False
    wanted = option_index(choice, code)
    return wanted is not None and choice.options[wanted][0] != choice.value


def has_list(seen: Seen, wanted: Wanted) -> bool:
    """Whether the captions' language is chosen from a list that opens; what it is now cannot be known."""
    choice = seen.item(Sign.CAPTIONS_LANGUAGE)
    return wanted.caption_language is not None and choice is not None and not choice.options


def chosen_radio(seen: Seen, code: str) -> Item | None:
    """Return the radio button of a language; None if there is none."""
    return next((each for each in seen.radios if is_language(each.value, code) and each.enabled), None)


def option_index(choice: Item, code: str) -> int | None:
    """Return the place of a language among the options of a choice; the exact code before its base."""
    values = [value for value, _ in choice.options]
    exact = next((n for n, value in enumerate(values) if value.casefold() == code.casefold()), None)
    if exact is not None:
        return exact
    return next((n for n, value in enumerate(values) if is_language(value, code)), None)


def is_language(value: str, code: str) -> bool:
    """Whether two codes are of one language, whatever the region."""
    return value.casefold().partition("-")[0] == code.casefold().partition("-")[0] != ""

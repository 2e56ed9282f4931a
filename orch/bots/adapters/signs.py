"""What a meeting's page may show, whatever its language: the meanings of texts and controls. Pure."""

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Final


class Sign(StrEnum):
    """One meaning of a text, a control or a field."""

    # Buttons before the call.
    JOIN = auto()
    REJOIN = auto()
    SIGN_IN = auto()
    REJECT_COOKIES = auto()
    USE_DEVICES = auto()
    NO_DEVICES = auto()
    AGREE = auto()
    DISMISS = auto()
    # Buttons of the call. MUTE means that the microphone is on; UNMUTE, that it is off.
    MUTE = auto()
    UNMUTE = auto()
    CAMERA_OFF = auto()
    CAMERA_ON = auto()
    CAPTIONS_ON = auto()
    CAPTIONS_OFF = auto()
    CHAT = auto()
    SEND = auto()
    RECORD = auto()
    LEAVE = auto()
    # Fields and choices.
    NAME = auto()
    CHAT_FIELD = auto()
    CAPTIONS_LANGUAGE = auto()
    # Questions.
    COOKIES = auto()
    DEVICES = auto()
    RECORDING_CONSENT = auto()
    # Texts.
    LOBBY = auto()
    UNANSWERED = auto()
    DENIED = auto()
    REFUSED = auto()
    REMOVED = auto()
    ENDED = auto()
    LEFT = auto()
    LOGIN_WALL = auto()
    SIGN_IN_FIRST = auto()
    BLOCKED = auto()
    CAPTCHA = auto()
    NO_MEETING = auto()
    DISCONNECTED = auto()
    NETWORK_LOST = auto()
    RECORDING_ON = auto()
    RECORDING_REFUSED = auto()
    # Parts of the page, and texts with a participant's name.
    CAPTIONS = auto()
    OWN_NAME = auto()
    PRESENTING = auto()
    SPEAKING = auto()


BUTTONS: Final = frozenset(
    {
        Sign.JOIN,
        Sign.REJOIN,
        Sign.SIGN_IN,
        Sign.REJECT_COOKIES,
        Sign.USE_DEVICES,
        Sign.NO_DEVICES,
        Sign.AGREE,
        Sign.DISMISS,
        Sign.MUTE,
        Sign.UNMUTE,
        Sign.CAMERA_OFF,
        Sign.CAMERA_ON,
        Sign.CAPTIONS_ON,
        Sign.CAPTIONS_OFF,
        Sign.CHAT,
        Sign.SEND,
        Sign.RECORD,
        Sign.LEAVE,
    }
)
TOOL_BAR: Final = frozenset(
    {
        Sign.MUTE,
        Sign.UNMUTE,
        Sign.CAMERA_OFF,
        Sign.CAMERA_ON,
        Sign.CAPTIONS_ON,
        Sign.CAPTIONS_OFF,
        Sign.CHAT,
        Sign.RECORD,
        Sign.LEAVE,
    }
)
"""Buttons that count while they are hidden: the call's tool bar hides while the mouse rests."""

FIELDS: Final = frozenset({Sign.NAME, Sign.CHAT_FIELD})
CHOICES: Final = frozenset({Sign.CAPTIONS_LANGUAGE})
PARTS: Final = frozenset({Sign.CAPTIONS, Sign.OWN_NAME, Sign.PRESENTING, Sign.SPEAKING})
TEXTS: Final = frozenset(Sign) - BUTTONS - FIELDS - CHOICES - PARTS

Texts = Mapping[str, Mapping[Sign, tuple[str, ...]]]
"""The alternatives of each sign, by language. ``{name}`` stands for a participant's name."""

"""The messages of the sockets between a meeting's server and its pages. Pure.

The *near* page is the one a guest sees; the *far* page has the other ends of its audio and video. Messages to
the pages are built by :mod:`room`; those of the pages are decoded here.
"""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

LONGEST_CHAT: Final = 2000


class MessageError(ValueError):
    """A page's message cannot be decoded."""


class Enter(Struct, frozen=True, tag="enter", tag_field="type"):
    """A join button was pressed."""

    name: Annotated[str, Meta(max_length=120)]


class Consented(Struct, frozen=True, tag="consent", tag_field="type"):
    """A consent dialog was answered."""

    consent: str
    is_given: bool


class CaptionsSwitched(Struct, frozen=True, tag="captions", tag_field="type"):
    """Captions were switched, or their language changed."""

    is_on: bool
    language: str


class ChatSent(Struct, frozen=True, tag="chat", tag_field="type"):
    """The guest has written a chat message."""

    text: Annotated[str, Meta(min_length=1, max_length=LONGEST_CHAT)]


class RecordRequested(Struct, frozen=True, tag="record", tag_field="type"):
    """The record button was pressed."""


class Leave(Struct, frozen=True, tag="leave", tag_field="type"):
    """The leave button was pressed."""


class Devices(Struct, frozen=True, tag="devices", tag_field="type"):
    """The guest's microphone or camera was switched."""

    microphone: bool
    camera: bool


class Signal(Struct, frozen=True, tag="signal", tag_field="type"):
    """A description or a candidate of a connection between two pages, which is passed on as it is.

    ``to``: the key of the guest whose near page gets it; None: the sender's own other page.
    """

    data: msgspec.Raw
    to: str | None = None


class Connected(Struct, frozen=True, tag="connected", tag_field="type"):
    """The far page's sound reaches the near page."""


class Played(Struct, frozen=True, tag="played", tag_field="type"):
    """A clip has begun, ``late`` seconds after its time."""

    utterance: int
    late: float


class Silenced(Struct, frozen=True, tag="silenced", tag_field="type"):
    """The far page may not play sound before a click on it."""


class Heard(Struct, frozen=True, tag="heard", tag_field="type"):
    """The guest's microphone is loud; the level is an RMS amplitude, of full scale."""

    level: float


FromNear = Enter | Consented | CaptionsSwitched | ChatSent | RecordRequested | Leave | Devices | Signal
FromFar = Signal | Connected | Played | Heard | Silenced

_NEAR: Final[msgspec.json.Decoder[FromNear]] = msgspec.json.Decoder(FromNear)
_FAR: Final[msgspec.json.Decoder[FromFar]] = msgspec.json.Decoder(FromFar)

MessageT = TypeVar("MessageT")


def decode_near(text: str) -> FromNear:
    """Return a message of the near page. Raises :class:`MessageError`."""
    return _decoded(_NEAR, text)


def decode_far(text: str) -> FromFar:
    """Return a message of the far page. Raises :class:`MessageError`."""
    return _decoded(_FAR, text)


def _decoded(decoder: msgspec.json.Decoder[MessageT], text: str) -> MessageT:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise MessageError(str(error)) from None

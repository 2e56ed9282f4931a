"""One guest of a meeting: where it is, and the queues of what is sent to its pages."""

from enum import StrEnum
from typing import Any, Final

import msgspec
import trio
from msgspec import Struct

QUEUED: Final = 4096
"""Messages that may be queued for one page. One that reads too slowly is disconnected."""


class Place(StrEnum):
    """Where a guest is; also the view that the page shows."""

    DOOR = "door"
    LOBBY = "lobby"
    CALL = "call"
    DENIED = "denied"
    REMOVED = "removed"
    ENDED = "ended"
    LEFT = "left"
    DISCONNECTED = "disconnected"


class Outbox:
    """The queue of one page's messages. A full one is closed, which ends the page's connection."""

    def __init__(self) -> None:
        self._sending, self._receiving = trio.open_memory_channel[str](QUEUED)
        self.is_open = True

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message; nothing happens if the page is gone."""
        if not self.is_open:
            return
        try:
            self._sending.send_nowait(msgspec.json.encode(message).decode())
        except (trio.WouldBlock, trio.BrokenResourceError):
            self.close()

    def close(self) -> None:
        """End the queue: what is in it is still sent."""
        self.is_open = False
        self._sending.close()

    async def next(self) -> str | None:
        """Wait for the next message; None after the last."""
        try:
            return await self._receiving.receive()
        except trio.EndOfChannel:
            return None


class GuestState(Struct, frozen=True, kw_only=True):
    """What a test can ask about a guest.

    key: opens its far page. consents: the dialogs it has answered, and how. chat: what it has written.
    received: whether its sound is connected.
    """

    key: str
    name: str
    place: Place
    has_account: bool
    captions: bool
    captions_language: str
    microphone: bool
    camera: bool
    may_record: bool | None
    consents: dict[str, bool]
    chat: list[str]
    received: bool


class Guest:
    """A guest. The mutable state is the fields; :class:`orch.sandbox.meeting.room.Room` changes them."""

    def __init__(self, key: str, near: Outbox, *, has_account: bool, captions_language: str) -> None:
        self.key = key
        self.near = near
        self.far: Outbox | None = None
        self.name = ""
        self.place = Place.DOOR
        self.has_account = has_account
        self.captions = False
        self.captions_language = captions_language
        self.microphone = False
        self.camera = False
        self.may_record: bool | None = None
        self.has_asked = False
        self.is_asking = False
        self.consents: dict[str, bool] = {}
        self.chat: list[str] = []
        self.connected = trio.Event()

    @property
    def is_in_call(self) -> bool:
        """Whether the guest takes part in the call."""
        return self.place is Place.CALL

    def state(self) -> GuestState:
        """Return the guest's state now."""
        return GuestState(
            key=self.key,
            name=self.name,
            place=self.place,
            has_account=self.has_account,
            captions=self.captions,
            captions_language=self.captions_language,
            microphone=self.microphone,
            camera=self.camera,
            may_record=self.may_record,
            consents=dict(self.consents),
            chat=list(self.chat),
            received=self.connected.is_set(),
        )

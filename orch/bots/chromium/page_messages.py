"""How a page is prepared, and the messages that it sends."""

from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from orch.bots.chromium.devtools import EventStream

LONGEST_MESSAGE: Final = 256 * 1024
"""Characters of one message of a page through a binding; a longer one is dropped and counted."""


LOOPBACK: Final = "loopbackNetwork"
"""The permission to connect to this machine. Since version 147, Chromium refuses a page of the internet a
WebSocket to it without that (Local Network Access), also where the page's own policy is bypassed."""


class PageOptions(Struct, frozen=True, kw_only=True):
    """How a page is prepared before it is opened.

    ``scripts``: sources evaluated in the page's world in each new document before the page's own scripts, in
    all frames. ``world_scripts``: the same, in the isolated world. ``bindings``: names of functions
    ``NAME(text)`` that send a text to :meth:`Page.messages`; the page can call them too, so a message proves
    nothing about its sender. ``world_bindings``: the same in the isolated world alone, where the page cannot
    call them. ``permissions``: of the DevTools type PermissionType.
    """

    scripts: tuple[str, ...] = ()
    world_scripts: tuple[str, ...] = ()
    bindings: tuple[str, ...] = ()
    world_bindings: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ("audioCapture", "videoCapture", LOOPBACK)
    width: int = 1280
    height: int = 720


class Message(Struct, frozen=True):
    """A text that a page has sent through a binding."""

    name: str
    text: str


class Messages:
    """The messages of one binding. ``lost``: how many there was no room for, or were too long."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._too_long = 0

    @property
    def lost(self) -> int:
        """How many messages are missing among those read so far."""
        return self._stream.lost + self._too_long

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while True:
            params = (await self._stream.receive()).params
            text = params.get("payload")
            if isinstance(text, str) and len(text) <= LONGEST_MESSAGE:
                return Message(str(params.get("name", "")), text)
            self._too_long += 1

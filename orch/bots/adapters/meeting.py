"""What can be done in a meeting that a bot attends: leave, write, switch. Each ends within some seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio
from msgspec.structs import replace

from orch.bots.adapters.hands import Hands, is_momentary
from orch.bots.adapters.judging import needs_language
from orch.bots.adapters.presence import Presence
from orch.bots.adapters.sightings import Sightings
from orch.bots.adapters.signs import Sign
from orch.bots.adapters.snapshots import Item, Seen, normal
from orch.bots.chromium.errors import BrowserError
from orch.bots.observations import Place

LONGEST_CHAT: Final = 2000
"""Characters of a chat message."""

LEAVING: Final = 10.0
"""Seconds that leaving may take; the caller then closes the page."""

BUSY: Final = 10.0
"""Seconds that one command may take in all."""

APPEARING: Final = 3.0
"""Seconds that what a command opens or switches may take to be seen."""

_LOOKS: Final = 0.1


class MeetingControlError(Exception):
    """Something could not be done in the meeting; the text is a sentence for people."""


class Meeting:
    """A meeting that is attended. Its methods may be called from any task, several at a time.

    Error handling: MeetingControlError where the page does not offer something, or does not follow in time.
    """

    def __init__(self, hands: Hands, presence: Presence, sightings: Sightings) -> None:
        self._hands = hands
        self._presence = presence
        self._sightings = sightings

    @property
    def place(self) -> Place | None:
        """Where the bot is; None until the page shows it."""
        return self._presence.place

    async def leave(self) -> None:
        """Leave, wherever the bot is; before the call, it does not join any more.

        It returns when the stay is over, at the latest after :data:`LEAVING` seconds.
        """
        self._presence.leave()
        with trio.move_on_after(LEAVING):
            await self._presence.ended.wait()

    async def chat(self, text: str) -> None:
        """Write a message of at most :data:`LONGEST_CHAT` characters to everyone."""
        if not text.strip():
            raise MeetingControlError("A chat message needs a text.")
        if len(text) > LONGEST_CHAT:
            raise MeetingControlError(
                f"A chat message has at most {LONGEST_CHAT} characters; this one has {len(text)}."
            )
        with _bounded("The message could not be written"):
            async with self._hands.lock:
                field = await self._chat_field()
                self._sightings.wrote(text)
                await self._hands.write(field, text)
                await self._hands.enter()
                if await self._until(lambda seen: _is_empty(seen, field.n)):
                    return
                seen = await self._in_call()
                if (button := seen.item(Sign.SEND)) is not None:
                    await self._hands.press(button)
                if not await self._until(lambda seen: _is_empty(seen, field.n)):
                    raise MeetingControlError("The chat did not accept the message.")

    async def _chat_field(self) -> Item:
        """Return the field for messages; the chat is opened for it."""
        seen = await self._in_call()
        if (field := seen.item(Sign.CHAT_FIELD)) is not None:
            return field
        await self._hands.press(_needed(seen, Sign.CHAT, "The page has no button that opens the chat."))
        await self._until(lambda seen: seen.item(Sign.CHAT_FIELD) is not None)
        return _needed(await self._in_call(), Sign.CHAT_FIELD, "The chat has no field for messages.")

    async def caption_language(self, code: str) -> None:
        """Have the meeting's captions in another language."""
        with _bounded(f"The captions' language could not be set to {code}"):
            seen = await self._in_call()
            if not seen.radios and seen.item(Sign.CAPTIONS_LANGUAGE) is None:
                raise MeetingControlError("The page does not offer to change the captions' language.")
            self._presence.want(replace(self._presence.wanted, caption_language=code))
            async with self._hands.lock:
                is_chosen = await self._hands.choose_language(await self._in_call(), code)
                if not is_chosen or not await self._until(lambda seen: not needs_language(seen, code)):
                    raise MeetingControlError(f"The captions' language did not change to {code}.")

    async def microphone(self, *, on: bool) -> None:
        """Switch the microphone in the meeting."""
        with _bounded("The microphone could not be switched"):
            self._presence.want(replace(self._presence.wanted, microphone=on))
            done, button = (Sign.MUTE, Sign.UNMUTE) if on else (Sign.UNMUTE, Sign.MUTE)
            async with self._hands.lock:
                seen = await self._in_call()
                if done in seen.signs:
                    return
                await self._hands.press(_needed(seen, button, "The page has no button for the microphone."))
                if not await self._until(lambda seen: done in seen.signs):
                    raise MeetingControlError("The microphone did not follow.")

    async def ask_recording(self) -> None:
        """Ask the host to allow the recording; the answer is observed as ``RecordingAnswered``."""
        with _bounded("The recording could not be asked for"):
            async with self._hands.lock:
                seen = await self._in_call()
                button = _needed(seen, Sign.RECORD, "The page has no button that asks for the recording.")
                self._sightings.asked()
                await self._hands.press(button)

    async def _in_call(self) -> Seen:
        """Return what the page shows now. MeetingControlError outside of the call."""
        seen = await self._hands.look()
        if seen is None or self._presence.place is not Place.CALL or self._presence.ended.is_set():
            raise MeetingControlError("The bot is not in the call.")
        return seen

    async def _until(self, holds: Callable[[Seen], bool]) -> bool:
        """Wait until the page shows something; False after :data:`APPEARING` seconds."""
        with trio.move_on_after(APPEARING):
            while True:
                seen = await self._hands.look()
                if seen is not None and holds(seen):
                    return True
                await trio.sleep(_LOOKS)
        return False


@contextmanager
def _bounded(words: str) -> Iterator[None]:
    """Limit a command to :data:`BUSY` seconds; a control that cannot be used is a MeetingControlError."""
    try:
        with trio.move_on_after(BUSY) as scope:
            yield
    except BrowserError as error:
        if not is_momentary(error):
            raise
        raise MeetingControlError(f"{words}: {error}") from error
    if scope.cancelled_caught:
        raise MeetingControlError(f"{words} within {BUSY:g} s.")


def _needed(seen: Seen, sign: Sign, words: str) -> Item:
    item = seen.item(sign)
    if item is None:
        raise MeetingControlError(words)
    return item


def _is_empty(seen: Seen, number: int) -> bool:
    """Whether a field has no text, or is gone with its panel."""
    field = next((each for each in seen.items.get(Sign.CHAT_FIELD, ()) if each.n == number), None)
    return field is None or normal(field.value) == ""

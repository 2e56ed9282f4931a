"""What a bot does on its page: it looks, presses and types, as a person would."""

from typing import Final

import trio

from orch.bots.adapters.adapter import Adapter
from orch.bots.adapters.judging import chosen_radio, option_index
from orch.bots.adapters.signs import Sign
from orch.bots.adapters.snapshots import Item, Seen, State, decode
from orch.bots.chromium.errors import BrowserError, ContextGoneError, ElementError, ScriptError
from orch.bots.chromium.page import Page

ELEMENT: Final = "(number) => globalThis.orchPage?.element(number)"
LOOK: Final = "() => JSON.stringify(globalThis.orchPage?.look() ?? null)"
FOCUS: Final = "(number) => globalThis.orchPage?.focus(number) ?? -1"
RESEND: Final = "() => globalThis.orchPage?.resend()"
NAMES: Final = """(code) => [document.documentElement.lang || "en", "en", code].map((language) => {
  try {
    return new Intl.DisplayNames([language], { type: "language" }).of(code) ?? "";
  } catch {
    return "";
  }
})"""
"""A language's names: in the page's language, in English, in its own."""

MIDDLE: Final = (640.0, 400.0)
"""Where the mouse is moved to, so that a tool bar that has hidden itself is shown."""

OPENING: Final = 2.0
"""Seconds that a list of options may take to open."""

_LOOKS: Final = 0.05


class Hands:
    """Looks at the page and uses its controls. One task at a time uses them (:attr:`lock`).

    Error handling: :class:`ElementError` where a control cannot be used now; what the page's own errors are.
    """

    def __init__(self, page: Page, adapter: Adapter) -> None:
        self._page = page
        self._reader = adapter.reader
        self._line_break = adapter.chat.line_break
        self.lock = trio.Lock()

    def read(self, state: State) -> Seen:
        """Return the signs of a snapshot."""
        return self._reader.read(state)

    async def look(self) -> Seen | None:
        """Return what the page shows now; None while there is no document to look at."""
        try:
            text = await self._page.call(LOOK)
        except (ContextGoneError, ScriptError):
            return None
        state = decode(text) if isinstance(text, str) else None
        return self._reader.read(state) if isinstance(state, State) else None

    async def resend(self) -> None:
        """Have the page send everything again, because messages were lost."""
        try:
            await self._page.call(RESEND)
        except (ContextGoneError, ScriptError):
            return  # a new document sends everything by itself

    async def press(self, item: Item) -> None:
        """Press a control. ElementError if it is gone, hidden, disabled or covered."""
        self.log(f"presses {item.label!r}")
        try:
            await self._page.click(ELEMENT, item.n)
        except ElementError as error:
            if error.state != "hidden":
                raise
            await self._page.move(*MIDDLE)
            await self._page.click(ELEMENT, item.n)

    async def type_text(self, item: Item, text: str) -> None:
        """Replace a field's text."""
        self.log(f"types into {item.label!r}")
        await self._page.type_text(ELEMENT, text, item.n)

    async def write(self, field: Item, text: str) -> None:
        """Replace the text of the chat's field."""
        await self.type_text(field, self._line_break.join(text.splitlines()))

    async def enter(self) -> None:
        """Press the Enter key."""
        await self._page.press("Enter", 13)

    def log(self, words: str) -> None:
        """Store a line for the evidence."""
        self._page.log.add("bot", words)

    async def choose_language(self, seen: Seen, code: str) -> bool:
        """Choose the captions' language where the page offers it: radio buttons, a select, or a list.

        Returns whether there was such a language to choose.
        """
        radio = chosen_radio(seen, code)
        choice = seen.item(Sign.CAPTIONS_LANGUAGE)
        if radio is not None:
            await self.press(radio)
            return True
        if choice is None:
            return False
        return await (self._select(choice, code) if choice.options else self._pick(choice, code))

    async def _select(self, choice: Item, code: str) -> bool:
        """Move a select's choice with the arrow keys: its pop-up is outside of the page."""
        wanted = option_index(choice, code)
        at = await self._page.call(FOCUS, choice.n)
        if wanted is None or not isinstance(at, int) or at < 0:
            return False
        self.log(f"chooses {choice.options[wanted][1]!r} in {choice.label!r}")
        key, number = ("ArrowDown", 40) if wanted > at else ("ArrowUp", 38)
        for _ in range(abs(wanted - at)):
            await self._page.press(key, number)
        return True

    async def _pick(self, choice: Item, code: str) -> bool:
        """Open a list and press the language's option; close it if there is none."""
        names = [str(each).casefold() for each in await self._page.call(NAMES, code) if each]
        await self.press(choice)
        with trio.move_on_after(OPENING):
            while True:
                seen = await self.look()
                for option in seen.options if seen is not None else ():
                    if any(option.label.casefold().startswith(name) for name in names):
                        await self.press(option)
                        return True
                await trio.sleep(_LOOKS)
        await self._page.press("Escape", 27)
        return False


def is_momentary(error: BrowserError) -> bool:
    """Whether an error is of one control or document, so that a later attempt may succeed."""
    return isinstance(error, ElementError | ContextGoneError | ScriptError)

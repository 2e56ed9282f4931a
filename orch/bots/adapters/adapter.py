"""What an adapter is: where things are on a page, what its texts mean, and the scripts that observe it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from orch.bots.adapters.signs import Sign, Texts
from orch.bots.adapters.snapshots import Reader, affixes, alternatives

_PAGE: Final = Path(__file__).parents[1] / "page"

STATE_BINDING: Final = "orchState"
"""The function of the isolated world by which the observer sends snapshots; the page cannot call it."""

SIGNALS_BINDING: Final = "orchSignals"
"""The same for participants, marks, captions and chat."""

CHANNEL_BINDING: Final = "orchCaption"
"""The function by which the data channel's captions arrive. Its script hides it from the page."""

ATTRIBUTES: Final = (
    "hidden",
    "class",
    "open",
    "disabled",
    "aria-label",
    "aria-pressed",
    "aria-checked",
    "aria-disabled",
    "aria-hidden",
    "role",
    "data-is-muted",
    "data-is-speaking",
    "data-talking",
)
"""Attributes whose changes are looked at. Styles are not among them: animations would never end."""


class Tile(Struct, frozen=True, kw_only=True):
    """A participant on the page. ``find``, ``own``, ``mark``: selectors; ``id``, ``name``: where to read it.

    What is read is ``@attribute``, ``<`` (the element before), ``.`` (the element itself) or a selector; the
    first that gives a text counts. ``prefix``: what the id begins with. ``own``: it is the bot; ``mark``: it
    is marked as speaking, if the element has no label or one of the sign SPEAKING.
    """

    find: str
    id: tuple[str, ...]
    name: tuple[str, ...]
    own: str
    mark: str
    prefix: str = ""


class CaptionsPlace(Struct, frozen=True, kw_only=True):
    """Where captions are. Without ``block`` (or where it finds none) blocks are known by their structure.

    Without ``name`` it is the last text of a block's first part. The words are the last part.
    """

    region: str
    block: str = ""
    name: tuple[str, ...] = ()
    is_labelled: bool = False


class ChatPlace(Struct, frozen=True, kw_only=True):
    """Where chat messages are: the list, a message, and where in it to read its parts.

    ``line_break``: what separates lines of a message that is written; not each field has lines.
    """

    lines: str
    line: str
    id: tuple[str, ...]
    sender: tuple[str, ...]
    text: tuple[str, ...]
    line_break: str = "\n"


class Adapter(Struct, frozen=True, kw_only=True):
    """One kind of page. ``excluded``: a selector of all that shows what participants write or are called.

    ``icons``: elements whose text is the name of an icon; ``hints``: attributes that label a field;
    ``opens_chat``: the chat can only be read while its panel is open; ``language_field``: the field of the
    URL's query that sets the interface's language.
    """

    name: str
    texts: Texts
    tile: Tile
    captions: CaptionsPlace
    chat: ChatPlace
    excluded: str
    icons: str = ".google-symbols, .material-icons, .material-icons-extended"
    hints: tuple[str, ...] = ()
    opens_chat: bool = True
    language_field: str = "hl"
    default_language: str = "en"

    @property
    def reader(self) -> Reader:
        """What finds the signs of this adapter's snapshots."""
        return _reader(self.name, _Held(self.texts))

    @property
    def world_bindings(self) -> tuple[str, ...]:
        """Names for :attr:`PageOptions.world_bindings`."""
        return (STATE_BINDING, SIGNALS_BINDING)

    @property
    def bindings(self) -> tuple[str, ...]:
        """Names for :attr:`PageOptions.bindings`."""
        return (CHANNEL_BINDING,)

    @property
    def world_scripts(self) -> tuple[str, ...]:
        """Sources for :attr:`PageOptions.world_scripts`: the page's observer."""
        layout = msgspec.json.encode(self._layout()).decode()
        return (f"({_source('observer.js')})({layout});",)

    @property
    def scripts(self) -> tuple[str, ...]:
        """Sources for :attr:`PageOptions.scripts`, in the page's world: the data channel's captions."""
        return (f"({_source('caption_channel.js')})({msgspec.json.encode(CHANNEL_BINDING).decode()});",)

    def _layout(self) -> Mapping[str, Any]:
        labels = alternatives(self.texts, Sign.CAPTIONS) if self.captions.is_labelled else ()
        return {
            "bindings": {"state": STATE_BINDING, "signals": SIGNALS_BINDING},
            "attributes": ATTRIBUTES,
            "excluded": self.excluded,
            "icons": self.icons,
            "hints": self.hints,
            "speaking": affixes(self.texts, Sign.SPEAKING),
            "tile": {
                "find": self.tile.find,
                "id": self.tile.id,
                "prefix": self.tile.prefix,
                "name": self.tile.name,
                "self": self.tile.own,
                "mark": self.tile.mark,
            },
            "captions": {
                "region": self.captions.region,
                "labels": [each.casefold() for each in labels],
                "block": self.captions.block,
                "name": self.captions.name,
            },
            "chat": {
                "lines": self.chat.lines,
                "line": self.chat.line,
                "id": self.chat.id,
                "sender": self.chat.sender,
                "text": self.chat.text,
            },
        }

    def url(self, url: str, language: str) -> str:
        """Return a meeting's URL with the interface in a language whose texts are known."""
        base = language.partition("-")[0].casefold()
        chosen = base if base in self.texts else self.default_language
        parts = urlsplit(url)
        others = [
            (key, value)
            for key, value in parse_qsl(parts.query, keep_blank_values=True)
            if key != self.language_field
        ]
        return urlunsplit(parts._replace(query=urlencode([*others, (self.language_field, chosen)])))


class _Held:
    """A table as a key of a cache: tables are compared by identity."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    def __hash__(self) -> int:
        return id(self.texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.texts is self.texts


@cache
def _reader(name: str, held: _Held) -> Reader:
    del name
    return Reader(held.texts)


@cache
def _source(name: str) -> str:
    """Return a script without the comments before it, so that it is one expression."""
    text = (_PAGE / name).read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("//"))

"""What the page's observer sends, and which signs a snapshot of the page shows. Pure.

A label is compared without case, punctuation at its end, shortcuts and counts: "Turn on captions (c)" and
"Chat with everyone - New message" are the buttons of their first words. A text has to be one of the table's
as a whole: participants may say, and be called, anything.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct, field

from orch.bots.adapters.signs import BUTTONS, CHOICES, FIELDS, TEXTS, TOOL_BAR, Sign, Texts


class Item(Struct, frozen=True, kw_only=True):
    """A control. ``n``: its number, the same as long as the page keeps it.

    ``kind``: button, field, choice, radio or option. ``shown``: it is visible, and does not only have a
    place; ``dialog``: it is in a dialog. ``value``: of a field or
    choice; ``options``: of a choice, value and text; ``on``, ``group``: of a radio button.
    """

    n: int
    kind: str
    label: str
    shown: bool = True
    enabled: bool = True
    dialog: bool = False
    value: str = ""
    options: tuple[tuple[str, str], ...] = ()
    on: bool = False
    group: str = ""


class State(Struct, frozen=True, kw_only=True, tag_field="k", tag="state"):
    """A snapshot of the page's controls and texts. ``tiles``: how many participants are shown."""

    host: str
    path: str
    items: tuple[Item, ...] = ()
    texts: tuple[str, ...] = ()
    tiles: int = 0
    captions: bool = False


class PeopleSent(Struct, frozen=True, tag_field="k", tag="people"):
    """Participants: id, name, whether the page marks it as the bot itself."""

    people: tuple[tuple[str, str, bool], ...]


class MarksSent(Struct, frozen=True, tag_field="k", tag="marks"):
    """Ids of those who are marked as speaking."""

    ids: tuple[str, ...]


class OwnersSent(Struct, frozen=True, tag_field="k", tag="owners"):
    """Tracks with the participants in whose tiles they are played."""

    owners: tuple[tuple[str, str], ...]


class CaptionsSent(Struct, frozen=True, tag_field="k", tag="captions"):
    """Caption blocks: key, speaker, text."""

    blocks: tuple[tuple[str, str, str], ...]


class ChatSent(Struct, frozen=True, tag_field="k", tag="chat"):
    """A chat message."""

    id: str
    sender: str
    text: str


Sent = State | PeopleSent | MarksSent | OwnersSent | CaptionsSent | ChatSent

_DECODER: Final[msgspec.json.Decoder[Sent]] = msgspec.json.Decoder(Sent)


def decode(text: str) -> Sent | None:
    """Return a message of the observer; None if it is none, as a page that breaks its own words may cause."""
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


_SHORTCUT: Final = re.compile(r"\s*[(\uff08][^()\uff08\uff09]{1,30}[)\uff09]\s*\Z")
_ENDS: Final = " .…!?:,;。\uff01\uff1f\uff1a،؟\u200e\u200f"
_BEHIND: Final = re.compile(r"\s+[-\u2013\u2014\u00b7|]\s+.*\Z")


def normal(text: str) -> str:
    """Return a text in the form in which texts are compared.

    >>> normal("You can\u2019t  join this call.") == normal("you can't join this call")
    True
    """
    return " ".join(text.replace("\u2019", "'").replace("\u2026", " ").casefold().split()).strip(_ENDS)


def _labels(text: str) -> Iterable[str]:
    """Yield what a control's label may say, from the whole label to its first words."""
    yield normal(text)
    yield normal(_SHORTCUT.sub("", text))
    yield normal(_BEHIND.sub("", text))


class Seen(Struct, frozen=True, kw_only=True):
    """The signs of a snapshot. ``items``: the controls of each, those that can be used first."""

    host: str
    path: str
    signs: frozenset[Sign]
    items: Mapping[Sign, tuple[Item, ...]] = field(default_factory=dict)
    radios: tuple[Item, ...] = ()
    options: tuple[Item, ...] = ()
    presenting: str = ""
    tiles: int = 0
    is_empty: bool = False

    def item(self, sign: Sign) -> Item | None:
        """Return the control of a sign that can be used, one in a dialog before others; None without any."""
        found = [each for each in self.items.get(sign, ()) if each.enabled]
        return next((each for each in found if each.dialog), found[0] if found else None)


class Reader:
    """Finds the signs of snapshots by a table of texts, in all its languages at once."""

    def __init__(self, texts: Texts) -> None:
        self._buttons = _rows(texts, BUTTONS)
        self._fields = _rows(texts, FIELDS)
        self._choices = _rows(texts, CHOICES)
        self._texts = _rows(texts, TEXTS)
        self.own_names = frozenset(normal(each) for each in alternatives(texts, Sign.OWN_NAME))
        self._presenting = affixes(texts, Sign.PRESENTING)

    def read(self, state: State) -> Seen:
        """Return the signs of a snapshot."""
        items: dict[Sign, list[Item]] = {}
        for item in state.items:
            for sign in self._signs_of(item):
                items.setdefault(sign, []).append(item)
        signs = set(items)
        presenting = ""
        for text in state.texts:
            signs |= self._texts.get(normal(text), frozenset())
            presenting = presenting or self._presenter(text)
        return Seen(
            host=state.host,
            path=state.path,
            signs=frozenset(signs),
            items={sign: tuple(found) for sign, found in items.items()},
            radios=tuple(each for each in state.items if self._is_caption_language(each)),
            options=tuple(each for each in state.items if each.kind == "option"),
            presenting=presenting,
            tiles=state.tiles,
            is_empty=not state.items and not state.texts,
        )

    def _signs_of(self, item: Item) -> frozenset[Sign]:
        rows = {"button": self._buttons, "field": self._fields, "choice": self._choices}.get(item.kind)
        if rows is None:
            return frozenset()
        found = next((rows[label] for label in _labels(item.label) if label in rows), frozenset[Sign]())
        if not item.shown:
            return found & TOOL_BAR
        return found if item.dialog else found - {Sign.DISMISS}

    def _is_caption_language(self, item: Item) -> bool:
        return item.kind == "radio" and Sign.CAPTIONS_LANGUAGE in self._choices.get(
            normal(item.group), frozenset()
        )

    def _presenter(self, text: str) -> str:
        for before, after in self._presenting:
            if len(text) > len(before) + len(after) and text.startswith(before) and text.endswith(after):
                return text[len(before) : len(text) - len(after)].strip()
        return ""


def alternatives(texts: Texts, sign: Sign) -> tuple[str, ...]:
    """Return all alternatives of a sign, of all languages, each once."""
    return tuple(dict.fromkeys(each for rows in texts.values() for each in rows.get(sign, ())))


def affixes(texts: Texts, sign: Sign) -> tuple[tuple[str, str], ...]:
    """Return what stands before and behind the name in a sign's alternatives."""
    found = []
    for each in alternatives(texts, sign):
        before, _, after = each.partition("{name}")
        found.append((before, after))
    return tuple(found)


def _rows(texts: Texts, signs: frozenset[Sign]) -> dict[str, frozenset[Sign]]:
    found: dict[str, frozenset[Sign]] = {}
    for rows in texts.values():
        for sign, alternative in rows.items():
            for each in alternative if sign in signs else ():
                found[normal(each)] = found.get(normal(each), frozenset()) | {sign}
    return found

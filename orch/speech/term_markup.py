"""Names and terms as mark-up in a text, for the APIs that leave marked parts as they are. Pure.

Each term is an element with its number; the text around it is escaped. In the response the contents of the
elements are replaced, whatever the server made of them; other mark-up is removed.
"""

import re
from collections.abc import Sequence
from html import escape, unescape
from typing import Final

from orch.speech.terms import Match

# XML 1.0 has no other control characters, not even escaped.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
_TAG: Final = re.compile(r"<[^<>]*>")


def as_elements(text: str, found: Sequence[Match], *, tag: str, attributes: str = "") -> str:
    """Return a text with each term as an element, as XML and HTML have it.

    >>> as_elements("a Rose & b", [Match(2, 6, "Rose")], tag="x")
    'a <x id="0">Rose</x> &amp; b'
    """
    parts: list[str] = []
    end = 0
    for number, match in enumerate(found):
        parts.append(_escaped(text[end : match.begin]))
        parts.append(f'<{tag} id="{number}"{attributes}>{_escaped(match.translated)}</{tag}>')
        end = match.end
    return "".join((*parts, _escaped(text[end:])))


def from_elements(translation: str, found: Sequence[Match], *, tag: str) -> str:
    """Return a translation as plain text, with the terms in place of their elements."""
    element = re.compile(rf'<{tag}\b[^<>]*?\bid="(\d+)"[^<>]*>(.*?)</{tag}\s*>', re.DOTALL)
    parts: list[str] = []
    end = 0
    for each in element.finditer(translation):
        number = int(each[1]) if len(each[1]) < len(f"{len(found)}") + 1 else len(found)
        parts.append(_plain(translation[end : each.start()]))
        parts.append(found[number].translated if number < len(found) else _plain(each[2]))
        end = each.end()
    return "".join((*parts, _plain(translation[end:])))


def _escaped(text: str) -> str:
    return escape(_CONTROL.sub(" ", text), quote=False)


def _plain(text: str) -> str:
    return unescape(_TAG.sub("", text))

"""Trims a page's HTML to what helps to see why a bot did not understand it. Pure.

Kept: elements, texts, roles, labels, data attributes. Left out: scripts, styles, drawings, comments,
addresses' queries (they hold tokens), ``data:`` and ``blob:`` addresses, what was typed into fields, long
attributes.
"""

import re
from html import escape
from html.parser import HTMLParser
from typing import Final

LARGEST: Final = 200_000
"""Maximum bytes of the trimmed HTML, in UTF-8."""

LONGEST_TEXT: Final = 2_000
"""Characters of one text."""
LONGEST_VALUE: Final = 300
"""Characters of one attribute."""

CUT: Final = "\n<!-- cut: the page is larger -->\n"

_PART: Final = 100_000
"""Characters that are parsed before looking whether there is room for more."""

#: Elements that are left out with all that is in them.
_OMITTED: Final = frozenset({"script", "style", "svg", "noscript", "template", "canvas", "object", "math"})
_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_NO_ELEMENT: Final = frozenset({"link", "base", "source", "track"})
_NO_ATTRIBUTE: Final = re.compile(r"on\w+|style|srcset|nonce|integrity|srcdoc|d|jsdata|jscontroller|value")
_ADDRESSES: Final = frozenset({"href", "src", "action", "formaction", "poster", "cite", "content"})
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)
_SPACES: Final = re.compile(r"\s+")


def trimmed(html: str, *, largest: int = LARGEST) -> str:
    """Return the HTML trimmed, at most ``largest`` bytes in UTF-8; :data:`CUT` ends what is too long.

    Any text is accepted: broken HTML is read as far as it can be.
    """
    trimmer = _Trimmer(largest - len(CUT))
    for start in range(0, len(html), _PART):
        if trimmer.is_full:
            break
        trimmer.feed(html[start : start + _PART])
    else:
        trimmer.close()
    return trimmer.text


class _Trimmer(HTMLParser):
    def __init__(self, room: int) -> None:
        super().__init__(convert_charrefs=True)
        self._room = max(0, room)
        self._parts: list[str] = []
        self._omitted: list[str] = []
        self.is_full = False

    @property
    def text(self) -> str:
        """What has been kept."""
        return "".join([*self._parts, CUT] if self.is_full else self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element's start, or begin to leave it out."""
        if self._omitted:
            if tag == self._omitted[-1]:
                self._omitted.append(tag)
        elif tag in _OMITTED:
            self._omitted.append(tag)
        elif tag not in _NO_ELEMENT:
            shown = "".join(_attribute(name, value) for name, value in attrs)
            self._add(f"<{tag}{shown}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element without content."""
        if not self._omitted and tag not in _OMITTED:
            self.handle_starttag(tag, attrs)
            if tag not in _VOID:
                self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Keep an element's end, or end leaving it out."""
        if self._omitted:
            if tag == self._omitted[-1]:
                self._omitted.pop()
        elif tag not in _VOID:
            self._add(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Keep a text, with single spaces."""
        if self._omitted:
            return
        text = _SPACES.sub(" ", data)
        if len(text) > LONGEST_TEXT:
            text = text[:LONGEST_TEXT] + "…"
        if text != " ":
            self._add(escape(text, quote=False))

    def _add(self, piece: str) -> None:
        size = len(piece.encode("utf-8", "replace"))
        if self.is_full or size > self._room:
            self.is_full = True
            return
        self._room -= size
        self._parts.append(piece.encode("utf-8", "replace").decode())


def _attribute(name: str, value: str | None) -> str:
    """Return an attribute as it is kept, "" if it is not."""
    if _NO_ATTRIBUTE.fullmatch(name):
        return ""
    if value is None:
        return f" {name}"
    if value.lstrip().lower().startswith(("data:", "blob:", "javascript:")):
        value = value.lstrip().partition(":")[0] + ":…"
    elif name in _ADDRESSES:
        value = _QUERY.sub("?…", value)
    if len(value) > LONGEST_VALUE:
        value = value[:LONGEST_VALUE] + "…"
    return f' {name}="{escape(value)}"'

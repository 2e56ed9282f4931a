"""Removes the comments from scripts and styles that are sent to browsers. Pure.

Comments are a quarter of a script's bytes, compressed. Only those that have their lines to themselves are
removed; the empty lines stay, so that a browser names the same line as the file. What might be inside a
template string is left as it is, and so are comments that begin with ``/*!``, which hold licences.
"""

from typing import Final

_LICENCE: Final = "/*!"


def without_comments(source: str, *, has_line_comments: bool) -> str:
    """Return a source without the comments that have their lines to themselves.

    ``has_line_comments``: those that begin with ``//``, too.
    """
    lines = source.split("\n")
    kept: list[str] = []
    backquotes = 0  # in the code so far: an odd number means that a template string is open
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        end = _end(lines, at, has_line_comments=has_line_comments) if backquotes % 2 == 0 else None
        if end is None:
            kept.append(lines[at])
            backquotes += line.count("`") - line.count("\\`")
            at += 1
        else:
            kept += [""] * (end - at)
            at = end
    return "\n".join(kept)


def _end(lines: list[str], begin: int, *, has_line_comments: bool) -> int | None:
    """Return the line after a comment that begins in a line and has its lines to itself, or None."""
    first = lines[begin].strip()
    if first.startswith("//") and has_line_comments:
        return begin + 1
    if not first.startswith("/*") or first.startswith(_LICENCE):
        return None
    for at in range(begin, len(lines)):
        text = lines[at].strip()
        closing = text.find("*/", 2 if at == begin else 0)
        if closing >= 0:
            return at + 1 if closing == len(text) - 2 else None
    return None

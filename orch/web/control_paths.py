"""Tells in a microsecond that a path can be none of the application's: most are of back ends. Pure."""

from collections.abc import Iterable
from typing import Final

_SEGMENTS: Final = 2


class ControlPaths:
    """The beginnings of an application's rules: up to two whole segments, as far as a rule has no variable.

    ``rules``: as werkzeug writes them, such as ``/api/sessions/<session_id>``.
    """

    def __init__(self, rules: Iterable[str]) -> None:
        self._beginnings = frozenset(map(_beginning, rules))

    def may_have(self, path: str) -> bool:
        """Return False if no rule can match ``path``, nor redirect it. True: look it up."""
        if "//" in path:
            return True  # redirected to the path without
        segments = path.split("/", _SEGMENTS + 1)[1 : _SEGMENTS + 1]
        return any(tuple(segments[:count]) in self._beginnings for count in range(len(segments) + 1))


def _beginning(rule: str) -> tuple[str, ...]:
    fixed, variable, _ = rule.partition("<")
    segments = fixed.split("/")[1:]
    if variable:
        segments.pop()  # it goes on in the variable
    return tuple(segments[:_SEGMENTS])

"""Answers about series, at once."""

from typing import Any

from orch.analytics.queries import SeriesAnswer, answer_in_parts


def answer(*asked: Any, **options: Any) -> SeriesAnswer:
    """Return the answer of :func:`answer_in_parts`."""
    parts = answer_in_parts(*asked, **options)
    changes = None
    while True:
        try:
            search = parts.send(changes)
            changes = None if search is None else search()
        except StopIteration as end:
            found: SeriesAnswer = end.value
            return found

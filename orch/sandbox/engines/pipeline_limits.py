"""Decides which open pipelines are closed, so that languages that nobody reads any more hold no memory. Pure.

A pipeline of Apertium holds 20 to 300 MB. English into all ten languages takes nine of them; a lower limit
would load dictionaries for each sentence. So ten stay open, and those unused for minutes are closed.
"""

from collections.abc import Collection, Mapping
from typing import Final, TypeVar

MOST_OPEN: Final = 10

IDLE_SECONDS: Final = 300.0
"""After this time without a text a pipeline is closed."""

T = TypeVar("T")


def to_close(
    last_used: Mapping[T, float],
    busy: Collection[T],
    *,
    now: float,
    most: int = MOST_OPEN,
    idle: float = IDLE_SECONDS,
) -> list[T]:
    """Return which pipelines to close, least recently used first; never a busy one.

    ``last_used``: the open pipelines, with the time of their last text.
    """
    surplus = len(last_used) - most
    free = sorted((each for each in last_used if each not in busy), key=last_used.__getitem__)
    return [each for at, each in enumerate(free) if at < surplus or now - last_used[each] >= idle]

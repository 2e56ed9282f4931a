"""The settings of places at instances and of the queues for them. Pure."""

from typing import Final, Literal

from orch.settings.section import Count, Positive, Section

RoutePriority = Literal["auto", "live", "interactive", "batch", "control"]

Concurrency = Literal["auto", "found", "unlimited"]

DECLARED: Final = {
    # LibreTranslate hangs under many.
    ("translation-service", "livetranslate"): 4,
    ("translation-service", "libretranslate"): 4,
}
"""With ``concurrency: auto``: how many requests an instance gets at a time, by service and dialect."""
FOUND: Final = frozenset({("audio-service", "livetranslate"), ("audio-service", "openai")})
"""With ``concurrency: auto``: where that is found out."""


class WaitingClass(Section, frozen=True):
    """How many requests of a class may wait for a place at a service, and for how many seconds."""

    waiting: Count = 256
    deadline: Positive = 10


class Shedding(Section, frozen=True):
    """The classes of requests that wait where instances have a limit; what waits for longer gets 503."""

    live: WaitingClass = WaitingClass(deadline=2)
    interactive: WaitingClass = WaitingClass(deadline=10)
    batch: WaitingClass = WaitingClass(waiting=64, deadline=120)

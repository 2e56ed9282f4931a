"""What an instance of a back end has to do, as far as this process has sent it. Pure."""

from typing import Final

from msgspec import Struct


class Work(Struct, frozen=True):
    """``in_flight``: requests in progress at an instance; ``oldest``: seconds for which the oldest one is.

    ``makes_progress``: whether one of them has received a part of its response lately, or is younger than the
    longest of the last hour, so that there is no reason to give it up. ``is_stuck``: none makes progress, the
    oldest takes over three times as long as usual, and none has succeeded since it began. ``usual``: the mean
    seconds of those that succeeded in the last hour; None: none did. ``refused``: status and number of the
    latest responses, if all of them refused what several clients asked.
    """

    in_flight: int
    oldest: float
    makes_progress: bool
    is_stuck: bool = False
    usual: float | None = None
    refused: tuple[int, int] | None = None


IDLE: Final = Work(0, 0.0, makes_progress=False)

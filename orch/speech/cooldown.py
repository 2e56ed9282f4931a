"""When requests continue after a back end's 429, or 503 with Retry-After. Pure.

No request is sent until the time is over, however many wait; then a single trial is, and the others once that
has a response. Many servers count requests sent before that towards a ban.
"""

import re
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from orch.backoff import exponential

SHORTEST: Final = 0.5  # s
LONGEST: Final = 120.0  # s; a server may ask for a day, and be restarted with another limit in a minute
FIRST: Final = 1.0  # s, if the server states no time; doubled each time
LONGEST_UNSTATED: Final = 30.0

_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?")


def retry_after(headers: Iterable[tuple[bytes, bytes]], *, at: float) -> float | None:
    """Return the seconds that a server asks clients to wait; None if it states none.

    ``at``: epoch seconds now, for a server that states a date (RFC 9110 §10.2.3). ``retry-after-ms`` is
    OpenAI's and Azure's. The result lies between :data:`SHORTEST` and :data:`LONGEST`.
    """
    known = {name: value.decode("ascii", "replace").strip() for name, value in reversed(list(headers))}
    milliseconds, seconds = known.get(b"retry-after-ms"), known.get(b"retry-after")
    if milliseconds is not None and _SECONDS.fullmatch(milliseconds):
        return _bounded(float(milliseconds) / 1000)
    if seconds is None:
        return None
    if _SECONDS.fullmatch(seconds):
        return _bounded(float(seconds))
    try:
        moment = parsedate_to_datetime(seconds)
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return _bounded(zoned.timestamp() - at)
    except (ValueError, TypeError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(LONGEST, max(SHORTEST, seconds))


class Cooldown:
    """The pause that a back end has requested. Times are seconds of one monotonic clock.

    The mutable state is its end, how many were requested in a row, and whether a trial request is under way.
    """

    def __init__(self) -> None:
        self.until = float("-inf")
        self.times = 0
        self._is_tried = False

    def wait(self, now: float) -> float:
        """Return the seconds until a request may be sent; 0: send it now, and report its outcome."""
        if self.times == 0:
            return 0.0
        if now < self.until:
            return self.until - now
        if self._is_tried:
            return SHORTEST  # about as long as a response takes
        self._is_tried = True
        return 0.0

    def requested(self, seconds: float | None, now: float) -> float:
        """Note that the back end requests a pause; return its length.

        Of several that were requested at about the same time one counts, unless a later one is longer.
        """
        if now < self.until:
            self.until = max(self.until, now + (seconds or 0.0))
            return self.until - now
        pause = seconds if seconds is not None else exponential(FIRST, self.times, longest=LONGEST_UNSTATED)
        self.times += 1
        self.until = now + pause
        self._is_tried = False
        return pause

    def responded(self, now: float) -> None:
        """Note a response that requests no pause; one during the pause does not end it."""
        if now >= self.until:
            self.times = 0
            self._is_tried = False

    def trial_failed(self) -> None:
        """Note that the trial request had no response: another may be sent."""
        self._is_tried = False

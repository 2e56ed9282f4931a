"""When a back end that answered 429, or 503 with Retry-After, is sent requests again. Pure.

No request is sent until the time is over, however many wait; then one is, and the others only once that one
has a response. Many servers count requests that come all the same towards a ban.
"""

import re
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from orch.backoff import exponential

SHORTEST: Final = 0.5  # s
LONGEST: Final = 120.0  # s; a server may say a day, and have been restarted with another limit in a minute
FIRST: Final = 1.0  # s, where the server does not say; doubled each time
LONGEST_UNSAID: Final = 30.0

_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?")


def retry_after(headers: Iterable[tuple[bytes, bytes]], *, at: float) -> float | None:
    """Return the seconds that a server asks clients to wait, None where it does not say.

    ``at``: epoch seconds now, for a server that says a date (RFC 9110 §10.2.3). ``retry-after-ms`` is
    OpenAI's and Azure's. The answer is bounded by :data:`SHORTEST` and :data:`LONGEST`.
    """
    said = {name: value.decode("ascii", "replace").strip() for name, value in reversed(list(headers))}
    milliseconds, seconds = said.get(b"retry-after-ms"), said.get(b"retry-after")
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
    """The pause that one back end has asked for. Times are seconds of one monotonic clock.

    The mutable state is when it may be asked again, how often in a row it has asked for one, and
    whether one asker is finding out if the time has been long enough.
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
            return SHORTEST  # about as long as an answer takes
        self._is_tried = True
        return 0.0

    def asked_for(self, seconds: float | None, now: float) -> float:
        """Note that the back end asks for patience; return for how long it is left alone.

        Of several that were on their way together one counts, unless a later one says a longer time.
        """
        if now < self.until:
            self.until = max(self.until, now + (seconds or 0.0))
            return self.until - now
        pause = seconds if seconds is not None else exponential(FIRST, self.times, longest=LONGEST_UNSAID)
        self.times += 1
        self.until = now + pause
        self._is_tried = False
        return pause

    def answered(self, now: float) -> None:
        """Note an answer that asks for no patience; one from before it was asked for ends nothing."""
        if now >= self.until:
            self.times = 0
            self._is_tried = False

    def gave_up(self) -> None:
        """Note that the trial request had no response: another may be sent."""
        self._is_tried = False

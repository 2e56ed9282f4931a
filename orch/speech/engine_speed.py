"""How fast an engine is, and whether a cancel stops it, as its response times show. Pure.

Some engines go on with a cancelled request, and the next one waits behind it: its response takes longer than
the engine's speed so far predicts.
"""

from typing import Final

SPEED_WEIGHT: Final = 0.3  # of the newest request in the engine's speed; about the last five count
NOTABLE: Final = 0.3  # s; waits shorter than that are lost in an engine's ups and downs


class EngineSpeed:
    """What one stream's requests show of the engine. One request is under way at a time.

    The mutable state is the speed, whether cancelled requests go on, until when the last one does, and when
    the request under way was sent.
    """

    def __init__(self) -> None:
        self._speed: float | None = None  # seconds that the engine takes for a second of speech
        self._goes_on = False
        self._abandoned_until = float("-inf")  # when a cancelled request would have had its response
        self._behind = 0.0  # how long the request under way waits, if the engine goes on with that one
        self._sent_at = 0.0
        self._seconds = 0.0

    def queued(self, now: float, *, seconds: float) -> None:
        """Note that a request waits for its turn; ``seconds``: how much speech it has."""
        self._seconds = seconds
        self.sent(now)

    def sent(self, now: float) -> None:
        """Note that the request is sent: the time it waited for its turn was not the engine's."""
        self._sent_at = now
        self._behind = max(0.0, self._abandoned_until - now)

    def took(self, now: float) -> float:
        """Return how long the request has been under way."""
        return now - self._sent_at

    def succeeded(self, now: float) -> None:
        """Note the response: learn from the time it took."""
        took = self.took(now)
        if self._speed is not None and self._behind > NOTABLE:
            self._goes_on = took > self._speed * self._seconds + self._behind / 2
            return
        speed = took / max(self._seconds, 0.1)
        self._speed = speed if self._speed is None else self._speed + SPEED_WEIGHT * (speed - self._speed)

    def cancelled(self) -> None:
        """Note that the request is cancelled; the engine may go on with it all the same."""
        self._abandoned_until = self._sent_at + (self._speed or 0.0) * self._seconds

    def cancel_at(self, now: float) -> float:
        """Return when to cancel a request: now, but an engine that goes on has one such request at a time."""
        return max(now, self._abandoned_until) if self._goes_on else now

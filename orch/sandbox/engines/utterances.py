"""Keeps an utterance with the engine that began it while another one takes over. Pure.

A request carries a whole recording, and the requests of one utterance (its revisions, then its final) carry
more and more of it. So a recording that is shorter than the session's last one begins another utterance, and
only such a one may be transcribed by the new engine.
"""

from typing import Final

QUIET: Final = 10.0
"""Seconds without a request after which an utterance is over."""

LONGEST: Final = 30.0
"""Seconds after which every recording is transcribed by the new engine; utterances are cut at 15 s."""

SAME: Final = 0.8
"""A final may be this much shorter than the last revision, whose silence at the end it lacks."""

MOST: Final = 256
"""Sessions that are remembered; beyond it the one that began first is forgotten."""


class Utterances:
    """The last recording of each session, and the switch to another engine while there is one.

    All times are seconds; ``now`` is monotonic.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}  # session: (length of its recording, time)
        self._until: float | None = None

    def note(self, session: str | None, length: float, now: float) -> None:
        """Note a recording that the current engine transcribes while no switch is going on."""
        if session is None:
            return
        if session not in self._last and len(self._last) >= MOST:
            del self._last[next(iter(self._last))]
        self._last[session] = (length, now)

    def begin_switch(self, now: float) -> None:
        """Note that a new engine is ready."""
        self._until = now + LONGEST

    def is_begun(self, session: str | None, length: float, now: float) -> bool:
        """Return whether a recording belongs to an utterance that the former engine began."""
        last = None if session is None else self._last.pop(session, None)
        if last is None or session is None or self._is_past(now):
            return False
        before, at = last
        if now - at > QUIET or length < SAME * before:
            return False
        self._last[session] = (max(length, before), now)
        return True

    def is_over(self, now: float) -> bool:
        """Return whether the former engine has no utterance left; then the switch has ended."""
        if not self._is_past(now) and any(now - at <= QUIET for _, at in self._last.values()):
            return False
        self._last.clear()
        self._until = None
        return True

    def _is_past(self, now: float) -> bool:
        return self._until is None or now >= self._until

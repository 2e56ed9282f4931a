"""Decides when a failed branch is restarted, and when to give up. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from orch.backoff import exponential


class RestartPolicy(Struct, frozen=True, kw_only=True):
    """Exponential back-off with a limit.

    The first restart waits ``first`` seconds, each further one within the window ``factor`` times as long, up
    to ``longest``. After more than ``limit`` failures within ``window`` seconds the policy gives up.
    (Erlang's supervisors have the same two numbers, intensity and period.)
    """

    first: float = 0.5
    factor: float = 2.0
    longest: float = 30.0
    limit: int = 5
    window: float = 60.0

    def recent(self, failures: Sequence[float], now: float) -> tuple[float, ...]:
        """Return the failures that still count."""
        return tuple(at for at in failures if now - at < self.window)

    def delay(self, failures: Sequence[float], now: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        ``failures`` are the times of all failures so far, the latest one included.
        """
        count = len(self.recent(failures, now))
        if count > self.limit:
            return None
        return exponential(self.first, count - 1, longest=self.longest, factor=self.factor)

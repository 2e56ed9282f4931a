"""Limits how many requests of clients are in progress: in total, and of one caller. Pure."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from orch.problems import ProblemError


class Places:
    """Counts requests in progress; the mutable state is one number for each caller that has any."""

    def __init__(self) -> None:
        self._callers: Counter[str] = Counter()
        self.taken = 0

    def take(self, caller: str, *, limit: int, of_caller: int) -> bool:
        """Count a request as in progress until :meth:`free`; False: one of the limits has been reached."""
        taken = self._callers.get(caller, 0)
        if taken >= of_caller or self.taken >= limit:
            return False
        self.taken += 1
        self._callers[caller] = taken + 1
        return True

    def free(self, caller: str) -> None:
        """Count a request as ended."""
        self.taken -= 1
        self._callers[caller] -= 1
        if not self._callers[caller]:
            del self._callers[caller]

    @contextmanager
    def taking(
        self, caller: str, *, limit: int, of_caller: int, what: str = "requests in progress"
    ) -> Iterator[None]:
        """Count a request as in progress for as long as the block lasts. ``what``: in the problem's words.

        Raises ProblemError: ``overloaded`` if ``limit`` requests are in progress, ``too_many_requests`` if
        ``of_caller`` of them are the caller's.
        """
        if self.take(caller, limit=limit, of_caller=of_caller):
            try:
                yield
            finally:
                self.free(caller)
            return
        if self._callers[caller] >= of_caller:
            raise ProblemError(
                "too_many_requests",
                f"Your address has {of_caller} {what}, which is the limit. Wait for one to end.",
                headers={"Retry-After": "1"},
                limit=of_caller,
            )
        raise ProblemError(
            "overloaded",
            f"The limit of {what} has been reached. Try again in a moment.",
            headers={"Retry-After": "1"},
        )

"""Requests for a session's participants on other workers, just after it was loaded, and the replies awaited.

Every worker that follows the session replies, also with no participants, so that it is known when all have.
"""

from typing import Final

import trio

COMPLETE_AFTER: Final = 2.0
"""Seconds after which a worker that has not replied counts as having no participants.

Any client of the Redis server can subscribe to a session's channel; such a subscriber never replies.
"""


class _Awaited:
    """``expected``: how many workers will reply; None: the request was not sent yet."""

    __slots__ = ("answered", "began", "done", "expected", "is_sent")

    def __init__(self, began: float) -> None:
        self.began = began
        self.is_sent = False
        self.expected: int | None = None
        self.answered: set[str] = set()
        self.done = trio.Event()


class ParticipantSurvey:
    """The mutable state is the sessions whose replies are awaited, those in memory at most."""

    def __init__(self) -> None:
        self._awaited: dict[str, _Awaited] = {}

    def __len__(self) -> int:
        return len(self._awaited)

    def begin(self, session_id: str, now: float) -> None:
        """Note that a session was loaded."""
        self._awaited[session_id] = _Awaited(now)

    def is_known(self, session_id: str, now: float) -> bool:
        """Return whether all workers have replied, or their time is over."""
        awaited = self._awaited.get(session_id)
        if awaited is not None and awaited.is_sent and now - awaited.began > COMPLETE_AFTER:
            self.drop(session_id)
            return True
        return awaited is None

    def is_to_be_sent(self, session_id: str) -> bool:
        """Return True to the first caller, who sends the request."""
        awaited = self._awaited.get(session_id)
        if awaited is None or awaited.is_sent:
            return False
        awaited.is_sent = True
        return True

    def sent(self, session_id: str, expected: int) -> None:
        """Note how many workers will reply; some may have already."""
        awaited = self._awaited.get(session_id)
        if awaited is not None:
            awaited.expected = expected
            self._settle(session_id, awaited)

    def not_sent(self, session_id: str) -> None:
        """Note that the request could not be sent."""
        awaited = self._awaited.get(session_id)
        if awaited is not None:
            awaited.is_sent = False

    def answered(self, session_id: str, worker: str) -> None:
        """Note that a worker has sent its participants."""
        awaited = self._awaited.get(session_id)
        if awaited is not None:
            awaited.answered.add(worker)
            self._settle(session_id, awaited)

    def drop(self, session_id: str) -> None:
        """Await nothing more, and wake the waiters."""
        awaited = self._awaited.pop(session_id, None)
        if awaited is not None:
            awaited.done.set()

    async def wait(self, session_id: str) -> None:
        """Wait until all workers have replied."""
        awaited = self._awaited.get(session_id)
        if awaited is not None:
            await awaited.done.wait()

    def _settle(self, session_id: str, awaited: _Awaited) -> None:
        if awaited.expected is not None and len(awaited.answered) >= awaited.expected:
            self.drop(session_id)

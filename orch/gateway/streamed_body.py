"""A request's body that is passed on while it arrives, for routes with ``uploads: streamed``.

It is read as fast as the instance takes it, so that a slow instance slows the client. It can be sent once:
after its first byte was read, the request is not repeated.
"""

import math
from collections.abc import Callable

import trio

from orch.gateway.client_request import Inbound
from orch.gateway.request_body import RequestBody
from orch.gateway.timeouts import Timeout
from orch.problems import ProblemError


class StreamedBody(RequestBody):
    """The body as it arrives; framed as the client does: by ``declared`` bytes, or in chunks (None).

    The client has ``seconds`` plus one for each ``rate`` bytes, of which the time for which the instance is
    waited for does not count, and ``idle`` seconds without a byte. ``on_end`` is called when the body is
    complete.
    """

    is_streamed = True

    def __init__(
        self,
        inbound: Inbound,
        *,
        declared: int | None,
        seconds: float,
        rate: float,
        idle: float,
        expects_continue: bool,
    ) -> None:
        super().__init__()
        self.length = declared or 0
        self.is_chunked = declared is None
        self.is_spent = False
        self.waited = 0.0
        self.answer_by = math.inf
        self.expects_continue = expects_continue
        self.on_end: Callable[[], None] = lambda: None
        self._inbound = inbound
        self._seconds = seconds
        self._rate = rate
        self._idle = idle

    @property
    def whole(self) -> bytes | None:
        """None: it is never in memory as a whole."""
        return None

    def rewind(self) -> None:
        """Do nothing: it is at its beginning until its first byte was read, and then it is not sent again."""

    async def beginning(self, size: int) -> bytes:
        """Return nothing: what was read could not be sent any more."""
        await trio.lowlevel.checkpoint()
        return b""[:size]

    async def next(self) -> bytes:
        """Return the next piece, empty at the end.

        Raises ClientGoneError, and ProblemError for a body that is too long, too short or too slow.
        """
        self.is_spent = True
        began = trio.current_time()
        left = self._seconds + self._inbound.size / self._rate - self.waited
        data: bytes | None = None
        with trio.move_on_after(min(left, self._idle)):
            data = await self._inbound.next()
        self.waited += trio.current_time() - began
        if data is None:
            raise self._too_slow(left)
        if not data:
            self.on_end()
        return data

    def _too_slow(self, left: float) -> ProblemError:
        if self._idle < left:
            return ProblemError(
                "request_timeout",
                f"The client sent no part of the request for {self._idle:g} s.",
                timeout=Timeout.IDLE.value,
            )
        return ProblemError(
            "request_timeout",
            f"The request did not arrive completely within {self.waited:.0f} s. Send at least "
            f"{self._rate:g} bytes a second.",
        )

"""A request with one attempt at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orch.gateway.attempt import Attempt, DispatchedResponse
from orch.gateway.connection import Begun, Request
from orch.gateway.timeouts import Limits


class Single:
    """One attempt at a request. ``begun``: it was sent already; ``fresh``: it needs a new connection."""

    def __init__(
        self, attempt: Attempt, request: Request, *, begun: Begun | None, fresh: bool, limits: Limits
    ) -> None:
        self.attempt = attempt
        self._request = request
        self._begun = begun
        # A kept connection may turn out to be closed, and a streamed body is sent once.
        self._fresh = fresh or request.body.is_streamed or request.check_switch is not None
        self._limits = limits

    @asynccontextmanager
    async def run(self) -> AsyncIterator[DispatchedResponse]:
        """Yield the response. Raises what :meth:`~orch.gateway.upstream.Upstream.exchange` raises."""
        with self.attempt as attempt:
            async with attempt.lane.upstream.exchange(
                self._request,
                fresh=self._fresh,
                begun=self._begun,
                on_slot=attempt.begin,
                limits=self._limits,
            ) as response:
                yield attempt.respond(response)

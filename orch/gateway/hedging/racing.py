"""Has several attempts at one request in progress, and yields the response of one of them.

Each attempt is a task of one nursery, which holds its connection while the caller reads the response. When
one has won, the others are cancelled: each closes its connection, as HTTP/1.1 has no other way to end a
response, and gives back its place. The block ends when all of them have ended.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import trio

from orch.gateway.attempt import Attempt, DispatchedResponse
from orch.gateway.connection import Begun, Request, UpstreamError, UpstreamResponse
from orch.gateway.hedging.race import Fail, Forward, Hedge, Race, is_usable
from orch.gateway.hedging.route_hedges import RouteHedges
from orch.gateway.retries import Failure
from orch.gateway.timeouts import Limits


class _Runner:
    """One attempt in its task. ``block``: the caller's, while it reads the response."""

    def __init__(self, number: int, attempt: Attempt, request: Request) -> None:
        self.number: Final = number
        self.attempt: Final = attempt
        self.request: Final = request
        self.scope: Final = trio.CancelScope()
        self.block: Final = trio.CancelScope()
        self.is_released: Final = trio.Event()
        self.response: DispatchedResponse | None = None
        self.error: Exception | None = None
        """Why it failed."""
        self.thrown: Exception | None = None
        """What the caller's block raised, to be counted as the end of the attempt."""

    def finish(self) -> None:
        """End the attempt as the caller's block has ended. Raises what that has raised."""
        if self.thrown is not None:
            raise self.thrown

    def supersede(self) -> None:
        """End the attempt, as it is not needed any more."""
        self.attempt.is_superseded = True
        self.scope.cancel()


class Racing:
    """One request with a first attempt, and extra ones while it is slow.

    ``begun``: the first one, if it was sent already; ``fresh``: it needs a new connection. ``extra`` returns
    one more attempt and its request, or None; ``rests`` has an instance rest that asks for it;
    ``on_overtaken`` is called with the first attempt if another one has won before its first byte.

    ``attempt``: the one whose response is forwarded or whose failure is the request's; the first one before.
    """

    def __init__(
        self,
        first: Attempt,
        request: Request,
        *,
        begun: Begun | None,
        fresh: bool,
        limits: Limits,
        hedge: RouteHedges,
        extra: Callable[[], tuple[Attempt, Request] | None],
        rests: Callable[[Attempt], object],
        on_overtaken: Callable[[Attempt], None],
    ) -> None:
        self.attempt = first
        self._begun_exchange = begun
        self._fresh = fresh
        self._limits = limits
        self._hedge = hedge
        self._extra = extra
        self._rests = rests
        self._on_overtaken = on_overtaken
        self._race: Final = Race(delay=hedge.delay(trio.current_time()), extra=hedge.policy.extra)
        self._runners = [_Runner(0, first, request)]
        self._changed = trio.Event()
        if first.began is not None:
            self._race.begun(first.began)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[DispatchedResponse]:
        """Yield the response that has won; the others have been cancelled.

        Raises what the last attempt has raised if there is none; out of the block also what ends the one that
        has won, and what the block raises.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run, self._runners[0], self._begun_exchange)
            runner = await self._decide(nursery)
            self.attempt = runner.attempt
            for other in self._runners:
                if other is not runner:
                    if not other.number and other.response is None and other.error is None:
                        self._on_overtaken(other.attempt)
                    other.supersede()
            self._note()
            if runner.response is not None and runner.error is None:
                with runner.block:
                    try:
                        yield runner.response
                    except Exception as error:  # noqa: BLE001 - raised below, out of the nursery
                        runner.thrown = error
                runner.is_released.set()
        failure = runner.thrown or runner.error
        if failure is not None:
            raise failure

    async def _decide(self, nursery: trio.Nursery) -> _Runner:
        """Return the attempt that has won, or has failed for all of them."""
        while True:
            self._changed = trio.Event()
            fatal = next((each for each in self._runners if _is_fatal(each.error)), None)
            if fatal is not None:
                return fatal
            now = trio.current_time()
            decision = self._race.decide(now)
            match decision:
                case Forward(number):
                    if number:
                        self._hedge.won += 1
                    return self._runners[number]
                case Fail(number):
                    return self._runners[number]
                case Hedge():
                    self._add(nursery, now)
                case _:
                    with trio.move_on_at(decision.until):
                        await self._changed.wait()

    def _add(self, nursery: trio.Nursery, now: float) -> None:
        found = self._extra()
        if found is None:
            self._race.declined(now)
            return
        runner = _Runner(self._race.added(now), *found)
        self._runners.append(runner)
        nursery.start_soon(self._run, runner, None)

    async def _run(self, runner: _Runner, begun: Begun | None) -> None:
        """Send the request, and hold the response until the caller has read it or another one has won."""
        try:
            with runner.scope, runner.attempt:
                async with runner.attempt.lane.upstream.exchange(
                    runner.request,
                    fresh=self._fresh and not runner.number,
                    begun=begun,
                    on_slot=partial(self._begin, runner),
                    limits=self._limits,
                ) as response:
                    self._respond(runner, response)
                    await runner.is_released.wait()
                    runner.finish()
        except Exception as error:  # noqa: BLE001 - raised by run(), out of the nursery
            if error is not runner.thrown:
                runner.error = error
                self._race.failed(runner.number)
                runner.block.cancel()
        self._changed.set()

    def _begin(self, runner: _Runner) -> None:
        runner.attempt.begin()
        if not runner.number:
            self._race.begun(trio.current_time())
            self._changed.set()

    def _respond(self, runner: _Runner, response: UpstreamResponse) -> None:
        runner.response = runner.attempt.respond(response)
        if not is_usable(response.status):
            self._rests(runner.attempt)
        self._race.responded(runner.number, response.status)
        self._changed.set()

    def _note(self) -> None:
        """Note the time to the first byte of the first attempt, or how long it has lasted without one."""
        first, now = self._runners[0], trio.current_time()
        began = first.attempt.began
        if began is None:
            return
        if first.response is not None:
            if is_usable(first.response.status):
                self._hedge.first_bytes.add(now, first.response.at - began)
        elif first.error is None or _has_timed_out(first.error):
            self._hedge.first_bytes.add(now, now - began)


def _is_fatal(error: Exception | None) -> bool:
    """Return whether an attempt failed for a reason that holds for all: a request that cannot be sent."""
    return error is not None and not isinstance(error, UpstreamError)


def _has_timed_out(error: Exception) -> bool:
    return isinstance(error, UpstreamError) and error.failure is Failure.TIMED_OUT

"""Sends a request to an instance again, with nobody waiting, to see whether it answers at all.

:mod:`orch.gateway.hedging.silence` decides when, and what its end shows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never

import structlog
import trio

from orch.gateway.attempt import Attempt, Trace
from orch.gateway.backends import Backends, Chosen
from orch.gateway.connection import Request, UpstreamError
from orch.gateway.flows import Flow
from orch.gateway.hedging.extras import MakeAttempt
from orch.gateway.hedging.route_hedges import RouteHedges
from orch.gateway.hedging.silence import ROW, patience
from orch.gateway.http1 import UnsendableError
from orch.gateway.lane import Lane
from orch.gateway.request_body import RequestBody
from orch.gateway.request_state import RequestState
from orch.gateway.retries import Failure
from orch.gateway.timeouts import Limits
from orch.telemetry.boundaries import Boundary

log = structlog.get_logger("gateway")

WAITING: Final = 16
"""Witnesses that wait to be sent at most; another one is asked for by the next overtaken try."""


@dataclass(frozen=True, slots=True)
class _Witness:
    chosen: Chosen
    request: Request
    limits: Limits
    seconds: float


class Witnesses:
    """Sends witnesses while :meth:`run` runs. The mutable state is those that wait to be sent.

    ``on_suspect`` is called when one is sent: the instance is checked at once, whatever becomes of it.
    """

    def __init__(
        self,
        backends: Backends,
        *,
        make: MakeAttempt,
        was_suspended: Callable[[float], bool],
        on_suspect: Callable[[Lane], None],
        boundary: Boundary,
    ) -> None:
        self._backends = backends
        self._make = make
        self._was_suspended = was_suspended
        self._on_suspect = on_suspect
        self.boundary = boundary
        self._send, self._receive = trio.open_memory_channel[_Witness](WAITING)
        self._is_running = False

    def overtaken(self, state: RequestState, hedge: RouteHedges, attempt: Attempt) -> None:
        """Note that a first attempt was overtaken before its first byte."""
        now, lane = trio.current_time(), attempt.lane
        if attempt.began is None or self._was_suspended(attempt.began):
            return
        if not lane.silence.overtaken(state.caller, now):
            return
        lane.last_failure = f"{lane.silence.row} requests in a row without a response, which others answered"
        self._on_suspect(lane)
        if not self._is_running or not self._offer(state, hedge, lane, now):
            lane.silence.witness_missing()

    def _offer(self, state: RequestState, hedge: RouteHedges, lane: Lane, now: float) -> bool:
        """Have the request sent again; False: its body is not in memory, or there is no place for it."""
        whole = state.request.body.whole
        backend = self._backends.get(state.service)
        instance = None if backend is None else backend.instances.get(lane.url)
        if whole is None or backend is None or instance is None or instance.is_drained:
            return False
        ask = state.ask(backend)
        if ask is not None and not backend.gate.has_room(instance.places, ask, now):
            return False
        permit = lane.admit(now, state.caller)
        if permit is None:
            return False
        ticket = None if ask is None else backend.gate.take(instance.places, ask, now)
        chosen = Chosen(lane, permit, ticket)
        request = Request(
            state.request.method,
            state.request.target,
            state.request.headers,
            RequestBody(whole),
            is_ours=state.request.is_ours,
        )
        seconds = patience(hedge.usual(now), state.limits.counts_as)
        try:
            self._send.send_nowait(_Witness(chosen, request, state.limits, seconds))
        except trio.WouldBlock:
            chosen.give_back(now)
            return False
        return True

    async def run(self) -> Never:
        """Send witnesses until cancelled."""
        self._is_running = True
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    witness = await self._receive.receive()
                    nursery.start_soon(self._hear, witness)
        finally:
            self._is_running = False
            self._drop()

    def _drop(self) -> None:
        """Give back what the witnesses hold that are not sent any more."""
        while True:
            try:
                witness = self._receive.receive_nowait()
            except trio.WouldBlock:
                return
            witness.chosen.give_back(trio.current_time())
            witness.chosen.lane.silence.witness_missing()

    async def _hear(self, witness: _Witness) -> None:
        lane = witness.chosen.lane
        is_silent = False
        try:
            with self.boundary.item(service=lane.service, instance=lane.shown, step="witness"):
                is_silent = await self._is_silent(witness)
        finally:
            callers = lane.silence.witness_ended(trio.current_time(), is_silent=is_silent)
            if callers:
                log.warning("overtaken requests count as failures", service=lane.service, instance=lane.shown)
            self._blame(lane, callers)

    async def _is_silent(self, witness: _Witness) -> bool:
        """Send the request; return whether there was no first byte for all of its patience."""
        attempt = self._make(witness.chosen, Trace(), witness.seconds, is_extra=False)
        attempt.start()
        began = trio.current_time()
        try:
            with trio.move_on_after(witness.seconds) as limit, attempt:
                attempt.deadline, attempt.body = limit.deadline, witness.request.body
                async with attempt.lane.upstream.exchange(
                    witness.request, fresh=True, on_slot=attempt.begin, limits=witness.limits
                ) as response:
                    attempt.respond(response)
        except UpstreamError as error:
            return error.failure is Failure.TIMED_OUT and not self._was_suspended(began)
        except UnsendableError:
            return False
        return limit.cancelled_caught and attempt.began is not None and not self._was_suspended(began)

    @staticmethod
    def _blame(lane: Lane, callers: tuple[str, ...]) -> None:
        """Count the overtaken tries as failures, each of its caller."""
        now = trio.current_time()
        for caller in callers:
            permit = lane.admit(now, caller)
            if permit is None:
                return
            lane.last_failure = f"no response to {ROW} requests in a row, nor to one more"
            lane.failed(permit, now, is_doubtful=lane.flow is Flow.REQUESTS)
            lane.notify()

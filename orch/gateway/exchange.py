"""The exchange of a request that is not answered at once: with retries, and streamed both ways."""

import math
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from orch.gateway import response_headers
from orch.gateway.attempt import DispatchedResponse
from orch.gateway.client_request import ClientGoneError, ClientRequest, Outbound
from orch.gateway.connection import Request
from orch.gateway.dispatch import BegunAttempt, Dispatcher
from orch.gateway.flows import Flow
from orch.gateway.gateway_problems import client_too_slow, too_slow
from orch.gateway.headers import Header
from orch.gateway.request_body import RequestBody
from orch.gateway.response_buffer import ResponseBuffer
from orch.gateway.routes import Match
from orch.gateway.shedding.priorities import priority_of
from orch.gateway.shedding.sound_length import SEARCHED, sound_seconds
from orch.gateway.spool import IN_MEMORY, Spool
from orch.gateway.streamed_body import StreamedBody
from orch.problems import ProblemError
from orch.settings import Gateway

Headers = Callable[[ClientRequest, DispatchedResponse, Match], list[Header]]
"""Returns the headers of the response to the client."""

SLOWEST_SOUND: Final = 4000
"""Bytes a second of sound (8 kHz, 4 bits). A header that claims fewer would buy any time it likes."""


class Exchange:
    """Sends requests and forwards their responses."""

    def __init__(self, dispatcher: Dispatcher, *, spool: Spool, headers: Headers) -> None:
        self._dispatcher = dispatcher
        self._spool = spool
        self._headers = headers

    async def run(
        self,
        nursery: trio.Nursery,
        call: ClientRequest,
        match: Match,
        request: Request,
        policy: Gateway,
        begun: BegunAttempt | None,
    ) -> None:
        """Send the request and forward the response; the connection is free once the response has arrived."""
        rest: bytes | None = None
        buffer: ResponseBuffer | None = None
        seconds: float | None = None
        total = call.total = await total_of(call, match, request.body)
        with _limit(nursery, call, request.body) as limit:
            try:
                async with self._dispatcher.send(
                    match.service,
                    request,
                    call.trace,
                    retries=policy.retries,
                    flow=Flow.REQUESTS,
                    limits=match.limits,
                    repeatable=match.repeatable,
                    caller=call.caller,
                    priority=priority_of(match.priority, call.method),
                    limit=limit,
                    begun=begun,
                    hedge=call.hedge,
                ) as response:
                    if response.is_event_stream:
                        call.total = limit.deadline = math.inf
                    headers = self._headers(call, response, match)
                    receive = await _admitted(call, response, headers)
                    if receive is None:
                        return
                    if response.is_received:
                        rest = await _all(receive)
                    else:
                        await call.out.start(response.status, headers, has_trailers=call.wants_trailers)
                        buffer = ResponseBuffer(self._spool, rate=policy.client_rate)
                        nursery.start_soon(_write, buffer, call.out, nursery.cancel_scope)
                        while data := await receive():
                            await buffer.put(data)
            except ProblemError:
                if buffer is not None:
                    # Only the client is waited for, and a stream has no total that would end that.
                    seconds = max(policy.timeout, IN_MEMORY / policy.client_rate)
                    limit.deadline = min(limit.deadline, trio.current_time() + seconds)
                    buffer.close()
                    await buffer.drained.wait()
                raise
            finally:
                call.answered_at = trio.current_time()
                call.used_until(limit.deadline)
            # From here on only the client is waited for.
            seconds = max(policy.timeout, (len(rest or b"") or IN_MEMORY) / policy.client_rate)
            limit.deadline = call.answered_at + seconds
            trailers = response_headers.trailers_for_client(response.trailers)
            if buffer is None:
                await call.out.start(response.status, headers, has_trailers=call.wants_trailers)
                await call.out.end(rest or b"", trailers)
            else:
                buffer.close()
                await buffer.drained.wait()
                await call.out.end(trailers=trailers)
        if limit.cancelled_caught:
            if seconds is None and (buffer is None or not buffer.is_waiting_for_client):
                raise too_slow_for(call, total)
            raise client_too_slow(seconds or total)


def _limit(nursery: trio.Nursery, call: ClientRequest, body: RequestBody) -> trio.CancelScope:
    """Return the scope of an exchange, which ends with the total; that begins with a complete request."""
    limit = trio.CancelScope(deadline=trio.current_time() + call.total)
    if not isinstance(body, StreamedBody):
        return limit
    limit.deadline = math.inf

    def complete() -> None:
        """Begin what other requests have from their beginning: the total, and the watch for a disconnect."""
        call.sent_at = trio.current_time()
        body.answer_by = limit.deadline = call.sent_at + call.total
        if call.inbound is not None:
            nursery.start_soon(call.inbound.watch, nursery.cancel_scope)

    body.on_end = complete
    return limit


async def total_of(call: ClientRequest, match: Match, body: RequestBody) -> float:
    """Return the seconds that a service has for a request, at most what is left of those of its route."""
    total = await own_total(match, body)
    return total if call.allowance is None else call.allowance.of(total)


async def own_total(match: Match, body: RequestBody) -> float:
    """Return the seconds of a request at a service, which may grow with the audio in it."""
    limits = match.limits
    if not limits.per_audio_second:
        return limits.total
    seconds = sound_seconds(await body.beginning(SEARCHED), body.length) or 0.0
    return limits.total_of(min(seconds, body.length / SLOWEST_SOUND))


def too_slow_for(call: ClientRequest, seconds: float) -> ProblemError:
    """Return the problem of a request whose total of ``seconds`` has run out."""
    service = call.match.service if call.match else ""
    return too_slow(service, seconds, is_queued=call.trace.is_queued)


async def _admitted(
    call: ClientRequest, response: DispatchedResponse, headers: list[Header]
) -> Callable[[], Awaitable[bytes]] | None:
    """Return what reads the body of a response; None if it is held back, as a fallback may replace it."""
    if call.fallback is None:
        return response.receive
    return None if await call.fallback.holds(response, headers) else call.fallback.recorded(response, headers)


async def _all(receive: Callable[[], Awaitable[bytes]]) -> bytes:
    """Return the rest of a response that has arrived completely, without waiting."""
    pieces = []
    while data := await receive():
        pieces.append(data)
    return b"".join(pieces)


async def _write(buffer: ResponseBuffer, out: Outbound, scope: trio.CancelScope) -> None:
    try:
        await buffer.run(out.piece)
    except ClientGoneError:
        scope.cancel()

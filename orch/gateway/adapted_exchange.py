"""Requests of clients that an adapter serves, as the back end does not speak their API."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import trio

from orch.gateway import headers as heads
from orch.gateway import response_headers
from orch.gateway.api_adapter import AdaptedRequest, AdapterResponse, ApiAdapter
from orch.gateway.attempt import collect
from orch.gateway.client_request import ClientRequest
from orch.gateway.connection import Request
from orch.gateway.dispatch import Dispatcher
from orch.gateway.exchange import too_slow_for, total_of
from orch.gateway.flows import Flow
from orch.gateway.gateway_problems import client_too_slow
from orch.gateway.headers import Header
from orch.gateway.request_body import RequestBody
from orch.gateway.routes import Match
from orch.gateway.shedding.priorities import priority_of
from orch.settings import Gateway

ADAPTED_AT_ONCE: Final = 4
"""Bodies from the disk that are in memory for the adapter at the same time."""
MAX_ADAPTED_RESPONSE: Final = 8 * 2**20


class AdaptedExchange:
    """Has an adapter serve requests, whose own requests are sent through the dispatcher."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._adapting = trio.CapacityLimiter(ADAPTED_AT_ONCE)

    async def run(
        self,
        _nursery: trio.Nursery,
        adapter: ApiAdapter,
        call: ClientRequest,
        match: Match,
        body: RequestBody,
        policy: Gateway,
    ) -> None:
        """Have the adapter serve the request, and send its response. It gets the whole body at once."""
        data: bytes | None = None
        total = await total_of(call, match, body)
        with trio.move_on_after(total) as limit:
            try:
                if body.whole is not None:
                    data = await self._ask(adapter, call, match, body.whole, policy, limit)
                else:
                    async with self._adapting:
                        data = await self._ask(adapter, call, match, await _whole(body), policy, limit)
            finally:
                call.used_until(limit.deadline)
            call.answered_at = trio.current_time()
            limit.deadline = call.answered_at + max(policy.timeout, len(data) / policy.client_rate)
            own = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(data)),
                *call.gateway_headers(),
                *response_headers.SECURITY,
            ]
            if call.fallback is not None:
                call.fallback.holds_whole(HTTPStatus.OK, tuple(own), data, own)
            await call.out.start(HTTPStatus.OK, own)
            await call.out.end(data)
        if limit.cancelled_caught:
            if data is None:
                raise too_slow_for(call, total)
            raise client_too_slow(policy.timeout)

    async def _ask(
        self,
        adapter: ApiAdapter,
        call: ClientRequest,
        match: Match,
        body: bytes,
        policy: Gateway,
        limit: trio.CancelScope,
    ) -> bytes:
        async def fetch(
            service: str, method: str, path: str, *, headers: Iterable[Header] = (), body: bytes = b""
        ) -> AdapterResponse:
            own = Request(
                method=method,
                target=path,
                headers=tuple(heads.of_our_own(headers, call.request_id)),
                body=RequestBody(body),
                is_ours=True,
            )
            async with self._dispatcher.send(
                service,
                own,
                call.trace,
                retries=policy.retries,
                flow=Flow.REQUESTS,
                limits=match.limits,
                repeatable=match.repeatable,
                caller=call.caller,
                priority=priority_of(match.priority, call.method),
                limit=limit,
                hedge=call.hedge,
            ) as response:
                data = await collect(response, MAX_ADAPTED_RESPONSE)
            return AdapterResponse(response.status, response.headers, data)

        call.sent_at = trio.current_time()
        query: bytes = call.scope.get("query_string", b"")
        request = AdaptedRequest(
            match.service, call.method, match.path, query.decode("latin-1"), tuple(call.headers), body
        )
        return await adapter.respond(request, fetch)


async def _whole(body: RequestBody) -> bytes:
    """Return all of a body that is on the disk."""
    body.rewind()
    pieces = []
    while piece := await body.next():
        pieces.append(piece)
    return b"".join(pieces)

"""How the body of a client's request arrives: stored until it is complete, or passed on as it arrives."""

from typing import Final

import trio

from orch.gateway import headers as heads
from orch.gateway.client_request import ClientRequest, Inbound, Receive, too_large
from orch.gateway.request_body import RequestBody
from orch.gateway.routes import Match
from orch.gateway.spool import IncomingBody
from orch.gateway.streamed_body import StreamedBody
from orch.gateway.timeouts import Timeout
from orch.problems import ProblemError
from orch.settings import Gateway

_FRAMED_BY_HEAD: Final = frozenset({"1.0", "1.1"})
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


def has_no_body(call: ClientRequest) -> bool:
    """Return whether the request's head shows that no body follows; in HTTP/2 and later it never does."""
    return call.scope.get("http_version") in _FRAMED_BY_HEAD and not any(
        name in _FRAMING for name, _ in call.headers
    )


async def stored(
    call: ClientRequest,
    receive: Receive,
    match: Match,
    policy: Gateway,
    incoming: IncomingBody,
) -> RequestBody:
    """Read the whole body and return it.

    The limit is ``gateway.timeout`` seconds plus the time the body takes at the minimum rate, and
    ``idle`` seconds without a byte of it.
    """
    inbound = call.inbound = _inbound(call, receive, policy)
    idle = match.limits.idle
    latest = trio.current_time() + policy.timeout
    with trio.move_on_at(min(latest, trio.current_time() + idle)) as limit:

        def extend(size: int) -> None:
            limit.deadline = latest + size / policy.client_rate

        def wait(size: int) -> None:
            limit.deadline = min(latest + size / policy.client_rate, trio.current_time() + idle)

        await inbound.collect(incoming, extend, wait)
    if limit.cancelled_caught:
        if limit.deadline < latest + incoming.size / policy.client_rate:
            raise ProblemError(
                "request_timeout",
                f"The client sent no part of the request for {idle:g} s.",
                timeout=Timeout.IDLE.value,
            )
        raise ProblemError(
            "request_timeout",
            f"The request did not arrive completely within {call.elapsed:.0f} s. Send at least "
            f"{policy.client_rate:g} bytes a second.",
        )
    return await incoming.end()


def streamed(call: ClientRequest, receive: Receive, match: Match, policy: Gateway) -> StreamedBody:
    """Return the body, to be passed on while it arrives.

    Raises ProblemError if it is known to be too large.
    """
    inbound = call.inbound = _inbound(call, receive, policy)
    call.is_streamed = True
    return StreamedBody(
        inbound,
        declared=inbound.declared,
        seconds=policy.timeout,
        rate=policy.client_rate,
        idle=match.limits.idle,
        expects_continue=any(name == b"expect" for name, _ in call.headers),
    )


def _inbound(call: ClientRequest, receive: Receive, policy: Gateway) -> Inbound:
    """Return the body that is about to arrive. Raises ProblemError if it is known to be too large."""
    try:
        declared = None if heads.is_chunked(call.headers) else heads.content_length(call.headers)
    except ValueError as error:
        raise ProblemError("invalid_request", "Content-Length is not one number.") from error
    if declared is not None and declared > policy.max_body_bytes:
        raise too_large(policy.max_body_bytes)
    return Inbound(receive, declared=declared, limit=policy.max_body_bytes)

"""Sends a client the problem that its request has run into."""

import structlog

from orch.gateway import response_headers
from orch.gateway.client_request import ClientGoneError, ClientRequest
from orch.problems import ProblemError

log = structlog.get_logger(__name__)


async def refuse(call: ClientRequest, problem: ProblemError) -> None:
    """Send a problem document, unless the head of a response was sent: its status cannot be changed."""
    if call.out.status is not None:
        return
    body = problem.body(instance=call.request_id.decode())
    own = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
        *call.gateway_headers(),
        *response_headers.SECURITY,
    ]
    try:
        await call.out.start(problem.status, own)
        await call.out.end(b"" if call.method == "HEAD" else body)
    except ClientGoneError:
        log.info("client gone", request_id=call.request_id.decode(), problem=problem.code)

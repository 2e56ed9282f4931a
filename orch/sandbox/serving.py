"""The HTTP server of both sandbox back ends: options, errors, and stopping."""

import argparse
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
import trio
from msgspec import Struct
from quart import Response, g, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from orch.front.server import Server
from orch.problems import ProblemError
from orch.protocol.identifiers import new_request_id
from orch.protocol.request_id import request_id
from orch.sandbox import registering
from orch.sandbox.handshakes import refuse_handshake
from orch.sandbox.registering import Registration, keep_registered
from orch.telemetry.logs import configure
from orch.web.json_api import problem_response

log = structlog.get_logger("sandbox")

GRACE: Final = 2.0
"""Seconds that requests in progress have when the service stops."""

_CODES: Final = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


class Usage(Struct, frozen=True):
    """The options of the server."""

    host: str
    port: int
    shares_port: bool
    ends_with_input: bool
    registration: Registration | None = None


def add_arguments(parser: argparse.ArgumentParser, *, port: int) -> None:
    """Add the options of both programs."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=port, help="0 chooses a free one (default: %(default)s)")
    parser.add_argument(
        "--shared-port",
        action="store_true",
        help="listen although the program that started this one has reserved the port (SO_REUSEPORT)",
    )
    parser.add_argument(
        "--exit-with-stdin",
        action="store_true",
        help="stop at the end of standard input, so that this program never outlives the one that started it",
    )
    registering.add_arguments(parser)


def usage(options: argparse.Namespace, service: str) -> Usage:
    """Return the values of the options of :func:`add_arguments`; ``service``: the name of what is served."""
    return Usage(
        host=options.host,
        port=options.port,
        shares_port=options.shared_port,
        ends_with_input=options.exit_with_stdin,
        registration=registering.registration(options, service),
    )


class SandboxApp(QuartTrio):
    """A Quart application without WebSockets.

    Quart itself looks for the error handlers of HTTP, which need a request, and fails.
    """

    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve HTTP; respond to the handshakes of WebSockets with 404."""
        if scope["type"] != "websocket":
            await super().asgi_app(scope, receive, send)
            return
        await receive()  # websocket.connect
        await refuse_handshake(ProblemError("not_found", "No WebSocket is served at this path."), send)


def create_app(name: str) -> QuartTrio:
    """Return an application that responds to every error with a problem document."""
    app = SandboxApp(name, static_folder=None)

    @app.before_request
    async def begin() -> None:
        g.request_id = request_id(request.scope["headers"], new_request_id)

    @app.after_request
    async def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        return response

    async def answer_problem(error: ProblemError) -> Response:
        return problem_response(error, request_id=g.request_id)

    async def answer_http(error: HTTPException) -> Response:
        status = error.code or 500
        code = _CODES.get(status, "internal_error" if status >= 500 else "invalid_request")  # noqa: PLR2004 - the classes of HTTP
        detail = f"{request.method} {request.path}: {error.description}"
        return await answer_problem(ProblemError(code, detail))

    async def answer_failure(error: Exception) -> Response:
        log.error("request failed", path=request.path, request_id=g.request_id, exc_info=error)
        return await answer_problem(
            ProblemError("internal_error", "The request failed. The log has the reason.")
        )

    app.register_error_handler(ProblemError, answer_problem)
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(Exception, answer_failure)
    return app


Run = Callable[[], Awaitable[None]]


def main(app: Any, engine: Run, how: Usage, *, drain: Run = trio.lowlevel.checkpoint) -> int:
    """Serve until stopped. Return the exit code: 0, or 1 if ``engine``, which runs concurrently, failed.

    ``drain`` is called when the service stops, before requests in progress are waited for.
    """
    configure("INFO")
    code = 0
    try:
        trio.run(serve, app, engine, how, drain, strict_exception_groups=True)
    except* OSError as group:
        code = 1
        reasons = [str(error) for error in group.exceptions]
        log.error("cannot serve", host=how.host, port=how.port, reasons=reasons)  # noqa: TRY400 - an address in use needs no stack
    except* Exception:
        code = 1
        log.exception("failed")  # the boundary of the process
    log.info("stopped", code=code)
    return code


async def serve(app: Any, engine: Run, how: Usage, drain: Run = trio.lowlevel.checkpoint) -> None:
    """Accept connections and run ``engine``, until SIGTERM, SIGINT or the end of the input."""
    stopping = trio.Event()
    front = Server(
        app,
        host=how.host,
        port=how.port,
        reuse_port=how.shares_port,
        stopping=stopping,
        drain=drain,
        grace=lambda: GRACE,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(_stop_on_signal, stopping)
        if how.ends_with_input:
            nursery.start_soon(_stop_at_end_of_input, stopping)
        nursery.start_soon(engine)
        async with trio.open_nursery() as serving:
            await serving.start(front.run)
            if how.registration is not None:
                serving.start_soon(keep_registered, how.registration, front.bound[0], stopping)
        nursery.cancel_scope.cancel()


async def _stop_on_signal(
    stopping: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            stopping.set()


async def _stop_at_end_of_input(stopping: trio.Event) -> None:
    """Read the input to its end, which occurs when the last process that holds it open has ended."""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stream:
        async for _ in stream:
            continue
    log.info("input ended")
    stopping.set()

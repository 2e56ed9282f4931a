"""The WebSockets of a meeting's pages."""

from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs

import trio

from orch.problems import ProblemError
from orch.protocol import closes
from orch.sandbox.handshakes import refuse_handshake
from orch.sandbox.meeting.guest import Guest, Outbox
from orch.sandbox.meeting.meetings import Meetings
from orch.sandbox.meeting.messages import MessageError, decode_far, decode_near
from orch.sandbox.meeting.room import Room

ACCOUNT: Final = "account"
"""The cookie of who is signed in."""

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Apply = Callable[[str], None]
Application = Callable[[Any, Any, Any], Awaitable[None]]


class MeetingEndpoint:
    """An ASGI application: ``/CODE/near`` and ``/CODE/far`` as WebSockets, everything else by ``app``.

    A page that is gone ends its connection silently; a message that cannot be decoded ends it with 1007. The
    mutable state is the scopes of the open connections.
    """

    def __init__(self, app: Application, meetings: Meetings) -> None:
        self._app = app
        self._meetings = meetings
        self._open: set[trio.CancelScope] = set()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        await receive()  # websocket.connect
        try:
            room, page = self._target(scope["path"])
            if page == "near":
                await self._serve_near(room, scope, receive, send)
            else:
                await self._serve_far(room, scope, receive, send)
        except ProblemError as error:
            await refuse_handshake(error, send)

    async def drain(self) -> None:
        """Close all connections: the server stops."""
        for each in self._open:
            each.cancel()
        await trio.lowlevel.checkpoint()

    def _target(self, path: str) -> tuple[Room, str]:
        _, _, rest = path.partition("/")
        code, _, page = rest.partition("/")
        if page not in ("near", "far"):
            raise ProblemError("not_found", "WebSockets are /CODE/near and /CODE/far.")
        return self._meetings.find(code), page

    async def _serve_near(self, room: Room, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            guest = room.connect(has_account=account(scope["headers"]) is not None)
        except RuntimeError as error:
            raise ProblemError("too_many_connections", f"{error}.", headers={"Retry-After": "5"}) from error
        try:
            await send({"type": "websocket.accept"})
            await self._exchange(
                guest.near, lambda text: room.apply_near(guest, decode_near(text)), receive, send
            )
        finally:
            room.disconnect(guest)

    async def _serve_far(self, room: Room, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        key = parse_qs(scope["query_string"].decode("latin-1")).get("guest", [""])[0]
        guest: Guest | None = room.guests.get(key)
        if guest is None or not guest.is_in_call:
            raise ProblemError("not_found", "No guest with this key is in the call.")
        await send({"type": "websocket.accept"})
        far = room.connect_far(guest)
        try:
            await self._exchange(far, lambda text: room.apply_far(guest, decode_far(text)), receive, send)
        finally:
            room.disconnect_far(guest, far)

    async def _exchange(self, outbox: Outbox, apply: Apply, receive: Receive, send: Send) -> None:
        """Send what is queued and apply what arrives, until the page is gone or its queue is closed."""
        code: int | None = None
        with trio.CancelScope() as scope:
            self._open.add(scope)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_write, outbox, send, scope)
                    code = await _read(receive, apply)
                    scope.cancel()
            finally:
                self._open.discard(scope)
        closing = closes.GOING_AWAY.code if code is None else code
        if closing:
            try:
                await send({"type": "websocket.close", "code": closing})
            except OSError:
                return  # the page is gone


async def _write(outbox: Outbox, send: Send, scope: trio.CancelScope) -> None:
    try:
        while (text := await outbox.next()) is not None:
            await send({"type": "websocket.send", "text": text})
    except OSError:
        pass  # ASGI: a send to a client that has disconnected raises OSError; reading ends, too
    scope.cancel()


async def _read(receive: Receive, apply: Apply) -> int:
    """Apply messages. Return the code to close with; 0 if the page has closed."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return 0
        text = message.get("text")
        if text is None:
            return closes.UNSUPPORTED.code
        try:
            apply(text)
        except MessageError:
            return closes.POLICY.code


def account(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return the name of the account in a request's cookies; None for a guest without one."""
    for name, value in headers:
        if name == b"cookie":
            cookies = SimpleCookie(value.decode("latin-1"))
            if ACCOUNT in cookies:
                return cookies[ACCOUNT].value
    return None

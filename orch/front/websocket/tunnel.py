"""A WebSocket whose frames the application reads and writes itself: the extension ``orch.tunnel``.

A proxy passes frames on as they are, however long, and compressed or not. It needs no decoding, and what it
has negotiated with the other side counts, not what this server would have.
"""

from collections.abc import Callable, Sequence

import trio

from orch.front.context import ServerContext
from orch.front.http1.request_parser import ResponseEncoder
from orch.front.link import READ, ClientGoneError, Link, drain

Header = tuple[bytes, bytes]


class Tunnel:
    """The bytes of one WebSocket after its handshake. ``early``: those that came with the request.

    Nothing is queued beyond what one :meth:`send` is given. The application sends pings and the close frame,
    and watches for the client's. When it returns, the connection is ended in order: what is queued is sent,
    and the client has some time to end the stream, unless :meth:`finish` was called.
    """

    def __init__(
        self,
        link: Link,
        context: ServerContext,
        encoder: ResponseEncoder,
        early: bytes,
        *,
        on_begin: Callable[[], None],
        on_finish: Callable[[], None],
    ) -> None:
        self._link = link
        self._context = context
        self._encoder = encoder
        self._early = early
        self._on_begin = on_begin
        self._on_finish = on_finish

    async def departed(self) -> None:
        """Wait, before :meth:`begin`, until the client disconnects.

        Bytes that come meanwhile are stored for :meth:`begin`; from 64 KiB on, nothing is read and nothing
        noticed.
        """
        while len(self._early) < READ:
            try:
                data = await self._link.receive()
            except trio.ClosedResourceError:
                return
            if not data:
                return
            self._early += data
        await trio.sleep_forever()

    def begin(self, headers: Sequence[Header]) -> bytes:
        """Send the 101 with these headers; return the bytes that came after the request."""
        self._on_begin()
        self._link.offer(self._encoder.start(101, headers))
        early, self._early = self._early, b""
        return early

    async def receive(self) -> bytes:
        """Return the bytes that have come, none at the end."""
        try:
            return await self._link.receive()
        except trio.ClosedResourceError:
            return b""

    async def send(self, wire: bytes) -> None:
        """Send bytes, and wait until the kernel has taken them. Raises ClientGoneError.

        A client that reads nothing is disconnected after a while, as by every send.
        """
        self._link.offer(wire)
        if self._link.queued_bytes:
            await drain(self._link, self._context)
        if self._link.is_closed:
            raise ClientGoneError("the client has disconnected, or reads nothing")

    def backlog(self) -> int:
        """Return the bytes that have not reached the client's machine, as far as that is known."""
        return self._link.unacknowledged()

    def finish(self) -> None:
        """Note that both close frames have passed: the client's end of the stream is not awaited."""
        self._on_finish()

    def abort(self) -> None:
        """End the connection at once."""
        self._link.abort()

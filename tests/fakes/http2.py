"""A client of HTTP/2, by hand."""

from typing import Any

import h2.config
import h2.connection
import trio


class Http2Client:
    """A client of HTTP/2 by hand, over a stream; ``events`` are the received ones."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        settings = h2.config.H2Configuration(client_side=True)
        self.connection = h2.connection.H2Connection(config=settings)
        self.connection.initiate_connection()
        self.events: list[Any] = []

    async def send(self, wire: bytes = b"") -> None:
        """Send the connection's pending bytes, then ``wire``."""
        await self.stream.send_all(self.connection.data_to_send() + wire)

    async def until(self, kind: type) -> Any:
        """Read until an event of this kind; return it."""
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    self.events.remove(event)
                    return event
            data = await self.stream.receive_some()
            assert data, f"ended before {kind.__name__}"
            self.events += self.connection.receive_data(data)
            await self.send()

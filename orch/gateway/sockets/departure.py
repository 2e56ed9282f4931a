"""Ends a handshake when its client disconnects before it is complete."""

import trio

from orch.gateway.sockets.clients import ClientEnd


class Departure:
    """Waits for one client to disconnect, until :meth:`stop`."""

    def __init__(self, client: ClientEnd) -> None:
        self._client = client
        self._scope = trio.CancelScope()
        self._is_over = trio.Event()
        self.has_left = False

    async def run(self, handshake: trio.CancelScope) -> None:
        """Cancel ``handshake`` if the client disconnects."""
        with self._scope:
            await self._client.departed()
            self.has_left = True
            handshake.cancel()
        self._is_over.set()

    async def stop(self) -> None:
        """End the wait, so that another task can read from the client."""
        self._scope.cancel()
        await self._is_over.wait()

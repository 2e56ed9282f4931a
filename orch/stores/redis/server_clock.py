"""The server's clock, which all workers share. Pure."""

from collections.abc import Callable


class ServerClock:
    """Seconds since the epoch by the server's clock; by this machine's until the server's is known.

    The mutable state is the last comparison; ``ahead``: by how many seconds this machine's clock was ahead.
    """

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self.ahead = 0.0
        self._server: tuple[float, float] | None = None

    def compare(self, server: float, requested_at: float) -> None:
        """Take over the server's time; ``requested_at``: this machine's time at the request.

        The reply is taken to have been on its way for half of the time since.
        """
        now = self._wall()
        self.ahead = (requested_at + now) / 2 - server
        self._server = (server + (now - requested_at) / 2, self._monotonic())

    def now(self) -> float:
        """Return the time."""
        if self._server is None:
            return self._wall()
        server, at = self._server
        return server + self._monotonic() - at

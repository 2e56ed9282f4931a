"""Measures how long bytes have been queued for a client. Pure.

A client that reads a byte now and then never stalls completely, and may stay below its limit of bytes for
hours. So the position in the stream is noted for each client that is behind; once everything up to it was
read, a new position is noted.
"""


class QueueAge:
    """The noted positions of clients that are behind; bounded by the connections.

    The mutable state: by client, the position in its stream in bytes, and the time it was noted.
    """

    def __init__(self) -> None:
        self._notes: dict[str, tuple[int, float]] = {}

    def __repr__(self) -> str:
        return f"<QueueAge of {len(self._notes)}>"

    def __len__(self) -> int:
        return len(self._notes)

    def seconds(self, client: str, *, enqueued: int, queued: int, now: float) -> float:
        """Return for how long bytes are known to have been queued.

        ``enqueued``: all bytes ever queued; ``queued``: those still queued. ``now``: monotonic seconds.
        """
        if queued == 0:
            self._notes.pop(client, None)
            return 0.0
        noted = self._notes.get(client)
        if noted is None or enqueued - queued >= noted[0]:
            self._notes[client] = (enqueued, now)
            return 0.0
        return now - noted[1]

    def forget(self, client: str) -> None:
        """Forget a disconnected client."""
        self._notes.pop(client, None)

"""How long what is queued for a client has waited. Pure.

A client that takes a byte now and then never stops taking, and may stay below its limit of bytes for hours.
So, from time to time, it is noted how much had been said to each client that is behind; once all that has
been taken, the note is made anew.
"""


class QueueAge:
    """Notes on clients that are behind; bounded by the connections.

    The mutable state: by client, how many bytes had been said to it, and when.
    """

    def __init__(self) -> None:
        self._notes: dict[str, tuple[int, float]] = {}

    def __repr__(self) -> str:
        return f"<QueueAge of {len(self._notes)}>"

    def __len__(self) -> int:
        return len(self._notes)

    def seconds(self, client: str, *, said: int, queued: int, now: float) -> float:
        """Return for how long bytes are known to have waited.

        ``said``: all bytes so far; ``queued``: those of them that were not taken. ``now``: monotonic seconds.
        """
        if queued == 0:
            self._notes.pop(client, None)
            return 0.0
        noted = self._notes.get(client)
        if noted is None or said - queued >= noted[0]:
            self._notes[client] = (said, now)
            return 0.0
        return now - noted[1]

    def forget(self, client: str) -> None:
        """Forget a client that is gone."""
        self._notes.pop(client, None)

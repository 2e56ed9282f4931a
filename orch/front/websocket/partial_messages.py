"""Bounds the memory of incomplete messages over all WebSockets. Pure.

One client may leave a message of a megabyte incomplete for as long as it likes; ten thousand of them would
take ten gigabytes. Small messages do not count. If the sum of the others exceeds the limit, the connections
whose messages have been incomplete for longest are closed: an honest message is complete within moments.
"""

from typing import Final, Protocol

LIMIT: Final = 128 * 2**20
"""Bytes of all incomplete messages."""

SMALL: Final = 16_384
"""Bytes of an incomplete message that is never dropped: 160 MB for ten thousand clients."""

CLOSE_CODE: Final = 1013
"""RFC 6455, IANA registry: "Try Again Later"."""

REASON: Final = (
    "Your message took too long to arrive, and the service has too many incomplete messages. Send it again."
)


class Holder(Protocol):
    """A connection with an incomplete message."""

    def give_up_message(self) -> None:
        """Close the connection and drop its message."""


class PartialMessages:
    """Counts incomplete messages. The mutable state is the sum, and the large ones, oldest first."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._large: dict[Holder, None] = {}
        self.taken = 0

    def __repr__(self) -> str:
        return f"<PartialMessages {self.taken} bytes, {len(self._large)} large>"

    def note(self, holder: Holder, before: int, now: int) -> None:
        """Note the bytes of a connection's message, and drop the oldest messages if all are too large."""
        self.taken += now - before
        if now > SMALL:
            self._large.setdefault(holder)
            while self.taken > self._limit and self._large:
                oldest = next(iter(self._large))
                del self._large[oldest]
                oldest.give_up_message()
        elif before > SMALL:
            self._large.pop(holder, None)

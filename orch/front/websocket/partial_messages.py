"""What all WebSockets together hold of messages that are not whole yet. Pure.

One connection may have a message of a megabyte under way for as long as it likes; ten thousand of them would
have ten gigabytes. Who holds little is left alone. Of the others, where their sum is too much, those whose
message has been under way for longest are given up: an honest one is whole within moments.
"""

from typing import Final, Protocol

LIMIT: Final = 128 * 2**20
"""Bytes of all messages under way."""

SMALL: Final = 16_384
"""Bytes of one that never has to go: 160 MB for ten thousand clients."""

CLOSE_CODE: Final = 1013
"""RFC 6455, IANA registry: "Try Again Later"."""

REASON: Final = "Your message took too long to come, and too many are under way. Send it again."


class Holder(Protocol):
    """A connection with a message under way."""

    def give_up_message(self) -> None:
        """Close the connection; its message is forgotten."""


class PartialMessages:
    """Counts them. The mutable state is the sum, and the large ones in the order in which they began."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._large: dict[Holder, None] = {}
        self.taken = 0

    def __repr__(self) -> str:
        return f"<PartialMessages {self.taken} bytes, {len(self._large)} large>"

    def note(self, holder: Holder, before: int, now: int) -> None:
        """Note how many bytes a connection holds, and give up the oldest where all are too many."""
        self.taken += now - before
        if now > SMALL:
            self._large.setdefault(holder)
            while self.taken > self._limit and self._large:
                oldest = next(iter(self._large))
                del self._large[oldest]
                oldest.give_up_message()
        elif before > SMALL:
            self._large.pop(holder, None)

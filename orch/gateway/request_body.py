"""A complete request body, in memory or on disk, which can be sent more than once. Pure.

Only the type of the function that reads it is asynchronous.
"""

import math
from collections.abc import Awaitable, Callable

Read = Callable[[int], Awaitable[bytes]]
"""Returns some bytes from an offset on, empty at the end."""


class RequestBody:
    """The body of one request: ``data``, or ``length`` bytes that ``read`` returns.

    The mutable state is how much of it was sent.
    """

    is_streamed: bool = False
    """Whether it arrives while it is sent, so that it can be sent once only."""
    is_chunked: bool = False
    """Whether it is sent in chunks, as its length is not known."""
    is_spent: bool = False
    """Whether it cannot be sent any more."""
    expects_continue: bool = False
    """Whether it is sent only when the instance asks for it (``Expect: 100-continue``)."""
    waited: float = 0.0
    """Seconds for which the client was waited for while it was sent."""
    answer_by: float = math.inf
    """When the total ends that began with the last byte of a streamed body, on Trio's clock."""

    def __init__(self, data: bytes = b"", *, read: Read | None = None, length: int = 0) -> None:
        self.length = len(data) if read is None else length
        self._data = data
        self._read = read
        self._offset = 0

    @property
    def whole(self) -> bytes | None:
        """The whole body if it is in memory, else None."""
        return self._data if self._read is None else None

    def again(self) -> "RequestBody":
        """Return the same body, to be sent beside this one."""
        return RequestBody(self._data, read=self._read, length=self.length)

    def rewind(self) -> None:
        """Begin again from the first byte."""
        self._offset = 0

    async def beginning(self, size: int) -> bytes:
        """Return up to ``size`` bytes from the beginning; how much was sent stays. Raises as :meth:`next`."""
        if self._read is None:
            return self._data[:size]
        return (await self._read(0))[:size]

    async def next(self) -> bytes:
        """Return the next piece, empty at the end. Raises what reading raises."""
        if self._read is not None:
            piece = await self._read(self._offset)
        else:
            piece = self._data[self._offset :]
        self._offset += len(piece)
        return piece

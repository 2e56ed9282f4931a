"""A complete request body, in memory or on disk, which can be sent more than once. Pure.

Only the type of the function that reads it is asynchronous.
"""

from collections.abc import Awaitable, Callable

Read = Callable[[int], Awaitable[bytes]]
"""Returns some bytes from an offset on, empty at the end."""


class RequestBody:
    """The body of one request: ``data``, or ``length`` bytes that ``read`` returns.

    The mutable state is how much of it was sent.
    """

    def __init__(self, data: bytes = b"", *, read: Read | None = None, length: int = 0) -> None:
        self.length = len(data) if read is None else length
        self._data = data
        self._read = read
        self._offset = 0

    @property
    def whole(self) -> bytes | None:
        """The whole body if it is in memory, else None."""
        return self._data if self._read is None else None

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

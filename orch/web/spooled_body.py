"""A response's body that is read from a private file, which is closed when it is sent, or cannot be."""

import weakref
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Final, Self

import trio
from quart.wrappers.response import ResponseBody

_PIECE: Final = 1 << 16


class SpooledBody(ResponseBody):
    """Sends a file from its beginning.

    Resource handling: ``stack`` closes the file and releases what else the response holds. It is closed when
    the body was sent or its sending failed; where sending never began, when the response is forgotten.
    """

    def __init__(self, file: IO[bytes], stack: ExitStack) -> None:
        self._file = file
        self._close = weakref.finalize(self, stack.close)
        file.seek(0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        piece = await trio.to_thread.run_sync(self._file.read, _PIECE)
        if not piece:
            raise StopAsyncIteration
        return piece

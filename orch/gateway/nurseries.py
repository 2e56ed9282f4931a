"""A nursery that belongs to one block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def nursery_of_block() -> AsyncIterator[trio.Nursery]:
    """Yield a nursery that is cancelled at the end of the block.

    An exception of the block itself is raised as it is, not in a group. If the nursery is cancelled, the
    block ends without an exception.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except Exception as error:  # noqa: BLE001 - raised below
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure

"""Running a Trio test, on a virtual clock unless it needs real sockets."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio
from trio.testing import MockClock

T = TypeVar("T")

#: Seconds of real time after which a test hangs: no machine that does other things as well is that slow.
HANGS = 600.0


def run(test: Callable[..., Awaitable[T]], *args: Any, virtual: bool = True, limit: float = 120) -> T:
    """Run ``test`` to its end.

    ``virtual``: time passes only when every task waits, and then at once. ``limit``: seconds (virtual ones
    on a virtual clock) after which a test that hangs fails. Real ones are :data:`HANGS` at least, so that a
    busy machine fails nothing.
    """
    bound = limit if virtual else max(limit, HANGS)

    async def bounded() -> T:
        with trio.fail_after(bound):
            return await test(*args)

    clock = MockClock(autojump_threshold=0) if virtual else None
    return trio.run(bounded, clock=clock)

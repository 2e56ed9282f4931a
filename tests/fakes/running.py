"""Running a test on Trio: on a virtual clock unless it needs real time, and not for ever."""

import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import trio
from trio.testing import MockClock

T = TypeVar("T")

#: Virtual seconds after which a test hangs.
VIRTUAL_LIMIT = 120.0

#: Real seconds after which a test hangs: no machine is that slow, even one that does other things as well.
REAL_LIMIT = 600.0


def run(
    test: Callable[..., Awaitable[T]], *args: Any, virtual: bool = True, limit: float = VIRTUAL_LIMIT
) -> T:
    """Run ``test`` to its end, for a synchronous test or helper. An ``async def`` test needs no call.

    ``virtual``: time passes only when every task waits, and then at once. ``limit``: seconds (virtual ones
    on a virtual clock) after which a test that hangs fails. Real ones are :data:`REAL_LIMIT` at least, so
    that a busy machine fails nothing.
    """
    bound = limit if virtual else max(limit, REAL_LIMIT)
    clock = MockClock(autojump_threshold=0) if virtual else None
    return trio.run(_run_within, bound, test, *args, clock=clock)


async def _run_within(seconds: float, test: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run ``test``; cancel it after ``seconds``, and say where it waited."""
    where = "nowhere that could be cancelled"
    scope = trio.CancelScope(deadline=trio.current_time() + seconds)
    try:
        with scope:
            try:
                return await test(*args)
            except BaseException as error:
                where = _waiting(error)
                raise
    except BaseException as error:
        if scope.cancel_called:
            error.add_note(_hung(seconds, where))
        raise
    raise trio.TooSlowError(_hung(seconds, where))


def _hung(seconds: float, where: str) -> str:
    return f"The test hung: it was cancelled after {seconds:g} s, waiting {where}"


def _waiting(error: BaseException) -> str:
    """Return the lines of tests at which cancelled tasks waited, the innermost of each."""
    places = dict.fromkeys(_line(cancelled) for cancelled in _cancelled(error))
    return "; ".join(places) or "nowhere that was seen"


def _cancelled(error: BaseException) -> Iterator[trio.Cancelled]:
    if isinstance(error, trio.Cancelled):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _cancelled(inner)


def _line(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/tests/" in frame.filename and frame.filename != __file__]
    frame = (own or frames)[-1]
    return f"at {frame.filename}:{frame.lineno}: {frame.line}"

"""Running a test on Trio: on a virtual clock unless it needs real time, and not for ever."""

import linecache
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import trio
from trio.testing import MockClock

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
OWN = (f"{ROOT}/tests/", f"{ROOT}/orch/")

#: At so many lines at most a test that hangs is said to wait: the test's own come first.
PLACES = 12

#: Virtual seconds after which a test hangs.
VIRTUAL_LIMIT = 120.0

#: Real seconds after which a test hangs: no machine is that slow, even one that does other things as well.
REAL_LIMIT = 600.0

#: Real seconds after which any test is ended: of a plain function, or a loop that never awaits.
PLAIN_LIMIT = 1800.0


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
    task = trio.lowlevel.current_task()
    scope = trio.CancelScope()
    hung = ""

    async def watch() -> None:
        nonlocal hung
        await trio.sleep(seconds)
        places = islice(dict.fromkeys(_places(task)), PLACES)
        hung = "\n  ".join([f"The test hung: it was cancelled after {seconds:g} s, waiting at", *places])
        scope.cancel()

    trio.lowlevel.spawn_system_task(watch)  # it ends with the run
    try:
        with scope:
            return await test(*args)
    except BaseException as error:
        if hung:
            error.add_note(hung)
        raise
    raise trio.TooSlowError(hung)


def _places(task: trio.lowlevel.Task) -> Iterator[str]:
    """Return where a task and its children wait: the innermost line of a test module and of the project."""
    lines = [
        (Path(frame.f_code.co_filename).relative_to(ROOT), line)
        for frame, line in task.iter_await_frames()
        if frame.f_code.co_filename.startswith(OWN) and frame.f_code.co_filename != __file__
    ]
    of_test = [place for place in lines if place[0].name.startswith("test_")]
    for path, line in dict.fromkeys(of_test[-1:] + lines[-1:]):
        yield f"{path}:{line}: {linecache.getline(str(ROOT / path), line).strip()}"
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _places(child)


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Raise TimeoutError at the line where the block is after so many seconds, be it a loop without waits."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"The test hung: it was ended after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

"""The real tasks below a branch, walked when someone looks."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import trio
from msgspec import Struct

TASKS_SHOWN: Final = 40
TASKS_WALKED: Final = 2000

_UNINTERESTING: Final = frozenset({"orch.supervision.branches", __name__})


class TaskStatistics(Struct, frozen=True, kw_only=True):
    """Tasks of one name below a branch, and where they wait."""

    name: str
    count: int
    depth: int
    waits_for: str | None


def tasks_below(root: trio.lowlevel.Task) -> Iterator[TaskStatistics]:
    """Walk the real task tree below ``root``, tasks of one name at one depth counted together.

    The walk ends after :data:`TASKS_WALKED` tasks: a page needs the shape, not ten thousand rows.
    """
    counts: Counter[tuple[int, str]] = Counter()
    example: dict[tuple[int, str], trio.lowlevel.Task] = {}
    stack: list[tuple[int, trio.lowlevel.Task]] = [
        (0, task) for nursery in root.child_nurseries for task in nursery.child_tasks
    ]
    walked = 0
    while stack and walked < TASKS_WALKED:
        depth, task = stack.pop()
        walked += 1
        key = (depth, _short(task.name))
        counts[key] += 1
        example.setdefault(key, task)
        for nursery in task.child_nurseries:
            stack.extend((depth + 1, child) for child in nursery.child_tasks)
    for (depth, name), count in list(counts.items())[:TASKS_SHOWN]:
        yield TaskStatistics(
            name=name, count=count, depth=depth, waits_for=_waits_for(example[(depth, name)])
        )


def _short(name: str) -> str:
    """Drop the package, and where a function was defined inside another, the outer one."""
    return name.rpartition("<locals>.")[2].removeprefix("orch.")


def _waits_for(task: trio.lowlevel.Task) -> str | None:
    """Return the innermost of our own functions that the task is in, as ``module.function``."""
    found = None
    for frame, _ in task.iter_await_frames():
        module = frame.f_globals.get("__name__", "")
        if module.startswith("orch.") and module not in _UNINTERESTING:
            found = f"{module.removeprefix('orch.')}.{frame.f_code.co_name}"
    return found

"""Lists the Trio tasks below a branch, on request."""

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
    """Yield the tasks below ``root``; tasks of one name at one depth are counted together.

    At most :data:`TASKS_WALKED` tasks are visited: a page needs the shape of the tree, not ten thousand rows.
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
    """Return a function's name without the package and without enclosing functions."""
    return name.rpartition("<locals>.")[2].removeprefix("orch.")


def _waits_for(task: trio.lowlevel.Task) -> str | None:
    """Return the innermost function of ours that the task is in, as ``module.function``."""
    found = None
    for frame, _ in task.iter_await_frames():
        module = frame.f_globals.get("__name__", "")
        if module.startswith("orch.") and module not in _UNINTERESTING:
            found = f"{module.removeprefix('orch.')}.{frame.f_code.co_name}"
    return found

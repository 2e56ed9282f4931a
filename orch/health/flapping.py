"""Whether an instance flaps: it is healthy, then not, then healthy again, too often. Pure.

Changes to and from healthy are counted in a window. From ``limit`` changes on the instance flaps, until fewer
than half as many are left in the window; meanwhile it needs :data:`DAMPING` times as many good checks.
"""

from dataclasses import dataclass
from typing import Final

from orch.health.verdict import State

DAMPING: Final = 3

_COUNTED: Final = frozenset({State.HEALTHY, State.DEGRADED, State.RECOVERING, State.UNHEALTHY})


@dataclass(frozen=True, slots=True)
class Flapping:
    """``changes``: when the latest changes were, oldest first; ``is_on``: whether the instance flaps."""

    changes: tuple[float, ...] = ()
    is_on: bool = False


def is_change(before: State, after: State) -> bool:
    """Return whether a change of state counts: to or from healthy, but not with the first check or work."""
    is_known = before in _COUNTED and after in _COUNTED
    return is_known and (before is State.HEALTHY) is not (after is State.HEALTHY)


def reviewed(
    flapping: Flapping, *, now: float, limit: int, window: float, has_changed: bool = False
) -> Flapping:
    """Return the flapping at ``now``; ``has_changed``: a change that counts has just been made.

    ``limit`` 0: nothing flaps.
    """
    changes = tuple(at for at in (*flapping.changes, *((now,) if has_changed else ())) if now - at < window)
    changes = changes[-limit:] if limit else ()
    is_on = len(changes) * 2 >= limit if flapping.is_on else len(changes) >= limit
    return Flapping(changes, is_on=bool(limit) and is_on)

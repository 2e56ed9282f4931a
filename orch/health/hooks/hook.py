"""What a restart hook is called with, and what it returns. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orch.shortages import Shortage
from orch.telemetry.work import Work


@dataclass(frozen=True, slots=True)
class HookCall:
    """One attempt to restart a service.

    ``attempt``: 0 if an operator asked for it, or past the limit of attempts. ``reason``: why it is down.
    ``fence``: a number that grows from one worker's turn to the next. ``work``: the requests that it ends.
    ``on_line``: receives output, ``on_begun`` is called once when the restart has begun.
    """

    service: str
    attempt: int
    reason: str
    fence: int
    work: Work
    on_line: Callable[[str, str], None]
    on_begun: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``fault``: why the hook failed, without its subject; "" if it succeeded.

    ``shortage``: what this process was short of, so that the hook was not run at all.
    """

    fault: str = ""
    shortage: Shortage | None = None


class Hook(Protocol):
    """Restarts a service. Every failure is an outcome; nothing but Cancelled is raised."""

    @property
    def subject(self) -> str:
        """The hook as the subject of a sentence: "The restart command"."""

    async def __call__(self, call: HookCall) -> Outcome:
        """Restart the service."""

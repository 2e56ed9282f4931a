"""The branch that bots will live in: one nursery for each.

There is no bot yet, so the branch has nothing to start and says so.
"""

import trio
from msgspec import Struct


class BotsStatistics(Struct, frozen=True, kw_only=True):
    """How many bots there are."""

    running: int


class BotsService:
    """Holds the bots of this process; none so far."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled."""
        task_status.started()
        await trio.sleep_forever()

    def statistics(self) -> BotsStatistics:
        """Return how many there are."""
        return BotsStatistics(running=0)

"""A place where leases are taken, in memory; and someone who acts while they hold one."""

from collections.abc import Callable
from typing import Never

import trio

from orch.cluster.lease import SharedLease
from orch.cluster.lease_state import LeaseTimes
from orch.problems import ProblemError
from orch.stores.protocols import LeaseStore


class MemoryLeases:
    """Keeps leases as the store of several workers does. ``is_away``: it does not answer."""

    def __init__(self) -> None:
        self.is_away = False
        self._held: dict[str, tuple[str, float]] = {}
        self._fence = 0

    async def acquire_lease(self, name: str, holder: str, seconds: float) -> int | None:
        """Take or renew."""
        await trio.lowlevel.checkpoint()
        self._answer()
        now = trio.current_time()
        known, until = self._held.get(name, (holder, -1.0))
        if until > now and known != holder:
            return None
        if until <= now:
            self._fence += 1
        self._held[name] = (holder, now + seconds)
        return self._fence

    async def release_lease(self, name: str, holder: str) -> None:
        """Give back."""
        await trio.lowlevel.checkpoint()
        self._answer()
        if self._held.get(name, ("", 0.0))[0] == holder:
            del self._held[name]

    def forget(self) -> None:
        """Forget who has what."""
        self._held.clear()

    def _answer(self) -> None:
        if self.is_away:
            raise ProblemError("store_unavailable", "The store does not answer.")


class Actor:
    """Someone who wants a lease; ``log`` is shared by all, and says who acts when, with which fence."""

    def __init__(
        self, name: str, store: LeaseStore, times: LeaseTimes, log: list[tuple[str, str, int]]
    ) -> None:
        self.name = name
        self.lease = SharedLease("work", store, times=times)
        self.log = log
        self.acting = trio.Event()
        self.on_change: Callable[[], None] = lambda: None
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        """Want it until told to end."""
        with self._scope:
            await self.lease.hold(self._act)

    def end(self) -> None:
        """End in order."""
        self._scope.cancel()

    async def _act(self, fence: int) -> Never:
        self.log.append((self.name, "begins", fence))
        self.acting.set()
        try:
            await trio.sleep_forever()
        finally:
            self.acting = trio.Event()
            self.log.append((self.name, "ends", fence))

"""Leases: acquired, renewed and released in the store that the workers share.

:mod:`orch.cluster.lease_state` decides. A service of one process holds every lease (:class:`LocalLease`).
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Never, Protocol

import structlog
import trio

from orch.cluster import lease_state
from orch.cluster.lease_state import LEASE_TIMES, LeaseState, LeaseTimes
from orch.problems import ProblemError
from orch.stores.protocols import LeaseStore
from orch.telemetry.boundaries import Boundary

#: Seconds allowed to release a lease at shutdown; otherwise it expires by itself.
RELEASE_WITHIN: Final = 1.0

log = structlog.get_logger("leases")

Act = Callable[[int], Awaitable[Never]]
"""The work done while a lease is held. It is called with the fence, and cancelled when the lease is lost."""


class Lease(Protocol):
    """A right that one worker has at a time."""

    @property
    def is_held(self) -> bool:
        """Whether this worker holds it now."""

    @property
    def is_held_by_another(self) -> bool | None:
        """Whether another worker holds it; None: not known, the store has not replied."""

    @property
    def is_shared(self) -> bool:
        """Whether there may be other workers at all."""

    async def hold(self, act: Act) -> Never:
        """Try to hold it until cancelled, and run ``act`` while it is held. For one task at a time."""


class LocalLease:
    """The lease of a service of one process: always held."""

    is_held = True
    is_held_by_another = False
    is_shared = False

    async def hold(self, act: Act) -> Never:
        """Run ``act``."""
        await act(0)


class SharedLease:
    """One lease that several workers try to hold.

    The mutable state is what is known of it, and the scope of the work done while it is held.

    Error handling: if the store does not reply, the lease is lost when it expires, not before.
    """

    is_shared = True

    def __init__(
        self,
        name: str,
        store: LeaseStore,
        *,
        times: LeaseTimes = LEASE_TIMES,
        boundary: Boundary | None = None,
    ) -> None:
        self.name = name
        self._store = store
        self._times = times
        self._holder = secrets.token_hex(8)
        self._state = LeaseState()
        self._changed = trio.Event()
        self._boundary = boundary or Boundary("leases")

    def __repr__(self) -> str:
        where = {None: "holder unknown", True: "held by another worker", False: "ours"}[
            self.is_held_by_another
        ]
        return f"<SharedLease {self.name}, {where}, fence {self._state.fence}>"

    @property
    def is_held(self) -> bool:
        """Whether this worker holds it now."""
        return lease_state.is_held(self._state, trio.current_time())

    @property
    def is_held_by_another(self) -> bool | None:
        """Whether another worker holds it; None: not known, the store has not replied."""
        return self._state.is_held_by_another

    async def hold(self, act: Act) -> Never:
        """Try to hold it until cancelled, and run ``act`` while it is held.

        Cancelled, it is released within :data:`RELEASE_WITHIN`, so that another worker need not wait.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._renew)
                while True:
                    while not self.is_held:
                        await self._changed.wait()
                    fence = self._state.fence
                    log.info("lease acquired", lease=self.name, fence=fence)
                    async with trio.open_nursery() as acting:
                        acting.start_soon(act, fence)
                        await self._until_lost(fence)
                        acting.cancel_scope.cancel()
                    log.warning("lease lost", lease=self.name, fence=fence)
        finally:
            with trio.move_on_after(RELEASE_WITHIN, shield=True):
                await self._release()

    async def _until_lost(self, fence: int) -> None:
        while self._state.until is not None and self._state.fence == fence:
            with trio.move_on_at(self._state.until) as expiry:
                await self._changed.wait()
            if expiry.cancelled_caught:
                return

    async def _renew(self) -> Never:
        """Acquire it and renew it, again and again."""
        while True:
            sent_at = trio.current_time()
            replied: LeaseState | None = None
            with self._boundary.item(lease=self.name):
                try:
                    with trio.fail_after(self._times.lasts):
                        fence = await self._store.acquire_lease(self.name, self._holder, self._times.lasts)
                    replied = lease_state.after_reply(self._state, self._times, sent_at=sent_at, fence=fence)
                except (ProblemError, trio.TooSlowError):
                    replied = None  # logged by the store
            self._state = replied or lease_state.after_failure(self._state, trio.current_time())
            self._changed.set()
            self._changed = trio.Event()
            await trio.sleep_until(lease_state.next_attempt_at(self._state, self._times, sent_at=sent_at))

    async def _release(self) -> None:
        was_held, self._state = self.is_held, LeaseState(fence=self._state.fence)
        if not was_held:
            return
        with self._boundary.item(lease=self.name):
            try:
                await self._store.release_lease(self.name, self._holder)
            except ProblemError as error:
                log.warning("lease not released", lease=self.name, reason=error.detail)


class Leases:
    """Creates leases: shared ones if several workers share the store, local ones otherwise."""

    def __init__(self, store: LeaseStore | None = None, *, times: LeaseTimes = LEASE_TIMES) -> None:
        self._store = store
        self._times = times
        self.boundary = Boundary("leases")

    def lease(self, name: str) -> Lease:
        """Return a lease that nobody holds yet."""
        if self._store is None:
            return LocalLease()
        return SharedLease(name, self._store, times=self._times, boundary=self.boundary)

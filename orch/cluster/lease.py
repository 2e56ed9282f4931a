"""Holding a lease: asking for it, renewing it, and doing something only while it is held.

:mod:`orch.cluster.lease_state` has the rule. A service of one process holds every lease (:class:`Granted`).
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Never, Protocol, runtime_checkable

import structlog
import trio

from orch.cluster import lease_state
from orch.cluster.lease_state import TERMS, Tenure, Terms
from orch.problems import ProblemError
from orch.telemetry.boundaries import Boundary

#: How long giving a lease back may take at the end; who does not get to it loses it by its time.
RELEASE_WITHIN: Final = 1.0

log = structlog.get_logger("leases")

Act = Callable[[int], Awaitable[Never]]
"""What is done while a lease is held; it is given the fence, and cancelled when the lease is lost."""


@runtime_checkable
class LeaseStore(Protocol):
    """Where several workers take leases."""

    async def take_lease(self, name: str, holder: str, seconds: float) -> int | None:
        """Take or renew a lease; return the fence, or None: another has it. Raises ``store_unavailable``."""

    async def drop_lease(self, name: str, holder: str) -> None:
        """Give a lease back, if it is the holder's. Raises ``store_unavailable``."""


class Held(Protocol):
    """A lease as whoever needs it sees it."""

    @property
    def is_held(self) -> bool:
        """Whether it is this worker's now."""

    @property
    def is_elsewhere(self) -> bool | None:
        """Whether it is another worker's; None: the store has not said."""

    @property
    def is_shared(self) -> bool:
        """Whether there may be other workers at all."""

    async def hold(self, act: Act) -> Never:
        """Try to hold it until cancelled, and act whenever it is held. For one task at a time."""


class Granted:
    """The lease of a service of one process: always held."""

    is_held = True
    is_elsewhere = False
    is_shared = False

    async def hold(self, act: Act) -> Never:
        """Act."""
        await act(0)


class Lease:
    """One lease that several workers want.

    The mutable state is what is known of it, and the scope of what is done while it is held.

    Error handling: a store that does not answer costs the lease when its time is over, not before.
    """

    is_shared = True

    def __init__(
        self, name: str, store: LeaseStore, *, terms: Terms = TERMS, boundary: Boundary | None = None
    ) -> None:
        self.name = name
        self._store = store
        self._terms = terms
        self._holder = secrets.token_hex(8)
        self._tenure = Tenure()
        self._changed = trio.Event()
        self._boundary = boundary or Boundary("leases")

    def __repr__(self) -> str:
        where = {None: "nobody's", True: "another's", False: "ours"}[self.is_elsewhere]
        return f"<Lease {self.name}, {where}, fence {self._tenure.fence}>"

    @property
    def is_held(self) -> bool:
        """Whether it is this worker's now."""
        return lease_state.is_held(self._tenure, trio.current_time())

    @property
    def is_elsewhere(self) -> bool | None:
        """Whether it is another worker's; None: the store has not said."""
        return self._tenure.is_elsewhere

    async def hold(self, act: Act) -> Never:
        """Try to hold it until cancelled, and act whenever it is held.

        Cancelled, it is given back within :data:`RELEASE_WITHIN`, so that another need not wait.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep)
                while True:
                    while not self.is_held:
                        await self._changed.wait()
                    fence = self._tenure.fence
                    log.info("lease taken", lease=self.name, fence=fence)
                    async with trio.open_nursery() as acting:
                        acting.start_soon(act, fence)
                        await self._until_lost(fence)
                        acting.cancel_scope.cancel()
                    log.warning("lease lost", lease=self.name, fence=fence)
        finally:
            with trio.move_on_after(RELEASE_WITHIN, shield=True):
                await self._release()

    async def _until_lost(self, fence: int) -> None:
        while self._tenure.until is not None and self._tenure.fence == fence:
            with trio.move_on_at(self._tenure.until) as over:
                await self._changed.wait()
            if over.cancelled_caught:
                return

    async def _keep(self) -> Never:
        """Ask for it, again and again."""
        while True:
            asked_at = trio.current_time()
            answered: Tenure | None = None
            with self._boundary.item(lease=self.name):
                try:
                    with trio.fail_after(self._terms.lasts):
                        fence = await self._store.take_lease(self.name, self._holder, self._terms.lasts)
                    answered = lease_state.answered(self._tenure, self._terms, asked_at=asked_at, fence=fence)
                except (ProblemError, trio.TooSlowError):
                    answered = None  # said by the store
            self._tenure = answered or lease_state.unanswered(self._tenure, trio.current_time())
            self._changed.set()
            self._changed = trio.Event()
            await trio.sleep_until(lease_state.ask_at(self._tenure, self._terms, asked_at=asked_at))

    async def _release(self) -> None:
        was_held, self._tenure = self.is_held, Tenure(fence=self._tenure.fence)
        if not was_held:
            return
        with self._boundary.item(lease=self.name):
            try:
                await self._store.drop_lease(self.name, self._holder)
            except ProblemError as error:
                log.warning("lease not given back", lease=self.name, reason=error.detail)


class Leases:
    """Makes leases: shared ones where there is a store that several workers share."""

    def __init__(self, store: LeaseStore | None = None, *, terms: Terms = TERMS) -> None:
        self._store = store
        self._terms = terms
        self.boundary = Boundary("leases")

    def lease(self, name: str) -> Held:
        """Return a lease; nobody holds it yet."""
        if self._store is None:
            return Granted()
        return Lease(name, self._store, terms=self._terms, boundary=self.boundary)

"""Runs the bots of this worker: takes places for those that wait, holds leases, adopts those of dead workers.

    run
    ├─ places      starts what is due, and the bots that have waited longest, as long as there are places
    ├─ leases      renews ours; takes over those that have expired; reads requests to leave
    └─ bots        one nursery per bot (:class:`orch.bots.runs.run.BotRun`)

The limit is kept by the store, in one statement, for all workers together. A worker that stops releases its
bots: they leave the page without an end, and the next worker, or the next start of this service, goes on with
them or ends them truthfully.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Final

import msgspec
import structlog
import trio

from orch.bots.bot_counters import BotCounters
from orch.bots.ends import EndReason
from orch.bots.runs.adoption import adoption
from orch.bots.runs.journal import Composed, Journal, OwnerLostError
from orch.bots.runs.run import BotRun
from orch.bots.runs.stored_lives import life_of, transition
from orch.bots.states import Event, State
from orch.bots.webhooks.payloads import Trigger
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name
from orch.stores.bot_records import Life, WebhookDelivery
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import BotStore
from orch.telemetry.boundaries import Boundary

LOOKED_EVERY: Final = 2.0
"""Seconds between two looks for bots that are due or wait; what happens here is acted on at once."""

LEASE: Final = 30.0
"""Seconds for which a bot belongs to a worker that does not renew its lease."""

RENEWED_EVERY: Final = 5.0
"""Seconds between two renewals, and until a request to leave reaches the worker that runs the bot."""

RELEASED_WITHIN: Final = 4.0
"""Seconds in which bots leave their pages and are released, when the branch is cancelled."""

ADOPTED_AT_ONCE: Final = 20

_log = structlog.get_logger(__name__)

MakeRun = Callable[[Journal, bool], BotRun]
"""Makes the run of a bot; the flag: a participant of its meeting has opted out."""


class BotHost:
    """The bots that this worker runs, by id, while :meth:`run` runs; that is the mutable state.

    ``limit``: how many run at a time in all workers; 0: none is started. ``can_start``: whether this worker
    can start one now. ``is_alone``: no other process uses the store, so that bots of another owner belong to
    a process that has ended.
    """

    def __init__(
        self,
        store: BotStore,
        *,
        worker: str,
        wall: Callable[[], float],
        limit: Callable[[], int],
        can_start: Callable[[], bool],
        make_run: MakeRun,
        webhooks: Composed,
        on_change: Callable[[str], None],
        is_alone: bool,
        counters: BotCounters | None = None,
    ) -> None:
        self._store = store
        self._worker = worker
        self._wall = wall
        self._limit = limit
        self._can_start = can_start
        self._make_run = make_run
        self._webhooks = webhooks
        self._on_change = on_change
        self._is_alone = is_alone
        self._counters = counters or BotCounters()
        self._owner = ""
        self._runs: dict[str, BotRun] = {}
        self._work = trio.Event()
        self._owning = trio.Lock()  # what becomes ours is among the runs before the next renewal is read
        self._is_stopping = False
        self._is_away = False
        self.boundary = Boundary("meeting bots")

    def __repr__(self) -> str:
        return f"<BotHost {self._owner}, {len(self._runs)} bots>"

    @property
    def runs(self) -> Mapping[str, BotRun]:
        """The bots that run here, by id."""
        return self._runs

    def wake(self) -> None:
        """Look for bots to start now."""
        self._work.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run bots until cancelled; then release them."""
        self._owner = f"{self._worker}/{new_name()}"  # what an earlier attempt ran is taken over
        self._is_stopping = False
        async with trio.open_nursery() as nursery:
            bots: trio.Nursery = await nursery.start(self._hold)
            try:
                async with trio.open_nursery() as loops:
                    loops.start_soon(self._keep_leases, bots)
                    loops.start_soon(self._take_places, bots)
                    task_status.started()
            finally:
                with trio.move_on_after(RELEASED_WITHIN, shield=True):
                    await self.release()
                bots.cancel_scope.cancel()

    async def _hold(self, *, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """Hold the nursery of all bots. A cancel reaches it last: bots leave their pages first."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                task_status.started(nursery)
                await trio.sleep_forever()

    async def release(self) -> None:
        """Start no more bots; have all leave their pages, and others go on with them."""
        self._is_stopping = True
        async with trio.open_nursery() as nursery:
            for run in tuple(self._runs.values()):
                nursery.start_soon(run.release)
        for run in tuple(self._runs.values()):
            await run.done.wait()
        try:
            await self._store.release(self._owner, now=self._wall())
        except ProblemError as problem:
            _log.warning("bots are not released", reason=problem.detail)

    # Places.

    async def _take_places(self, bots: trio.Nursery) -> None:
        while True:
            self._work = trio.Event()
            with self.boundary.item(step="places"):
                await self._look(bots)
            with trio.move_on_after(LOOKED_EVERY):
                await self._work.wait()

    async def _look(self, bots: trio.Nursery) -> None:
        try:
            await self._start_due()
            while not self._is_stopping and self._limit() > 0 and self._can_start():
                async with self._owning:
                    now = self._wall()
                    life = await self._store.place(self._owner, self._limit(), now=now, until=now + LEASE)
                    if life is None:
                        break
                    await self._begin(life, bots)
        except ProblemError as problem:
            self._note_away(problem)
        else:
            self._is_away = False

    async def _start_due(self) -> None:
        """Have scheduled bots whose time has come wait for a place; another worker may do so first."""
        now = self._wall()
        for life in await self._store.due(now):
            found = transition(life, Event.DUE, now)
            webhooks: Sequence[WebhookDelivery] = ()
            if found.webhook is not None:
                webhooks = self._webhooks(found.life, Trigger.STATE_CHANGE, now, found.webhook)
            await self._store.advance(Change(found.life, (found.event,), webhooks), owner=None)
            self._on_change(life.bot_id)

    async def _begin(self, life: Life, bots: trio.Nursery) -> None:
        run = await self._made(life, has_opt_out=False)  # nobody was asked yet
        if run is not None:
            self._runs[life.bot_id] = run
            bots.start_soon(self._run_bot, run)

    async def _made(self, life: Life, *, has_opt_out: bool) -> BotRun | None:
        """Make the run of a bot. None: what it was asked for cannot be read, and it has ended."""
        journal = self._journal(life)
        try:
            return self._make_run(journal, has_opt_out)
        except msgspec.ValidationError as error:  # stored by another version
            _log.error("a bot cannot be read", bot=life.bot_id, reason=str(error))
            detail = "What the bot was asked for was stored by another version, and cannot be read."
            await journal.advance(Event.END, reason=EndReason.INTERNAL_ERROR, detail=detail)
            self._on_change(life.bot_id)
            return None

    def _journal(self, life: Life) -> Journal:
        return Journal(
            self._store,
            life,
            owner=self._owner,
            wall=self._wall,
            webhooks=self._webhooks,
            on_change=partial(self._on_change, life.bot_id),
            counters=self._counters,
        )

    async def _run_bot(self, run: BotRun) -> None:
        """Run a bot; its place is free afterwards."""
        try:
            with self.boundary.item(bot=run.bot_id):
                await run.run()
        finally:
            self._runs.pop(run.bot_id, None)
            self._on_change(run.bot_id)
            self.wake()

    # Leases.

    async def _keep_leases(self, bots: trio.Nursery) -> None:
        is_first = True
        while True:
            with self.boundary.item(step="leases"):
                try:
                    async with self._owning:
                        await self._renew(bots)
                        await self._take_over(bots, is_first=is_first)
                    is_first = self._is_away = False
                except ProblemError as problem:
                    self._note_away(problem)
            await trio.sleep(RENEWED_EVERY)

    async def _renew(self, bots: trio.Nursery) -> None:
        """Renew our leases; stop bots that are ours no longer, and those that shall leave."""
        ours = set(self._runs)
        renewed = {
            life.bot_id: life for life in await self._store.renew(self._owner, until=self._wall() + LEASE)
        }
        for bot_id in ours - renewed.keys():
            run = self._runs.get(bot_id)
            if run is None or run.journal.is_final or self._is_stopping:
                continue
            life = await self._store.life(bot_id)
            if life is None or (life.ended_at is None and life.owner != self._owner):
                _log.warning("another worker runs this bot now", bot=bot_id)
                run.abandon()
        for bot_id, life in renewed.items():
            run = self._runs.get(bot_id)
            if run is None:
                if not self._is_stopping:  # else it has just left its page, and is released with the others
                    await self._adopt(life, bots, away=0.0)
            elif life.leave_requested_at is not None:
                bots.start_soon(self._leave, run)

    async def _leave(self, run: BotRun) -> None:
        with self.boundary.item(bot=run.bot_id), suppress(OwnerLostError):  # it has been abandoned
            await run.leave(EndReason.LEFT_ON_REQUEST)

    async def _take_over(self, bots: trio.Nursery, *, is_first: bool) -> None:
        """Take over the bots whose leases have expired.

        A process that is alone with its store need not wait for that at its start: any other owner of a bot
        has ended.
        """
        if self._is_stopping:
            return
        now = self._wall()
        expired_at = now + 2 * LEASE if is_first and self._is_alone else now
        leases = {
            life.bot_id: life.lease_until
            for life in await self._store.placed()
            if life.lease_until is not None and life.lease_until < expired_at and life.owner != self._owner
        }
        if not leases:
            return
        for life in await self._store.take_over(
            self._owner, ADOPTED_AT_ONCE, now=expired_at, until=now + LEASE
        ):
            expired = leases.get(life.bot_id) or now
            await self._adopt(life, bots, away=max(0.0, now - expired))

    async def _adopt(self, life: Life, bots: trio.Nursery, *, away: float) -> None:
        """Go on with a bot whose owner has ended, or end it."""
        has_opt_out = any(each.action == "opted_out" for each in await self._store.consents(life.session_id))
        run = await self._made(life, has_opt_out=has_opt_out)
        if run is None:
            return
        found = adoption(
            life_of(life),
            run.parts.limits,
            self._wall(),
            away=away if self._limit() > 0 else inf,  # bots are switched off: nothing is started
            leave_requested=life.leave_requested_at is not None,
            opted_out=has_opt_out,
        )
        _log.info("a bot was taken over", bot=life.bot_id, away=round(away, 1), goes_on=found.runs)
        if found.event is not None:
            await run.journal.advance(found.event, reason=found.reason)
        if found.runs:
            self._runs[life.bot_id] = run
            bots.start_soon(self._run_bot, run)
        elif run.journal.is_final and State(life.state) is not State.REQUESTED:
            await run.parts.ended(life.session_id)
        self._on_change(life.bot_id)

    def _note_away(self, problem: ProblemError) -> None:
        if not self._is_away:
            _log.warning("bots wait for the store", reason=problem.detail)
        self._is_away = True

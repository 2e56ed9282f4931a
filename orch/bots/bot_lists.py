"""The list of bots and single bots as topics show them: read from the store, with what is live here."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Never

import structlog
import trio
from msgspec.structs import replace

from orch.bots.ends import ENDS, EndReason
from orch.bots.runs.run import BotRun
from orch.bots.showing import ordered, positions, shown
from orch.bots.shown import BotLive, BotShown, BotsListed
from orch.bots.states import WITHOUT_BROWSER, State
from orch.problems import ProblemError
from orch.stores.bot_records import Life
from orch.stores.bot_store import PAGE, BotStore

RECENT: Final = 50
"""Bots in the list of the topic besides those that have not ended."""

READ_EVERY: Final = 3.0
"""Seconds between two readings of the list while it is shown, for what other workers change."""

SHOWN_FOR: Final = 10.0
"""Seconds after the last look at a topic for which it is kept up to date."""

SINGLE: Final = 64
"""Bots of other workers, or that have ended, that are kept for their topics; the one unused longest goes."""

READ_AT_A_TIME: Final = 8
"""Of which so many are read at a time: their owners are asked."""

_log = structlog.get_logger(__name__)


class BotLists:
    """What topics show. The mutable state is the list that was read last, and single bots by id.

    ``remote``: returns the live state of a bot that another worker runs, None: it does not reply.
    """

    def __init__(
        self,
        store: BotStore,
        *,
        runs: Callable[[], Mapping[str, BotRun]],
        remote: Callable[[Life], Awaitable[BotLive | None]],
        frame: Callable[[], BotsListed],
        touch: Callable[[str], None],
        is_alone: bool,
    ) -> None:
        self._store = store
        self._runs = runs
        self._remote = remote
        self._frame = frame
        self._touch = touch
        self._is_alone = is_alone
        self._active: tuple[Life, ...] = ()
        self._newest: tuple[Life, ...] = ()
        self._with_evidence: frozenset[str] = frozenset()
        self._single: OrderedDict[str, BotLive | None] = OrderedDict()
        self._looked_at = float("-inf")
        self._reading = trio.CapacityLimiter(READ_AT_A_TIME)
        self._changed = trio.Event()

    @property
    def waiting(self) -> int:
        """How many bots of all workers wait for a place, as they were read last."""
        return sum(life.state == State.REQUESTED for life in self._active)

    def change(self) -> None:
        """Read again: a bot has changed."""
        self._changed.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Keep the list up to date until cancelled.

        While nobody looks, a process that is alone with its store reads only what changes here.
        """
        task_status.started()
        is_away = False
        while True:
            self._changed = trio.Event()
            try:
                await self._read()
                is_away = False
            except ProblemError as problem:
                if not is_away:
                    _log.warning("the list of bots cannot be read", reason=problem.detail)
                is_away = True
            with trio.move_on_after(READ_EVERY):
                await self._changed.wait()
            if self._is_alone and trio.current_time() - self._looked_at > SHOWN_FOR:
                await self._changed.wait()

    async def _read(self) -> None:
        before = (self._active, self._newest)
        self._active = await self._read_active()
        self._newest = await self._store.lives(RECENT)
        self._with_evidence = await self._evidenced((*self._active, *self._newest))
        if (self._active, self._newest) != before:
            self._touch("bots")
        is_shown = trio.current_time() - self._looked_at <= SHOWN_FOR
        async with trio.open_nursery() as nursery:
            for bot_id in tuple(self._single):
                nursery.start_soon(self._read_single, bot_id, is_shown)

    async def _read_single(self, bot_id: str, is_shown: bool) -> None:  # noqa: FBT001 - of start_soon
        async with self._reading:
            try:
                found = await (self.found(bot_id) if is_shown else self.stored_live(bot_id))
            except ProblemError:
                return  # the store is away: the list is read again soon, which reports it
        if bot_id in self._single:
            self._single[bot_id] = found
            self._touch(f"bots/{bot_id}")

    async def _read_active(self) -> tuple[Life, ...]:
        """Return those that have not ended, :data:`PAGE` at most, and all that run."""
        active = await self._store.lives(active=True)
        if len(active) < PAGE:
            return active
        known = {life.bot_id for life in active}
        return (*active, *(life for life in await self._store.placed() if life.bot_id not in known))

    async def _evidenced(self, lives: tuple[Life, ...]) -> frozenset[str]:
        """Return the ids of those that have evidence; only where there can be some."""
        found = set()
        for life in lives:
            if may_have_evidence(life) and (
                life.bot_id in self._with_evidence
                or await self._store.evidence_files(life.session_id, limit=1)
            ):
                found.add(life.bot_id)
        return frozenset(found)

    # What topics show; it cannot wait.

    def listed(self) -> BotsListed:
        """Return the list, the state of the topic ``bots``."""
        self._look()
        places = positions(self._active)
        bots = [self.one(life, places.get(life.bot_id)) for life in ordered(self._active, self._newest)]
        return replace(
            self._frame(),
            running=sum(bot.state not in WITHOUT_BROWSER for bot in bots),
            waiting=sum(bot.state is State.REQUESTED for bot in bots),
            bots=tuple(bots),
            more=len(self._newest) == RECENT,
        )

    def page(
        self,
        first: Sequence[Life],
        found: Sequence[Life],
        places: Mapping[str, int],
        running: Sequence[Life],
        *,
        has_more: bool,
    ) -> BotsListed:
        """Return a page of bots: ``first``, then those that were found. ``running``: all active ones."""
        return replace(
            self._frame(),
            bots=tuple(self.one(life, places.get(life.bot_id)) for life in ordered(first, found)),
            running=sum(State(life.state) not in WITHOUT_BROWSER for life in running),
            waiting=len(places),
            more=has_more,
        )

    async def last_failed(self) -> BotShown | None:
        """Return the one that failed last, of the :data:`RECENT` that were requested last and have ended."""
        ended = await self._store.lives(RECENT, ended=True)
        failed = [life for life in ended if State(life.state) is State.FAILED]
        return self.one(max(failed, key=lambda life: life.since)) if failed else None

    @property
    def running(self) -> int:
        """How many had a browser when the list was read last."""
        return sum(State(life.state) not in WITHOUT_BROWSER for life in self._active)

    def active(self) -> tuple[Life, ...]:
        """Return those that had not ended when the list was read last."""
        return self._active

    def one(self, life: Life, position: int | None = None) -> BotShown:
        """Return one bot; what runs here as it is now."""
        run = self._runs().get(life.bot_id)
        if run is not None:
            return run.shown()
        return shown(life, position=position, has_evidence=life.bot_id in self._with_evidence)

    def live(self, bot_id: str) -> BotLive | None:
        """Return one bot, the state of the topic ``bots/ID``; None: it is not known (yet)."""
        self._look()
        run = self._runs().get(bot_id)
        if run is not None:
            self._single.pop(bot_id, None)
            return run.live()
        if bot_id not in self._single:
            self._single[bot_id] = None
            while len(self._single) > SINGLE:
                self._single.popitem(last=False)
            self._changed.set()
        self._single.move_to_end(bot_id)
        return self._single[bot_id]

    async def found(self, bot_id: str) -> BotLive | None:
        """Return a bot that does not run here: as its owner shows it, else as it is stored.

        None: there is none.
        """
        life = await self._store.life(bot_id)
        live = None if life is None else await self._remote(life)
        return live if live is not None else await self.stored_live(bot_id)

    async def stored_live(self, bot_id: str) -> BotLive | None:
        """Return a bot as it is stored; None: there is none."""
        life = await self._store.life(bot_id)
        if life is None:
            return None
        evidence = may_have_evidence(life) and await self._store.evidence_files(life.session_id, limit=1)
        figures = await self._store.statistics(life.session_id) if life.ended_at is not None else None
        position = await self._store.position(bot_id) if life.place is None else None
        bot = shown(
            life,
            position=position,
            people=figures.total_participants if figures is not None else 0,
            utterances=figures.total_transcripts if figures is not None else 0,
            has_evidence=bool(evidence),
        )
        return BotLive(bot=bot, is_here=False)

    def forget(self, bot_id: str) -> None:
        """Show nothing of a bot whose data was deleted but what is stored now."""
        self._single.pop(bot_id, None)
        self._with_evidence -= {bot_id}
        self.change()

    def _look(self) -> None:
        if trio.current_time() - self._looked_at > SHOWN_FOR:
            self._changed.set()
        self._looked_at = trio.current_time()


def may_have_evidence(life: Life) -> bool:
    """Whether the reason of a bot's end is one with evidence."""
    return life.reason is not None and ENDS[EndReason(life.reason)].has_evidence

"""Calendars as a running part: each calendar of the settings is followed, and its events get bots.

One worker follows them for all, under a lease. What a reading changes is carried out one calendar at a time.

Error handling: an event whose bot cannot be stored (the queue is full, the store is away) is tried again
:data:`RETRY_SECONDS` later, with a whole reading of the calendar; the others of the reading are carried out.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Never, Protocol

import structlog
import trio

from orch.bots.calendars import fetcher as fetching
from orch.bots.calendars import plan as planning
from orch.bots.calendars.events import EventKey, Reading
from orch.bots.calendars.fetcher import Calendar, CalendarFetcher, CalendarStatistics
from orch.bots.calendars.plan import CalendarRules, Plan, Wanted, plan
from orch.bots.calendars.scheduled import (
    calendar_of,
    event_of,
    is_waiting,
    key_for,
    moved,
    request_for,
    scheduled_bot,
    was_cancelled,
)
from orch.bots.requests import BotRequest
from orch.bots.shown import BotShown
from orch.bots.webhooks.exchange import Exchanges
from orch.bots.webhooks.payloads import CalendarEvents, CalendarState, Data, Trigger, timestamp
from orch.problems import ProblemError
from orch.settings.source import SettingsSource
from orch.stores.bot_records import Life, SessionEvent
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import PAGE, BotStore
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names import bots as names
from orch.telemetry.names.metric import Reading as Metric

RETRY_SECONDS: Final = 60.0
_MOST_ATTEMPTS: Final = 20
_MOST_PAGES: Final = 5

log = structlog.get_logger("calendars")


class Bots(Protocol):
    """The part of :class:`orch.bots.service.BotsService` that is used here."""

    async def create(self, request: BotRequest, *, now: float | None = None) -> tuple[BotShown, bool]:
        """Store a bot; return it, and whether it is new."""

    async def leave(self, bot_id: str) -> BotShown:
        """Have a bot leave; one that has not started is cancelled."""


class Lease(Protocol):
    """The right to follow the calendars: :class:`orch.cluster.lease.Lease`."""

    async def hold(self, act: Callable[[int], Any]) -> Never:
        """Run ``act`` while it is held."""


class Offer(Protocol):
    """Sends an event about a calendar: ``offer_of_calendar`` of the webhooks."""

    async def __call__(self, calendar_id: str, trigger: Trigger, at: float, data: Data) -> None:
        """``at``: seconds since the epoch."""


class _UnfinishedError(Exception):
    """Not everything of a reading could be carried out."""


@dataclass(slots=True)
class _Done:
    """What of a reading was carried out, as ids of bots, and what was not, as sentences."""

    cancelled: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    scheduled: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Calendars:
    """The calendars of the settings, as they were at the start. The mutable state is that of the fetcher."""

    def __init__(
        self,
        store: BotStore,
        bots: Bots,
        settings: SettingsSource,
        *,
        exchanges: Exchanges,
        lease: Lease,
        offer: Offer,
        wall: Callable[[], float] = time.time,
        in_thread: fetching.InThread = trio.to_thread.run_sync,
    ) -> None:
        configured = settings.current.orchestration.bots
        self._store = store
        self._bots = bots
        self._lease = lease
        self._offer = offer
        self._wall = wall
        self._origins = dict(configured.origins)
        self._rules = {each.name: CalendarRules(each.name_match, each.lead) for each in configured.calendars}
        self._calendars = tuple(Calendar(each.name, each.url, each.zone) for each in configured.calendars)
        self._fetcher = CalendarFetcher(
            exchanges,
            self._on_reading,
            self._on_state,
            origins=self._origins,
            wall=wall,
            in_thread=in_thread,
        )
        self._one_at_a_time = trio.Lock()
        self._boundary = Boundary("calendars")

    def statistics(self) -> tuple[CalendarStatistics, ...]:
        """Return how the calendars are that this worker follows."""
        return self._fetcher.statistics()

    def readings(self) -> Iterator[Metric]:
        """Yield what Prometheus reads."""
        for each in self.statistics():
            yield Metric(names.CALENDAR_FAILING, float(bool(each.failing)), (each.calendar_id,))
        yield from self._boundary.readings()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Follow the calendars until cancelled, while this worker holds the lease."""
        task_status.started()
        await self._lease.hold(self._follow_all)

    async def _follow_all(self, _fence: int) -> Never:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_removed)
            for calendar in self._calendars:
                nursery.start_soon(self._follow, calendar)
            await trio.sleep_forever()
        raise AssertionError("unreachable")

    async def _follow(self, calendar: Calendar) -> Never:
        while True:
            with self._boundary.item(calendar=calendar.calendar_id):
                try:
                    await self._fetcher.follow(calendar)
                except (ProblemError, _UnfinishedError) as error:
                    log.warning(
                        "a calendar is read again soon", calendar=calendar.calendar_id, reason=str(error)
                    )
            await trio.sleep(RETRY_SECONDS)

    async def _cancel_removed(self) -> None:
        """Cancel the scheduled bots of calendars that the settings have no longer."""
        while True:
            with self._boundary.item(step="removed calendars"):
                try:
                    for life in await self._active():
                        name = calendar_of(life)
                        if name is not None and name not in self._rules and is_waiting(life):
                            log.info(
                                "a bot of a removed calendar is cancelled", bot=life.bot_id, calendar=name
                            )
                            await self._bots.leave(life.bot_id)
                    return
                except ProblemError as problem:
                    log.debug("removed calendars not looked for", reason=problem.detail)
            await trio.sleep(RETRY_SECONDS)

    async def _active(self) -> list[Life]:
        """Return the bots that have not ended."""
        found: list[Life] = []
        page: tuple[Life, ...] = ()
        while not found or len(page) == PAGE:
            page = await self._store.lives(PAGE, before=found[-1] if found else None, active=True)
            found += page
            if not page:
                break
        return found

    async def _over(self, now: float) -> set[tuple[str, EventKey, float]]:
        """Return the events whose bots have left, and not because they were cancelled before."""
        found: set[tuple[str, EventKey, float]] = set()
        last: Life | None = None
        for _ in range(_MOST_PAGES):
            page = await self._store.lives(PAGE, before=last, ended=True)
            for life in page:
                event = event_of(life)
                if event is not None and not was_cancelled(life):
                    found.add(event)
            if len(page) < PAGE or page[-1].requested_at < now - 2 * fetching.AHEAD:
                break
            last = page[-1]
        return found

    async def _on_reading(self, calendar_id: str, reading: Reading) -> None:
        async with self._one_at_a_time:
            lives = {life.bot_id: life for life in await self._active()}
            own, taken = [], set[EventKey]()
            for life in lives.values():
                bot = scheduled_bot(life, self._origins)
                if bot is None:
                    continue
                if calendar_of(life) == calendar_id:
                    own.append(bot)
                else:
                    taken.add(bot.key)
            now = self._wall()
            wanted = plan(own, reading, self._rules[calendar_id], now, taken=taken)
            await self._carry_out(calendar_id, wanted, lives, now)

    async def _carry_out(self, calendar_id: str, wanted: Plan, lives: dict[str, Life], now: float) -> None:
        """Cancel, change and schedule, in this order; each by itself."""
        done = _Done()
        for each in wanted.cancel:
            log.info("a calendar cancels a bot", calendar=calendar_id, bot=each.bot_id, reason=each.reason)
            await self._cancel(each.bot_id, done)
        for change in wanted.change:
            await self._change(calendar_id, change, lives[change.bot_id], now, done)
        over = await self._over(now) if wanted.schedule else set()
        for event in wanted.schedule:
            if (calendar_id, event.key, event.end) in over:
                continue
            await self._schedule(calendar_id, event, now, done)
        if wanted.left_out:
            log.warning("a calendar has too many events", calendar=calendar_id, left_out=wanted.left_out)
        if done.cancelled or done.changed or done.scheduled:
            data = CalendarEvents(
                scheduled=tuple(done.scheduled), changed=tuple(done.changed), cancelled=tuple(done.cancelled)
            )
            await self._offer(calendar_id, Trigger.CALENDAR_EVENTS, now, data)
        if done.failures:
            raise _UnfinishedError(done.failures[0])

    async def _cancel(self, bot_id: str, done: "_Done") -> bool:
        try:
            await self._bots.leave(bot_id)
        except ProblemError as problem:
            done.failures.append(problem.detail)
            return False
        done.cancelled.append(bot_id)
        return True

    async def _change(
        self, calendar_id: str, change: planning.Change, life: Life, now: float, done: "_Done"
    ) -> None:
        if life.meeting_url == change.wanted.meeting.url:
            if await self._move(life, calendar_id, change.wanted, now):
                done.changed.append(change.bot_id)
        # Another meeting is another bot: its session is of that meeting.
        elif await self._cancel(change.bot_id, done):
            await self._schedule(calendar_id, change.wanted, now, done)

    async def _schedule(self, calendar_id: str, wanted: Wanted, now: float, done: "_Done") -> None:
        """Create an event's bot, unless it had one that has ended in another way than by being cancelled."""
        for attempt in range(_MOST_ATTEMPTS):
            key = key_for(calendar_id, wanted, attempt)
            earlier = await self._store.life_of_key(key)
            if earlier is not None:
                if was_cancelled(earlier):
                    continue
                return
            try:
                shown, _ = await self._bots.create(request_for(calendar_id, wanted, key, now), now=now)
            except ProblemError as problem:
                done.failures.append(problem.detail)
                return
            log.info("a calendar schedules a bot", calendar=calendar_id, bot=shown.bot_id)
            done.scheduled.append(shown.bot_id)
            return

    async def _move(self, life: Life, calendar_id: str, wanted: Wanted, now: float) -> bool:
        """Store another time or title; False: the bot has begun or ended meanwhile, and is left alone."""
        event = SessionEvent(
            event_id=f"{life.session_id}/calendar/{life.revision}",
            session_id=life.session_id,
            event_type="calendar",
            event_subtype="moved",
            event_data={"calendar_id": calendar_id, "join_at": wanted.join_at},
            at=now,
            source_component="calendars",
        )
        return (
            await self._store.advance(Change(moved(life, calendar_id, wanted), (event,)), owner=None)
            is not None
        )

    async def _on_state(self, calendar_id: str, reason: str) -> None:
        now = self._wall()
        found = {each.calendar_id: each for each in self._fetcher.statistics()}
        read_at = found[calendar_id].last_read_at if calendar_id in found else None
        data = CalendarState(
            state="failing" if reason else "connected",
            reason=reason or None,
            last_read_at=None if read_at is None else timestamp(read_at),
        )
        await self._offer(calendar_id, Trigger.CALENDAR_STATE, now, data)

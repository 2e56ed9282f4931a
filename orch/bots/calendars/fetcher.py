"""Follows a calendar: requests it, reads it in a thread, and passes each reading on.

Requests go only where webhooks may go (:mod:`orch.bots.webhooks.targets`), each redirect again. A calendar
that cannot be fetched or read is reported as failing, once for each reason, and passes nothing on.

Error handling: what a server or a file does is a failure of that calendar. What ``on_reading`` and
``on_state`` raise ends :meth:`CalendarFetcher.follow`; followed again, the calendar is read from the
beginning.
"""

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Never, Protocol

import structlog
import trio

from orch.bots.calendars import polling
from orch.bots.calendars.blocks import LARGEST, CalendarError
from orch.bots.calendars.events import Reading, Window
from orch.bots.calendars.ics import read_calendar
from orch.bots.calendars.polling import Meaning, PollState
from orch.bots.webhooks.exchange import ExchangeError, Exchanges
from orch.bots.webhooks.sent import Request

log = structlog.get_logger("calendars")

FETCH_SECONDS: Final = 60.0
READ_SECONDS: Final = 10.0
"""Seconds that a file may take to be read, of processor and of waiting together."""

BEHIND: Final = 6 * 3600.0
AHEAD: Final = 14 * 86_400.0
"""The window that is read: events that began up to six hours ago, and those of two weeks."""


InThread = Callable[[Callable[[], Reading]], Awaitable[Reading]]


class OnReading(Protocol):
    """Receives what a calendar has; awaited before it is requested again."""

    async def __call__(self, calendar_id: str, reading: Reading) -> None:
        """Carry out what the reading changes."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar of the settings. ``url`` is a secret: who knows it can read the calendar."""

    calendar_id: str
    url: str = field(repr=False)
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class CalendarStatistics:
    """How a calendar is: ``failing`` is "" or a sentence, ``last_read_at`` in seconds since the epoch.

    ``unreadable``: series of the last reading that could not be read.
    """

    calendar_id: str
    failing: str
    last_read_at: float | None
    events: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class _Fetched:
    """The outcome of a request: why it failed ("": it did not), and the file if there is a new one."""

    state: PollState
    reason: str = ""
    rest: float | None = None
    data: bytes | None = field(default=None, repr=False)


class CalendarFetcher:
    """Follows calendars. The mutable state is that of each, by its id.

    ``on_state`` is called with a calendar's id and the reason when it begins to fail, or fails for another
    one, and with "" when it can be read again. ``in_thread``: runs a function outside of the loop.
    """

    def __init__(
        self,
        exchanges: Exchanges,
        on_reading: OnReading,
        on_state: Callable[[str, str], Awaitable[None]],
        *,
        origins: Mapping[str, str] | None = None,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        in_thread: InThread = trio.to_thread.run_sync,
    ) -> None:
        self._exchanges = exchanges
        self._on_reading = on_reading
        self._on_state = on_state
        self._origins = dict(origins or {})
        self._wall = wall
        self._draw = draw
        self._clock = clock
        self._in_thread = in_thread
        # icalendar's time zones are one for the whole process, see ics.py.
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._statistics: dict[str, CalendarStatistics] = {}

    def statistics(self) -> tuple[CalendarStatistics, ...]:
        """Return how each calendar is that is followed."""
        return tuple(self._statistics.values())

    async def follow(
        self, calendar: Calendar, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> Never:
        """Read a calendar again and again until cancelled."""
        name = calendar.calendar_id
        self._statistics[name] = CalendarStatistics(name, "", None, 0, 0)
        state = PollState()
        try:
            task_status.started()
            while True:
                state, rest = await self._poll(calendar, state)
                await trio.sleep(polling.pause(state, self._draw(), rest=rest))
        finally:
            del self._statistics[name]

    async def _poll(self, calendar: Calendar, state: PollState) -> tuple[PollState, float | None]:
        """Request a calendar once; return its state, and for how long its server wants no requests."""
        fetched = _Fetched(polling.failed(state), f"It did not respond within {FETCH_SECONDS:.0f} s.")
        reading = None
        with trio.move_on_after(FETCH_SECONDS):
            try:
                fetched = await self._fetch(calendar, state)
            except ExchangeError as error:
                fetched = _Fetched(polling.failed(state), error.reason)
        if fetched.data is not None:
            try:
                reading = await self._read(calendar, fetched.data)
            except CalendarError as error:
                fetched = _Fetched(polling.failed(state), f"The calendar {error}.")
        if reading is not None:
            await self._on_reading(calendar.calendar_id, reading)
        await self._note(calendar.calendar_id, fetched, reading)
        return fetched.state, fetched.rest

    async def _fetch(self, calendar: Calendar, state: PollState) -> "_Fetched":
        url = polling.request_url(calendar.url)
        headers = polling.request_headers(state, self._wall())
        is_conditional = bool(headers)
        for _ in range(1 + polling.MOST_REDIRECTS):
            async with self._exchanges.exchange(Request("GET", url, headers)) as reply:
                now = self._wall()
                verdict = polling.judge(
                    reply.status, reply.headers, url, is_conditional=is_conditional, now=now
                )
                match verdict.meaning:
                    case Meaning.CALENDAR:
                        if not await reply.read(LARGEST):
                            too_large = f"The calendar has more than {LARGEST // 1024 // 1024} MiB."
                            return _Fetched(polling.failed(state), too_large)
                        return _Fetched(polling.read(reply.headers, now), data=reply.body)
                    case Meaning.UNCHANGED:
                        return _Fetched(polling.unchanged(state, now))
                    case Meaning.REDIRECT:
                        url = verdict.location
                    case Meaning.FAILURE:
                        return _Fetched(polling.failed(state), verdict.reason, verdict.rest)
        reason = f"It leads from one address to another, more than {polling.MOST_REDIRECTS} times."
        return _Fetched(polling.failed(state), reason)

    async def _read(self, calendar: Calendar, data: bytes) -> Reading:
        now = self._wall()
        window = Window(now - BEHIND, now + AHEAD)
        until = self._clock() + READ_SECONDS

        def read() -> Reading:
            return read_calendar(
                data,
                window,
                zone=calendar.zone,
                origins=self._origins,
                is_over=lambda: self._clock() > until,
            )

        async with self._one_at_a_time:
            return await self._in_thread(read)

    async def _note(self, name: str, fetched: "_Fetched", reading: Reading | None) -> None:
        before, reason = self._statistics[name], fetched.reason
        self._statistics[name] = CalendarStatistics(
            name,
            reason,
            fetched.state.seen_at,
            before.events if reading is None else len(reading.events),
            before.unreadable if reading is None else len(reading.unreadable),
        )
        if reading is not None and reading.unreadable:
            first = reading.unreadable[0]
            log.warning(
                "events of a calendar cannot be read",
                calendar=name,
                count=len(reading.unreadable),
                first=first.uid,
                reason=first.reason,
            )
        if reason != before.failing:
            if reason:
                log.warning("calendar failing", calendar=name, reason=reason)
            else:
                log.info("calendar can be read again", calendar=name)
            await self._on_state(name, reason)

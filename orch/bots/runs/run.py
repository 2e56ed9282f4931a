"""One bot: its nursery, from the place that it was given to its end.

    run
    ├─ departing     what ends a wait, rules by which it leaves by itself, leaving the page
    ├─ measuring     memory and processor of its browser
    ├─ consent       announces, asks, and begins to capture
    ├─ attempts      one browser after another: a stay in the meeting, again after a crash
    └─ pipeline      from the first admission on; it outlives the browsers

Every transition is stored before it is acted on (:mod:`orch.bots.runs.journal`); what follows from what is
observed is decided by the pure modules beside this one.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from orch.bots.control import CameraFrame, FrameKind
from orch.bots.ends import ENDS, EndReason
from orch.bots.leave_rules import Departure
from orch.bots.lifecycle import MAX_RECOVERIES
from orch.bots.observations import (
    ChatSeen,
    ConnectionSeen,
    Observation,
    Over,
    OwnerSeen,
    Place,
    PlaceSeen,
    RecordingAnswered,
    Sound,
)
from orch.bots.requests import BotRequest
from orch.bots.runs import watch as watching
from orch.bots.runs.attempts import Attempts
from orch.bots.runs.captioning import Captioning
from orch.bots.runs.commands import Commands
from orch.bots.runs.consenting import Consenting
from orch.bots.runs.departing import Departing
from orch.bots.runs.journal import Journal, OwnerLostError
from orch.bots.runs.measuring import Measuring
from orch.bots.runs.parts import (
    MediaChannel,
    Pipeline,
    Presence,
    RunParts,
)
from orch.bots.runs.places import events_at, is_loss
from orch.bots.runs.watch import Watch
from orch.bots.showing import shown
from orch.bots.shown import BotLive, BotShown
from orch.bots.states import IN_CALL, Event, State

STORED_WITHIN: Final = 5.0
"""Seconds that the end of a bot may wait for the store before its browser is closed all the same."""

LOSSES: Final = frozenset({EndReason.NETWORK_LOST, EndReason.BROWSER_STALLED})
"""Reasons of a stay's end after which the bot may join again."""

RELEASED_WITHIN: Final = 2.0

SILENT_AFTER: Final = 120.0
"""Seconds without a sound, while others are in the meeting, after which a bot counts as silent."""

_log = structlog.get_logger(__name__)


class BotRun:
    """A bot that this worker runs.

    The mutable state: its journal, what it knows of its meeting (:class:`~orch.bots.runs.watch.Watch`), its
    page while there is one, its pipeline since it was admitted, and what ends it.
    """

    def __init__(
        self,
        journal: Journal,
        request: BotRequest,
        parts: RunParts,
        *,
        adapter: str,
        has_opt_out: bool = False,
    ) -> None:
        self.journal = journal
        self.parts = parts
        self.adapter = adapter
        self.request = request
        self.url = journal.stored.meeting_url
        self.bot_id = journal.stored.bot_id
        self.presence: Presence | None = None
        self.commands = Commands(self)
        self.consenting = Consenting(self, has_opt_out=has_opt_out)
        self._captioning = Captioning(self)
        self._departing = Departing(self)
        self._measuring = Measuring(self, parts.offload)
        self._attempts = Attempts(self)
        self._watch = Watch()
        self._changed = trio.Event()
        self._scope = trio.CancelScope()
        self._outer: trio.Nursery | None = None
        self._nursery: trio.Nursery | None = None
        self.has_camera = request.camera is not None
        self._over: Over | None = None
        self._end: tuple[EndReason, str] | None = None
        self._ended = trio.Event()
        self._is_released = False
        self._place = Place.DOOR
        self._heard_at: float | None = None
        self._channel: MediaChannel | None = None
        self.done = trio.Event()
        if journal.stored.admitted_at is not None:
            self._watch = watching.admitted(self._watch, journal.stored.admitted_at)

    def __repr__(self) -> str:
        return f"<BotRun {self.bot_id}: {self.journal.state}>"

    @property
    def channel(self) -> MediaChannel:
        """The bot's media, for all its pages."""
        if self._channel is None:
            raise RuntimeError("The bot does not run.")
        return self._channel

    @property
    def pipeline(self) -> Pipeline | None:
        """The pipeline, since the first admission."""
        return self._captioning.pipeline

    @property
    def is_ending(self) -> bool:
        """Whether its end is decided; it has ended soon."""
        return self._end is not None

    @property
    def state(self) -> State:
        """The state that was stored last."""
        return self.journal.state

    @property
    def since(self) -> float:
        """Since when it is in this state: seconds since the epoch."""
        return self.journal.stored.since

    @property
    def browser_memory(self) -> int:
        """Bytes that its browser uses; 0 without one."""
        return self._measuring.memory

    @property
    def is_silent(self) -> bool:
        """Whether it captures, others are there, and no sound has arrived for :data:`SILENT_AFTER`."""
        if self.journal.state is not State.CAPTURING or not self.people:
            return False
        captured = self.parts.wall() - self.since
        heard = captured if self._heard_at is None else trio.current_time() - self._heard_at
        return min(heard, captured) > SILENT_AFTER

    @property
    def people(self) -> int:
        """How many others are in the meeting."""
        return len(self._watch.people or ())

    @property
    def changed(self) -> trio.Event:
        """An event that is set at the next change of anything."""
        return self._changed

    async def camera(self, kind: FrameKind, *, after: int = -1) -> CameraFrame:
        """Return the camera's picture as soon as its number is not ``after``."""
        return await self._captioning.camera(kind, after=after)

    def shown(self) -> BotShown:
        """Return the bot as lists show it."""
        live = self._captioning.live()
        return shown(
            self.journal.stored,
            people=self.people,
            utterances=live.utterances,
            has_evidence=self._departing.has_evidence,
        )

    def live(self) -> BotLive:
        """Return the bot as its page shows it."""
        live = self._captioning.live()
        return BotLive(
            bot=self.shown(),
            is_here=True,
            people=live.people,
            lines=live.lines,
            quality=live.quality,
            media=self._measuring.added_to(live.media),
            camera_frame=live.camera_frame,
            recording_allowed=self.consenting.allowed,
        )

    def notify(self) -> None:
        """Wake what waits for a change."""
        self._changed.set()
        self._changed = trio.Event()

    def clock(self) -> float:
        """Return seconds from the session's start, which is its first admission; 0 before."""
        return self._captioning.clock()

    async def run(self) -> None:
        """Run the bot until it has ended, another worker has it, or it is released."""
        with self.parts.traces.open(self.journal, self.adapter):
            await self._run()

    async def _run(self) -> None:
        failure: BaseException | None = None
        try:
            async with trio.open_nursery() as outer:
                self._outer = outer
                with self._scope, self.parts.channel(self.bot_id, self.request) as self._channel:
                    async with trio.open_nursery() as nursery:
                        self._nursery = nursery
                        for task in (
                            self._departing.keep_deadlines,
                            self._departing.leave,
                            self.consenting.run,
                        ):
                            nursery.start_soon(task)
                        nursery.start_soon(self._measuring.run)
                        nursery.start_soon(self.channel.receive, self._heard, self.clock)
                        try:
                            await self._resume()
                            await self._attempts.run()
                        finally:
                            self._nursery = None
                        nursery.cancel_scope.cancel()
                await self._captioning.finish()
                outer.cancel_scope.cancel()
        except* OwnerLostError:
            _log.warning("another worker runs this bot now", bot=self.bot_id)
            self._is_released = True
        except* Exception as group:  # noqa: BLE001 - the boundary of a bot
            failure = group
            _log.error("bot failed", bot=self.bot_id, exc_info=group)
        try:
            await self._store_end(failure)
        except OwnerLostError:
            _log.warning("another worker runs this bot now", bot=self.bot_id)
        finally:
            self.done.set()

    async def _resume(self) -> None:
        """Store that a new bot starts; of one that was taken over, make its pipeline."""
        if self.journal.state is State.REQUESTED:
            await self.advance(Event.PLACED)
        elif self.journal.stored.admitted_at is not None:
            await self._begin_session()

    @property
    def is_over(self) -> bool:
        """Whether no browser is needed any more: it has ended, or ends, or is released."""
        return self.journal.is_final or self._end is not None or self._is_released

    def forget_page(self) -> None:
        """Apply that the browser has ended: there is no page, and what it showed is not known any more."""
        self.presence = None
        self.consenting.forget_page()
        self._watch = watching.rejoined(self._watch)
        if not self.is_over:
            self._captioning.disconnected()

    # What the stay reports.

    async def ready(self, presence: Presence) -> None:
        """Apply that the browser runs and the page is about to be opened."""
        self.presence = presence
        self.parts.browser_started(presence.process)
        await self.advance(Event.BROWSER_READY)

    async def observed(self, observation: Observation) -> None:
        """Apply what the page shows."""
        match observation:
            case PlaceSeen(place=place):
                self._place = place
                for event in events_at(self.journal.state, place):
                    await self.advance(event)
            case ConnectionSeen(is_up=False) if is_loss(self.journal.state):
                await self.advance(Event.CONNECTION_LOST, EndReason.NETWORK_LOST)
            case ConnectionSeen(is_up=True) if self.journal.state is State.RECOVERING:
                for event in events_at(State.RECOVERING, self._place):
                    await self.advance(event)
            case RecordingAnswered():
                await self.consenting.answered(observation)
            case ChatSeen(is_own=False):
                await self.consenting.chatted(observation)
            case OwnerSeen(track=track, participant_id=participant):
                self.channel.own(track, participant)
            case Over():
                self._over = observation
            case _:
                pass
        await self._observe(observation)

    async def _heard(self, observation: Observation) -> None:
        """Apply sound. Before the first admission it waits, since nothing is captured then."""
        if isinstance(observation, Sound) and watching.is_audible(observation.pcm):
            self._heard_at = trio.current_time()
        await self._captioning.made.wait()
        await self._observe(observation)

    async def _observe(self, observation: Observation) -> None:
        if not (isinstance(observation, Sound) and self._watch.has_sound):
            others = self.parts.others(self.url, self.bot_id)
            before = self._watch
            self._watch = watching.observed(before, observation, self.parts.rules, self.parts.wall(), others)
            if self._watch is not before:
                self.notify()
        await self._captioning.observe(observation)

    async def over(self, reason: EndReason, detail: str = "") -> None:
        """Apply that the stay is over, while the page still shows why.

        The page is closed when this returns: a loss is photographed before, since the bot may not get back,
        and an end that has begun elsewhere is waited for.
        """
        if not self.is_over:
            await self._decide(reason, detail)
        if self.is_ending:
            await self._ended.wait()

    async def _decide(self, reason: EndReason, detail: str) -> None:
        """End, or join again: the stay is over."""
        detail = detail or (self._over.detail if self._over is not None else "")
        stored = self.journal.stored
        if reason is EndReason.UNREACHABLE and stored.admitted_at is not None:
            reason = EndReason.NETWORK_LOST  # it could be reached before
        can_return = stored.recoveries < MAX_RECOVERIES and self.journal.state is not State.LEAVING
        if reason in LOSSES and can_return:
            await self.lose(reason, detail)
            await self._departing.store_evidence()
        else:
            await self.end(reason, detail)

    # Transitions, and what follows from them.

    async def advance(self, event: Event, reason: EndReason | None = None, detail: str = "") -> bool:
        """Store a transition, then do what follows; False: another one came first."""
        try:
            is_stored = await self.journal.advance(event, reason=reason, detail=detail)
        except OwnerLostError:
            self.abandon()
            raise
        if is_stored:
            await self._follow()
        return is_stored

    async def lose(self, reason: EndReason, detail: str = "") -> None:
        """Store that the browser or the connection was lost."""
        await self.journal.lose(reason, detail)
        await self._follow()

    async def leave(self, reason: EndReason, detail: str = "") -> bool:
        """Decide that the bot leaves; it has ended a minute later at most. False: it leaves already."""
        with trio.move_on_after(STORED_WITHIN):
            return await self.advance(Event.LEAVE, reason, detail)
        # The store is away: it leaves all the same, and its end is stored later.
        await self._departing.leave_page()
        await self.end(reason, detail)
        return True

    async def end(self, reason: EndReason, detail: str = "") -> None:
        """End the bot: store the evidence and the end, then close its browser.

        A store that is away does not keep the browser open for more than :data:`STORED_WITHIN`; the end is
        stored when it is back.
        """
        if self._end is not None:
            return
        self._end = (reason, detail)
        try:
            if ENDS[reason].has_evidence:
                await self._departing.store_evidence()
            with trio.move_on_after(STORED_WITHIN):
                await self.advance(Event.END, reason, detail)
        finally:
            self._ended.set()
            self._scope.cancel()  # also where who asked for the end is cancelled: nobody else ends it

    async def _follow(self) -> None:
        """Do what follows from the state that was stored."""
        state = self.journal.state
        if state in IN_CALL:
            admitted_at = self.journal.stored.admitted_at
            self._watch = watching.admitted(self._watch, admitted_at or self.parts.wall())
            self._attempts.succeeded()
            await self._begin_session()
        is_capturing = state is State.CAPTURING
        self._capture(is_on=is_capturing)
        self.notify()

    def stop_capture(self) -> None:
        """Capture nothing from now on, before that is stored."""
        self._capture(is_on=False)

    def _capture(self, *, is_on: bool) -> None:
        if self._captioning.capture(is_on=is_on):
            self._watch = watching.captures(self._watch, self.parts.wall(), is_on=is_on)

    def note_refusal(self, *, is_refused: bool) -> None:
        """Count the time since the bot is refused to capture, or no longer."""
        self._watch = watching.refused(self._watch, self.parts.wall(), is_refused=is_refused)
        self.notify()

    async def _begin_session(self) -> None:
        if self._outer is not None:
            await self._captioning.begin(self._outer)

    # What ends it.

    @property
    def departure(self) -> Departure | None:
        """When it leaves by itself, and why, if nothing changes; only from within the call."""
        if self.journal.state not in IN_CALL:
            return None
        found = (
            watching.departure(self._watch, self.parts.rules),
            watching.deafness(self._watch, self.parts.no_audio),
        )
        return min((each for each in found if each is not None), default=None)

    async def release(self) -> None:
        """Leave the page without an end, so that another worker, or this service's next start, goes on."""
        self._is_released = True
        self._captioning.hurry()
        if self.journal.state in IN_CALL:
            await self._departing.leave_page(RELEASED_WITHIN)
        self._scope.cancel()

    def abandon(self) -> None:
        """Close the browser at once: another worker runs this bot."""
        self._is_released = True
        self._scope.cancel()

    def start_soon(self, work: Callable[[bytes], Awaitable[None]], argument: bytes) -> bool:
        """Do something beside, for as long as the bot is in a meeting; False: it is not any more."""
        if self._nursery is None:
            return False
        self._nursery.start_soon(work, argument)
        return True

    async def _store_end(self, failure: BaseException | None) -> None:
        """Store the end if it is not stored yet, and compute the figures."""
        if self._is_released and not self.journal.is_final and self._end is None:
            return
        reason, detail = self._end or (EndReason.INTERNAL_ERROR, "")
        if failure is not None and self._end is None:
            detail = f"{type(failure).__name__} (see the log)"
        if not self.journal.is_final:
            await self.journal.advance(Event.END, reason=reason, detail=detail)
        await self.parts.ended(self.journal.stored.session_id)

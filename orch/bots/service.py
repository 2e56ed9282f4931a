"""The bots of this process: what the API, pages and calendars ask of them, and the branch that runs them.

:class:`BotsService` joins what stores requests (:mod:`orch.bots.creation`), what runs bots
(:mod:`orch.bots.host`), what commands them (:mod:`orch.bots.commanding`) and what shows them
(:mod:`orch.bots.bot_lists`).
"""

import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio
from msgspec import Struct

from orch.bots import admission
from orch.bots.bot_counters import BotCounters
from orch.bots.bot_lists import BotLists
from orch.bots.bot_readings import readings
from orch.bots.bot_traces import BotTraces
from orch.bots.chromium.evidence import Evidence
from orch.bots.chromium.process import installed
from orch.bots.commanding import Commanding, life_of
from orch.bots.control import CameraFrame, FrameKind
from orch.bots.creation import Creation
from orch.bots.forwarding import Forwarding
from orch.bots.host import BotHost
from orch.bots.orders import Order
from orch.bots.recordings.recorder import settle
from orch.bots.requests import BotRequest, LanguagesChange, WebcamChange
from orch.bots.runs.browsers import Browsers
from orch.bots.runs.evidence_files import write_evidence
from orch.bots.runs.journal import Composed, Journal
from orch.bots.runs.parts import MediaChannel, Pipeline, RunParts, Session, Stay
from orch.bots.runs.reachability import check_reachable
from orch.bots.runs.rules import leave_rules_of, limits_of
from orch.bots.runs.run import BotRun
from orch.bots.runs.stored_lives import request_of
from orch.bots.showing import positions
from orch.bots.shown import BotLive, BotsCounted, BotShown, BotsListed
from orch.bots.states import WITHOUT_BROWSER, State
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.settings.bots import Bots
from orch.settings.source import SettingsSource
from orch.stores.bot_records import Captured, Life
from orch.stores.bot_store import BotStore
from orch.stores.bot_writer import BotWriter, Offload
from orch.telemetry.names import bots as names
from orch.telemetry.names.metric import Distribution, Reading

ENDED_WITHIN: Final = 15.0
"""Seconds in which what a bot has captured is stored before its figures are computed."""

_ID: Final = re.compile(r"[0-9a-f]{16}")
"""Of :func:`orch.protocol.identifiers.new_name`."""

_log = structlog.get_logger(__name__)


class BotsStatistics(Struct, frozen=True, kw_only=True):
    """The bots of this process. ``unavailable``: why none can be started here, "" if one can."""

    running: int
    limit: int
    unavailable: str = ""


class Joined(Struct, frozen=True, kw_only=True):
    """What a bot's nursery joins. ``alongside``: what has to run for it, in this order, before any bot."""

    stay: Stay
    channel: Callable[[str, BotRequest], AbstractContextManager[MediaChannel]]
    pipeline: Callable[[Session], Awaitable[Pipeline]]
    alongside: Sequence[Callable[..., Awaitable[object]]] = ()
    reachable: Callable[[str], Awaitable[None]] = check_reachable
    find_browser: Callable[[str], str] = installed
    offload: Offload = trio.to_thread.run_sync


class Kept(Struct, frozen=True, kw_only=True):
    """Where bots are stored, and what their nurseries join. ``is_alone``: no other process uses the store.

    ``remove_files``: removes the files whose rows were deleted.
    """

    store: BotStore
    writer: BotWriter
    joined: Joined
    remove_files: Callable[[], Awaitable[object]]
    is_alone: bool = True


class BotsService:
    """See :class:`orch.bots.control.BotsControl`, which it is.

    ``kept``: None where bots cannot be stored, for the reason ``without``. ``stopping``: the event that is
    set when the service stops: bots then leave their pages. ``survey``: reaches the bots of other workers.
    ``touch``: publishes a topic now. ``webhooks``:
    composes deliveries, which are stored with their transition; then ``on_stored`` is called. ``counters``:
    shared with what else counts for bots.
    """

    def __init__(
        self,
        kept: Kept | None,
        *,
        settings: SettingsSource,
        wall: Callable[[], float],
        touch: Callable[[str], None],
        worker: str,
        stopping: Callable[[], trio.Event],
        survey: Survey | None = None,
        without: str = "",
        webhooks: Composed = lambda *_: (),
        on_stored: Callable[[], None] = lambda: None,
        counters: BotCounters | None = None,
        traces: BotTraces | None = None,
    ) -> None:
        self._settings = settings
        self._find_browser = installed if kept is None else kept.joined.find_browser
        self._wall = wall
        self._without = without
        self._stopping = stopping
        self._parts: _Parts | None = None
        self._counters = counters or BotCounters()
        self._traces = traces or BotTraces()
        self._browsers = Browsers()
        if kept is None:
            return

        def changed(bot_id: str) -> None:
            lists.change()
            on_stored()
            touch(f"bots/{bot_id}")

        forwarding = Forwarding(
            survey, worker=worker, runs=self._host_runs, life=partial(life_of, kept.store)
        )
        lists = BotLists(
            kept.store,
            runs=self._host_runs,
            remote=forwarding.live,
            frame=self._frame,
            touch=touch,
            is_alone=kept.is_alone,
        )
        host = BotHost(
            kept.store,
            worker=worker,
            wall=wall,
            limit=lambda: self._bots.max_bots if self._bots.enabled else 0,
            can_start=lambda: not self._missing_browser(),
            make_run=partial(self._make_run, kept),
            webhooks=webhooks,
            on_change=changed,
            is_alone=kept.is_alone,
            counters=self._counters,
        )
        self._parts = _Parts(
            kept=kept,
            changed=changed,
            lists=lists,
            host=host,
            creation=Creation(
                kept.store,
                settings=lambda: self._bots,
                missing_browser=self._missing_browser,
                reachable=kept.joined.reachable,
                webhooks=webhooks,
            ),
            commanding=Commanding(
                kept.store,
                kept.writer,
                forwarding=forwarding,
                runs=self._host_runs,
                wall=wall,
                webhooks=webhooks,
                on_change=changed,
                remove_files=kept.remove_files,
                counters=self._counters,
            ),
            forwarding=forwarding,
        )

    @property
    def _bots(self) -> Bots:
        return self._settings.current.orchestration.bots

    def _host_runs(self) -> Mapping[str, BotRun]:
        return {} if self._parts is None else self._parts.host.runs

    def _working(self) -> "_Parts":
        if self._parts is None:
            raise ProblemError("bots_off", self.unavailable())
        return self._parts

    # The branch.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the bots until cancelled; then release them. May be run again."""
        if self._parts is None:
            task_status.started()
            while True:
                await trio.sleep_forever()
        async with trio.open_nursery() as nursery:
            for each in self._parts.kept.joined.alongside:
                await nursery.start(each)
            await nursery.start(self._parts.lists.run)
            nursery.start_soon(self._release_when_stopping, self._parts.host)
            await self._parts.host.run(task_status=task_status)

    async def _release_when_stopping(self, host: BotHost) -> None:
        """Release the bots as soon as the service stops, beside what else takes time then."""
        await self._stopping().wait()
        await host.release()

    def statistics(self) -> BotsStatistics:
        """Return how many bots run here."""
        return BotsStatistics(
            running=len(self._host_runs()), limit=self._bots.max_bots, unavailable=self.unavailable()
        )

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads; where there can be no bots, there are none."""
        bots, lists = self._bots, None if self._parts is None else self._parts.lists
        yield from readings(self._host_runs().values(), self._counters.ended, now=self._wall())
        yield from self._counters.readings()
        yield Reading(names.BOT_PROCESSES, self._browsers.count())
        yield Reading(names.BOTS_LIMIT, bots.max_bots if bots.enabled else 0)
        yield Reading(names.BOTS_QUEUED, 0 if lists is None else lists.waiting)
        yield Reading(names.BOTS_QUEUE_LIMIT, bots.max_queued)
        if self._parts is not None:
            yield from self._parts.host.boundary.readings()

    def unavailable(self) -> str:
        """Return why no bot can be started here now; "" if one can."""
        if not self._bots.enabled:
            return "Meeting bots are switched off (bots.enabled)."
        if self._parts is None:
            return self._without or "Bot sessions cannot be stored."
        return self._missing_browser()

    def _missing_browser(self) -> str:
        return admission.missing_browser(self._bots, self._find_browser)

    def _make_run(self, kept: Kept, journal: Journal, has_opt_out: bool) -> BotRun:  # noqa: FBT001 - MakeRun
        bots, joined = self._bots, kept.joined
        request = request_of(journal.stored)
        parts = RunParts(
            stay=joined.stay,
            channel=joined.channel,
            pipeline=joined.pipeline,
            put=kept.writer.put,
            ended=partial(self._ended, kept),
            store_evidence=partial(_store_evidence, joined.offload, Path(bots.evidence)),
            others=self._others,
            reachable=joined.reachable,
            offload=joined.offload,
            wall=self._wall,
            limits=limits_of(request.rules, bots.limits),
            rules=leave_rules_of(request.rules, bots.leaving),
            no_audio=bots.limits.no_audio,
            browser_started=self._browsers.note,
            traces=self._traces,
        )
        adapter = admission.adapter_of(journal.stored.meeting_url, bots.origins)
        return BotRun(journal, request, parts, adapter=adapter, has_opt_out=has_opt_out)

    async def _ended(self, kept: Kept, session_id: str) -> None:
        """Compute the figures of a session once all of it is stored; without the store there are none."""
        with trio.move_on_after(ENDED_WITHIN) as scope:
            await kept.writer.drain()
            try:
                if await settle(kept.store, kept.writer.put, session_id, wall=self._wall):
                    await kept.writer.drain()
                await kept.store.compute_statistics(session_id, now=self._wall())
            except ProblemError as problem:
                _log.warning("figures of a session are missing", session=session_id, reason=problem.detail)
        if scope.cancelled_caught:
            _log.warning("figures of a session are missing", session=session_id, reason="the store is slow")

    def _others(self, meeting_url: str, bot_id: str) -> Collection[str]:
        """Return the display names of our other bots in a meeting, on any worker."""
        lives: tuple[Life, ...] = () if self._parts is None else self._parts.lists.active()
        return {life.name for life in lives if life.meeting_url == meeting_url and life.bot_id != bot_id}

    # What topics show.

    def _frame(self) -> BotsListed:
        """Return the list without its bots."""
        return BotsListed(
            now=self._wall(),
            limit=self._bots.max_bots,
            running=0,
            waiting=0,
            bots=(),
            unavailable=self.unavailable(),
            demo_meeting=self._bots.demo_meeting,
        )

    def listed(self) -> BotsListed:
        """Return the state of the topic ``bots``."""
        return self._frame() if self._parts is None else self._parts.lists.listed()

    @property
    def running(self) -> int:
        """How many bots of all workers had a browser when they were read last."""
        return 0 if self._parts is None else self._parts.lists.running

    def can_have(self, bot_id: str) -> bool:
        """Return whether a bot can have this id."""
        return _ID.fullmatch(bot_id) is not None

    def live(self, bot_id: str) -> BotLive | None:
        """Return the state of the topic ``bots/ID``."""
        return None if self._parts is None else self._parts.lists.live(bot_id)

    # What the API asks.

    async def create(self, request: BotRequest, *, now: float | None = None) -> tuple[BotShown, bool]:
        """Store a bot; return it, and whether it is new. ``now``: the time of the request."""
        if not self._bots.enabled:
            raise ProblemError("bots_off", self.unavailable())
        parts = self._working()
        life, is_new = await parts.creation.create(request, self._wall() if now is None else now)
        if is_new:
            parts.changed(life.bot_id)
            parts.host.wake()
        return await self._shown(life), is_new

    async def list(self, *, active: bool | None, before: str | None, limit: int) -> BotsListed:
        """Return bots: all (None), those that have not ended, or those that have; after ``before``.

        Where bots cannot be stored there are none, with the reason; that is no failure.
        """
        if self._parts is None:
            await trio.lowlevel.checkpoint()
            return self._frame()
        parts = self._parts
        after = None if before is None else await parts.commanding.life(before)
        store = parts.kept.store
        found = await store.lives(limit, before=after, active=active is True, ended=active is False)
        running = await store.lives(active=True)
        first = running if before is None and active is None else ()
        return parts.lists.page(first, found, positions(running), running, has_more=len(found) == limit)

    async def count(self) -> BotsCounted:
        """Return how many there are in each state. Where bots cannot be stored, none, with the reason."""
        if self._parts is None:
            await trio.lowlevel.checkpoint()
            states, last_failed = dict[str, int](), None
        else:
            states = await self._parts.kept.store.counts()
            last_failed = await self._parts.lists.last_failed()
        return BotsCounted(
            now=self._wall(),
            limit=self._bots.max_bots,
            queue_limit=self._bots.max_queued,
            running=sum(number for state, number in states.items() if State(state) not in WITHOUT_BROWSER),
            waiting=states.get(State.REQUESTED.value, 0),
            states=states,
            unavailable=self.unavailable(),
            last_failed=last_failed,
        )

    async def get(self, bot_id: str) -> BotLive:
        """Return one bot."""
        parts = self._working()
        run = parts.host.runs.get(bot_id)
        if run is not None:
            await trio.lowlevel.checkpoint()
            return run.live()
        found = await parts.lists.found(bot_id)
        if found is None:
            raise ProblemError("unknown_bot", f"No bot has the id {bot_id}.")
        return found

    async def leave(self, bot_id: str) -> BotShown:
        """Have a bot leave; one that has not started is cancelled, and one that has ended stays as it is."""
        return await self._shown(await self._working().commanding.leave(bot_id))

    async def pause(self, bot_id: str) -> BotShown:
        """Have a bot capture nothing until it is resumed."""
        return await self._order(Order(bot_id=bot_id, name="pause"))

    async def resume(self, bot_id: str) -> BotShown:
        """Have a paused bot capture again."""
        return await self._order(Order(bot_id=bot_id, name="resume"))

    async def chat(self, bot_id: str, text: str) -> BotShown:
        """Write in the meeting's chat."""
        return await self._order(Order(bot_id=bot_id, name="chat", text=text))

    async def speak(self, bot_id: str, pcm: bytes) -> BotShown:
        """Play 16-bit little-endian mono sound at 16 kHz as the bot's microphone. Returns at its begin."""
        return await self._order(Order(bot_id=bot_id, name="speak", pcm=pcm))

    async def change_languages(self, bot_id: str, change: LanguagesChange) -> BotShown:
        """Change the languages of a bot, also in the call."""
        return await self._order(Order(bot_id=bot_id, name="language", languages=change))

    async def change_webcam(self, bot_id: str, change: WebcamChange) -> BotShown:
        """Change what the camera shows, or switch it on or off."""
        return await self._order(Order(bot_id=bot_id, name="webcam", webcam=change))

    async def camera(self, bot_id: str, kind: FrameKind, *, after: int = -1) -> CameraFrame:
        """Return the camera's picture as soon as its number is not ``after``."""
        parts = self._working()
        run = parts.host.runs.get(bot_id)
        if run is None:
            return await parts.forwarding.camera(await parts.commanding.life(bot_id), kind, after=after)
        return await run.camera(kind, after=after)

    @property
    def on_deleted(self) -> Callable[[str], Awaitable[None]] | None:
        """What deletes what others store of a session, such as the hub's history."""
        return None if self._parts is None else self._parts.commanding.on_deleted

    @on_deleted.setter
    def on_deleted(self, delete: Callable[[str], Awaitable[None]] | None) -> None:
        if self._parts is not None:
            self._parts.commanding.on_deleted = delete

    async def delete_data(self, bot_id: str) -> BotShown:
        """Delete what was captured, in every table, file and log. It can be asked for twice."""
        parts = self._working()
        life = await parts.commanding.delete_data(bot_id)
        parts.lists.forget(bot_id)
        return await self._shown(life)

    async def _order(self, order: Order) -> BotShown:
        found = await self._working().commanding.order(order)
        return await self._shown(found) if isinstance(found, Life) else found

    async def _shown(self, life: Life) -> BotShown:
        """Return a bot, with its position if it waits."""
        parts = self._working()
        position = None
        if State(life.state) is State.REQUESTED and life.place is None:
            position = await parts.kept.store.position(life.bot_id)
        return parts.lists.one(life, position)


class _Parts(Struct, frozen=True, kw_only=True):
    """What there is where bots can be stored."""

    kept: Kept
    changed: Callable[[str], None]
    lists: BotLists
    host: BotHost
    creation: Creation
    commanding: Commanding
    forwarding: Forwarding


async def _store_evidence(
    offload: Offload, folder: Path, session_id: str, evidence: Evidence
) -> Collection[Captured]:
    try:
        return await offload(write_evidence, folder, session_id, evidence)
    except OSError as error:
        _log.error("evidence cannot be written", folder=str(folder), reason=str(error))
        return ()

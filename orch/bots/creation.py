"""Stores the bots that are asked for, after what can be checked before anything starts."""

from collections.abc import Awaitable, Callable

import trio

from orch.bots import admission
from orch.bots.requests import BotRequest
from orch.bots.runs.journal import Composed
from orch.bots.runs.reachability import UnreachableError
from orch.bots.runs.stored_lives import new_life, new_session, requested_event
from orch.bots.states import WITHOUT_BROWSER, State
from orch.bots.webhooks.payloads import StateChange, Trigger
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name
from orch.settings.bots import Bots
from orch.stores.bot_records import Life, RefusedRecordError
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import BotStore


class Creation:
    """Creates bots. ``missing_browser``: why none can be started here, "" if one can.

    The limit of bots that run is the store's, and exact. That of the queue is kept by each worker: several
    may exceed it together by one each.
    """

    def __init__(
        self,
        store: BotStore,
        *,
        settings: Callable[[], Bots],
        missing_browser: Callable[[], str],
        reachable: Callable[[str], Awaitable[None]],
        webhooks: Composed,
    ) -> None:
        self._store = store
        self._settings = settings
        self._missing_browser = missing_browser
        self._reachable = reachable
        self._webhooks = webhooks
        self._lock = trio.Lock()

    async def create(self, request: BotRequest, now: float) -> tuple[Life, bool]:
        """Store a bot; return its life, and whether it is new.

        Problems: see :meth:`orch.bots.control.BotsControl.create`; ``meeting_unreachable``.
        """
        bots = self._settings()
        meeting = admission.check_request(request, bots.origins, now)
        if request.idempotency_key is not None:
            earlier = await self._store.life_of_key(request.idempotency_key)
            if earlier is not None:
                admission.check_same(earlier, request, meeting.url)
                return earlier, False
        if missing := self._missing_browser():
            raise ProblemError("browser_missing", missing)
        if request.start_at is None or request.start_at <= now:
            try:
                await self._reachable(meeting.url)
            except UnreachableError as error:
                raise ProblemError("meeting_unreachable", str(error)) from error
        async with self._lock:
            await self._check_queue(bots)
            life, is_new = await self._request(request, meeting.url, now)
        if not is_new:
            admission.check_same(life, request, meeting.url)
        return life, is_new

    async def _check_queue(self, bots: Bots) -> None:
        counted = await self._store.counts()
        waiting = counted.get(State.REQUESTED.value, 0)
        running = sum(number for state, number in counted.items() if State(state) not in WITHOUT_BROWSER)
        if waiting >= bots.max_queued + max(bots.max_bots - running, 0):
            raise ProblemError(
                "too_many_bots",
                f"{waiting} bots wait for a place already; the limit is {bots.max_queued} (bots.max_queued).",
            )

    async def _request(self, request: BotRequest, meeting_url: str, now: float) -> tuple[Life, bool]:
        life = new_life(request, bot_id=new_name(), session_id=new_name(), meeting_url=meeting_url, now=now)
        data = StateChange(old_state=None, new_state=life.state)
        webhooks = self._webhooks(life, Trigger.STATE_CHANGE, now, data)
        change = Change(life, (requested_event(life),), webhooks)
        try:
            return await self._store.request(change, new_session(life, request))
        except RefusedRecordError as error:
            raise ProblemError("invalid_request", f"{error}.") from error

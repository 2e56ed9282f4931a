"""The stored life of one bot that this worker runs: each transition is stored, then it is true."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
import trio
from msgspec.structs import replace

from orch.bots.bot_counters import BotCounters
from orch.bots.ends import EndReason
from orch.bots.lifecycle import IllegalTransitionError, Life
from orch.bots.runs.stored_lives import Transition, fitting, life_of, loss, transition
from orch.bots.states import FINAL, Event, State
from orch.bots.webhooks.payloads import Data, Trigger
from orch.problems import ProblemError
from orch.stores.bot_records import JSON, WebhookDelivery
from orch.stores.bot_records import Life as StoredLife
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import BotStore

RETRY_EVERY: Final = 1.0
"""Seconds between attempts to store a transition while the store is away."""

REPLIED_WITHIN: Final = 10.0
"""Seconds that the store may take for a transition, until there is another attempt."""

Composed = Callable[[StoredLife, Trigger, float, Data], Sequence[WebhookDelivery]]
"""Returns the deliveries of an event, one for each endpoint that wants it."""

_log = structlog.get_logger(__name__)


class OwnerLostError(Exception):
    """Another worker has taken the bot over, or its life is gone from the store: stop running it."""


class Journal:
    """One bot's life. The mutable state is the life as it was stored last.

    Transitions are stored one after the other. While the store is away they wait for it: what is not stored
    is not done.
    """

    def __init__(
        self,
        store: BotStore,
        life: StoredLife,
        *,
        owner: str,
        wall: Callable[[], float],
        webhooks: Composed,
        on_change: Callable[[], None],
        counters: BotCounters | None = None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._wall = wall
        self._webhooks = webhooks
        self._on_change = on_change
        self._counters = counters or BotCounters()
        self._lock = trio.Lock()
        self.stored = life
        self.on_transition: Callable[[StoredLife, StoredLife], None] = lambda _before, _after: None
        """Called with the life before and after each stored transition."""

    @property
    def life(self) -> Life:
        """The life as the lifecycle sees it."""
        return life_of(self.stored)

    @property
    def state(self) -> State:
        """The state that was stored last."""
        return State(self.stored.state)

    @property
    def is_final(self) -> bool:
        """Whether the bot has ended."""
        return self.state in FINAL

    async def advance(self, event: Event, *, reason: EndReason | None = None, detail: str = "") -> bool:
        """Store a transition; False: the bot cannot have this event any more, since another one came first.

        A reason that cannot arise in the bot's state is replaced by what it means there. Error handling:
        OwnerLostError.
        """

        def made() -> Transition | None:
            try:
                fits = None if reason is None else fitting(self.life, reason)
                return transition(self.stored, event, self._wall(), reason=fits, detail=detail)
            except IllegalTransitionError:
                return None

        return await self._store_transition(made)

    async def lose(self, reason: EndReason, detail: str = "") -> None:
        """Store that the browser or the connection was lost: the bot recovers, or has ended."""
        await self._store_transition(
            lambda: None if self.is_final else loss(self.stored, self._wall(), reason, detail)
        )

    async def change_settings(self, change: Callable[[JSON], JSON]) -> None:
        """Store other settings. Error handling: OwnerLostError."""
        async with self._lock:
            settings = change(self.stored.settings)
            while not await self._write(Change(replace(self.stored, settings=settings))):
                settings = change(self.stored.settings)

    async def _store_transition(self, made: Callable[[], Transition | None]) -> bool:
        async with self._lock:
            before = self.stored
            while True:
                found = made()
                if found is None:
                    self._note_change(before)  # where the reply to an attempt was lost
                    return False
                webhooks: Sequence[WebhookDelivery] = ()
                if found.webhook is not None:
                    webhooks = self._webhooks(found.life, Trigger.STATE_CHANGE, found.event.at, found.webhook)
                if await self._write(Change(found.life, (found.event,), webhooks)):
                    break
        self._note_change(before)
        _log.info("bot", bot=self.stored.bot_id, **_shown(found))
        return True

    def _note_change(self, before: StoredLife) -> None:
        self._counters.changed(before, self.stored)
        self.on_transition(before, self.stored)

    async def _write(self, change: Change) -> bool:
        """Store a change, once the store can. False: the stored life is another one, which is ours now.

        So it is after a call that was cancelled, or whose reply was lost, and that was carried out.
        """
        is_away = False
        while True:
            try:
                with trio.fail_after(REPLIED_WITHIN):
                    stored = await self._store.advance(change, owner=self._owner)
                    is_stored = stored is not None
                    if stored is None:
                        stored = await self._store.life(self.stored.bot_id)
            except (ProblemError, trio.TooSlowError) as problem:
                if not is_away:
                    _log.warning(
                        "a bot waits for the store", bot=self.stored.bot_id, reason=str(problem) or "no reply"
                    )
                is_away = True
                await trio.sleep(RETRY_EVERY)
                continue
            if stored is None or (stored.owner != self._owner and stored.ended_at is None):
                raise OwnerLostError(self.stored.bot_id)
            if not is_stored and stored.revision == self.stored.revision:
                raise OwnerLostError(self.stored.bot_id)  # it was not changed, and may not be changed by us
            self.stored = stored
            self._on_change()
            return is_stored


def _shown(found: Transition) -> dict[str, Any]:
    """Return the fields of a line in the log: nothing that was said or entered."""
    shown: dict[str, Any] = {"state": found.life.state}
    for name in ("reason", "stage", "lost_to"):
        if (value := getattr(found.life, name)) is not None:
            shown[name] = value
    return shown

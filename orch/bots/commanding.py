"""Commands for a bot, wherever it is: running here, running elsewhere, waiting, or ended."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from msgspec.structs import replace

from orch.bots.bot_counters import BotCounters
from orch.bots.ends import EndReason
from orch.bots.forwarding import Forwarding
from orch.bots.orders import Order, carry_out, check_order
from orch.bots.runs.commands import applied_webcam, changed_settings, check_state
from orch.bots.runs.journal import Composed
from orch.bots.runs.run import BotRun
from orch.bots.runs.stored_lives import Transition, request_of, transition
from orch.bots.shown import BotShown
from orch.bots.states import Event, State
from orch.bots.webhooks.payloads import Trigger
from orch.problems import ProblemError
from orch.stores.bot_records import JSON, Life, WebhookDelivery
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import BotStore
from orch.stores.bot_writer import BotWriter

TRIES: Final = 5
"""Times that a change of a bot which nobody runs is tried, where others change it meanwhile."""

CHANGES: Final = frozenset({"language", "webcam"})
"""Commands that can be carried out before the bot has started: they change what is stored."""

_log = structlog.get_logger(__name__)


async def life_of(store: BotStore, bot_id: str) -> Life:
    """Return a bot's life; ``unknown_bot`` if there is none."""
    life = await store.life(bot_id)
    if life is None:
        raise ProblemError("unknown_bot", f"No bot has the id {bot_id}.")
    return life


class Commanding:
    """Carries out commands. ``runs``: the bots that run here. ``remove_files``: removes deleted rows' files.

    ``on_deleted``: deletes what others store of a session (the hub's history).
    """

    def __init__(
        self,
        store: BotStore,
        writer: BotWriter,
        *,
        forwarding: Forwarding,
        runs: Callable[[], Mapping[str, BotRun]],
        wall: Callable[[], float],
        webhooks: Composed,
        on_change: Callable[[str], None],
        remove_files: Callable[[], Awaitable[object]],
        counters: BotCounters,
    ) -> None:
        self._store = store
        self._writer = writer
        self._forwarding = forwarding
        self._runs = runs
        self._wall = wall
        self._webhooks = webhooks
        self._on_change = on_change
        self._remove_files = remove_files
        self._counters = counters
        self.on_deleted: Callable[[str], Awaitable[None]] | None = None

    async def life(self, bot_id: str) -> Life:
        """Return a bot's life; ``unknown_bot`` if there is none."""
        return await life_of(self._store, bot_id)

    async def order(self, order: Order) -> Life | BotShown:
        """Have a bot carry out a command: here, at the worker that runs it, or in what is stored of it.

        Problems: ``unknown_bot``; ``wrong_bot_state`` where its state does not allow the command;
        ``camera_off``; those of :meth:`orch.bots.forwarding.Forwarding.order`.
        """
        run = self._runs().get(order.bot_id)
        if run is not None:
            await carry_out(run.commands, order)
            return run.shown()
        for _ in range(TRIES):
            life = await self.life(order.bot_id)
            check_order(order.name, State(life.state))
            if life.owner is not None or order.name not in CHANGES:
                return await self._forwarding.order(life, order)
            change = Change(replace(life, settings=_changed(life, order)))
            stored = await self._store.advance(change, owner=None)
            if stored is not None:
                self._on_change(order.bot_id)
                return stored
        raise _changing(order.bot_id)

    async def leave(self, bot_id: str) -> Life:
        """Have a bot leave; one that has not started is cancelled, and one that has ended stays as it is.

        The worker that runs it reads the request within seconds.
        """
        run = self._runs().get(bot_id)
        if run is not None:
            await run.commands.leave()
            return run.journal.stored
        for _ in range(TRIES):
            life = await self.life(bot_id)
            if life.ended_at is not None:
                return life
            if life.owner is not None:
                return await self._store.request_leave(bot_id, now=self._wall()) or await self.life(bot_id)
            now = self._wall()
            found = transition(life, Event.LEAVE, now, reason=EndReason.LEFT_ON_REQUEST)
            stored = await self._store.advance(self._change(found), owner=None)
            if stored is not None:
                self._counters.changed(life, stored)
                self._on_change(bot_id)
                return stored
        raise _changing(bot_id)

    async def delete_data(self, bot_id: str) -> Life:
        """Delete what was captured: rows, spooled records, files; late records are refused from now on."""
        life = await self.life(bot_id)
        run = self._runs().get(bot_id)
        if run is not None and run.journal.is_final:
            await run.done.wait()  # it stores its last records
        check_state("delete_data", State(life.state))
        now = self._wall()
        change = None
        if State(life.state) is not State.DATA_DELETED:
            change = self._change(transition(life, Event.DELETE_DATA, now))
        await self._writer.forget(life.session_id)
        if self.on_deleted is not None:
            await self.on_deleted(life.session_id)
        deleted = await self._store.delete_data(life.session_id, now=now, change=change)
        await self._remove_files()
        _log.info("data of a bot deleted", bot=bot_id)
        self._on_change(bot_id)
        return deleted or await self.life(bot_id)

    def _change(self, found: Transition) -> Change:
        webhooks: tuple[WebhookDelivery, ...] = ()
        if found.webhook is not None:
            webhooks = tuple(self._webhooks(found.life, Trigger.STATE_CHANGE, found.event.at, found.webhook))
        return Change(found.life, (found.event,), webhooks)


def _changed(life: Life, order: Order) -> JSON:
    """Return the settings of a bot that nobody runs after a command that changes them."""
    request = request_of(life)
    if order.name == "language":
        _, settings_of = changed_settings(request, languages=order.languages.applied_to(request.languages))
    else:
        _, settings_of = changed_settings(request, camera=applied_webcam(request, order.webcam).camera)
    return settings_of(life.settings)


def _changing(bot_id: str) -> ProblemError:
    return ProblemError("bot_silent", f"The bot {bot_id} changes all the time. Try again.")

"""The spans of bots.

    bot.session          from when a worker runs a bot until it has ended, or another worker goes on with it
    ├─ bot.start         its browser is started
    ├─ bot.join          its page is opened, and asks to be let in
    ├─ bot.lobby         it waits for somebody who lets it in
    ├─ bot.meeting       it is in the meeting; when it captures, and when not, are events of it
    ├─ bot.recovery      the browser or the connection was lost
    ├─ bot.leave
    └─ webhook.delivery  each attempt to send a webhook about it

A meeting takes hours, so the speech in it has traces of its own, which are linked to the bot's span
(:mod:`orch.speech.stream_trace`). Attributes are identifiers and words of closed lists: no address of a
meeting, no name, nothing that was said.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final
from urllib.parse import urlsplit

from structlog.contextvars import bound_contextvars

from orch.bots.runs.journal import Journal
from orch.bots.states import FINAL, IN_CALL, State
from orch.stores.bot_records import Life
from orch.telemetry.traces import OFF, Span, Tracer

REMEMBERED: Final = 256
"""Bots that are known after their end, as webhooks about it are sent then; beyond, the first is forgotten."""

STAGES: Final[Mapping[State, str]] = {
    State.STARTING: "bot.start",
    State.JOINING: "bot.join",
    State.WAITING_IN_LOBBY: "bot.lobby",
    **dict.fromkeys(IN_CALL, "bot.meeting"),
    State.RECOVERING: "bot.recovery",
    State.LEAVING: "bot.leave",
}
"""The span of each state that lasts."""


class BotTraces:
    """The traces of the bots of this process, and which bot has which. That is the mutable state."""

    def __init__(self, tracer: Tracer = OFF) -> None:
        self.tracer: Final = tracer
        self._running: dict[str, str] = {}
        self._ended: OrderedDict[str, str] = OrderedDict()

    def __repr__(self) -> str:
        return f"<BotTraces of {len(self._running)} bots, {len(self._ended)} that ended>"

    def parent_of(self, bot_id: str | None) -> str:
        """Return the ``traceparent`` of a bot that runs here, or ended lately; "": it is not recorded."""
        return self._running.get(bot_id or "") or self._ended.get(bot_id or "", "")

    @contextmanager
    def open(self, journal: Journal, adapter: str) -> Iterator[None]:
        """Record a bot during the block. Lines that are logged in it have the id of its trace."""
        span = self.tracer.start("bot.session")
        if span is None:
            yield
            return
        life = journal.stored
        trace = _BotTrace(self.tracer, span, life)
        span.set("orch.bot_id", life.bot_id)
        span.set("orch.session_id", life.session_id)
        span.set("orch.bot.adapter", adapter)
        if life.placed_at is not None:
            span.set("orch.bot.waited_seconds", round(max(0.0, life.placed_at - life.requested_at), 3))
        self._running[life.bot_id] = span.traceparent
        journal.on_transition = trace.changed
        with span, bound_contextvars(trace_id=span.trace_id):
            try:
                yield
            finally:
                trace.end(journal.stored)
                self._forget(life.bot_id)

    def _forget(self, bot_id: str) -> None:
        self._ended[bot_id] = self._running.pop(bot_id)
        self._ended.move_to_end(bot_id)
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

    def delivery(
        self, bot_id: str | None, url: str, attempt: int
    ) -> AbstractContextManager[Span | None, bool | None]:
        """Record an attempt to send a webhook during the block, in the trace of its bot if that is recorded.

        ``attempt``: counted from 1. Of the address only the host is recorded: the rest may have a secret.
        """
        span = self.tracer.start("webhook.delivery", kind="client", parent=self.parent_of(bot_id) or None)
        if span is None:
            return nullcontext()
        span.set("http.request.method", "POST")
        span.set("server.address", urlsplit(url).hostname or "")
        if attempt > 1:
            span.set("http.request.resend_count", attempt - 1)
        if bot_id is not None:
            span.set("orch.bot_id", bot_id)
        return span


class _BotTrace:
    """The spans of one bot. The mutable state is the span of the stage that it is in."""

    def __init__(self, tracer: Tracer, session: Span, life: Life) -> None:
        self._tracer = tracer
        self._session = session
        self._stage: Span | None = None
        self._enter(State(life.state))

    def changed(self, before: Life, after: Life) -> None:
        """Apply a stored change of the bot's life."""
        if after.state == before.state:
            return
        state = State(after.state)
        if STAGES.get(state) == STAGES.get(State(before.state)) and self._stage is not None:
            self._stage.event(state.value)
            return
        if self._stage is not None:
            if state is State.RECOVERING:
                self._stage.failed(str(after.lost_to or ""))
            self._stage.end()
            self._stage = None
        self._enter(state)

    def _enter(self, state: State) -> None:
        name = STAGES.get(state)
        if name is None:
            return
        self._stage = self._tracer.start(name, parent=self._session.traceparent)
        if self._stage is not None and state in IN_CALL:
            self._stage.event(state.value)

    def end(self, life: Life) -> None:
        """End the stage, and note how the bot ended; one that has not goes on elsewhere."""
        state = State(life.state)
        if self._stage is not None:
            self._stage.end()
            self._stage = None
        if state not in FINAL:
            self._session.set("orch.bot.outcome", "released")
            return
        self._session.set("orch.bot.outcome", state.value)
        self._session.set("orch.bot.end_reason", str(life.reason or ""))
        self._session.set("orch.bot.end_stage", str(life.stage or ""))
        if state is State.FAILED:
            self._session.failed(str(life.reason or ""))

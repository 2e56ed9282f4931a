"""A bot's life as it is stored, as the lifecycle sees it, and as a change of it. Pure."""

from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from orch.bots import lifecycle
from orch.bots.ends import ENDS, EndReason
from orch.bots.lifecycle import Life, Limits
from orch.bots.requests import BotRequest
from orch.bots.states import FINAL, STAGES, Event, Stage, State
from orch.bots.webhooks.payloads import StateChange
from orch.stores.bot_records import JSON, BotSession, SessionEvent, Severity
from orch.stores.bot_records import Life as StoredLife

SOURCE: Final = "bots"
"""``source_component`` of the events about a bot itself."""

STATE_EVENT: Final = "state"
"""``event_type`` of a transition; its subtype is the new state."""


class Transition(Struct, frozen=True, kw_only=True):
    """A bot's next life, to be stored, with the event about it and the data of its webhook.

    ``webhook``: None where the state is the same.
    """

    life: StoredLife
    event: SessionEvent
    webhook: StateChange | None = None


def life_of(stored: StoredLife) -> Life:
    """Return a stored life as the lifecycle sees it."""
    return Life(
        state=State(stored.state),
        since=stored.since,
        placed=stored.placed_at,
        admitted=stored.admitted_at,
        recoveries=stored.recoveries,
        lost_to=EndReason(stored.lost_to) if stored.lost_to else None,
        was_paused=stored.was_paused,
        reason=EndReason(stored.reason) if stored.reason else None,
        stage=Stage(stored.stage) if stored.stage else None,
    )


def merged(stored: StoredLife, life: Life, now: float) -> StoredLife:
    """Return the stored life with the lifecycle's changes. Place, owner and lease are the store's own."""
    queued = stored.queued_at
    if life.state is State.REQUESTED and queued is None:
        queued = now
    return replace(
        stored,
        state=life.state.value,
        since=life.since,
        queued_at=queued,
        admitted_at=life.admitted,
        ended_at=now if life.state in FINAL and stored.ended_at is None else stored.ended_at,
        recoveries=life.recoveries,
        lost_to=life.lost_to,
        was_paused=life.was_paused,
        reason=life.reason,
        stage=life.stage,
    )


def transition(
    stored: StoredLife, event: Event, now: float, *, reason: EndReason | None = None, detail: str = ""
) -> Transition:
    """Return what is stored for an event of the lifecycle. ``detail``: a sentence for people.

    Error handling: :class:`~orch.bots.lifecycle.IllegalTransitionError`.
    """
    return _described(stored, lifecycle.advance(life_of(stored), event, now, reason), now, detail)


def loss(stored: StoredLife, now: float, reason: EndReason, detail: str = "") -> Transition | None:
    """Return what is stored when a bot's browser or connection is lost; None: it is recovering already."""
    before = life_of(stored)
    after = lifecycle.lost(before, now, reason)
    return None if after is before else _described(stored, after, now, detail)


def fitting(life: Life, reason: EndReason) -> EndReason:
    """Return the reason as it can arise in this state.

    Who is removed before it was in the meeting was not admitted. A reason that cannot arise at all is a fault
    of ours. While a bot leaves, and at its end, its reason was decided before.
    """
    stage = STAGES.get(life.state)
    if stage is None or stage in ENDS[reason].stages:
        return reason
    if reason is EndReason.REMOVED and stage in ENDS[EndReason.ADMISSION_DENIED].stages:
        return EndReason.ADMISSION_DENIED
    return EndReason.INTERNAL_ERROR


def _described(stored: StoredLife, life: Life, now: float, detail: str) -> Transition:
    after = merged(stored, life, now)
    is_decided = life.reason is not None and stored.reason is None
    reason = life.reason
    data: dict[str, Any] = {"old_state": stored.state, "new_state": after.state}
    if life.reason is not None:
        data |= {"reason": life.reason.value, "stage": life.stage}
    if life.lost_to is not None:
        data["lost_to"] = life.lost_to.value
    if detail:
        data["detail"] = detail
    event = SessionEvent(
        event_id=f"{stored.session_id}/life/{stored.revision}",
        session_id=stored.session_id,
        event_type=STATE_EVENT,
        event_subtype=after.state,
        at=now,
        source_component=SOURCE,
        event_data=data,
        severity=_severity(life, is_decided=is_decided),
    )
    webhook = StateChange(
        old_state=stored.state,
        new_state=after.state,
        reason=reason,
        stage=life.stage,
        sentence=ENDS[reason].sentence if reason is not None else None,
    )
    return Transition(life=after, event=event, webhook=webhook if after.state != stored.state else None)


def _severity(life: Life, *, is_decided: bool) -> Severity:
    if life.state is State.FAILED or (is_decided and life.reason and ENDS[life.reason].state is State.FAILED):
        return "error"
    return "warning" if life.state is State.RECOVERING else "info"


def request_of(stored: StoredLife) -> BotRequest:
    """Return what a bot was asked for; defaults for one whose data was deleted."""
    settings = dict(stored.settings) or {"meeting_url": stored.meeting_url or "-"}
    return msgspec.convert(settings, BotRequest)


def settings_of(request: BotRequest) -> JSON:
    """Return a request as it is stored. What the life has fields for is there only."""
    settings: dict[str, Any] = msgspec.to_builtins(request)
    for name in ("metadata", "idempotency_key", "start_at"):
        settings.pop(name, None)
    return settings


def new_life(
    request: BotRequest, *, bot_id: str, session_id: str, meeting_url: str, now: float
) -> StoredLife:
    """Return the life of a new bot: it is scheduled, or waits for a place."""
    is_scheduled = request.start_at is not None and request.start_at > now
    life = lifecycle.new(now, is_scheduled=is_scheduled)
    return StoredLife(
        bot_id=bot_id,
        session_id=session_id,
        state=life.state.value,
        since=now,
        requested_at=now,
        idempotency_key=request.idempotency_key,
        due_at=request.start_at if is_scheduled else None,
        queued_at=None if is_scheduled else now,
        name=request.name,
        meeting_url=meeting_url,
        settings=settings_of(request),
        metadata=request.metadata,
    )


def new_session(life: StoredLife, request: BotRequest) -> BotSession:
    """Return the session of a new bot."""
    return BotSession(
        session_id=life.session_id,
        bot_id=life.bot_id,
        status=life.state,
        at=life.requested_at,
        meeting_uri=life.meeting_url,
        meeting_id=life.meeting_url.rstrip("/").rpartition("/")[2].partition("?")[0] or None,
        target_languages=request.languages.targets,
    )


def requested_event(life: StoredLife) -> SessionEvent:
    """Return the first event of a bot."""
    return SessionEvent(
        event_id=f"{life.session_id}/life/0",
        session_id=life.session_id,
        event_type=STATE_EVENT,
        event_subtype=life.state,
        at=life.requested_at,
        source_component=SOURCE,
        event_data={"old_state": None, "new_state": life.state},
    )


def took_too_long(life: Life, limits: Limits, now: float) -> bool:
    """Whether the wait that a bot is in has lasted longer than it may."""
    deadline = lifecycle.deadline(life, limits)
    return deadline is not None and deadline.at <= now

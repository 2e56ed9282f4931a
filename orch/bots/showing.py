"""How a stored life is shown. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from orch.bots.ends import ENDS, EndReason
from orch.bots.requests import BotRequest
from orch.bots.runs.stored_lives import request_of
from orch.bots.shown import BotShown, EndShown
from orch.bots.states import COMMANDS, STAGES, Stage, State
from orch.stores.bot_records import Life


def shown(
    life: Life,
    *,
    position: int | None = None,
    people: int = 0,
    utterances: int = 0,
    has_evidence: bool = False,
) -> BotShown:
    """Return a bot as it is shown."""
    try:
        request = request_of(life)
    except msgspec.ValidationError:  # stored by another version
        request = BotRequest(meeting_url=life.meeting_url or "-")
    state = State(life.state)
    return BotShown(
        bot_id=life.bot_id,
        session_id=life.session_id,
        name=life.name,
        meeting_url=life.meeting_url,
        state=state,
        since=life.since,
        requested_at=life.requested_at,
        revision=life.revision,
        can=tuple(name for name, states in COMMANDS.items() if state in states),
        due_at=life.due_at,
        position=position,
        admitted_at=life.admitted_at,
        ended_at=life.ended_at,
        recoveries=life.recoveries,
        lost_to=EndReason(life.lost_to) if life.lost_to else None,
        end=_end(life, has_evidence=has_evidence),
        languages=request.languages,
        camera=request.camera,
        recording=request.recording,
        people=people,
        utterances=utterances,
        metadata=dict(life.metadata),
    )


def _end(life: Life, *, has_evidence: bool) -> EndShown | None:
    if life.reason is None:
        return None
    reason = EndReason(life.reason)
    stage = Stage(life.stage) if life.stage else STAGES.get(State(life.state), Stage.MEETING)
    return EndShown(reason=reason, stage=stage, sentence=ENDS[reason].sentence, has_evidence=has_evidence)


def positions(lives: Iterable[Life]) -> Mapping[str, int]:
    """Return the position in the queue, from 1, of each bot among all active ones that waits for a place."""
    queued = [
        (life.queued_at, life.bot_id)
        for life in lives
        if life.queued_at is not None and life.place is None and life.ended_at is None
    ]
    return {bot_id: number for number, (_, bot_id) in enumerate(sorted(queued), 1)}


def ordered(active: Iterable[Life], newest: Iterable[Life]) -> tuple[Life, ...]:
    """Return bots in the list's order: the active ones first, each part with the last requested first."""
    by_id = {life.bot_id: life for life in (*newest, *active)}
    return tuple(
        sorted(by_id.values(), key=lambda life: (life.ended_at is not None, -life.requested_at, life.bot_id))
    )

"""What a worker does with a bot whose owner has stopped or died. Pure.

The browser of such a bot has ended with its owner. The bot joins again, with the same session, if it was away
for no longer than it may recover; else it has ended, and its reason says that its owner was lost. A bot that
was leaving has left.
"""

from msgspec import Struct

from orch.bots.ends import ENDS, EndReason
from orch.bots.lifecycle import MAX_RECOVERIES, Life, Limits
from orch.bots.runs.stored_lives import took_too_long
from orch.bots.states import FINAL, STAGES, Event, State


class Adoption(Struct, frozen=True, kw_only=True):
    """What is stored first, and whether the bot is run afterwards. ``event``: None: nothing."""

    event: Event | None
    runs: bool
    reason: EndReason | None = None


def adoption(  # noqa: PLR0911 - one for each case
    life: Life, limits: Limits, now: float, *, away: float, leave_requested: bool, opted_out: bool
) -> Adoption:
    """Return what follows for a bot that was taken over.

    ``away``: seconds since its lease expired. ``leave_requested``: it was asked to leave meanwhile.
    ``opted_out``: a participant does not want it to capture.
    """
    if life.state in FINAL or life.state is State.SCHEDULED:  # these have no owner
        return Adoption(event=None, runs=False)
    if life.state is State.LEAVING:
        return Adoption(event=Event.END, runs=False, reason=life.reason or EndReason.LEFT_ON_REQUEST)
    if leave_requested:
        return Adoption(event=Event.END, runs=False, reason=EndReason.LEFT_ON_REQUEST)
    if life.state is State.REQUESTED:
        return Adoption(event=None, runs=True)  # it had a place, and was not started yet
    if opted_out and life.admitted is not None:
        is_refused = STAGES[life.state] in ENDS[EndReason.RECORDING_REFUSED].stages
        reason = EndReason.RECORDING_REFUSED if is_refused else EndReason.OWNER_LOST
        return Adoption(event=Event.END, runs=False, reason=reason)
    if life.state is State.RECOVERING:
        if took_too_long(life, limits, now):
            return Adoption(event=Event.END, runs=False, reason=life.lost_to or EndReason.OWNER_LOST)
        return Adoption(event=None, runs=True)
    if away > limits.recovery or life.recoveries >= MAX_RECOVERIES:
        return Adoption(event=Event.END, runs=False, reason=EndReason.OWNER_LOST)
    return Adoption(event=Event.CONNECTION_LOST, runs=True, reason=EndReason.OWNER_LOST)

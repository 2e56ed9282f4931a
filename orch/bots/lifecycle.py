"""The life of a bot: its states, what moves it between them, and why it may end. Pure.

    scheduled ──► requested ──► starting ──► joining ──► waiting_in_lobby
                                    ▲           │  ▲            │   ▲
                                    │           │  └─(breakout)─┤   │ (put back by the host)
                                    │           ▼               ▼   │
                                    │     in_call_not_recording ◄───┘
                                    │           │  ▲ (consent is withdrawn)
                                    │           ▼  │
                                recovering ◄── capturing ◄──► paused

    from each of these: ──► leaving ──► ended | failed ──► data_deleted

*In the call* and *in the lobby* are facts about the page, which the adapter judges; this module says what
follows from them. A bot ends exactly once, with one reason of :class:`EndReason`, in the stage in which the
reason arose. A reason that arises while the bot is leaving (the meeting ends meanwhile, the browser crashes)
changes nothing: why it leaves was decided before.

A transition is stored before anything is done about it, so a worker that takes over a bot whose owner has
died finds a state that was true, and continues or ends from there.

Each state in which a bot waits has a limit (:func:`deadline`), so a stop converges: a bot that is asked to
leave, in whatever state, has ended :data:`LEAVING_LIMIT` later, whatever its page and its browser do.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.bots.ends import ENDS, EndReason
from orch.bots.states import FINAL, IN_CALL, STAGES, TRANSITIONS, WITHOUT_BROWSER, Event, Stage, State

LEAVING_LIMIT: Final = 60.0
"""Seconds from a request to leave to the bot's end (Vexa issue 1280: "stopping" for ever)."""

MAX_RECOVERIES: Final = 3
"""Times that a bot joins its meeting again. A page that reconnects by itself does not count."""


class IllegalTransitionError(ValueError):
    """An event that a bot in this state cannot have; the bot is unchanged."""

    def __init__(self, state: State, event: Event, reason: EndReason | None = None) -> None:
        because = f" ({reason})" if reason else ""
        super().__init__(f"a bot that is {state} cannot have {event.name}{because}")
        self.state, self.event, self.reason = state, event, reason


class Limits(Struct, frozen=True, kw_only=True):
    """Seconds that a bot may wait in each state, and be in use at all. The defaults are those of peers.

    Recall.ai: lobby 1,200, in the call without recording 3,600. ``longest`` counts from the bot's place on.
    """

    start: float = 60
    join: float = 60
    lobby: float = 1200
    not_recording: float = 3600
    recovery: float = 120
    longest: float = 14_400


class Life(Struct, frozen=True, kw_only=True):
    """One bot's life so far.

    ``since``: when the state began; ``placed``: when the bot was given a place, None before; ``admitted``:
    when it was first in the call (seconds, the caller's clock). ``reason`` and ``stage``: why it ends and
    where it was, from the moment that is decided. ``lost_to``: what a bot recovers from. ``was_paused``: a
    bot that is out of the call was paused in it.
    """

    state: State
    since: float
    placed: float | None = None
    admitted: float | None = None
    recoveries: int = 0
    lost_to: EndReason | None = None
    was_paused: bool = False
    reason: EndReason | None = None
    stage: Stage | None = None


class Deadline(Struct, frozen=True):
    """What happens to a bot at time ``at`` if it is still in this state."""

    at: float
    event: Event
    reason: EndReason


def new(now: float, *, is_scheduled: bool = False) -> Life:
    """Return the life of a bot that was just requested."""
    return Life(state=State.SCHEDULED if is_scheduled else State.REQUESTED, since=now)


def advance(life: Life, event: Event, now: float, reason: EndReason | None = None) -> Life:
    """Return the life after ``event``.

    ``reason`` belongs to ``LEAVE``, ``END`` and ``CONNECTION_LOST``, and only to these. A bot that waits in
    the lobby again, or in a breakout room, keeps that it was paused. While it leaves, ``END`` ends it for the
    reason for which it leaves.

    Error handling: :class:`IllegalTransitionError`, and nothing is changed, for an event that a bot in this
    state cannot have, and for a reason that cannot arise there.
    """
    if (reason is not None) != (event in _WITH_REASON):
        raise IllegalTransitionError(life.state, event, reason)
    if event is Event.END or (event is Event.LEAVE and life.state in WITHOUT_BROWSER):
        return _ended(life, event, now, reason)
    state = TRANSITIONS.get((life.state, event))
    if state is None:
        raise IllegalTransitionError(life.state, event, reason)
    if event is Event.LEAVE:
        return _decided(life, event, reason, state=state, now=now)
    returns = life.state is State.RECOVERING
    return replace(
        life,
        state=state,
        since=now,
        placed=now if event is Event.PLACED else life.placed,
        admitted=now if event is Event.ADMITTED and life.admitted is None else life.admitted,
        recoveries=life.recoveries + (returns and event is Event.BROWSER_READY),
        lost_to=None if returns else reason,
        was_paused=state not in IN_CALL - {State.IN_CALL_NOT_RECORDING}
        and event is not Event.RECORDING_REFUSED
        and (life.was_paused or life.state is State.PAUSED),
    )


_WITH_REASON: Final = frozenset({Event.LEAVE, Event.END, Event.CONNECTION_LOST})


def _ended(life: Life, event: Event, now: float, reason: EndReason | None) -> Life:
    if life.state in FINAL:
        raise IllegalTransitionError(life.state, event, reason)
    if life.state is State.LEAVING:
        # The reason for which it leaves was decided; what happens on the way out changes it no more.
        return replace(life, state=ENDS[life.reason].state if life.reason else State.ENDED, since=now)
    if reason is EndReason.LEFT_ON_REQUEST and life.state in WITHOUT_BROWSER:
        reason = EndReason.CANCELLED
    return _decided(life, event, reason, state=None, now=now)


def _decided(life: Life, event: Event, reason: EndReason | None, *, state: State | None, now: float) -> Life:
    """Return the life that ends for ``reason``: in ``state``, or in the one that the reason names."""
    stage = STAGES[life.state]
    if reason is None or stage not in ENDS[reason].stages:
        raise IllegalTransitionError(life.state, event, reason)
    return replace(
        life, state=state or ENDS[reason].state, since=now, reason=reason, stage=stage, lost_to=None
    )


def lost(life: Life, now: float, reason: EndReason) -> Life:
    """Return the life after its browser or its connection was lost: it recovers, or it ends.

    ``reason``: ``browser_crashed``, ``browser_stalled`` or ``network_lost``; it ends for that where it has
    joined again :data:`MAX_RECOVERIES` times already. One that was leaving has left. One that is recovering
    has the time that is left of its recovery.
    """
    if life.state is State.RECOVERING:
        return life
    if life.state is State.LEAVING or life.recoveries >= MAX_RECOVERIES:
        return advance(life, Event.END, now, reason)
    return advance(life, Event.CONNECTION_LOST, now, reason)


def deadline(life: Life, limits: Limits) -> Deadline | None:
    """Return what ends the wait that the bot is in, and when; None if it may stay as it is for ever.

    A scheduled bot and one that waits for a place have none here: a place becomes free, or a person cancels.
    """
    if life.state is State.LEAVING:
        return Deadline(life.since + LEAVING_LIMIT, Event.END, life.reason or EndReason.LEFT_ON_REQUEST)
    if life.state in WITHOUT_BROWSER:
        return None
    found = [_waiting(life, limits)]
    if life.placed is not None:
        found.append(Deadline(life.placed + limits.longest, Event.LEAVE, EndReason.MAX_DURATION))
    return min((each for each in found if each is not None), key=lambda each: each.at, default=None)


def _waiting(life: Life, limits: Limits) -> Deadline | None:
    match life.state:
        case State.STARTING:
            return Deadline(life.since + limits.start, Event.END, EndReason.BROWSER_STALLED)
        case State.JOINING:
            return Deadline(life.since + limits.join, Event.END, EndReason.PAGE_CHANGED)
        case State.WAITING_IN_LOBBY:
            return Deadline(life.since + limits.lobby, Event.LEAVE, EndReason.NEVER_ADMITTED)
        case State.IN_CALL_NOT_RECORDING:
            return Deadline(life.since + limits.not_recording, Event.LEAVE, EndReason.RECORDING_REFUSED)
        case State.RECOVERING:
            return Deadline(life.since + limits.recovery, Event.END, life.lost_to or EndReason.NETWORK_LOST)
        case _:
            return None

"""Which events of the lifecycle follow from where a page shows that its bot is. Pure."""

from orch.bots.observations import Place
from orch.bots.states import IN_CALL, Event, State

_OUTSIDE = (State.JOINING, State.WAITING_IN_LOBBY)


def events_at(state: State, place: Place) -> tuple[Event, ...]:
    """Return the events that lead a bot of this state to where its page shows it, in their order.

    A page that had lost its connection may have it back in the call, in the lobby or at the door. A bot that
    starts, leaves or has ended is not moved by what its page shows.
    """
    if state is State.RECOVERING:
        if place is Place.CALL:
            return (Event.ADMITTED,)
        return (Event.BROWSER_READY, *((Event.LOBBY_SEEN,) if place is Place.LOBBY else ()))
    match place:
        case Place.CALL if state in _OUTSIDE:
            return (Event.ADMITTED,)
        case Place.LOBBY if state is State.JOINING or state in IN_CALL:
            return (Event.LOBBY_SEEN,)
        case Place.DOOR if state in IN_CALL:
            return (Event.MOVED_TO_BREAKOUT,)
        case _:
            return ()


def is_loss(state: State) -> bool:
    """Whether a page that has lost its connection makes a bot of this state a recovering one."""
    return state in IN_CALL or state in _OUTSIDE

"""The states of a bot, the events that move it between them, and the stages of its life. Pure."""

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from typing import Final


class State(StrEnum):
    """Where a bot is. ``capturing`` and ``paused`` are what others call "in the meeting"."""

    SCHEDULED = "scheduled"
    REQUESTED = "requested"
    STARTING = "starting"
    JOINING = "joining"
    WAITING_IN_LOBBY = "waiting_in_lobby"
    IN_CALL_NOT_RECORDING = "in_call_not_recording"
    CAPTURING = "capturing"
    PAUSED = "paused"
    RECOVERING = "recovering"
    LEAVING = "leaving"
    ENDED = "ended"
    FAILED = "failed"
    DATA_DELETED = "data_deleted"


FINAL: Final = frozenset({State.ENDED, State.FAILED, State.DATA_DELETED})
"""A bot in one of these has no browser and takes no place."""

WITHOUT_BROWSER: Final = FINAL | {State.SCHEDULED, State.REQUESTED}
"""A bot in one of these has no browser; ``requested`` waits for a place."""

IN_CALL: Final = frozenset({State.IN_CALL_NOT_RECORDING, State.CAPTURING, State.PAUSED})
"""The other participants see the bot."""


class Event(Enum):
    """What moves a bot from one state to another."""

    DUE = auto()
    PLACED = auto()
    BROWSER_READY = auto()
    LOBBY_SEEN = auto()
    ADMITTED = auto()
    RECORDING_ALLOWED = auto()
    RECORDING_REFUSED = auto()
    PAUSED = auto()
    RESUMED = auto()
    MOVED_TO_BREAKOUT = auto()
    CONNECTION_LOST = auto()
    LEAVE = auto()
    END = auto()
    DELETE_DATA = auto()


_ACTIVE: Final = frozenset(State) - WITHOUT_BROWSER - {State.LEAVING}

TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.SCHEDULED, Event.DUE): State.REQUESTED,
    (State.REQUESTED, Event.PLACED): State.STARTING,
    (State.STARTING, Event.BROWSER_READY): State.JOINING,
    (State.RECOVERING, Event.BROWSER_READY): State.JOINING,
    (State.RECOVERING, Event.ADMITTED): State.IN_CALL_NOT_RECORDING,
    (State.JOINING, Event.LOBBY_SEEN): State.WAITING_IN_LOBBY,
    (State.JOINING, Event.ADMITTED): State.IN_CALL_NOT_RECORDING,
    (State.WAITING_IN_LOBBY, Event.ADMITTED): State.IN_CALL_NOT_RECORDING,
    (State.IN_CALL_NOT_RECORDING, Event.RECORDING_ALLOWED): State.CAPTURING,
    (State.CAPTURING, Event.PAUSED): State.PAUSED,
    (State.PAUSED, Event.RESUMED): State.CAPTURING,
    **{
        (state, Event.RECORDING_REFUSED): State.IN_CALL_NOT_RECORDING
        for state in (State.CAPTURING, State.PAUSED)
    },
    **{(state, Event.LOBBY_SEEN): State.WAITING_IN_LOBBY for state in IN_CALL},
    **{(state, Event.MOVED_TO_BREAKOUT): State.JOINING for state in IN_CALL},
    **{(state, Event.CONNECTION_LOST): State.RECOVERING for state in _ACTIVE - {State.RECOVERING}},
    **{(state, Event.LEAVE): State.LEAVING for state in _ACTIVE},
    **{(state, Event.DELETE_DATA): State.DATA_DELETED for state in (State.ENDED, State.FAILED)},
}
"""All transitions except the end, which leads to the state that the reason names."""


class Stage(StrEnum):
    """How far a bot had come when the reason of its end arose."""

    BEFORE_START = "before_start"
    START = "start"
    JOIN = "join"
    LOBBY = "lobby"
    MEETING = "meeting"
    RECOVERY = "recovery"


STAGES: Final[Mapping[State, Stage]] = {
    State.SCHEDULED: Stage.BEFORE_START,
    State.REQUESTED: Stage.BEFORE_START,
    State.STARTING: Stage.START,
    State.JOINING: Stage.JOIN,
    State.WAITING_IN_LOBBY: Stage.LOBBY,
    State.IN_CALL_NOT_RECORDING: Stage.MEETING,
    State.CAPTURING: Stage.MEETING,
    State.PAUSED: Stage.MEETING,
    State.RECOVERING: Stage.RECOVERY,
}


COMMANDS: Final[Mapping[str, frozenset[State]]] = {
    "leave": frozenset(State) - FINAL,
    "pause": frozenset({State.CAPTURING}),
    "resume": frozenset({State.PAUSED}),
    "chat": IN_CALL,
    "speak": IN_CALL,
    "language": frozenset(State) - FINAL - {State.LEAVING},
    "delete_data": FINAL,
}
"""The states in which a bot can carry out a command; in others the response is 409 with the state.

To leave and to delete the data can be asked for twice: what has been done already is no error.
"""

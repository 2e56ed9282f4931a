"""The life of a bot: every pair of state and event, every reason, and that each stop ends."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.ends import ENDS, EndReason
from orch.bots.lifecycle import (
    LEAVING_LIMIT,
    MAX_RECOVERIES,
    IllegalTransitionError,
    Life,
    Limits,
    advance,
    deadline,
    lost,
    new,
)
from orch.bots.states import (
    COMMANDS,
    FINAL,
    IN_CALL,
    STAGES,
    TRANSITIONS,
    WITHOUT_BROWSER,
    Event,
    Stage,
    State,
)

LIMITS = Limits()
ORDINARY = [e for e in Event if e not in (Event.LEAVE, Event.END, Event.CONNECTION_LOST)]
#: The shortest way to each state that a bot can be in.
WAYS: dict[State, list[Event]] = {
    State.SCHEDULED: [],
    State.REQUESTED: [Event.DUE],
    State.STARTING: [Event.DUE, Event.PLACED],
    State.JOINING: [Event.DUE, Event.PLACED, Event.BROWSER_READY],
    State.WAITING_IN_LOBBY: [Event.DUE, Event.PLACED, Event.BROWSER_READY, Event.LOBBY_SEEN],
    State.IN_CALL_NOT_RECORDING: [Event.DUE, Event.PLACED, Event.BROWSER_READY, Event.ADMITTED],
    State.CAPTURING: [Event.DUE, Event.PLACED, Event.BROWSER_READY, Event.ADMITTED, Event.RECORDING_ALLOWED],
    State.PAUSED: [
        *(Event.DUE, Event.PLACED, Event.BROWSER_READY, Event.ADMITTED, Event.RECORDING_ALLOWED),
        Event.PAUSED,
    ],
    State.RECOVERING: [
        *(Event.DUE, Event.PLACED, Event.BROWSER_READY, Event.ADMITTED, Event.RECORDING_ALLOWED),
        Event.CONNECTION_LOST,
    ],
    State.LEAVING: [Event.DUE, Event.PLACED, Event.BROWSER_READY, Event.LEAVE],
    State.ENDED: [Event.LEAVE],
    State.FAILED: [Event.DUE, Event.PLACED, Event.END],
    State.DATA_DELETED: [Event.LEAVE, Event.DELETE_DATA],
}


def reason_of(event: Event) -> EndReason | None:
    return {
        Event.LEAVE: EndReason.LEFT_ON_REQUEST,
        Event.END: EndReason.INTERNAL_ERROR,
        Event.CONNECTION_LOST: EndReason.BROWSER_CRASHED,
    }.get(event)


def lived(events: list[Event], life: Life | None = None, now: float = 100) -> Life:
    life = life or new(0, is_scheduled=True)
    for event in events:
        life = advance(life, event, now, reason_of(event))
    return life


@pytest.mark.parametrize("state", State)
def test_each_state_is_reached(state: State) -> None:
    """By the way written above."""
    assert lived(WAYS[state]).state is state


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, ORDINARY)))
def test_what_is_not_in_the_table_is_refused_and_changes_nothing(state: State, event: Event) -> None:
    """The error names both."""
    life = lived(WAYS[state])
    if (state, event) in TRANSITIONS:
        assert advance(life, event, 200).state is TRANSITIONS[state, event]
        assert advance(life, event, 200).since == 200
    else:
        with pytest.raises(IllegalTransitionError, match=event.name) as raised:
            advance(life, event, 200)
        assert raised.value.state is state


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("reason", EndReason)
def test_a_bot_ends_only_for_a_reason_that_its_stage_can_have(state: State, reason: EndReason) -> None:
    """And then in the state which the reason names, with the stage recorded."""
    life = lived(WAYS[state])
    if state in FINAL:
        with pytest.raises(IllegalTransitionError):
            advance(life, Event.END, 200, reason)
    elif state is State.LEAVING:
        assert advance(life, Event.END, 200, reason).reason is EndReason.LEFT_ON_REQUEST
    elif STAGES[state] in ENDS[reason].stages:
        ended = advance(life, Event.END, 200, reason)
        assert (ended.state, ended.reason, ended.stage) == (ENDS[reason].state, reason, STAGES[state])
    elif reason is EndReason.LEFT_ON_REQUEST:
        assert advance(life, Event.END, 200, reason).reason is EndReason.CANCELLED
    else:
        with pytest.raises(IllegalTransitionError, match=reason):
            advance(life, Event.END, 200, reason)


def test_every_reason_has_a_row_a_stage_and_a_sentence() -> None:
    """The list is closed: no reason without a row, no row that cannot arise."""
    assert set(ENDS) == set(EndReason)
    assert all(end.stages for end in ENDS.values())
    assert all(end.sentence.endswith(".") for end in ENDS.values())
    assert {end.state for end in ENDS.values()} == {State.ENDED, State.FAILED}
    assert set(STAGES) == set(State) - FINAL - {State.LEAVING}
    assert set(STAGES.values()) == set(Stage)


def test_the_documents_have_each_reason_with_its_state_and_sentence() -> None:
    """As they are in the code."""
    text = (Path(__file__).parents[2] / "docs" / "bots.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if "| ended |" in line or "| failed |" in line]
    assert set(rows) == {f"| `{reason}` | {end.state} | {end.sentence} |" for reason, end in ENDS.items()}


@pytest.mark.parametrize("state", [s for s in State if s not in FINAL])
def test_a_stop_converges_from_every_state(state: State) -> None:
    """Though nothing else ever happens, within a minute."""
    life = lived(WAYS[state])
    if state is not State.LEAVING:
        life = advance(life, Event.LEAVE, 200, EndReason.LEFT_ON_REQUEST)
    steps = 0
    while life.state not in FINAL:
        found = deadline(life, LIMITS)
        assert found is not None
        life = advance(life, found.event, found.at, found.reason)
        steps += 1
    assert life.since <= 200 + LEAVING_LIMIT
    assert life.reason in (EndReason.LEFT_ON_REQUEST, EndReason.CANCELLED)
    assert steps <= 1


@pytest.mark.parametrize("state", [s for s in State if s not in WITHOUT_BROWSER])
def test_a_bot_that_nothing_happens_to_ends(state: State) -> None:
    """By the limits alone, not later than the longest use and the time to leave."""
    life = lived(WAYS[state])
    while life.state not in FINAL:
        found = deadline(life, LIMITS)
        assert found is not None
        assert found.at >= life.since
        life = advance(life, found.event, found.at, found.reason)
    assert life.since <= 100 + LIMITS.longest + LEAVING_LIMIT


@pytest.mark.parametrize(
    ("state", "after", "reason", "stage"),
    [
        (State.STARTING, 60, EndReason.BROWSER_STALLED, Stage.START),
        (State.JOINING, 60, EndReason.PAGE_CHANGED, Stage.JOIN),
        (State.WAITING_IN_LOBBY, 1200, EndReason.NEVER_ADMITTED, Stage.LOBBY),
        (State.IN_CALL_NOT_RECORDING, 3600, EndReason.RECORDING_REFUSED, Stage.MEETING),
        (State.CAPTURING, 14_400, EndReason.MAX_DURATION, Stage.MEETING),
        (State.PAUSED, 14_400, EndReason.MAX_DURATION, Stage.MEETING),
        (State.RECOVERING, 120, EndReason.BROWSER_CRASHED, Stage.RECOVERY),
    ],
)
def test_each_wait_has_its_limit_and_its_reason(
    state: State, after: float, reason: EndReason, stage: Stage
) -> None:
    """A time-out in the lobby is no denial."""
    life = lived(WAYS[state])
    found = deadline(life, LIMITS)
    assert found is not None
    assert (found.at, found.reason) == (100 + after, reason)
    assert advance(life, found.event, found.at, found.reason).stage is stage


def test_the_reason_for_which_a_bot_leaves_is_not_replaced_by_what_happens_on_its_way_out() -> None:
    """The meeting ends, or the browser crashes, while it leaves because everyone had."""
    leaving = advance(lived(WAYS[State.CAPTURING]), Event.LEAVE, 200, EndReason.ALONE)
    for ended in (
        advance(leaving, Event.END, 201, EndReason.MEETING_ENDED),
        lost(leaving, 201, EndReason.BROWSER_CRASHED),
    ):
        assert (ended.state, ended.reason, ended.stage) == (State.ENDED, EndReason.ALONE, Stage.MEETING)


def test_a_bot_joins_again_three_times_and_fails_at_the_fourth_crash() -> None:
    """The crash while it recovers is part of the same recovery, and adds no time to it."""
    life = lived(WAYS[State.CAPTURING])
    for number in range(MAX_RECOVERIES):
        life = lost(life, 200, EndReason.BROWSER_CRASHED)
        assert life.state is State.RECOVERING
        assert lost(life, 260, EndReason.BROWSER_CRASHED) == life
        life = lived([Event.BROWSER_READY, Event.ADMITTED, Event.RECORDING_ALLOWED], life, 300)
        assert life.recoveries == number + 1
    ended = lost(life, 400, EndReason.BROWSER_CRASHED)
    assert (ended.state, ended.reason, ended.stage) == (
        State.FAILED,
        EndReason.BROWSER_CRASHED,
        Stage.MEETING,
    )


def test_a_page_that_reconnects_by_itself_costs_no_recovery() -> None:
    """However often."""
    life = lived(WAYS[State.CAPTURING])
    for _ in range(20):
        life = lost(life, 200, EndReason.NETWORK_LOST)
        life = lived([Event.ADMITTED, Event.RECORDING_ALLOWED], life, 210)
    assert (life.state, life.recoveries, life.lost_to) == (State.CAPTURING, 0, None)


@pytest.mark.parametrize(
    "way_back",
    [
        [Event.CONNECTION_LOST, Event.BROWSER_READY, Event.LOBBY_SEEN, Event.ADMITTED],
        [Event.LOBBY_SEEN, Event.ADMITTED],
        [Event.MOVED_TO_BREAKOUT, Event.ADMITTED],
    ],
)
def test_a_paused_bot_that_is_out_of_the_call_for_a_while_was_paused(way_back: list[Event]) -> None:
    """So it can be paused again before it has captured a word; a bot that captured was not."""
    assert lived(way_back, lived(WAYS[State.PAUSED])).was_paused
    assert not lived(way_back, lived(WAYS[State.CAPTURING])).was_paused
    again = lived([*way_back, Event.RECORDING_ALLOWED, Event.PAUSED], lived(WAYS[State.PAUSED]))
    assert (again.state, again.was_paused) == (State.PAUSED, False)


def test_the_first_admission_and_the_place_are_remembered() -> None:
    """A return to the call is no first admission."""
    life = advance(lived(WAYS[State.CAPTURING]), Event.LOBBY_SEEN, 300)
    life = advance(life, Event.ADMITTED, 400)
    assert (life.placed, life.admitted) == (100, 100)


@pytest.mark.parametrize("event", Event)
def test_a_reason_belongs_to_the_events_that_have_one(event: Event) -> None:
    """And only to these: a mistake of a caller does not pass."""
    life = lived(WAYS[State.CAPTURING])
    wrong = EndReason.REMOVED if reason_of(event) is None else None
    with pytest.raises(IllegalTransitionError):
        advance(life, event, 200, wrong)


def test_commands_are_those_that_the_state_can_carry_out() -> None:
    """Each is possible in some state, and ``leave`` in all that have not ended."""
    assert all(COMMANDS.values())
    assert COMMANDS["leave"] == set(State) - FINAL
    assert COMMANDS["chat"] == IN_CALL
    for state in COMMANDS["pause"]:
        assert advance(lived(WAYS[state]), Event.PAUSED, 200).state is State.PAUSED
    for state in COMMANDS["resume"]:
        assert advance(lived(WAYS[state]), Event.RESUMED, 200).state is State.CAPTURING


@given(st.lists(st.sampled_from(Event), max_size=40))
def test_whatever_happens_a_bot_has_one_reason_exactly_when_its_end_is_decided(events: list[Event]) -> None:
    """In any order, with any number of events that it cannot have."""
    life = new(0, is_scheduled=True)
    for now, event in enumerate(events):
        before = life
        try:
            life = advance(life, event, now, reason_of(event))
        except IllegalTransitionError:
            assert life == before
            continue
        decided = life.state in FINAL | {State.LEAVING}
        assert (life.reason is not None) == (life.stage is not None) == decided
        if before.reason is not None:
            assert life.reason == before.reason
        assert (life.lost_to is not None) == (life.state is State.RECOVERING)
        assert life.recoveries <= sum(e is Event.BROWSER_READY for e in events)
        assert (life.placed is None) <= (life.state in WITHOUT_BROWSER)

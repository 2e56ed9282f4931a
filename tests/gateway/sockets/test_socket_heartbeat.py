"""When a side of a proxied WebSocket is pinged, and when it is dead."""

from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.sockets.heartbeat import Action, Heartbeat, Pace

PACE = Pace(25, 8)
NOTHING, PING, GIVE_UP = Action.NOTHING, Action.PING, Action.GIVE_UP


def look(beat: Heartbeat, now: float, *, can_ping: bool = True, is_reading: bool = True) -> Action:
    return beat.look(now, PACE, can_ping=can_ping, is_reading=is_reading)


def test_a_side_that_answers_is_pinged_every_interval() -> None:
    """At 25, 50, 75 s; between them nothing is done."""
    beat, pings, now = Heartbeat(0, PACE), [], 0.0
    while now < 80:
        now = beat.due
        if look(beat, now) is PING:
            pings.append(now)
            beat.heard(now + 0.1)
    assert pings == [25, 50, 75]
    assert look(beat, now) is NOTHING


def test_a_dead_side_is_given_up_within_one_period() -> None:
    """It answered until 26 s: its next ping is at 50 s, and its end 8 s later."""
    beat = Heartbeat(0, PACE)
    assert look(beat, 25) is PING
    beat.heard(26)
    assert look(beat, beat.due) is NOTHING
    assert (look(beat, beat.due), beat.due) == (PING, 58)
    assert look(beat, 57.9) is NOTHING
    assert look(beat, 58) is GIVE_UP


def test_anything_that_comes_is_an_answer() -> None:
    """A side that sends speech all the time need not send pongs."""
    beat = Heartbeat(0, PACE)
    look(beat, 25)
    beat.heard(25)
    assert look(beat, 33) is NOTHING
    assert beat.due == 50


def test_a_side_that_is_not_read_is_not_judged() -> None:
    """Its pong may lie unread; it is looked at again."""
    beat = Heartbeat(0, PACE)
    look(beat, 25)
    assert look(beat, 33, is_reading=False) is NOTHING
    assert look(beat, 41) is GIVE_UP


def test_a_ping_that_is_on_its_way_is_waited_for() -> None:
    """A slow network carries megabytes that were sent before it; once nothing arrives, its side is dead."""
    beat = Heartbeat(0, PACE)

    def look_at(now: float, arrived: int) -> Action:
        return beat.look(now, PACE, can_ping=True, is_reading=True, sent=4_000_000, arrived=arrived)

    assert look_at(25, 1_000_000) is PING
    assert look_at(33, 1_000_001) is NOTHING
    assert look_at(41, 3_950_000) is NOTHING
    assert look_at(49, 4_000_000) is GIVE_UP
    beat = Heartbeat(0, PACE)
    look_at(25, 1_000_000)
    assert look_at(33, 2_000_000) is NOTHING
    assert look_at(41, 2_000_000) is GIVE_UP


def test_a_ping_that_nothing_is_ahead_of_is_not() -> None:
    """Its own arrival at a machine shows nothing about the program there."""
    beat = Heartbeat(0, PACE)
    assert beat.look(25, PACE, can_ping=True, is_reading=True, sent=500, arrived=500) is PING
    assert beat.look(33, PACE, can_ping=True, is_reading=True, sent=510, arrived=510) is GIVE_UP


def test_a_ping_waits_for_the_end_of_a_frame() -> None:
    """It is tried again, and a side that was not pinged is not judged."""
    beat = Heartbeat(0, PACE)
    for now in (25, 33, 41):
        assert look(beat, now, can_ping=False) is NOTHING
    assert look(beat, 49) is PING
    assert look(beat, 57) is GIVE_UP


def test_a_process_that_stood_still_reads_before_it_judges() -> None:
    """After a suspended process has woken up, a pong may lie unread."""
    beat = Heartbeat(0, PACE)
    look(beat, 25)
    assert look(beat, 3_000) is NOTHING
    assert beat.due == 3_001
    assert look(beat, 3_001) is GIVE_UP
    beat = Heartbeat(0, PACE)
    look(beat, 25)
    assert look(beat, 3_000) is NOTHING
    beat.heard(3_000.5)
    assert look(beat, 3_001) is PING


def test_pings_can_be_switched_off_and_on() -> None:
    """Without an interval nothing is sent and nobody is given up; a ping before that is forgotten."""
    off = Pace(0, 8)
    beat = Heartbeat(0, off)
    for now in (8.0, 16.0, 1_000.0):
        assert beat.look(now, off, can_ping=True, is_reading=True) is NOTHING
    assert look(beat, beat.due) is PING
    assert beat.look(beat.due, off, can_ping=True, is_reading=True) is NOTHING
    assert look(beat, beat.due) is PING


@given(st.lists(st.tuples(st.floats(0, 40), st.booleans(), st.booleans(), st.booleans()), max_size=60))
def test_nobody_is_given_up_who_was_heard_since_the_last_ping(
    steps: list[tuple[float, bool, bool, bool]],
) -> None:
    """Nor without a ping, and the next look is always ahead, so that nothing spins."""
    beat, now, pinged, heard = Heartbeat(0, PACE), 0.0, -1.0, 0.0
    for seconds, speaks, can_ping, is_reading in steps:
        now += seconds
        if speaks:
            beat.heard(now)
            heard = now
        action = look(beat, now, can_ping=can_ping, is_reading=is_reading)
        assert beat.due > now or action is GIVE_UP
        if action is PING:
            assert can_ping
            pinged = now
        if action is GIVE_UP:
            assert is_reading
            assert pinged > heard
            assert now >= pinged + PACE.timeout
            return

"""In what order news is passed on."""

from hypothesis import given
from hypothesis import strategies as st

from orch.stores.history import NOBODYS_CAPTION
from orch.stores.records import Appended
from orch.stores.redis import sequencer as module
from orch.stores.redis.keys import (
    Told,
    appended,
    channel,
    channel_session,
    decode_published,
    encode_header,
    encode_told,
    keys,
)
from orch.stores.redis.sequencer import Follower


def news(offset: int) -> Appended:
    return Appended(session_id="s", offset=offset, frame=b"{}", at=1.0, origin=None)


def following(position: int = 0) -> Follower:
    follower = Follower()
    follower.begin("e", position)
    return follower


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8)), st.integers(0, 8))
def test_whatever_comes_in_whatever_order_is_passed_on_once_in_order(
    order: list[int], again: list[int], position: int
) -> None:
    """Answers, news and the history tell the same messages; the offsets decide."""
    follower = following(position)
    passed_on = [message.offset for offset in [*order, *again] for message in follower.take([news(offset)])]
    assert passed_on == list(range(position + 1, 9))
    assert not follower.is_behind


def test_a_hole_is_waited_at() -> None:
    """What comes behind it is not lost, and it is known that something is missing."""
    follower = following()
    assert follower.take([news(2), news(3)]) == []
    assert follower.is_behind
    assert [message.offset for message in follower.take([news(1)])] == [1, 2, 3]
    assert not follower.is_behind


def test_what_is_held_behind_a_hole_is_bounded() -> None:
    """The rest is read from the history, with what is missing."""
    follower = following()
    for offset in range(2, module.HELD_LIMIT + 100):
        follower.take([news(offset)])
    assert len(follower.take([news(1)])) == module.HELD_LIMIT + 1
    assert follower.is_behind


def test_before_a_session_is_read_nothing_is_passed_on_but_it_is_known_that_there_is_more() -> None:
    """Whoever reads the session is told where it stands, and the rest follows."""
    follower = Follower()
    assert follower.take([news(5)]) == []
    follower.begin("e", 3)
    assert follower.is_behind


def test_what_is_published_reads_back() -> None:
    """Names with every character that a session's may have, and frames with line breaks in them."""
    session_id = "A.b_c~d-9"
    assert channel_session(channel(session_id)) == session_id
    assert all(b"{" + session_id.encode() + b"}" in key for key in keys(session_id))
    told = Told("told", "w", b'm{"a":\n1}')
    assert decode_published(session_id, encode_told(told)) == told
    header = encode_header(2.5, NOBODYS_CAPTION, None)
    assert decode_published("s", b"A7\n" + header + b'\n{"a":\n1}') == appended("s", 7, header, b'{"a":\n1}')


@given(st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)), st.integers(0, 12), st.integers(0, 12))
def test_what_was_dropped_is_leapt_over_and_nothing_is_passed_on_twice(
    stored: set[int], heard: set[int], position: int, until: int
) -> None:
    """From the history and the news, in order; afterwards nothing up to there is waited for."""
    follower = following(position)
    before = [message.offset for message in follower.take([news(offset) for offset in sorted(heard)])]
    came = follower.position or 0
    found = [news(offset) for offset in sorted(stored) if position < offset <= until]
    after = [message.offset for message in follower.leap(found, until)]
    passed_on = before + after
    assert passed_on == sorted(set(passed_on))
    wanted = {offset for offset in stored | heard if came < offset <= until}
    assert wanted <= set(after)
    assert follower.position is not None
    assert follower.position >= max(came, until)
    assert follower.position + 1 not in heard

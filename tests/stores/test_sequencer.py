"""The order in which messages are delivered, and what is read back of publications."""

from hypothesis import given
from hypothesis import strategies as st

from orch.stores.history import NOBODYS_CAPTION
from orch.stores.records import Appended
from orch.stores.redis import sequencer as module
from orch.stores.redis.keys import (
    Notice,
    appended,
    channel,
    channel_session,
    decode_published,
    encode_header,
    encode_notice,
    keys,
)
from orch.stores.redis.sequencer import Sequencer


def news(offset: int) -> Appended:
    return Appended(session_id="s", offset=offset, frame=b"{}", at=1.0, origin=None)


def at(position: int = 0) -> Sequencer:
    sequencer = Sequencer()
    sequencer.begin(position)
    return sequencer


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8)), st.integers(0, 8))
def test_messages_in_any_order_are_delivered_once_in_order(
    order: list[int], again: list[int], position: int
) -> None:
    """Replies, publications and the history bring the same messages; the offsets decide."""
    sequencer = at(position)
    delivered = [
        message.offset for offset in [*order, *again] for message in sequencer.accept([news(offset)])
    ]
    assert delivered == list(range(position + 1, 9))
    assert not sequencer.is_behind


def test_a_gap_is_waited_at() -> None:
    """Messages behind it are held, and it is known that something is missing."""
    sequencer = at()
    assert sequencer.accept([news(2), news(3)]) == []
    assert sequencer.is_behind
    assert [message.offset for message in sequencer.accept([news(1)])] == [1, 2, 3]
    assert not sequencer.is_behind


def test_the_messages_held_behind_a_gap_are_bounded() -> None:
    """The rest is read from the history, with those that are missing."""
    sequencer = at()
    for offset in range(2, module.HELD_LIMIT + 100):
        sequencer.accept([news(offset)])
    assert len(sequencer.accept([news(1)])) == module.HELD_LIMIT + 1
    assert sequencer.is_behind


def test_before_a_session_is_read_nothing_is_delivered_and_it_is_known_that_there_is_more() -> None:
    """The session is read as of an offset, and the messages after it follow."""
    sequencer = Sequencer()
    assert sequencer.accept([news(5)]) == []
    sequencer.begin(3)
    assert sequencer.is_behind


def test_what_is_published_reads_back() -> None:
    """Names with every character that a session's may have, and frames with line breaks in them."""
    session_id = "A.b_c~d-9"
    assert channel_session(channel(session_id)) == session_id
    assert all(b"{" + session_id.encode() + b"}" in key for key in keys(session_id))
    told = Notice("message", "w", b'm{"a":\n1}')
    assert decode_published(session_id, encode_notice(told)) == told
    header = encode_header(2.5, NOBODYS_CAPTION, None)
    assert decode_published("s", b"A7\n" + header + b'\n{"a":\n1}') == appended("s", 7, header, b'{"a":\n1}')


@given(st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)), st.integers(0, 12), st.integers(0, 12))
def test_dropped_messages_are_skipped_and_none_is_delivered_twice(
    stored: set[int], heard: set[int], position: int, until: int
) -> None:
    """From the history and from publications, in order; afterwards nothing up to there is waited for."""
    sequencer = at(position)
    before = [message.offset for message in sequencer.accept([news(offset) for offset in sorted(heard)])]
    came = sequencer.position or 0
    found = [news(offset) for offset in sorted(stored) if position < offset <= until]
    after = [message.offset for message in sequencer.skip_to(until, found)]
    delivered = before + after
    assert delivered == sorted(set(delivered))
    wanted = {offset for offset in stored | heard if came < offset <= until}
    assert wanted <= set(after)
    assert sequencer.position is not None
    assert sequencer.position >= max(came, until)
    assert sequencer.position + 1 not in heard

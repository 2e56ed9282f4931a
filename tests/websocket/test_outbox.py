import json

from hypothesis import given
from hypothesis import strategies as st

from orch.protocol.messages import Pong
from orch.websocket.connections.outbox import Frame, Offer, Outbox, QueuedReplies, frame


def lasting(size: int) -> Frame:
    return Frame(b"x" * size, is_durable=True)


def passing(size: int) -> Frame:
    return Frame(b"x" * size, is_durable=False)


def test_frames_come_out_in_the_order_they_went_in() -> None:
    """Answers and what others say are one sequence."""
    outbox = Outbox(100)
    frames = [lasting(1), passing(1), lasting(2)]
    outbox.offer(frames[0])
    outbox.answer(frames[1])
    outbox.offer(frames[2])
    assert [outbox.take() for _ in range(4)] == [*frames, None]


def test_passing_frames_are_shed_from_half_on_and_lasting_ones_overflow() -> None:
    """A revision gives way first; what must arrive and does not fit ends the connection."""
    outbox = Outbox(100)
    assert outbox.offer(passing(50)) is Offer.TAKEN
    assert outbox.offer(passing(1)) is Offer.SHED
    assert outbox.offer(lasting(50)) is Offer.TAKEN
    assert outbox.offer(lasting(1)) is Offer.OVERFLOWED
    assert outbox.queued_bytes == 100
    assert outbox.statistics().shed == 1
    outbox.take()
    assert outbox.offer(lasting(50)) is Offer.TAKEN


def test_one_frame_larger_than_the_limit_reaches_a_client_that_keeps_up() -> None:
    """A small limit must not make a client with an empty outbox look slow."""
    outbox = Outbox(100)
    assert outbox.offer(lasting(1000)) is Offer.TAKEN
    assert outbox.offer(lasting(1)) is Offer.OVERFLOWED


def test_answers_are_never_refused_but_owed() -> None:
    """History that was asked for may be larger than the limit; until it is taken nothing more is read."""
    outbox = Outbox(100)
    outbox.answer(lasting(1000))
    assert outbox.is_behind
    assert outbox.offer(lasting(100)) is Offer.TAKEN
    assert outbox.queued_bytes == 1100
    outbox.take()
    assert (outbox.is_behind, outbox.queued_bytes) == (False, 100)


def test_cleared_is_empty() -> None:
    """A client that is closed holds no memory."""
    outbox = Outbox(100)
    outbox.offer(lasting(10))
    outbox.answer(lasting(10))
    outbox.clear()
    assert (len(outbox), outbox.queued_bytes, outbox.take()) == (0, 0, None)


@given(st.lists(st.tuples(st.sampled_from(["lasting", "passing", "answer", "take"]), st.integers(1, 150))))
def test_bytes_always_add_up_and_stay_within_the_limit(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order: the count is right and the bound holds."""
    outbox = Outbox(100)
    model: list[tuple[bool, int]] = []
    for kind, size in steps:
        if kind == "take":
            taken = outbox.take()
            assert (taken.size if taken else None) == (model.pop(0)[1] if model else None)
        elif kind == "answer":
            outbox.answer(lasting(size))
            model.append((True, size))
        elif outbox.offer(lasting(size) if kind == "lasting" else passing(size)) is Offer.TAKEN:
            model.append((False, size))
        offered = [size for is_answer, size in model if not is_answer]
        assert outbox.queued_bytes == sum(size for _, size in model)
        assert sum(offered) <= 100 or len(offered) == 1


def test_a_frame_is_the_message_and_carries_an_id_for_one() -> None:
    """All share one encoding; the sender's own copy has its id."""
    pong = frame(Pong(timestamp=5))
    assert json.loads(pong.text) == {"type": "pong", "timestamp": 5}
    assert pong.text is pong.text
    assert json.loads(pong.answering('a"b').text) == {"type": "pong", "timestamp": 5, "id": 'a"b'}
    assert json.loads(pong.answering(7).text)["id"] == 7


def test_a_frame_of_any_size_reaches_a_client_that_has_taken_all_so_far() -> None:
    """A topic's state that is larger than half an outbox is not shed for ever."""
    outbox = Outbox(100)
    assert outbox.offer(passing(90)) is Offer.TAKEN
    assert outbox.offer(passing(1)) is Offer.SHED


def test_a_frame_is_made_ready_for_the_socket_once() -> None:
    """Ten thousand connections share one encoding."""
    made: list[bytes] = []

    def encode(payload: bytes) -> bytes:
        made.append(payload)
        return b"\x81" + payload

    pong = frame(Pong(timestamp=5))
    assert pong.wire(encode) is pong.wire(encode)
    assert made == [pong.data]


def test_answers_that_wait_are_told_from_what_was_not_asked_for() -> None:
    """Where the socket keeps the queue, the bytes taken so far say which answers are among those left."""
    owed = QueuedReplies()
    owed.add(100, 40)
    owed.add(250, 50)
    assert owed.left(0) == 90
    assert owed.left(60) == 90
    assert owed.left(99) == 51
    assert owed.left(100) == 50
    assert owed.left(225) == 25
    assert owed.left(250) == 0
    assert "0 bytes" in repr(owed)

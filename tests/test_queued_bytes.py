"""The bytes queued for all clients together are bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.queued_bytes import QueuedBytes


class FakeHolder:
    """A client; ``stuck``: bytes of a frame that was sent in part, which stay when it gives way."""

    def __init__(self, outgoing: QueuedBytes, *, stuck: int = 0) -> None:
        self.outgoing = outgoing
        self.stuck = stuck
        self.waiting_bytes = 0
        self.end = ""

    def add(self, size: int) -> None:
        """Queue this many more bytes."""
        if not self.end:
            self.waiting_bytes += size
            self.outgoing.add(self, size)

    def take(self, size: int) -> None:
        """Send this many bytes."""
        size = min(size, self.waiting_bytes)
        self.waiting_bytes -= size
        self.outgoing.remove(self, size)

    def give_way(self) -> None:
        """Keep a partly sent frame, and queue a close frame."""
        if not self.end:
            self.end = "goodbye"
            self.take(self.waiting_bytes - self.stuck)
            self.waiting_bytes += 2
            self.outgoing.add(self, 2)

    def abort(self) -> None:
        """Drop all bytes."""
        self.end = "cut off"
        self.take(self.waiting_bytes)


def test_the_client_with_most_queued_bytes_is_disconnected() -> None:
    """And no other client, while that is enough."""
    outgoing = QueuedBytes(1_000)
    clients = [FakeHolder(outgoing) for _ in range(4)]
    for client, size in zip(clients, (100, 600, 200, 100), strict=True):
        client.add(size)
    assert outgoing.evicted == 0
    clients[0].add(50)
    assert [client.end for client in clients] == ["", "goodbye", "", ""]
    assert (outgoing.bytes, outgoing.evicted) == (452, 1)


def test_the_client_whose_queue_grows_may_be_the_one() -> None:
    """A client that fills its own queue does not cost others theirs."""
    outgoing = QueuedBytes(1_000)
    small, large = FakeHolder(outgoing), FakeHolder(outgoing)
    small.add(10)
    large.add(5_000)
    assert (small.end, large.end) == ("", "goodbye")


def test_closing_clients_are_aborted_if_their_frames_are_too_many() -> None:
    """Closing clients have a part of the limit; the others stay as long as the rest is enough."""
    outgoing = QueuedBytes(1_000)
    clients = [FakeHolder(outgoing, stuck=90) for _ in range(12)]
    for client in clients:
        client.add(100)
    assert [client.end for client in clients].count("goodbye") == 1
    assert [client.end for client in clients].count("") >= 9
    assert outgoing.bytes <= 1_000 + 125


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(("add", "take", "abort")), st.integers(0, 700)),
        max_size=80,
    )
)
def test_the_total_is_the_sum_of_queued_bytes_and_bounded(steps: list[tuple[int, str, int]]) -> None:
    """Whatever clients do, an eighth beyond the limit is the most, and what is counted is what waits."""
    outgoing = QueuedBytes(1_000)
    clients = [FakeHolder(outgoing, stuck=number * 10) for number in range(10)]
    for number, what, size in steps:
        client = clients[number]
        if what == "add":
            client.add(size)
        elif what == "take":
            client.take(size)
        else:
            client.abort()
        assert outgoing.bytes == sum(each.waiting_bytes for each in clients)
        assert outgoing.bytes <= 1_000 + 1_000 // 8


def test_a_lower_limit_holds_from_the_next_bytes_on() -> None:
    """Settings change while the service runs."""
    outgoing = QueuedBytes(1_000)
    first, second = FakeHolder(outgoing), FakeHolder(outgoing)
    first.add(400)
    second.add(300)
    outgoing.limit = 500
    second.add(1)
    assert (first.end, second.end) == ("goodbye", "")
    assert outgoing.bytes == pytest.approx(303)

from orch.websocket.connections.queue_age import QueueAge


def test_a_client_that_takes_a_little_at_a_time_is_late_all_the_same() -> None:
    """What counts is how long bytes have waited, not whether any are taken."""
    queue_age = QueueAge()
    assert queue_age.seconds("a", enqueued=1000, queued=1000, now=5) == 0
    assert queue_age.seconds("a", enqueued=3000, queued=2990, now=15) == 10
    assert queue_age.seconds("a", enqueued=3000, queued=2500, now=25) == 20
    assert "1" in repr(queue_age)


def test_a_client_that_catches_up_with_what_was_noted_starts_anew() -> None:
    """A client that is always behind, but never by much, is not late."""
    queue_age = QueueAge()
    for second in range(100):
        enqueued = 1000 * (second + 1)
        assert queue_age.seconds("a", enqueued=enqueued, queued=1000, now=second) <= 1
    assert queue_age.seconds("a", enqueued=200_000, queued=0, now=200) == 0
    assert len(queue_age) == 0


def test_who_is_gone_is_forgotten() -> None:
    """Memory is bounded by who is here."""
    queue_age = QueueAge()
    queue_age.seconds("a", enqueued=1, queued=1, now=0)
    queue_age.forget("a")
    queue_age.forget("b")
    assert len(queue_age) == 0

from orch.websocket.connections.queue_age import QueueAge


def test_a_client_that_takes_a_little_at_a_time_is_late_all_the_same() -> None:
    """What counts is how long bytes have waited, not whether any are taken."""
    lateness = QueueAge()
    assert lateness.seconds("a", said=1000, queued=1000, now=5) == 0
    assert lateness.seconds("a", said=3000, queued=2990, now=15) == 10
    assert lateness.seconds("a", said=3000, queued=2500, now=25) == 20
    assert "1" in repr(lateness)


def test_a_client_that_catches_up_with_what_was_noted_starts_anew() -> None:
    """A client that is always behind, but never by much, is not late."""
    lateness = QueueAge()
    for second in range(100):
        said = 1000 * (second + 1)
        assert lateness.seconds("a", said=said, queued=1000, now=second) <= 1
    assert lateness.seconds("a", said=200_000, queued=0, now=200) == 0
    assert len(lateness) == 0


def test_who_is_gone_is_forgotten() -> None:
    """Memory is bounded by who is here."""
    lateness = QueueAge()
    lateness.seconds("a", said=1, queued=1, now=0)
    lateness.forget("a")
    lateness.forget("b")
    assert len(lateness) == 0

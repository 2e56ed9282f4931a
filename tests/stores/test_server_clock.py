"""The server's clock, as a worker knows it."""

from orch.stores.redis.server_clock import ServerClock


def test_the_own_clock_is_used_until_the_servers_is_known() -> None:
    """A worker that was never connected has no other."""
    assert ServerClock(lambda: 500.0, lambda: 7.0).now() == 500.0


def test_the_servers_time_goes_on_with_the_monotonic_clock() -> None:
    """Half of the time of the request is taken for the way back; a wall clock that is set changes nothing."""
    walls, monotonic = iter([1000.4, 5.0]), [10.0]
    clock = ServerClock(lambda: next(walls), lambda: monotonic[0])
    clock.compare(900.0, requested_at=1000.0)
    assert round(clock.ahead, 6) == 100.2
    assert round(clock.now(), 6) == 900.2
    monotonic[0] = 12.5
    assert round(clock.now(), 6) == 902.7

"""Wrong tokens cost time: little for a person who mistypes, ever more for who guesses."""

from orch.access.addresses import group
from orch.access.wrong_tokens import (
    ADDRESSES,
    FIRST_WAIT,
    FREE_TRIES,
    LONGEST_WAIT,
    TOTAL,
    WINDOW,
    WrongTokens,
)


def test_five_in_a_minute_are_free_and_then_each_costs_twice_the_one_before() -> None:
    """The wait grows up to a bound, and is over by itself."""
    throttle, now, waits = WrongTokens(), 0.0, []
    for _ in range(FREE_TRIES + 12):
        assert throttle.wait("a", now) == 0
        waits.append(throttle.wrong_token("a", now))
        now += waits[-1]
    assert waits[: FREE_TRIES - 1] == [0.0] * (FREE_TRIES - 1)
    assert waits[FREE_TRIES - 1 : FREE_TRIES + 2] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    assert throttle.wait("b", now) == 0


def test_a_few_over_a_long_time_cost_nothing() -> None:
    """Someone mistypes once a day."""
    throttle = WrongTokens()
    assert [throttle.wrong_token("a", day * 86_400.0) for day in range(50)] == [0.0] * 50


def test_the_right_token_clears_its_address() -> None:
    """Whoever has it may mistype it again later."""
    throttle = WrongTokens()
    for _ in range(FREE_TRIES - 1):
        throttle.wrong_token("a", 0.0)
    throttle.right_token("a")
    assert [throttle.wrong_token("a", 1.0) for _ in range(FREE_TRIES - 1)] == [0.0] * (FREE_TRIES - 1)


def test_many_addresses_guess_no_faster_and_lock_out_nobody_who_had_the_token() -> None:
    """The sum is bounded; an operator's own address goes on."""
    throttle = WrongTokens()
    throttle.right_token("operator")
    for number in range(TOTAL):
        throttle.wrong_token(f"bot-{number}", 1.0)
    assert throttle.wait("another bot", 2.0) == WINDOW - 1.0
    assert throttle.wait("operator", 2.0) == 0
    assert throttle.wait("another bot", 1.0 + WINDOW) == 0


def test_the_table_of_addresses_is_bounded() -> None:
    """However many there are."""
    throttle = WrongTokens()
    for number in range(3 * ADDRESSES):
        throttle.wrong_token(f"bot-{number}", number * 1.0)
    assert len(throttle._tries) == ADDRESSES
    assert throttle.wrong == 3 * ADDRESSES


def test_a_network_that_one_client_has_whole_counts_as_one() -> None:
    """An IPv6 client has 2**64 addresses."""
    assert group("2001:db8::1") == group("2001:db8::ffff:1") != group("2001:db8:0:1::1")
    assert group("192.0.2.1") != group("192.0.2.2")
    assert group("::ffff:192.0.2.1") == group("192.0.2.1")

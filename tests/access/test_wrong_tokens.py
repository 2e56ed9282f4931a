"""Wrong control tokens cause a wait: none for a typing mistake, a growing one for guessing."""

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


def test_five_wrong_tokens_a_minute_are_free_and_then_the_wait_doubles() -> None:
    """Up to a limit, and it ends by itself."""
    throttle, now, waits = WrongTokens(), 0.0, []
    for _ in range(FREE_TRIES + 12):
        assert throttle.wait("a", now) == 0
        waits.append(throttle.wrong_token("a", now))
        now += waits[-1]
    assert waits[: FREE_TRIES - 1] == [0.0] * (FREE_TRIES - 1)
    assert waits[FREE_TRIES - 1 : FREE_TRIES + 2] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    assert throttle.wait("b", now) == 0


def test_a_few_wrong_tokens_over_a_long_time_cause_no_wait() -> None:
    """Someone mistypes once a day."""
    throttle = WrongTokens()
    assert [throttle.wrong_token("a", day * 86_400.0) for day in range(50)] == [0.0] * 50


def test_the_right_token_clears_the_wrong_ones_of_its_address() -> None:
    """Its owner may mistype it again later."""
    throttle = WrongTokens()
    for _ in range(FREE_TRIES - 1):
        throttle.wrong_token("a", 0.0)
    throttle.right_token("a")
    assert [throttle.wrong_token("a", 1.0) for _ in range(FREE_TRIES - 1)] == [0.0] * (FREE_TRIES - 1)


def test_many_addresses_cannot_guess_faster_nor_lock_out_known_ones() -> None:
    """The total is bounded; an address that sent the right token before is not affected."""
    throttle = WrongTokens()
    throttle.right_token("operator")
    for number in range(TOTAL):
        throttle.wrong_token(f"bot-{number}", 1.0)
    assert throttle.wait("another bot", 2.0) == WINDOW - 1.0
    assert throttle.wait("operator", 2.0) == 0
    assert throttle.wait("another bot", 1.0 + WINDOW) == 0


def test_the_number_of_addresses_is_bounded() -> None:
    """However many send wrong tokens."""
    throttle = WrongTokens()
    for number in range(3 * ADDRESSES):
        throttle.wrong_token(f"bot-{number}", number * 1.0)
    assert len(throttle._tries) == ADDRESSES
    assert throttle.wrong == 3 * ADDRESSES


def test_an_ipv6_network_counts_as_one_address() -> None:
    """An IPv6 client has 2**64 addresses."""
    assert group("2001:db8::1") == group("2001:db8::ffff:1") != group("2001:db8:0:1::1")
    assert group("192.0.2.1") != group("192.0.2.2")
    assert group("::ffff:192.0.2.1") == group("192.0.2.1")

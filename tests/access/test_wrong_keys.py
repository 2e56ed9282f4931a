"""Guessing session keys is slowed down, and nobody else has to wait."""

from orch.access.wrong_keys import ADDRESSES, FREE_TRIES, LONGEST_WAIT, WINDOW, WrongKeys


def guess(guesses: WrongKeys, number: int, now: float, address: str = "a") -> float:
    guesses.wrong(address, b"%d" % number, now)
    return guesses.wait(address, now)


def test_five_wrong_keys_a_minute_are_free_and_then_the_wait_grows() -> None:
    """Up to a minute each; other addresses do not wait."""
    guesses = WrongKeys()
    assert [guess(guesses, number, 0.0) for number in range(FREE_TRIES)] == [0.0] * FREE_TRIES
    now, waits = 0.0, []
    for number in range(FREE_TRIES, FREE_TRIES + 9):
        waits.append(guess(guesses, number, now))
        now += waits[-1]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    assert guesses.wait("b", now) == 0.0


def test_the_same_wrong_key_counts_once() -> None:
    """A hundred guests of one address with an old link are not guessing."""
    guesses = WrongKeys()
    assert [guess(guesses, 1, float(second)) for second in range(100)] == [0.0] * 100


def test_the_wait_ends_after_a_pause() -> None:
    """Then an address is treated as new."""
    guesses = WrongKeys()
    for number in range(20):
        guess(guesses, number, 0.0)
    later = LONGEST_WAIT + WINDOW + 1
    assert guesses.wait("a", later) == 0.0
    assert [guess(guesses, 100 + number, later) for number in range(FREE_TRIES)] == [0.0] * FREE_TRIES


def test_the_number_of_stored_addresses_is_bounded() -> None:
    """Those whose last wrong key is oldest are dropped."""
    guesses = WrongKeys()
    for number in range(ADDRESSES + 10):
        guesses.wrong(f"a{number}", b"x", 0.0)
    assert repr(guesses) == f"<WrongKeys of {ADDRESSES} addresses>"

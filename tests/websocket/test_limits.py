from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.access.address_limits import AddressCounts
from orch.access.addresses import group
from orch.access.rate_limits import Rate, RateVerdict


def verdicts(rate: Rate, amounts: Sequence[tuple[float, float]]) -> list[str]:
    """Return the verdicts on amounts at times."""
    full_at, found = 0.0, []
    for now, amount in amounts:
        full_at, verdict = rate.after(full_at, now, amount)
        found.append(verdict.name)
    return found


def test_a_burst_is_fine_and_more_is_told_before_it_is_the_end() -> None:
    """First nothing, then a word, then the door: never the door without the word."""
    found = verdicts(Rate(10, burst=20), [(100.0, 1)] * 60)
    assert found[:20] == ["ALLOWED"] * 20
    assert found[20:40] == ["LIMITED"] * 20
    assert found[40:] == ["DISCONNECT"] * 20


def test_who_slows_down_when_told_is_heard_again() -> None:
    """After a pause everything is as at first."""
    assert verdicts(Rate(10, burst=20), [(0.0, 1)] * 30 + [(3.0, 1)])[-1] == "ALLOWED"


def test_one_message_that_is_larger_than_all_that_is_allowed_is_refused_and_no_more() -> None:
    """What can never pass is told each time; it does not close the connection by itself."""
    assert verdicts(Rate(10, burst=20), [(0.0, 500)]) == ["LIMITED"]
    assert verdicts(Rate(10, burst=20), [(0.0, 500), (2.5, 1)]) == ["LIMITED", "ALLOWED"]
    assert verdicts(Rate(10, burst=20), [(0.0, 500), (0.0, 500)]) == ["LIMITED", "DISCONNECT"]


def test_the_clock_may_begin_anywhere_and_stand_still() -> None:
    """Only differences count."""
    assert verdicts(Rate(10, burst=20), [(5.0e8, 1)] * 20) == ["ALLOWED"] * 20
    assert "10 a second, 20 at once" in repr(Rate(10, burst=20))


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 30)), max_size=80))
def test_no_more_is_let_through_than_the_bucket_and_its_refill(steps: list[tuple[float, float]]) -> None:
    """Whatever the pattern, a burst and the rate bound it; the door is never the first word."""
    rate, now, full_at, passed, told = Rate(10, burst=20), 1.0, 0.0, 0.0, False
    for pause, amount in steps:
        now += pause
        full_at, verdict = rate.after(full_at, now, amount)
        passed += amount if verdict is RateVerdict.ALLOWED else 0
        assert passed <= 20 + 10 * (now - 1.0) + 1e-4
        assert told or verdict is not RateVerdict.DISCONNECT
        told = told or verdict is RateVerdict.LIMITED


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("unknown", "unknown"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a:b", "a:b"),
    ],
)
def test_what_counts_as_one_address(host: str, address: str) -> None:
    """A customer with IPv6 has 2⁶⁴ addresses; they are one."""
    assert group(host) == address


def test_addresses_are_forgotten_with_their_last_connection() -> None:
    """Memory is bounded by who is here now."""
    addresses = AddressCounts()
    addresses.add("1.2.3.4")
    addresses.add("1.2.3.4")
    addresses.add("::1")
    assert (addresses.count("1.2.3.4"), addresses.count("5.6.7.8")) == (2, 0)
    for host in ("1.2.3.4", "::1", "1.2.3.4"):
        addresses.remove(host)
    assert dict(addresses.counts) == {}
    assert "0" in repr(addresses)

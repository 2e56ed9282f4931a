"""The time of a request and its fallbacks together."""

import math
from itertools import product

import pytest

from orch.gateway.fallbacks.allowance import Allowance, Share, share_of
from orch.settings import Fallback

PARTS = (0.0, 0.15, 0.5)
SECONDS = (math.inf, 3.0)
#: How much of its seconds a service uses.
USES = (0.0, 0.3, 1.0)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_together_they_never_take_longer_than_the_route_has(count: int) -> None:
    """Whatever each of them uses; and each has its share, or all that is left."""
    kinds = [Share(part, seconds) for part, seconds in product(PARTS, SECONDS)]
    for shares in product(kinds, repeat=count):
        if sum(share.part for share in shares) > 0.9:
            continue
        for uses in product(USES, repeat=count + 1):
            allowance = Allowance(shares)
            spent, total = 0.0, 20.0
            for number, use in enumerate(uses):
                if number:
                    share = shares[number - 1]
                    allowance.next(share)
                    assert allowance.left >= share.of(total) - 1e-9
                own = total if number == 0 or math.isinf(shares[number - 1].seconds) else 3.0
                seconds = allowance.of(own)
                assert 0 <= seconds <= own
                spent += seconds * use
                allowance.end(seconds * (1 - use))
            assert spent <= total + 1e-9


def test_what_one_leaves_the_next_one_has() -> None:
    """The sample of the documentation."""
    share = Share(0.25, math.inf)
    allowance = Allowance([share])
    assert allowance.of(20) == 15
    allowance.end(13)
    allowance.next(share)
    assert allowance.of(20) == 18
    timed_out = Allowance([share])
    timed_out.of(20)
    timed_out.end(0)
    timed_out.next(share)
    assert (timed_out.of(20), timed_out.of(2)) == (5, 2)


def test_without_a_share_nothing_is_left_of_a_time_out() -> None:
    """Nothing is reserved for a service that is not tried after one."""
    allowance = Allowance([])
    assert allowance.of(20) == 20
    allowance.end(0)
    allowance.next(Share(0.25, math.inf))
    assert allowance.left == 0


def test_a_route_without_a_total_limits_nobody() -> None:
    """Each service has its own time-out then."""
    share = Share(0.5, 3.0)
    allowance = Allowance([share])
    assert allowance.of(math.inf) == math.inf
    allowance.end(math.inf)
    allowance.next(share)
    assert (allowance.of(3), allowance.left) == (3, math.inf)


def test_a_request_whose_time_has_not_begun_has_all_of_it() -> None:
    """A streamed upload that is not complete yet: its total counts from its end on."""
    share = Share(0.25, math.inf)
    allowance = Allowance([share])
    assert [allowance.is_begun, allowance.of(20), allowance.is_begun] == [False, 15, True]
    allowance.end(math.inf)
    allowance.next(share)
    assert allowance.of(math.inf) == 20


def test_a_share_is_at_most_what_the_service_may_take() -> None:
    """``timeout`` of the fallback bounds what is reserved."""
    assert share_of(Fallback(use="service", service="b", timeout=2, share=0.5)).of(20) == 2
    assert share_of(Fallback(use="service", service="b", share=0.5)).of(20) == 10

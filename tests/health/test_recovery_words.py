"""What an operator reads about restarts."""

import pytest

from orch.health.recovery import Recovery, RecoveryPolicy, begin, failed, give_up
from orch.health.recovery_words import attempt_in_words, describe, give_up_in_words

POLICY = RecoveryPolicy(first=4, factor=2, longest=30, attempts=3, window=120, again=300)


@pytest.mark.parametrize(
    ("state", "attempt", "next_in", "text"),
    [
        pytest.param(failed(Recovery(), 10), 1, 4, "Restarts in 4 s, attempt 1 of 3.", id="wait"),
        pytest.param(failed(Recovery(), 0), 1, 0, "Is being restarted, attempt 1 of 3.", id="attempt"),
        pytest.param(
            begin(failed(Recovery(), 0), POLICY, 9),
            1,
            None,
            "Was restarted, attempt 1 of 3. Waiting for it to respond.",
            id="made",
        ),
        pytest.param(
            give_up(failed(Recovery(), 0), 10),
            3,
            300,
            "Was restarted 3 times within 2 min and did not stay up. It is tried again every 5 min; restart "
            "it once the cause is fixed. The next attempt is in 5 min.",
            id="given up",
        ),
    ],
)
def test_each_step_of_a_recovery_has_its_sentence(
    state: Recovery,
    attempt: int,
    next_in: float | None,
    text: str,
) -> None:
    """At 10 s: the attempt's number, the seconds until the next one, and the sentence."""
    described = describe(state, POLICY, 10, is_well=False)
    assert described is not None
    assert (described.attempt, described.limit) == (attempt, 3)
    assert described.next_in == next_in
    assert described.text == text


def test_a_service_that_needs_nothing_has_no_sentence() -> None:
    """Neither one that was never restarted, nor one that responds again after an attempt."""
    assert describe(Recovery(), POLICY, 10, is_well=False) is None
    assert describe(begin(failed(Recovery(), 0), POLICY, 9), POLICY, 10, is_well=True) is None


def test_rare_attempts_have_no_number() -> None:
    """They are announced by their interval."""
    assert attempt_in_words(0, POLICY) == ", one attempt every 5 min"
    assert give_up_in_words(3, POLICY).startswith("Was restarted 3 times within 2 min")

"""Waiting in a plain function for a state that nothing announces."""

import time
from collections.abc import Callable

from tests.fakes.patience import PATIENCE


def wait_until(
    holds: Callable[[], object], what: str, *, limit: float = PATIENCE, every: float = 0.05
) -> None:
    """Ask again and again until ``holds`` returns something true; fail after ``limit`` seconds.

    ``what``: the state, for the failure's message. ``every``: seconds between two questions.
    """
    give_up_at = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < give_up_at, f"waited {limit:g} s until {what}"
        time.sleep(every)

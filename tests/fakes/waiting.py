"""Waiting in a plain function for a state that nothing announces."""

import time
from collections.abc import Callable

#: Seconds after which what is waited for hangs, also on a machine that does other things as well.
LIMIT = 240.0


def wait_until(holds: Callable[[], object], what: str, *, limit: float = LIMIT, every: float = 0.05) -> None:
    """Ask again and again until ``holds`` returns something true; fail after ``limit`` seconds.

    ``what``: the state, for the failure's message. ``every``: seconds between two questions.
    """
    give_up_at = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < give_up_at, f"waited {limit:g} s until {what}"
        time.sleep(every)

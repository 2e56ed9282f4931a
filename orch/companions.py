"""Keeps programs running beside the service that no request depends on: the demo's meeting."""

from collections.abc import Callable, Iterable
from typing import Final, Never

import structlog
import trio

from orch.backoff import Backoff
from orch.health.child_output import read_line
from orch.health.restarter import RunChild, not_started
from orch.processes import ProcessSpec, exit_words, run_child
from orch.shortages import own_shortage

log = structlog.get_logger("companions")

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds from the end of a program to its next start: twice as many after each end."""

LASTING: Final = 60.0
"""Seconds after which a program has run well: the next pause is the shortest again."""


async def keep_all(specs: Iterable[ProcessSpec]) -> None:
    """Keep programs running until cancelled; return at once if there are none."""
    async with trio.open_nursery() as nursery:
        for each in specs:
            nursery.start_soon(keep_running, each)


async def keep_running(
    spec: ProcessSpec,
    *,
    run_child: RunChild = run_child,
    clock: Callable[[], float] = trio.current_time,
) -> Never:
    """Run a program until cancelled, and start it again when it ends; its output goes to the log.

    Resource handling: when this is cancelled, the program has ended and been waited for.
    """

    def on_line(stream: str, text: str) -> None:
        if text:
            entry = read_line(text, stream)
            log.log(entry.level, entry.event, program=spec.name, **entry.fields)

    backoff = Backoff(first=FIRST_PAUSE, longest=LONGEST_PAUSE)
    while True:
        began = clock()
        try:
            reason = f"process {exit_words(await run_child(spec, on_line=on_line))}"
        except OSError as error:
            reason = not_started(error, own_shortage(error, starting=True), spec.argv[0])
        now = clock()
        if now - began >= LASTING:
            backoff.succeeded()
        backoff.failed(now)
        log.warning("program ended", program=spec.name, reason=reason, seconds_to_start=backoff.until - now)
        await trio.sleep(backoff.until - now)

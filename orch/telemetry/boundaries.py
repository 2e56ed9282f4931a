"""Keeps a loop running when one of its items fails.

When a branch ends, everything it does ends. So a loop in a branch isolates each item: an exception of any
class is logged with its traceback and counted, and the loop continues with the next item. With a list of
expected exceptions, the first one that is not on the list would end the branch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from orch.telemetry.names.metric import Reading
from orch.telemetry.names.process import CONTAINED

_log = structlog.get_logger("boundaries")


class Boundary:
    """The boundary around each item of one loop. The mutable state is the count.

    ``loop``: the label of its metric, one of :data:`orch.telemetry.names.process.LOOPS`.
    """

    def __init__(self, loop: str) -> None:
        self.loop = loop
        self.failures = 0

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield Reading(CONTAINED, self.failures, (self.loop,))

    @contextmanager
    def item(self, *ends: type[Exception], **item: Any) -> Iterator[None]:
        """Suppress, count and log any Exception of the block; ``item`` identifies the item in the log.

        Other BaseExceptions (Cancelled, KeyboardInterrupt) propagate, also out of a group. So do the classes
        in ``ends``, which the loop itself raises when it cannot continue.
        """
        try:
            yield
        except ends:
            raise
        except Exception as error:  # noqa: BLE001 - see the module's docstring
            self.note(error, **item)

    def count(self) -> None:
        """Count a failure that the loop itself has caught and logged."""
        self.failures += 1

    def note(self, error: Exception, **item: Any) -> None:
        """Count and log an item's exception that the loop itself caught."""
        self.count()
        _log.error("item failed, loop continues", loop=self.loop, exc_info=error, **item)

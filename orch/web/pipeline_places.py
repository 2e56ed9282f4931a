"""Places in the audio pipeline: how many files it processes at a time, in all and of one address."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from orch.problems import ProblemError
from orch.settings.structs import Pipeline

RETRY_AFTER: Final = "5"
"""Seconds; most files are done by then."""


class PipelinePlaces:
    """Gives places. ``limits()`` has the limits. The mutable state is the addresses that hold a place.

    A request holds its place from before its body is read until its response is sent, so that the disk space
    of uploads and results is bounded, too. Nobody waits for one: who is refused tries again.
    """

    def __init__(self, limits: Callable[[], Pipeline]) -> None:
        self._limits = limits
        self._held: list[str] = []

    @contextmanager
    def hold(self, address: str) -> Iterator[None]:
        """Hold a place. ProblemError ``pipeline_busy``, ``too_many_files``."""
        limits = self._limits()
        headers = {"Retry-After": RETRY_AFTER}
        if len(self._held) >= limits.concurrent_requests:
            raise ProblemError(
                "pipeline_busy",
                f"{limits.concurrent_requests} files are being processed: the limit. Try again soon.",
                headers=headers,
            )
        if self._held.count(address) >= limits.max_requests_per_address:
            raise ProblemError(
                "too_many_files",
                f"{limits.max_requests_per_address} files of your address are being processed, which is the "
                "limit. Wait until one is done.",
                headers=headers,
            )
        self._held.append(address)
        try:
            yield
        finally:
            self._held.remove(address)

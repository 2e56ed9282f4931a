"""What a bot's page shows now, and what the bot wants there: shared by its tasks."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from orch.bots.adapters.judging import Wanted
from orch.bots.adapters.snapshots import Seen
from orch.bots.observations import Place


class Presence:
    """The newest snapshot, the wishes, and whether the bot is asked to leave.

    The mutable state is the fields. :meth:`news` is an event for the next change of any of them.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.seen: Seen | None = None
        self.place: Place | None = None
        self.is_leaving = False
        self.ended = trio.Event()
        self._news = trio.Event()
        self._scope: trio.CancelScope | None = None

    def news(self) -> trio.Event:
        """Return an event that is set at the next change."""
        if self._news.is_set():
            self._news = trio.Event()
        return self._news

    def show(self, seen: Seen | None) -> None:
        """Store a snapshot; None changes nothing."""
        if seen is not None and seen != self.seen:
            self.seen = seen
            self._news.set()

    def want(self, wanted: Wanted) -> None:
        """Store other wishes."""
        self.wanted = wanted
        self._news.set()

    def leave(self) -> None:
        """Have the stay end as soon as possible; a page that is loading is not waited for."""
        self.is_leaving = True
        self._news.set()
        if self._scope is not None:
            self._scope.cancel()

    def end(self) -> None:
        """Note that the stay is over."""
        self.ended.set()
        self._news.set()

    @contextmanager
    def interrupting(self, scope: trio.CancelScope) -> Iterator[None]:
        """Cancel a scope when the bot is asked to leave within the block, or was before."""
        self._scope = scope
        if self.is_leaving:
            scope.cancel()
        try:
            yield
        finally:
            self._scope = None

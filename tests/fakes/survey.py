"""Workers that ask each other, without a server between them."""

from collections.abc import Callable
from functools import partial
from typing import cast

import trio

from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.stores.protocols import ClusterStore
from orch.stores.records import StoredSettings, SurveyReplies


class Wire:
    """What stores of several workers share: questions, heard at once, and what operators have changed.

    ``silent``: those that hear and do not answer; ``asked``: the subjects so far; ``before_keeping``: called
    before anything is kept: someone else may come first.
    """

    def __init__(self) -> None:
        self.stores: dict[str, FakeStore] = {}
        self.silent: set[str] = set()
        self.is_away = False
        self.asked: list[str] = []
        self.kept = StoredSettings(0, b"{}")
        self.before_keeping: Callable[[], None] = lambda: None

    def worker(self, name: str, place: int) -> Survey:
        """Return a worker on this wire."""
        store = self.stores[name] = FakeStore(self, name)
        survey = Survey(cast("ClusterStore", store), place=place, host="x", pid=place + 100)
        store.surveyed = survey.reply
        return survey

    def store(self, name: str) -> ClusterStore:
        """Return a worker's store."""
        return cast("ClusterStore", self.stores[name])


class FakeStore:
    """What a store of several workers has for asking."""

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire = wire
        self.worker = name
        self.surveyed: Callable[[bytes, Callable[[bytes], None]], None] = lambda _, reply: reply(b"")

    async def survey(self, payload: bytes, *, within: float, only: str | None = None) -> SurveyReplies:
        """Ask the others on the wire."""
        self._wire.asked.append(payload.partition(b"\n")[0].decode())
        await trio.sleep(within if self._wire.silent else 0)
        if self._wire.is_away:
            raise ProblemError("store_unavailable", "The other workers cannot be reached right now.")
        there = {name for name in self._wire.stores if name != self.worker and only in (None, name)}
        answers: dict[str, bytes] = {}
        more = trio.Event()

        def take(name: str, data: bytes) -> None:
            answers.setdefault(name, data)
            more.set()

        for name in there - self._wire.silent:
            self._wire.stores[name].surveyed(payload, partial(take, name))
        with trio.move_on_after(within):
            while not there - self._wire.silent <= answers.keys():
                await more.wait()
                more = trio.Event()
        answered = {name: data for name, data in answers.items() if data}
        return SurveyReplies(answered, frozenset(there - answered.keys()))

    async def settings(self) -> StoredSettings:
        """Return what operators have changed."""
        await trio.lowlevel.checkpoint()
        if self._wire.is_away:
            raise ProblemError("store_unavailable", "The session store does not respond right now.")
        return self._wire.kept

    async def store_settings(self, known: int, kept: StoredSettings) -> bool:
        """Keep what operators have changed."""
        await trio.lowlevel.checkpoint()
        self._wire.before_keeping()
        if self._wire.kept.revision != known:
            return False
        self._wire.kept = kept
        return True

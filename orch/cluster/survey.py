"""Asking every worker of the service: of one process this one alone, of several all that share the store.

An operator's request comes to whichever worker has taken the connection. What it is about may be on any of
them, or on all. So whoever can answer a question registers for it under a name, on every worker; whoever has
a question asks all of them, this one among them, and says how long answers are collected for. A worker that
is there and does not answer is named, not left out.
"""

import os
import socket
from collections.abc import Callable
from typing import Final, Never, Self

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.cluster.workers import Answer, Asked, Brief, Present, Worker, WorkersStatistics, described, order
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name
from orch.stores.records import Answers, ClusterStore, SessionStore
from orch.telemetry.boundaries import Boundary

#: Seconds that answers are collected for where nothing else is asked for.
WITHIN: Final = 2.0

#: Seconds between looks at who is there.
ROLL_CALL: Final = 3.0

_ROLL: Final = "roll"

_log = structlog.get_logger("asking")

Answerer = Callable[[bytes], bytes]


class _Envelope(Struct, frozen=True, array_like=True):
    """An answer on its way: from whom, and what."""

    worker: Worker
    data: msgspec.Raw


_envelope: Final = msgspec.json.Decoder(_Envelope)
_brief: Final = msgspec.json.Decoder(Brief)


class Asking:
    """Asks all workers, and answers for this one.

    Questions and answers are JSON. The mutable state is the answerers, and who was there at the last roll
    call, bounded by the workers there are.
    """

    def __init__(
        self,
        store: ClusterStore | None = None,
        *,
        place: int | None = None,
        host: str | None = None,
        pid: int | None = None,
    ) -> None:
        self.me = Worker(
            name=new_name() if store is None else store.worker,
            place=place,
            host=host or socket.gethostname(),
            pid=pid or os.getpid(),
        )
        self._store = store
        self.boundary = Boundary("workers")
        self._answerers: dict[str, Answerer] = {}
        self._present: dict[str, Present] = {}
        self.describe: Callable[[], Brief] = Brief
        self.on_roll: Callable[[frozenset[str]], None] | None = None
        self.on_change: Callable[[], None] = lambda: None
        self.answer(_ROLL, lambda _: msgspec.json.encode(self.describe()))
        if store is not None:
            store.on_asked = self._asked

    @classmethod
    def over(cls, store: SessionStore, *, place: int | None = None) -> Self:
        """Return what asks the workers that share ``store``; a store of one process is shared with nobody."""
        return cls(store if isinstance(store, ClusterStore) else None, place=place)

    def __repr__(self) -> str:
        return f"<Asking {self.me.name}, {len(self._present)} others>"

    @property
    def is_shared(self) -> bool:
        """Whether there may be others."""
        return self._store is not None

    def answer(self, subject: str, answerer: Answerer) -> None:
        """Have questions about ``subject`` answered. It cannot wait; where it raises, there is no answer."""
        self._answerers[subject] = answerer

    async def ask(self, subject: str, question: bytes = b"null", *, within: float = WITHIN) -> Asked:
        """Ask all workers; return what was answered within that many seconds.

        Where the others cannot be asked at all, those that were there last are missing.
        """
        mine = Answer(self.me, self._answerers[subject](question))
        if self._store is None:
            await trio.lowlevel.checkpoint()
            return Asked((mine,))
        try:
            found = await self._store.ask(_question(subject, question), within=within)
        except ProblemError as error:
            _log.warning("other workers cannot be asked", subject=subject, reason=error.detail)
            return Asked((mine,), tuple(each.worker for each in self._present.values()))
        answers, missing = self._opened(found)
        return Asked((mine, *answers), missing)

    async def ask_one(
        self, worker: str, subject: str, question: bytes = b"null", *, within: float = WITHIN
    ) -> bytes:
        """Ask one worker by name. Raises ``unknown_worker``, ``worker_silent``, ``store_unavailable``."""
        if worker == self.me.name:
            await trio.lowlevel.checkpoint()
            return self._answerers[subject](question)
        if self._store is None:
            raise _unknown(worker)
        found = await self._store.ask(_question(subject, question), within=within, only=worker)
        answers, missing = self._opened(found)
        if answers:
            return answers[0].data
        if missing:
            raise ProblemError("worker_silent", f"{described(missing[0])} did not reply within {within:g} s.")
        raise _unknown(worker)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Call the roll until cancelled, where there may be others."""
        task_status.started()
        while self._store is not None:
            with self.boundary.item(step="roll"):
                await self._call_roll(self._store)
            await trio.sleep(ROLL_CALL)
        await trio.sleep_forever()

    def statistics(self) -> WorkersStatistics:
        """Return who was there at the last roll call."""
        me = Present(worker=self.me, here=True, answered=True, brief=self.describe())
        others = sorted(self._present.values(), key=lambda each: order(each.worker))
        return WorkersStatistics(workers=(me, *others))

    async def _call_roll(self, store: ClusterStore) -> None:
        try:
            found = await store.ask(_question(_ROLL, b"null"), within=WITHIN)
        except ProblemError:
            return  # nobody can be heard; that says nothing about who is there
        answers, missing = self._opened(found)
        present: dict[str, Present] = {}
        for answer in answers:
            brief = Brief(state="unknown")  # of another version, while workers are replaced
            with self.boundary.item(worker=answer.worker.name):
                brief = _brief.decode(answer.data)
            present[answer.worker.name] = Present(
                worker=answer.worker, here=False, answered=True, brief=brief
            )
        for worker in missing:
            last = self._present.get(worker.name)
            brief = Brief(state="unknown") if last is None else last.brief
            present[worker.name] = Present(worker=worker, here=False, answered=False, brief=brief)
        has_changed = present != self._present
        self._present = present
        if self.on_roll is not None:
            self.on_roll(frozenset(found.answers))
        if has_changed:
            self.on_change()

    def _asked(self, payload: bytes) -> bytes:
        subject, _, question = payload.partition(b"\n")
        answerer = self._answerers.get(subject.decode())
        if answerer is None:
            return b""  # asked by a worker of another version
        return msgspec.json.encode(_Envelope(self.me, msgspec.Raw(answerer(question))))

    def _opened(self, found: Answers) -> tuple[tuple[Answer, ...], tuple[Worker, ...]]:
        """Return what the others have answered, and who has not; each in the order of their places."""
        answers: list[Answer] = []
        missing = [self._known(name) for name in found.missing]
        for name, data in found.answers.items():
            understood = len(answers)
            with self.boundary.item(worker=name):
                envelope = _envelope.decode(data)
                answers.append(Answer(envelope.worker, bytes(envelope.data)))
            if len(answers) == understood:
                missing.append(self._known(name))
        answers.sort(key=lambda each: order(each.worker))
        return tuple(answers), tuple(sorted(missing, key=order))

    def _known(self, name: str) -> Worker:
        known = self._present.get(name)
        return Worker(name=name) if known is None else known.worker


def _question(subject: str, question: bytes) -> bytes:
    return subject.encode() + b"\n" + question


def _unknown(worker: str) -> ProblemError:
    return ProblemError("unknown_worker", f"No worker is called {worker[:100]}. It may have ended.")

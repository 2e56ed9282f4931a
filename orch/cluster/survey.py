"""Surveys of all workers: a request is sent to each worker of the service, and their replies are collected.

An operator's request reaches the worker that accepted the connection; what it is about may be on any worker,
or on all. So each worker registers a handler per subject, and a survey sends a request about one subject to
all of them, this worker included, and collects the replies for a limited time. A worker that is alive and
does not reply is named in the result. A service of one process surveys itself, by the same code.
"""

import os
import socket
from collections.abc import Callable
from typing import Final, Never

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.cluster.workers import (
    Reply,
    SurveyResult,
    Worker,
    WorkerInfo,
    WorkersStatistics,
    WorkerStatus,
    described,
    order,
)
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name
from orch.stores.protocols import ClusterStore
from orch.stores.records import SurveyReplies
from orch.telemetry.boundaries import Boundary

#: Seconds for which replies are collected, unless the caller passes another time.
WITHIN: Final = 2.0

#: Seconds between two surveys that find out which workers are alive.
HEARTBEAT_EVERY: Final = 3.0

_HEARTBEAT: Final = "roll"

_log = structlog.get_logger("survey")

Handler = Callable[[bytes], bytes]


class _Envelope(Struct, frozen=True, array_like=True):
    """A reply as it is sent: the worker it comes from, and its data."""

    worker: Worker
    data: msgspec.Raw


_envelope: Final = msgspec.json.Decoder(_Envelope)
_info: Final = msgspec.json.Decoder(WorkerInfo)


class Survey:
    """Sends requests to all workers and collects their replies; replies for this one.

    ``store``: what the workers share; None: this is the only one. Requests and replies are JSON. The mutable
    state is the handlers by subject, and the workers that the last heartbeat found.
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
        self._handlers: dict[str, Handler] = {}
        self._workers: dict[str, WorkerStatus] = {}
        self.describe: Callable[[], WorkerInfo] = WorkerInfo
        self.on_heartbeat: Callable[[frozenset[str]], None] | None = None
        self.on_change: Callable[[], None] = lambda: None
        self.register(_HEARTBEAT, lambda _: msgspec.json.encode(self.describe()))

    def __repr__(self) -> str:
        return f"<Survey {self.me.name}, {len(self._workers)} other workers>"

    @property
    def is_shared(self) -> bool:
        """Whether there may be other workers."""
        return self._store is not None

    def register(self, subject: str, handler: Handler) -> None:
        """Register the handler of a subject. It cannot wait; if it raises, no reply is sent."""
        self._handlers[subject] = handler

    async def collect(
        self, subject: str, request: bytes = b"null", *, within: float = WITHIN
    ) -> SurveyResult:
        """Send a request to all workers; return the replies that arrive ``within`` that many seconds.

        If the store cannot send it, the workers of the last heartbeat are reported as missing.
        """
        mine = Reply(self.me, self._handlers[subject](request))
        if self._store is None:
            await trio.lowlevel.checkpoint()
            return SurveyResult((mine,))
        try:
            found = await self._store.survey(_request(subject, request), within=within)
        except ProblemError as error:
            _log.warning("survey not sent", subject=subject, reason=error.detail)
            return SurveyResult((mine,), tuple(each.worker for each in self._workers.values()))
        replies, missing = self._decoded(found)
        return SurveyResult((mine, *replies), missing)

    async def request(
        self, worker: str, subject: str, request: bytes = b"null", *, within: float = WITHIN
    ) -> bytes:
        """Send a request to one worker, by name; return its reply.

        Raises ``unknown_worker``, ``worker_silent``, ``store_unavailable``.
        """
        if worker == self.me.name:
            await trio.lowlevel.checkpoint()
            return self._handlers[subject](request)
        if self._store is None:
            raise _unknown(worker)
        found = await self._store.survey(_request(subject, request), within=within, only=worker)
        replies, missing = self._decoded(found)
        if replies:
            return replies[0].data
        if missing:
            raise ProblemError("worker_silent", f"{described(missing[0])} did not reply within {within:g} s.")
        raise _unknown(worker)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Survey which workers are alive, again and again until cancelled; of one process: do nothing."""
        task_status.started()
        while self._store is not None:
            with self.boundary.item(step="heartbeat"):
                await self._heartbeat(self._store)
            await trio.sleep(HEARTBEAT_EVERY)
        await trio.sleep_forever()

    def statistics(self) -> WorkersStatistics:
        """Return the workers that the last heartbeat found, this one first."""
        me = WorkerStatus(worker=self.me, here=True, answered=True, brief=self.describe())
        others = sorted(self._workers.values(), key=lambda each: order(each.worker))
        return WorkersStatistics(workers=(me, *others))

    async def _heartbeat(self, store: ClusterStore) -> None:
        try:
            found = await store.survey(_request(_HEARTBEAT, b"null"), within=WITHIN)
        except ProblemError:
            return  # the store is unavailable, so it is unknown which workers are alive
        replies, missing = self._decoded(found)
        present: dict[str, WorkerStatus] = {}
        for reply in replies:
            info = WorkerInfo(state="unknown")  # one of another version, while workers are replaced
            with self.boundary.item(worker=reply.worker.name):
                info = _info.decode(reply.data)
            present[reply.worker.name] = WorkerStatus(
                worker=reply.worker, here=False, answered=True, brief=info
            )
        for worker in missing:
            last = self._workers.get(worker.name)
            info = WorkerInfo(state="unknown") if last is None else last.brief
            present[worker.name] = WorkerStatus(worker=worker, here=False, answered=False, brief=info)
        has_changed = present != self._workers
        self._workers = present
        if self.on_heartbeat is not None:
            self.on_heartbeat(frozenset(found.replies))
        if has_changed:
            self.on_change()

    def reply(self, payload: bytes) -> bytes:
        """Return this worker's reply to a request of another worker; empty: the subject is not known here."""
        subject, _, request = payload.partition(b"\n")
        handler = self._handlers.get(subject.decode())
        if handler is None:
            return b""  # the request came from a worker of another version
        return msgspec.json.encode(_Envelope(self.me, msgspec.Raw(handler(request))))

    def _decoded(self, found: SurveyReplies) -> tuple[tuple[Reply, ...], tuple[Worker, ...]]:
        """Return the other workers' replies, and the workers without one, by machine and place."""
        replies: list[Reply] = []
        missing = [self._known_worker(name) for name in found.missing]
        for name, data in found.replies.items():
            decoded = len(replies)
            with self.boundary.item(worker=name):
                envelope = _envelope.decode(data)
                replies.append(Reply(envelope.worker, bytes(envelope.data)))
            if len(replies) == decoded:
                missing.append(self._known_worker(name))
        replies.sort(key=lambda each: order(each.worker))
        return tuple(replies), tuple(sorted(missing, key=order))

    def _known_worker(self, name: str) -> Worker:
        known = self._workers.get(name)
        return Worker(name=name) if known is None else known.worker


def _request(subject: str, request: bytes) -> bytes:
    return subject.encode() + b"\n" + request


def _unknown(worker: str) -> ProblemError:
    return ProblemError("unknown_worker", f"No worker is called {worker[:100]}. It may have ended.")

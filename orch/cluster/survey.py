"""Surveys of all workers: a request is sent to each worker of the service, and their replies are collected.

An operator's request reaches the worker that accepted the connection; what it is about may be on any worker,
or on all. So each worker registers a handler per subject, and a survey sends a request about one subject to
all of them, this worker included, and collects the replies for a limited time. A worker that is alive and
does not reply is named in the result. A service of one process surveys itself, by the same code.

A request to one worker may also take a while there: its handler then runs in a task of its own, of which
there are few at a time, and has to end in time. What it raises is raised where the request was sent.
"""

import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, Never

import msgspec
import structlog
import trio
from msgspec import Struct, field

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
from orch.problems import PROBLEMS, ProblemError
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
WaitingHandler = Callable[[bytes], Awaitable[bytes]]


class _Problem(Struct, frozen=True, array_like=True):
    """What a handler raised, as it is sent: the parts of a ProblemError."""

    code: str
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


class _Envelope(Struct, frozen=True, array_like=True):
    """A reply as it is sent: the worker it comes from, and its data, or the problem."""

    worker: Worker
    data: msgspec.Raw
    problem: _Problem | None = None


class _Waiting(Struct, kw_only=True):
    """A handler that may wait, its limits, and how many requests it handles now."""

    handler: WaitingHandler
    within: float
    at_a_time: int
    running: int = 0


_envelope: Final = msgspec.json.Decoder(_Envelope)
_info: Final = msgspec.json.Decoder(WorkerInfo)


class Survey:
    """Sends requests to all workers and collects their replies; replies for this one.

    ``store``: what the workers share; None: this is the only one. Requests and replies are JSON. The mutable
    state is the handlers by subject, the workers that the last heartbeat found, and how many requests are
    handled in tasks.
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
        self._waiting: dict[str, _Waiting] = {}
        self._tasks: trio.Nursery | None = None
        self._beat = trio.Event()
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

    def register_waiting(
        self, subject: str, handler: WaitingHandler, *, within: float, at_a_time: int
    ) -> None:
        """Register a handler that may wait for requests of other workers to this one: :meth:`request`.

        What is raised there: the handler's ProblemError; ``worker_silent`` for one that takes longer than
        ``within`` seconds, that fails, or whose worker stops meanwhile; ``overloaded`` beyond ``at_a_time``
        requests, and ``shutting_down``, and then it was not called.
        """
        self._waiting[subject] = _Waiting(handler=handler, within=within, at_a_time=at_a_time)

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

        Raises ``unknown_worker``, ``worker_silent``, also where it ends before it replies, and
        ``store_unavailable``; of a handler that may wait also what :meth:`register_waiting` says.
        """
        if worker == self.me.name:
            await trio.lowlevel.checkpoint()
            return self._handlers[subject](request)
        if self._store is None:
            raise _unknown(worker)
        known = described(self._known_worker(worker))
        found = await self._while_alive(self._store, worker, _request(subject, request), within)
        if found is None:
            raise ProblemError("worker_silent", f"{known} ended before it replied.")
        if not found.replies and not found.missing:
            raise _unknown(worker)
        envelopes: list[_Envelope] = []
        for data in found.replies.values():
            with self.boundary.item(worker=worker):
                envelopes.append(_envelope.decode(data))
        for envelope in envelopes:
            if envelope.problem is not None:
                raise _raised(envelope.worker, envelope.problem)
            return bytes(envelope.data)
        raise ProblemError("worker_silent", f"{known} did not reply within {within:g} s.")

    async def _while_alive(
        self, store: ClusterStore, worker: str, payload: bytes, within: float
    ) -> SurveyReplies | None:
        """Survey one worker; None: it has ended meanwhile, as a later heartbeat finds."""
        found: SurveyReplies | None = None
        failure: ProblemError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_when_gone, worker, nursery.cancel_scope)
            try:
                found = await store.survey(payload, within=within, only=worker)
            except ProblemError as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return found

    async def _cancel_when_gone(self, worker: str, scope: trio.CancelScope) -> None:
        await self._beat.wait()  # this heartbeat may have begun before
        while True:
            await self._beat.wait()
            if worker not in self._workers:
                scope.cancel()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Survey which workers are alive, again and again until cancelled; of one process: do nothing.

        Meanwhile requests are handled that may wait.
        """
        async with trio.open_nursery() as nursery:
            self._tasks = nursery
            try:
                task_status.started()
                while self._store is not None:
                    with self.boundary.item(step="heartbeat"):
                        await self._heartbeat(self._store)
                    await trio.sleep(HEARTBEAT_EVERY)
                await trio.sleep_forever()
            finally:
                self._tasks = None

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
        self._beat.set()
        self._beat = trio.Event()
        if self.on_heartbeat is not None:
            self.on_heartbeat(frozenset(found.replies))
        if has_changed:
            self.on_change()

    def reply(self, payload: bytes, send: Callable[[bytes], None]) -> None:
        """Reply to a request of another worker, now or later; empty: the subject is not known here."""
        head, _, request = payload.partition(b"\n")
        subject = head.decode()
        waiting = self._waiting.get(subject)
        handler = self._handlers.get(subject)
        if waiting is not None:
            self._start(subject, waiting, request, send)
        elif handler is not None:
            send(msgspec.json.encode(_Envelope(self.me, msgspec.Raw(handler(request)))))
        else:
            send(b"")  # the request came from a worker of another version

    def _start(self, subject: str, waiting: _Waiting, request: bytes, send: Callable[[bytes], None]) -> None:
        """Handle a request in a task, or refuse it."""
        me = described(self.me)
        if self._tasks is None:
            send(self._failure(ProblemError("shutting_down", f"{me} is starting or stopping. Try again.")))
        elif waiting.running >= waiting.at_a_time:
            problem = ProblemError("overloaded", f"{me} handles {waiting.running} such requests already.")
            send(self._failure(problem))
        else:
            waiting.running += 1
            self._tasks.start_soon(self._handle, subject, waiting, request, send)

    async def _handle(
        self, subject: str, waiting: _Waiting, request: bytes, send: Callable[[bytes], None]
    ) -> None:
        me = described(self.me)
        reply = self._failure(ProblemError("worker_silent", f"{me} failed, or stopped meanwhile."))
        try:
            with self.boundary.item(subject=subject):
                try:
                    with trio.fail_after(waiting.within):
                        data = await waiting.handler(request)
                    reply = msgspec.json.encode(_Envelope(self.me, msgspec.Raw(data)))
                except ProblemError as problem:
                    reply = self._failure(problem)
                except trio.TooSlowError:
                    late = f"{me} did not finish within {waiting.within:g} s."
                    reply = self._failure(ProblemError("worker_silent", late))
        finally:
            waiting.running -= 1
            send(reply)

    def _failure(self, problem: ProblemError) -> bytes:
        sent = _Problem(problem.code, problem.detail, problem.headers, problem.extra)
        return msgspec.json.encode(_Envelope(self.me, msgspec.Raw(b"null"), sent))

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


def _raised(worker: Worker, problem: _Problem) -> ProblemError:
    """Return what a handler of another worker raised."""
    if problem.code not in PROBLEMS:  # of another version, while workers are replaced
        return ProblemError("worker_silent", f"{described(worker)} cannot do this: {problem.detail}")
    return ProblemError(problem.code, problem.detail, headers=problem.headers, **problem.extra)


def _unknown(worker: str) -> ProblemError:
    return ProblemError("unknown_worker", f"No worker is called {worker[:100]}. It may have ended.")

"""Carries out operators' commands on all workers, or on one.

What lasts (a drain, a weight) is stored under a revision before any worker applies it, so that it outlives
reloads and restarts and holds on workers that start later; each worker reads it when it starts and every few
seconds after. What is over in a moment (an ejection, a tripped or reset breaker) is sent to the running
workers only. A command to one worker lasts no longer than that worker.
"""

from collections.abc import Callable
from typing import Final, Literal, Never

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.cluster.survey import Survey
from orch.cluster.workers import described
from orch.gateway.controls.commands import LASTING, MOST, Command, Standing, changed, size
from orch.gateway.service import GatewayService
from orch.problems import ProblemError
from orch.stores.protocols import DocumentStore
from orch.stores.records import Document
from orch.telemetry.boundaries import Boundary

READ_EVERY: Final = 3.0
"""Seconds between reads of what other workers have stored."""
ATTEMPTS: Final = 10
_KIND: Final = "gateway"
_NAME: Final = "standings"
_TEN_YEARS: Final = 315_360_000.0
_SUBJECT: Final = "gateway_control"

log = structlog.get_logger(__name__)


class WorkerControlled(Struct, frozen=True, kw_only=True):
    """The effect on one worker. ``in_flight``: the instance's requests there, which go on.

    ``left``: instances that get requests of clients there. ``unknown``: its settings do not have the
    instance; ``no_answer``: it was not reached: what lasts is applied once it can, anything else is not.
    """

    worker: str
    outcome: Literal["done", "unknown", "no_answer"]
    in_flight: int = 0
    left: int = 0


class _Sent(Struct, frozen=True, array_like=True):
    """A command to another worker. ``revision``: of what is stored; 0: it is for that worker alone."""

    command: Command
    revision: int
    is_own: bool
    by: str = ""


class _Effect(Struct, frozen=True, array_like=True):
    outcome: Literal["done", "unknown"]
    in_flight: int = 0
    left: int = 0


_sent: Final = msgspec.json.Decoder(_Sent)
_effect: Final = msgspec.json.Decoder(_Effect)
_standings: Final = msgspec.json.Decoder(dict[str, dict[str, Standing]])


class SharedControls:
    """Carries out commands. The mutable state is the revision that this worker has applied."""

    def __init__(
        self, *, gateway: GatewayService, store: DocumentStore, survey: Survey, wall: Callable[[], float]
    ) -> None:
        self._gateway = gateway
        self._store = store
        self._survey = survey
        self._wall = wall
        self._revision = 0
        self.boundary = Boundary("controls of the gateway")
        survey.register(_SUBJECT, self._reply)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Follow what is stored until cancelled.

        It is usable at once: a store that cannot be read delays no request; until it can, instances are used
        as the settings say.
        """
        is_read = False
        is_started = False
        while True:
            with self.boundary.item():
                try:
                    await self._read()
                    is_read = True
                except ProblemError as error:
                    log.warning("controls of the gateway not readable", reason=error.detail)
            if not is_started:
                task_status.started()
                is_started = True
            if is_read and not self._survey.is_shared:
                await trio.sleep_forever()
            await trio.sleep(READ_EVERY)

    async def carry_out(
        self, command: Command, *, worker: str = "", by: str = ""
    ) -> tuple[WorkerControlled, ...]:
        """Carry out a command on all workers, or on one by its name; return the effect on each.

        ``by``: the operator's address, for the events.

        Raises ProblemError: unknown_service and invalid_request if this worker does not know the subject;
        unknown_worker, worker_silent; store_unavailable, and then nothing has changed.
        """
        self._gateway.check(command)
        if worker:
            request = msgspec.json.encode(_Sent(command, 0, is_own=True, by=by))
            effect = _effect.decode(await self._survey.request(worker, _SUBJECT, request))
            return (_controlled(worker, effect),)
        revision = await self._keep(command) if command.action in LASTING else 0
        request = msgspec.json.encode(_Sent(command, revision, is_own=False, by=by))
        result = await self._survey.collect(_SUBJECT, request)
        return (
            *(_controlled(described(reply.worker), _effect.decode(reply.data)) for reply in result.replies),
            *(WorkerControlled(worker=described(each), outcome="no_answer") for each in result.missing),
        )

    async def _keep(self, command: Command) -> int:
        """Store what lasts after a command; return its revision."""
        for _ in range(ATTEMPTS):
            await self._read()
            standings = changed(self._gateway.layers.shared, command)
            if size(standings) > MOST:
                raise ProblemError(
                    "invalid_request",
                    f"{MOST} instances are drained or have a weight of their own, which is the limit.",
                )
            now = self._wall()
            document = Document(
                _KIND, _NAME, self._revision + 1, now + _TEN_YEARS, msgspec.json.encode(standings)
            )
            if await self._store.store_document(document, now=now):
                return document.revision
        raise ProblemError(
            "store_unavailable", "Another change to the gateway was made at the same time. Try again."
        )

    async def _read(self) -> None:
        """Apply what is stored, unless something later was applied meanwhile."""
        for document in await self._store.documents(_KIND, now=self._wall()):
            if document.name == _NAME and document.revision > self._revision:
                self._revision = document.revision
                self._gateway.adopt(_standings.decode(document.body))

    def _reply(self, request: bytes) -> bytes:
        """Carry out a command that this worker or another one was given."""
        sent = _sent.decode(request)
        if sent.revision:
            if sent.revision == self._revision + 1:
                self._revision = sent.revision
            elif sent.revision > self._revision:
                # Something was missed in between: the next read applies it together with this.
                log.info("controls of the gateway missed", revision=sent.revision, known=self._revision)
        # A command may arrive after a later one was read: what lasts is then that of the later one.
        is_late = 0 < sent.revision < self._revision
        newest = self._gateway.layers.shared
        try:
            effect = self._gateway.carry_out(sent.command, is_own=sent.is_own, by=sent.by)
        except ProblemError:
            return msgspec.json.encode(_Effect("unknown"))
        if is_late:
            self._gateway.adopt(newest)
        return msgspec.json.encode(_Effect("done", effect.in_flight, effect.left))


def _controlled(worker: str, effect: _Effect) -> WorkerControlled:
    return WorkerControlled(
        worker=worker,
        outcome=effect.outcome,
        in_flight=effect.in_flight,
        left=effect.left,
    )

"""The connections of all workers, surveyed only while an operator looks at them."""

from collections.abc import Callable
from typing import Final, Never

import msgspec
import structlog
import trio

from orch.cluster.survey import Survey
from orch.cluster.workers import Worker
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.connection_query import NEWEST, ConnectionQuery, merge
from orch.websocket.statistics import ConnectionsStatistics

SUBJECT: Final = "connections"

#: Seconds for the other workers to reply.
WITHIN: Final = 1.5

#: Seconds between surveys while an operator looks.
LOOK_EVERY: Final = 2.0

#: Seconds after which the last result is too old to be shown.
STALE: Final = 6.0

#: Maximum bytes of one worker's reply; further connections are only counted.
PART_BYTES: Final = 900_000

_log = structlog.get_logger("websocket")

_part: Final = msgspec.json.Decoder(ConnectionsStatistics)
_query: Final = msgspec.json.Decoder(ConnectionQuery)


class ClusterConnections:
    """Shows the connections of all workers.

    ``own``: selects among this worker's. The mutable state is the last result, and whether an operator looks.
    """

    def __init__(
        self,
        *,
        survey: Survey,
        own: Callable[[ConnectionQuery], ConnectionsStatistics],
        touch: Callable[[], None],
    ) -> None:
        self._survey = survey
        self._own = own
        self._touch = touch
        self._seen: ConnectionsStatistics | None = None
        self._seen_at = float("-inf")
        self._is_wanted = trio.Event()
        self.boundary = Boundary("connections of other workers")
        survey.register(SUBJECT, self._answer)

    def latest(self) -> ConnectionsStatistics:
        """Return the last result for all workers, and schedule the next survey."""
        if not self._survey.is_shared:
            return merge(self._own(NEWEST), (), me=self._survey.me)
        self._is_wanted.set()
        if self._seen is None or trio.current_time() - self._seen_at > STALE:
            return merge(self._own(NEWEST), (), me=self._survey.me, pending=True)
        return self._seen

    async def look(self, query: ConnectionQuery = NEWEST) -> ConnectionsStatistics:
        """Survey all workers now. ``workers`` includes those that did not reply in time."""
        asked = await self._survey.collect(SUBJECT, msgspec.json.encode(query), within=WITHIN)
        here, *others = asked.replies
        there: list[tuple[Worker, ConnectionsStatistics]] = []
        missing = list(asked.missing)
        for answer in others:
            understood = len(there)
            # While workers are replaced, some run another version.
            with self.boundary.item(worker=answer.worker.name):
                there.append((answer.worker, _part.decode(answer.data)))
            if len(there) == understood:
                missing.append(answer.worker)
        return merge(_part.decode(here.data), there, me=self._survey.me, missing=missing, query=query)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Survey while an operator looks, until cancelled."""
        task_status.started()
        while True:
            await self._is_wanted.wait()
            with self.boundary.item():
                self._seen = await self.look()
                self._seen_at = trio.current_time()
                self._touch()
            self._is_wanted = trio.Event()
            await trio.sleep(LOOK_EVERY)

    def _answer(self, question: bytes) -> bytes:
        part = self._own(_query.decode(question))
        while len(encoded := msgspec.json.encode(part)) > PART_BYTES:
            part = msgspec.structs.replace(
                part,
                connections=part.connections[: len(part.connections) // 2],
                session_list=part.session_list[: len(part.session_list) // 2],
            )
        return encoded

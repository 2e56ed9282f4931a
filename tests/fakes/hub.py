"""The hub with a real store, on a virtual clock, and stand-ins for its neighbours."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import trio
import trio.testing

from orch.cluster.survey import Survey
from orch.gateway.flows import Flow
from orch.stores.opening import Stores
from orch.stores.redis.store import RedisStore
from orch.stores.sqlite.store import SqliteStore
from orch.telemetry.events import EventLog
from orch.telemetry.metrics import Metrics
from orch.telemetry.topics import Topics
from orch.websocket.service import HubService
from tests.fakes.asgi import FakeSocket, connected
from tests.fakes.settings import FakeSettings
from tests.fakes.speech_back_ends import ObservedSpeech, Room

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

EPOCH = 1_700_000_000.0
"""The wall clock when the virtual one stands at 0."""


def wall() -> float:
    """Return the time of the virtual clock as a wall clock would."""
    return EPOCH + trio.current_time()


async def inline(work: Callable[[*Arguments], T], /, *args: *Arguments) -> T:
    """Stand in for a thread: a virtual clock would run ahead of a real one."""
    await trio.lowlevel.checkpoint()
    result = work(*args)
    await trio.lowlevel.cancel_shielded_checkpoint()
    return result


@dataclass
class FakeAnswer:
    """A back end's response."""

    status: int
    body: bytes


@dataclass
class FakeGateway:
    """Sends scripted responses and stores the requests. ``gate``: responses wait for it."""

    answer: FakeAnswer | Exception = field(default_factory=lambda: FakeAnswer(200, b"{}"))
    gate: trio.Event | None = None
    asked: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    flows: list[tuple[Flow, str]] = field(default_factory=list)

    is_public: bool = False

    def is_public_inside(self, service: str, method: str, path: str) -> bool:
        """Answer as ``is_public`` says."""
        return self.is_public

    async def fetch(
        self,
        service: str,
        method: str,
        path: str,
        *,
        headers: Any = (),
        body: bytes = b"",
        max_response: int = 2**20,
        flow: Flow = Flow.CAPTIONS,
        caller: str = "",
    ) -> FakeAnswer:
        """Answer."""
        self.flows.append((flow, caller))
        self.asked.append((service, method, path, body))
        await trio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Hub:
    """A hub and what stands around it."""

    service: HubService
    survey: Survey
    store: SqliteStore | RedisStore
    settings: FakeSettings
    gateway: FakeGateway
    room: Room
    topics: Topics
    events: EventLog
    nursery: trio.Nursery
    store_scope: trio.CancelScope
    hub_scope: trio.CancelScope

    @property
    def speech(self) -> ObservedSpeech:
        """The speech service; its back ends are the room's."""
        return self.room.speech

    def connected(self, **options: Any) -> Any:
        """Connect a client for a block."""
        return connected(self.service.endpoint, **options)

    def socket(self, **options: Any) -> FakeSocket:
        """Begin to connect a client; its greeting is not read."""
        socket = FakeSocket(**options)
        self.nursery.start_soon(socket.serve, self.service.endpoint)
        return socket

    async def restart_hub(self) -> None:
        """Cancel the hub's run and run it again."""
        self.hub_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        self.hub_scope = await self.nursery.start(scoped, self.service.run)

    async def restart_store(self) -> None:
        """Cancel the store's run and run it again."""
        await self.stop_store()
        await self.start_store()

    async def stop_store(self) -> None:
        """Cancel the store's run."""
        self.store_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()

    async def start_store(self) -> None:
        """Run the store."""
        self.store_scope = await self.nursery.start(scoped, self.store.run)


async def scoped(run: Callable[..., Any], *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    """Run something in a cancel scope of its own, which the starter is given."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            task_status.started(scope)


@asynccontextmanager
async def running_hub(
    folder: Path,
    room: Room | None = None,
    shared_store: RedisStore | None = None,
    wall: Callable[[], float] = wall,
    /,
    **settings: Any,
) -> AsyncIterator[Hub]:
    """Run a hub for the length of the block. On the same folder again, it finds its sessions.

    ``shared_store``: where its sessions are kept instead.

    ``settings``: the document's sections.
    """
    configuration = FakeSettings(**settings)
    gateway, room, topics, events = FakeGateway(), room or Room(), Topics(), EventLog(wall=wall)
    store = shared_store or SqliteStore(folder / "sessions.sqlite3", offload=inline)
    survey = Survey(shared_store.cluster if shared_store else None)
    service = HubService(
        settings=configuration,
        stores=Stores(
            engine=store,
            sessions=store,
            sign_ins=store.sign_ins,
            join_codes=store.join_codes,
            documents=store.documents,
            cluster=shared_store.cluster if shared_store else None,
        ),
        survey=survey,
        gateway=gateway,
        speech=room.speech,
        events=events,
        topics=topics,
        metrics=Metrics(),
        wall=wall,
    )
    topics.register("connections", service.cluster_connections.latest)
    async with trio.open_nursery() as nursery:
        store_scope = await nursery.start(scoped, store.run)
        nursery.start_soon(survey.run)
        hub_scope = await nursery.start(scoped, service.run)
        yield Hub(
            service=service,
            survey=survey,
            store=store,
            settings=configuration,
            gateway=gateway,
            room=room,
            topics=topics,
            events=events,
            nursery=nursery,
            store_scope=store_scope,
            hub_scope=hub_scope,
        )
        nursery.cancel_scope.cancel()

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
from orch.problems import ProblemError
from orch.protocol.messages import AudioStatus, Transcript
from orch.speech.captions import Origin
from orch.speech.output import CaptionOutput
from orch.stores.opening import Stores
from orch.stores.redis.store import RedisStore
from orch.stores.sqlite.store import SqliteStore
from orch.telemetry.events import EventLog
from orch.telemetry.metrics import Metrics
from orch.telemetry.topics import Topics
from orch.websocket.service import HubService
from orch.websocket.speech.stream import Speech
from tests.fakes.asgi import FakeSocket, connected
from tests.fakes.settings import FakeSettings

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
    """What a back end answered."""

    status: int
    body: bytes


@dataclass
class FakeGateway:
    """Answers what it is told to; keeps what it was asked. ``gate``: answers wait for it."""

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


class FakeStream:
    """Publishes one transcript, with the number of bytes it was fed, once it has ended."""

    def __init__(self, origin: Origin, sample_rate: int, output: CaptionOutput, address: str) -> None:
        self.origin = origin
        self.sample_rate = sample_rate
        self.output = output
        self.address = address
        #: How many seconds ago the first sample was recorded.
        self.age = wall() - origin.started / 1000
        self.fed = b""
        self.ended = trio.Event()
        self.fails_with: Exception | None = None
        self.pace: trio.Event | None = None
        self.lost_seconds = 0.0
        self.speech_seconds = 0.0
        self.skipped: list[float] = []
        self.names = [origin.speaker]
        #: Seconds before the end at which the utterance that is being spoken began.
        self.spoken_for = 0.0
        self._released: float | None = None

    @property
    def received_seconds(self) -> float:
        """What has arrived."""
        return self.seconds + sum(self.skipped) if self._released is None else self._released

    @property
    def is_speaking(self) -> bool:
        """Whether what was fed last is not silent."""
        return any(self.fed[-320:])

    def skip(self, seconds: float, error: ProblemError) -> None:
        """Note a gap."""
        if seconds:
            self.skipped.append(seconds)

    def rename(self, speaker: str | None) -> None:
        """Note a name."""
        self.names.append(speaker)

    def release(self) -> float:
        """End before the utterance that is being spoken."""
        self._released = self.received_seconds - self.spoken_for
        self.end()
        return self._released

    def acknowledge(self) -> None:
        """Send the speaker how much has arrived."""
        self.output.acknowledge(
            AudioStatus(
                timestamp=0,
                session_id=self.origin.session_id,
                stream_id=self.origin.stream_id,
                waiting_seconds=0.0,
                revisions_dropped=0,
                speaking=False,
                waiting_for=None,
                received_seconds=self.received_seconds,
                settled_seconds=self.received_seconds,
            )
        )

    @property
    def seconds(self) -> float:
        """What was heard."""
        return len(self.fed) / 2 / self.sample_rate

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wait for the end, then publish."""
        task_status.started()
        await self.ended.wait()
        if self.fails_with is not None:
            raise self.fails_with
        await self.output.publish(self.transcript(str(len(self.fed))))

    def transcript(self, text: str) -> Transcript:
        """Return a final caption."""
        return Transcript(
            timestamp=0,
            session_id=self.origin.session_id,
            segment_id=f"{self.origin.stream_id}-1",
            revision=1,
            final=True,
            text=text,
            language="en",
            confidence=None,
            start=0,
            end=1,
            stream_started=0,
            speaker=self.names[-1],
            participant_id=self.origin.participant_id,
        )

    def feed(self, pcm: bytes) -> None:
        """Take speech in."""
        if len(pcm) % 2:
            raise ProblemError("odd_byte_count", f"{len(pcm)} bytes are not a whole number of samples.")
        self.fed += pcm

    async def feed_paced(self, pcm: bytes) -> None:
        """Take speech in, when ``pace`` allows."""
        if self.pace is not None:
            await self.pace.wait()
        self.feed(pcm)

    def end(self) -> None:
        """Take no more."""
        self.ended.set()


class FakeSpeech:
    """Keeps the streams it was asked for."""

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []

    def stream(self, origin: Origin, *, sample_rate: int, output: CaptionOutput, address: str) -> FakeStream:
        """Create a stream."""
        if sample_rate < 8000:
            raise ProblemError("unsupported_sample_rate", f"{sample_rate} Hz cannot be used.")
        self.streams.append(FakeStream(origin, sample_rate, output, address))
        return self.streams[-1]


@dataclass
class Hub:
    """A hub and what stands around it."""

    service: HubService
    survey: Survey
    store: SqliteStore | RedisStore
    settings: FakeSettings
    gateway: FakeGateway
    speech: FakeSpeech
    topics: Topics
    events: EventLog
    nursery: trio.Nursery
    store_scope: trio.CancelScope
    hub_scope: trio.CancelScope

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
    real_speech: Speech | None = None,
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
    gateway, speech, topics, events = FakeGateway(), FakeSpeech(), Topics(), EventLog(wall=wall)
    store = shared_store or SqliteStore(folder / "sessions.sqlite3", offload=inline)
    survey = Survey(shared_store.cluster if shared_store else None)
    service = HubService(
        settings=configuration,
        stores=Stores(
            engine=store,
            sessions=store,
            sign_ins=store.sign_ins,
            cluster=shared_store.cluster if shared_store else None,
        ),
        survey=survey,
        gateway=gateway,
        speech=real_speech or speech,
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
            speech=speech,
            topics=topics,
            events=events,
            nursery=nursery,
            store_scope=store_scope,
            hub_scope=hub_scope,
        )
        nursery.cancel_scope.cancel()

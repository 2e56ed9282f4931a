"""The service of bots with a real store, on a virtual clock, and meetings that a test directs."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import trio

from orch.bots.bot_traces import BotTraces
from orch.bots.chromium.errors import BrowserEndedError
from orch.bots.chromium.evidence import Evidence
from orch.bots.control import CameraFrame, FrameKind
from orch.bots.ends import EndReason
from orch.bots.observations import (
    ChatSeen,
    ConnectionSeen,
    MarksSeen,
    Observation,
    PeopleSeen,
    Person,
    Place,
    PlaceSeen,
    RecordingAnswered,
    SoundObservation,
)
from orch.bots.pruning import Pruning
from orch.bots.requests import BotRequest, Languages
from orch.bots.runs.parts import CommandFailedError, PipelineLive, Session, Visit
from orch.bots.runs.reachability import UnreachableError
from orch.bots.service import BotsService, Joined, Kept
from orch.bots.shown import BotShown
from orch.bots.states import State
from orch.bots.webcam.appearance import Appearance
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.stores.bot_store import BotStore
from orch.stores.bot_writer import BotWriter, spool_at
from orch.stores.sqlite.bots import SqliteBots
from tests.fakes.hub import inline, wall
from tests.fakes.settings import FakeSettings

URL = "https://meet.google.com/abc-defg-hij"

#: Virtual seconds within which whatever is waited for has happened.
PATIENCE = 100.0


@dataclass
class FakeMeeting:
    """The page of one bot in its meeting, as a test directs it."""

    visit: Visit
    is_operable: bool = False
    process: int = 0
    chats: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    chat_fails: bool = False
    hangs: bool = False
    reason: EndReason | None = None
    failure: Exception | None = None
    over: trio.Event = field(default_factory=trio.Event)

    async def leave(self) -> None:
        self.calls.append("leave")
        if self.hangs:
            await trio.sleep_forever()
        self.end(EndReason.LEFT_ON_REQUEST)
        await trio.lowlevel.checkpoint()

    async def chat(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.hangs:
            await trio.sleep_forever()
        if self.chat_fails:
            raise CommandFailedError("The chat cannot be opened.")
        self.chats.append(text)

    async def caption_language(self, code: str) -> None:
        await trio.lowlevel.checkpoint()
        self.calls.append(f"captions {code}")

    async def ask_recording(self) -> None:
        await trio.lowlevel.checkpoint()
        self.calls.append("ask")

    async def microphone(self, *, is_on: bool) -> None:
        await trio.lowlevel.checkpoint()
        self.calls.append(f"microphone {'on' if is_on else 'off'}")

    async def evidence(self, now: float) -> Evidence:
        await trio.lowlevel.checkpoint()
        return Evidence(
            taken_at=now, url="https://meet.google.com/…", picture=b"jpeg", html="<p>", lines=("line",)
        )

    # What a test has happen.

    def end(self, reason: EndReason) -> None:
        self.reason = reason
        self.over.set()

    def fail(self, error: Exception) -> None:
        self.failure = error
        self.over.set()

    def crash(self) -> None:
        self.fail(BrowserEndedError("The browser was killed."))

    async def show(self, place: Place) -> None:
        self.is_operable = True
        await self.visit.observed(PlaceSeen(at=self.visit.clock(), place=place))

    async def admit(self, *others: str) -> None:
        """Admit the bot; others are there."""
        await self.show(Place.CALL)
        await self.people(*others)

    async def people(self, *others: str) -> None:
        people = (Person(id="me", name="Bot", is_self=True), *(Person(id=each, name=each) for each in others))
        await self.visit.observed(PeopleSeen(at=self.visit.clock(), people=people))

    async def connection(self, *, is_up: bool) -> None:
        await self.visit.observed(ConnectionSeen(at=self.visit.clock(), is_up=is_up))

    async def written(self, text: str, sender: str = "Ana", *, is_own: bool = False) -> None:
        at, sender_id = self.visit.clock(), None if is_own else "ana"
        seen = ChatSeen(at=at, id=f"m{at}", sender=sender, text=text, sender_id=sender_id, is_own=is_own)
        await self.visit.observed(seen)

    async def answered(self, *, is_allowed: bool) -> None:
        await self.visit.observed(RecordingAnswered(at=self.visit.clock(), is_allowed=is_allowed, by="Ana"))

    async def speaks(self, who: str = "Ana") -> None:
        await self.visit.observed(MarksSeen(at=self.visit.clock(), speaking=(who,)))


@dataclass
class FakePipeline:
    """Counts what it is given."""

    session: Session
    captures: list[bool] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    languages: list[Languages] = field(default_factory=list)
    cameras: list[Appearance | None] = field(default_factory=list)
    finished: int = 0
    failure: Exception | None = None
    frame_after: float = 0
    frame_size: int = 1

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep_forever()

    async def observe(self, observation: Observation) -> None:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        self.observations.append(observation)

    def capture(self, *, is_on: bool) -> None:
        self.captures.append(is_on)

    async def change_languages(self, languages: Languages) -> None:
        await trio.lowlevel.checkpoint()
        self.languages.append(languages)

    def disconnected(self) -> None:
        pass

    async def change_camera(self, camera: Appearance | None) -> None:
        await trio.lowlevel.checkpoint()
        self.cameras.append(camera)

    async def finish(self) -> None:
        await trio.lowlevel.checkpoint()
        self.finished += 1

    def live(self) -> PipelineLive:
        return PipelineLive()

    async def camera(self, kind: FrameKind, *, after: int = -1) -> CameraFrame:
        await trio.sleep(self.frame_after)
        return CameraFrame(number=after + 1, file=kind.encode() * self.frame_size)


class FakeChannel:
    """Media that a test feeds."""

    scripts: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.send, self._sound = trio.open_memory_channel[SoundObservation](100)
        self.spoken: list[bytes] = []
        self.owners: list[tuple[str, str | None]] = []

    async def receive(self, observed: Callable[[SoundObservation], Any], clock: Callable[[], float]) -> None:
        async for each in self._sound:
            await observed(each)

    def own(self, track: str, participant_id: str | None) -> None:
        self.owners.append((track, participant_id))

    async def show(self, patches: Sequence[Any]) -> None:
        await trio.lowlevel.checkpoint()

    async def speak(self, pcm: bytes) -> None:
        await trio.sleep(len(pcm) / 32_000)
        self.spoken.append(pcm)


class Scene:
    """A service, and the meetings of its bots in the order of their joining."""

    def __init__(
        self,
        folder: Path,
        store: BotStore,
        *,
        worker: str = "w",
        is_alone: bool = True,
        survey: Survey | None = None,
        traces: BotTraces | None = None,
    ) -> None:
        self.store = store
        self.meetings: list[FakeMeeting] = []
        self.pipelines: dict[str, FakePipeline] = {}
        self.channels: dict[str, FakeChannel] = {}
        self.unreachable = ""
        self.missing: Exception | None = None
        self.ready_after = 1.0
        self.pipeline_problems: list[ProblemError] = []
        self.start_error: Exception | None = None
        self.stopping = trio.Event()
        self.touched: list[str] = []
        self.writer = BotWriter(store, spool_at(folder / "spool", worker), offload=inline)
        self.settings = FakeSettings()
        self.evidence = folder / "evidence"
        self.set(max_bots=5, evidence=str(self.evidence))
        self.service = BotsService(
            Kept(
                store=store,
                writer=self.writer,
                joined=Joined(
                    stay=self.stay,
                    channel=self.channel,
                    pipeline=self.pipeline,
                    reachable=self.reachable,
                    find_browser=self.find,
                    offload=inline,
                ),
                remove_files=Pruning(store, self.settings, wall=wall, in_thread=inline).remove_files,
                is_alone=is_alone,
            ),
            settings=self.settings,
            wall=wall,
            touch=self.touched.append,
            worker=worker,
            stopping=lambda: self.stopping,
            survey=survey,
            traces=traces,
        )

    def set(self, **changes: Any) -> None:
        """Change settings of bots."""
        document = msgspec.to_builtins(self.settings.current.orchestration)
        document["bots"] |= changes
        self.settings.change(orchestration=document)

    def find(self, _configured: str) -> str:
        if self.missing is not None:
            raise self.missing
        return "/usr/bin/chromium"

    async def reachable(self, _url: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.unreachable:
            raise UnreachableError(self.unreachable)

    @contextmanager
    def channel(self, bot_id: str, _request: BotRequest) -> Iterator[FakeChannel]:
        self.channels[bot_id] = FakeChannel()
        yield self.channels[bot_id]

    async def pipeline(self, session: Session) -> FakePipeline:
        await trio.lowlevel.checkpoint()
        if self.pipeline_problems:
            raise self.pipeline_problems.pop()
        self.pipelines[session.bot_id] = FakePipeline(session)
        return self.pipelines[session.bot_id]

    async def stay(self, visit: Visit) -> None:
        await trio.sleep(self.ready_after)
        if self.start_error is not None:
            raise self.start_error
        meeting = FakeMeeting(visit)
        self.meetings.append(meeting)
        await visit.ready(meeting)
        await meeting.over.wait()
        if meeting.failure is not None:
            raise meeting.failure
        assert meeting.reason is not None
        await visit.over(meeting.reason)

    # The branch.

    async def start(self, nursery: trio.Nursery) -> None:
        """Run the service."""
        self._scope = trio.CancelScope()
        self._stopped = trio.Event()
        await nursery.start(self._run)

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self._scope:
            await self.service.run(task_status=task_status)
        self._stopped.set()

    async def stop(self) -> None:
        """Cancel the service, as the tree does, and wait for its end."""
        self._scope.cancel()
        await self._stopped.wait()

    async def kill(self) -> None:
        """End the service as SIGKILL does: nothing of it is released, no page is left."""

        async def nothing() -> None:
            await trio.lowlevel.checkpoint()

        assert self.service._parts is not None
        self.service._parts.host.release = nothing  # type: ignore[method-assign]
        await self.stop()

    def stop_renewing(self) -> Callable[[], None]:
        """Renew no leases, as a worker that hangs; the result goes on."""

        async def nothing(_bots: trio.Nursery) -> None:
            await trio.lowlevel.checkpoint()

        assert self.service._parts is not None
        host = self.service._parts.host
        host._renew = nothing  # type: ignore[method-assign, assignment]
        return lambda: delattr(host, "_renew")

    # What a test waits for.

    async def create(self, **fields: Any) -> BotShown:
        bot, _ = await self.service.create(BotRequest(**{"meeting_url": URL} | fields))
        return bot

    async def meeting(self, number: int = 0) -> FakeMeeting:
        """Return the page that was opened as this one, once it is there."""
        with trio.fail_after(PATIENCE):
            while len(self.meetings) <= number:  # noqa: ASYNC110 - virtual time, which costs nothing
                await trio.sleep(0.1)
        return self.meetings[number]

    async def until(self, bot_id: str, *states: State, within: float = PATIENCE) -> BotShown:
        """Return the bot once it is in one of the states."""
        with trio.fail_after(within):
            while (bot := (await self.service.get(bot_id)).bot).state not in states:  # noqa: ASYNC110 - as above
                await trio.sleep(0.05)
        return bot

    async def capturing(self, *others: str, **fields: Any) -> tuple[BotShown, FakeMeeting]:
        """Return a bot that captures, and its page."""
        number = len(self.meetings)
        bot = await self.create(**fields)
        meeting = await self.meeting(number)
        await meeting.admit(*(others or ("Ana",)))
        return await self.until(bot.bot_id, State.CAPTURING), meeting


@asynccontextmanager
async def running(
    folder: Path,
    *,
    is_alone: bool = True,
    enabled: bool = True,
    survey: Survey | None = None,
    traces: BotTraces | None = None,
) -> AsyncIterator[Scene]:
    """Run a service on a file in the folder, which may have been another one's."""
    engine = SqliteBots(folder / "bots.sqlite3", most=lambda: 2**40, offload=inline)
    async with trio.open_nursery() as outer:
        await outer.start(engine.run)
        worker = "w" if survey is None else survey.me.name
        scene = Scene(folder, engine.store, worker=worker, is_alone=is_alone, survey=survey, traces=traces)
        scene.set(enabled=enabled)
        await outer.start(scene.writer.run)
        async with trio.open_nursery() as nursery:
            await scene.start(nursery)
            yield scene
            await scene.stop()
        outer.cancel_scope.cancel()

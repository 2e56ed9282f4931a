"""A bot's pipeline among real neighbours: hub, store of sessions, speech flow; back ends are stand-ins."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from orch.bots.observations import Observation
from orch.bots.pipeline.meeting_pipeline import MeetingPipeline
from orch.bots.pipeline.pipeline_figures import Numbers
from orch.bots.pipeline.pipelines import Pipelines
from orch.bots.requests import BotRequest, Languages
from orch.bots.tapes.lines import Line
from orch.bots.webcam.canvas import Patch
from orch.bots.webhooks.payloads import Data, Trigger
from orch.sandbox.meeting.clips import ClipLibrary
from orch.sandbox.meeting.schedule import Schedule, schedule
from orch.sandbox.meeting.script_decoding import decode_script
from orch.stores.bot_records import Captured
from orch.stores.bot_store import BotStore
from orch.stores.bot_writer import BotWriter
from orch.stores.spool import Spool
from orch.stores.sqlite.bots import SqliteBots
from tests.fakes.bot_sessions import requested
from tests.fakes.hub import EPOCH, Hub, inline, running_hub
from tests.fakes.observed_meetings import VOICES
from tests.fakes.speech_back_ends import BackEnds, Room

SESSION = "s1"


def a_request(**changes: Any) -> BotRequest:
    """Return a request for a bot without a camera, unless one is given."""
    fields: dict[str, Any] = {
        "meeting_url": "http://127.0.0.1/abc-defg-hij",
        "languages": Languages(spoken="en", targets=("es",)),
        "camera": None,
    }
    return BotRequest(**(fields | changes))


@dataclass
class Webhooks:
    """Receives webhooks."""

    sent: list[tuple[Trigger, float, Data]] = field(default_factory=list)

    async def __call__(self, trigger: Trigger, at: float, data: Data) -> None:
        """Receive one."""
        await trio.lowlevel.checkpoint()
        self.sent.append((trigger, at, data))


class WatchedWriter:
    """A writer that notes when each record arrived."""

    def __init__(self, writer: BotWriter) -> None:
        self.writer = writer
        self.put_at: list[tuple[float, Captured]] = []

    async def put(self, record: Captured) -> None:
        """Pass a record on."""
        await self.writer.put(record)
        self.put_at.append((trio.current_time(), record))

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the records of a kind, in their order."""
        return [record for _, record in self.put_at if isinstance(record, kind)]


@dataclass
class Running:
    """A pipeline that runs, and its neighbours."""

    pipeline: MeetingPipeline
    hub: Hub
    store: BotStore
    records: WatchedWriter
    webhooks: Webhooks
    shown: list[Sequence[Patch]]
    nursery: trio.Nursery
    begun: float

    def clock(self) -> float:
        """Return the seconds of the session."""
        return trio.current_time() - self.begun

    async def play(self, seen: Iterable[Observation], *, after: float = 0.0) -> None:
        """Observe in time, from two tasks as a bot does: the page, and the sound."""
        sound: list[Observation] = []
        page: list[Observation] = []
        for each in seen:
            of = sound if type(each).__name__ in {"Sound", "SoundLost", "TrackBegan", "TrackEnded"} else page
            of.append(each)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._play, sound, after)
            nursery.start_soon(self._play, page, after)

    async def _play(self, seen: Iterable[Observation], after: float) -> None:
        for each in seen:
            await trio.sleep_until(self.begun + after + each.at)
            await self.pipeline.observe(each)


class PipelineScene:
    """Opens pipelines in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.back_ends = BackEnds()
        self.library = ClipLibrary(VOICES)

    def plan(self, text: str) -> Schedule:
        """Return the schedule of a script (YAML)."""
        script = self.library.complete(decode_script(text, name="test"))
        return schedule(script, self.library.clips)

    @asynccontextmanager
    async def running(
        self,
        request: BotRequest | None = None,
        *,
        capture: bool = True,
        numbers: Numbers | None = None,
        again: bool = False,
        changed: Callable[[], None] = lambda: None,
        tape: Callable[[Line], None] | None = None,
        **settings: Any,
    ) -> AsyncIterator[Running]:
        """Run a pipeline for the block, in a session of a hub; ``again``: one that was there before."""
        room = Room(back_ends=self.back_ends)
        async with running_hub(self.folder, room, **settings) as hub:
            bots = SqliteBots(self.folder / "bots.sqlite3", most=lambda: 2**30, offload=inline)
            await hub.nursery.start(bots.run)
            store = bots.store
            if not again:
                await requested(store, 1)
            writer = BotWriter(store, Spool(self.folder / "spool.jsonl"), offload=inline)
            await hub.nursery.start(writer.run)
            records, webhooks = WatchedWriter(writer), Webhooks()
            shown: list[Sequence[Patch]] = []
            begun = trio.current_time()
            pipelines = Pipelines(
                hub=hub.service.meetings, speech=room.speech, records=records, drawing=inline
            )
            pipeline = pipelines.make(
                session_id=SESSION,
                started=EPOCH + begun,
                request=request or a_request(),
                clock=lambda: trio.current_time() - begun,
                announce=webhooks,
                changed=changed,
                numbers=numbers,
                tape=tape,
            )
            async with trio.open_nursery() as nursery:
                await nursery.start(pipeline.run)
                pipeline.capture(on=capture)
                yield Running(pipeline, hub, store, records, webhooks, shown, nursery, begun)
                nursery.cancel_scope.cancel()

    def understand(
        self, text: Callable[[bytes], str], timed: Callable[[bytes], list[dict[str, Any]]]
    ) -> None:
        """Have the engine recognise what these functions say."""
        self.back_ends.hear, self.back_ends.timed = text, timed

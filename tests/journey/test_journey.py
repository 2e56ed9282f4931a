"""Journeys over the hub and the real speech flow, on a virtual clock; only the back ends are stand-ins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio
import trio.testing
from msgspec import structs

from orch.client.transport import Dial, DialError, Socket, SocketClosedError
from orch.journey.service import JourneyService
from orch.problems import ProblemError
from orch.settings import Monitoring, Orchestration
from orch.settings.journey import Journey
from tests.fakes.asgi import STRANGER, FakeSocket
from tests.fakes.hub import Hub, running_hub
from tests.fakes.settings import FakeSettings
from tests.fakes.speech_back_ends import Room

QUICK = Journey(interval=10, timeout=8)
AWAY = ProblemError("service_unavailable", "The engine is away.", service="audio-service")


class OverHub:
    """A client's WebSocket that ends in the hub."""

    def __init__(self, socket: FakeSocket) -> None:
        self._socket = socket

    async def send(self, frame: str | bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._socket.say(frame)

    async def receive(self) -> str | bytes:
        try:
            return await self._socket.hear_raw()
        except trio.EndOfChannel:
            raise SocketClosedError(1006, "") from None

    async def close(self, code: int) -> None:
        del code
        await trio.lowlevel.checkpoint()
        self._socket.hang_up()


@dataclass
class Scene:
    """A hub, and the journeys over it. ``listening``: False: connections are refused."""

    hub: Hub
    settings: FakeSettings
    listening: bool = True
    stopping: bool = False
    dialled: list[str] = field(default_factory=list)
    suspended_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.journey = JourneyService(
            settings=self.settings,
            host=self.hub.service,
            events=self.hub.events,
            was_suspended_since=lambda moment: self.suspended_at >= moment,
            is_stopping=lambda: self.stopping,
            wall=self.wall,
            draw=lambda: 0.5,
            dialled=lambda _url: self._dial(),
        )

    @staticmethod
    def wall() -> float:
        return 1_700_000_000 + trio.current_time()

    def _dial(self) -> Dial:
        @asynccontextmanager
        async def dial(url: str) -> AsyncIterator[Socket]:
            self.dialled.append(url)
            if not self.listening:
                raise DialError("The service did not accept the connection.")
            socket = FakeSocket(actor=STRANGER)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(socket.serve, self.hub.service.endpoint)
                yield OverHub(socket)
                if not socket.has_ended.is_set():
                    socket.hang_up()
                    await socket.has_ended.wait()

        return dial

    @property
    def counted(self) -> dict[str, int]:
        """How many journeys had each outcome."""
        return {name: count for name, count in self.journey.statistics().outcomes.items() if count}

    @property
    def events(self) -> list[tuple[str, str]]:
        """What operators read about captions, oldest first."""
        latest = reversed(self.hub.events.latest())
        return [(event.severity, event.text) for event in latest if event.subject == "captions"]


@asynccontextmanager
async def scene(folder: Path, room: Room | None = None) -> AsyncIterator[Scene]:
    """Run a hub and its journeys, every ten seconds, of eight at most."""
    async with running_hub(folder, room) as hub:
        monitoring = Monitoring(journey=QUICK)
        now = Scene(hub, FakeSettings(orchestration=Orchestration(monitoring=monitoring)))
        now.journey.serve_at((), ("http://0.0.0.0:3000",))
        hub.nursery.start_soon(now.journey.run)
        yield now


async def test_a_second_of_speech_gets_its_caption_and_leaves_nothing(tmp_path: Path) -> None:
    """Its time is that from the last sample to the caption; the session is gone, and no event was made."""
    room = Room()
    room.back_ends.hear = lambda pcm: "unless to be rather"
    async with scene(tmp_path, room) as now:
        await trio.sleep(9.9)
        assert now.dialled == []
        await trio.sleep(8)
        assert now.dialled == ["ws://127.0.0.1:3000/ws"]
        statistics = now.journey.statistics()
        assert statistics.last is not None
        assert statistics.last.outcome == "captioned", statistics.last
        assert statistics.last.caption_seconds is not None
        assert 0.1 < statistics.last.caption_seconds < 2
        assert now.events == []
        assert await now.hub.store.count() == 0
        assert now.hub.service.active == 0
        await trio.sleep(10)
        assert now.counted == {"captioned": 2}


async def test_no_figure_of_use_counts_a_journey(tmp_path: Path) -> None:
    """While it runs, and afterwards: sessions, streams, utterances, captions, their times, lists."""
    room = Room()
    room.back_ends.audio_delay = lambda seconds: 3.0
    async with scene(tmp_path, room) as now, now.hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
        await trio.sleep(12)
        under_way = now.hub.service.statistics()
        assert under_way.active == 2, "its connection takes a place, and is shown"
        assert await now.hub.store.count() == 2
        assert under_way.sessions == now.hub.service.sessions == 1
        assert [line.session_id for line in under_way.session_list] == ["s"]
        assert [line.session_id for line in await now.hub.service.list_sessions()] == ["s"]
        speech = now.hub.speech.statistics()
        assert (speech.streams, speech.waiting_seconds, speech.queued_seconds) == (0, 0, 0)
        await trio.sleep(9)
        assert now.counted == {"captioned": 1}
        speech = now.hub.speech.statistics()
        assert (speech.utterances, speech.finals, speech.revisions, speech.captions_timed) == (0, 0, 0, 0)
        assert now.hub.service.sessions == 1


async def test_the_last_step_that_failed_is_the_outcome(tmp_path: Path) -> None:
    """Nobody listens; the engine is away; it recognises nothing; then all is well."""
    room = Room()
    async with scene(tmp_path, room) as now:
        now.listening = False
        await trio.sleep(19)
        assert now.counted == {"no_connection": 1}
        now.listening = True
        room.back_ends.audio_error = AWAY
        await trio.sleep(10)
        assert now.counted == {"no_connection": 1, "no_caption": 1}
        last = now.journey.statistics().last
        assert last is not None
        assert last.reason == "no final caption arrived: Speech cannot be transcribed right now"
        room.back_ends.audio_error = None
        room.back_ends.hear = lambda pcm: ""
        await trio.sleep(10)
        assert now.counted == {"no_connection": 1, "no_caption": 2}
        room.back_ends.hear = lambda pcm: "unless"
        await trio.sleep(10)
        assert now.counted == {"no_connection": 1, "no_caption": 2, "captioned": 1}
        assert [severity for severity, _ in now.events] == ["bad", "ok"]
        assert "The service did not accept the connection" in now.events[0][1]
        assert await now.hub.store.count() == 0


async def test_a_session_that_cannot_be_created_is_a_failure_too(tmp_path: Path) -> None:
    """As for a user who is shown why."""
    async with scene(tmp_path) as now:
        await now.hub.stop_store()
        await trio.sleep(19)
        assert set(now.counted) <= {"no_session"}
        await trio.sleep(10)
        assert now.counted["no_session"] >= 1
        await now.hub.start_store()
        await trio.sleep(20)
        assert now.counted["captioned"] >= 1


async def test_a_suspension_and_a_shutdown_say_nothing_about_the_service(tmp_path: Path) -> None:
    """Neither is a failure, and neither makes an event."""
    async with scene(tmp_path) as now:
        now.listening = False
        now.stopping = True
        await trio.sleep(19)
        assert now.counted == {"not_judged": 1}
        now.stopping = False
        await trio.sleep(3)
        now.suspended_at = trio.current_time()
        await trio.sleep(7)
        assert now.counted == {"not_judged": 2}
        assert now.journey.statistics().last is None
        assert now.events == []


async def test_switched_off_it_connects_nowhere_and_reports_nothing(tmp_path: Path) -> None:
    """And on again it goes on; the counts stay."""
    async with scene(tmp_path) as now:
        await trio.sleep(19)
        assert now.counted == {"captioned": 1}
        now.settings.change(
            orchestration=Orchestration(monitoring=Monitoring(journey=structs.replace(QUICK, enabled="off")))
        )
        await trio.sleep(10)
        statistics = now.journey.statistics()
        assert "switched off" in statistics.off
        assert statistics.last is None
        assert len(now.dialled) == 1
        now.settings.change(orchestration=Orchestration(monitoring=Monitoring(journey=QUICK)))
        await trio.sleep(10)
        assert now.counted == {"captioned": 2}


async def test_cancelled_in_the_middle_of_a_journey_it_ends_its_session(tmp_path: Path) -> None:
    """A branch that is restarted leaves nothing behind."""
    async with running_hub(tmp_path) as hub:
        now = Scene(hub, FakeSettings())
        now.journey.serve_at((), ("http://0.0.0.0:3000",))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(now.journey.run)
            await trio.sleep(60.5)
            assert await hub.store.count() == 1
            nursery.cancel_scope.cancel()
        assert await hub.store.count() == 0
        assert now.counted == {}

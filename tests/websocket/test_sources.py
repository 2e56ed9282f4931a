"""What a stream needs of its source: a kind of which the service knows nothing is one as well."""

from functools import partial
from pathlib import Path

from msgspec import UNSET, UnsetType

from orch.audio.pipeline_settings import PipelineSettings
from orch.protocol.messages import AudioEnded, AudioStatus, Error, Role
from orch.websocket.sessions.session import Session
from orch.websocket.speech.sources import SpeechSource
from tests.fakes.hub import Hub, running_hub
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import words_of

SPOKEN = pcm(silence(0.3), voice(1.0))


class Robot:
    """A speaker that is neither a connection nor a file. It notes what it receives."""

    participant_id: str | None = None
    address: str | None = None
    is_stored = False
    age = 0.0

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sample_rate = 16_000
        self.source_language = "en"
        self.target_languages = frozenset({"es"})
        self.speaker: str | None = "Robot"
        self.role: Role | None = None
        self.events: list[str] = []
        self.received = 0.0

    def begin(self, stream_id: str) -> None:
        self.events.append("begin")

    def end(self, stream_id: str) -> None:
        if "end" not in self.events:
            self.events.append("end")

    diarization = False
    traceparent = ""
    pipeline: PipelineSettings | UnsetType | None = UNSET

    def acknowledge(self, status: AudioStatus) -> None:
        self.received = status.received_seconds

    def report_error(self, error: Error) -> None:
        self.events.append(error.code)

    def report_end(self, ended: AudioEnded) -> None:
        self.events.append(f"ended after {ended.seconds:g} s")


async def speak(hub: Hub, robot: Robot) -> None:
    """Open a stream for a robot, and feed it one utterance."""
    streams = hub.service._speech_streams
    source: SpeechSource = robot  # mypy holds it to the protocol
    stream = streams.open(source)
    await streams.launch(stream, partial(streams.run_stream, stream))
    stream.feed(SPOKEN)
    streams.end_stream(stream)


async def test_another_kind_of_source_speaks_in_a_session(tmp_path: Path) -> None:
    """Its speech becomes captions under its name, and it is sent what concerns its stream."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        async with hub.service._sessions.open("s") as session:
            robot = Robot(session)
            await speak(hub, robot)
        caption = await ann.until("transcript")
        begin, end = (round(caption[name] * 16_000) * 2 for name in ("start", "end"))
        assert (caption["speaker"], caption["text"]) == ("Robot", words_of(SPOKEN[begin:end]))
        assert (await ann.until("translation"))["target_language"] == "es"
        await ann.settle()
        assert robot.events == ["begin", "end", "ended after 1.3 s"]
        assert robot.received == 1.3
        assert hub.service.statistics().session_list[0].streams == 0


async def test_a_failed_stream_is_reported_to_its_source(tmp_path: Path) -> None:
    """Before its end."""

    async def broken(message: object) -> int:
        raise RuntimeError("broken")

    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        async with hub.service._sessions.open("s") as session:
            robot = Robot(session)
            await speak(hub, robot)
        hub.speech.opened[0].output.publish = broken  # type: ignore[method-assign]
        await hub.service.drain()
        assert robot.events == ["begin", "end", "speech_lost", "ended after 1.3 s"]

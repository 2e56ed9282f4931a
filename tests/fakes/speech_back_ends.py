"""Back ends behind the gateway's ``fetch``, and a session that keeps what it is told."""

import io
import wave
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

import msgspec
import trio

from orch.audio.pipeline_settings import PipelineSettings
from orch.problems import ProblemError
from orch.protocol.messages import AudioStatus, SpeakerIdentified, Transcript, Translation, TranslationUsage
from orch.protocol.terms import Term
from orch.settings import Orchestration, Service, Settings
from orch.settings import Speech as SpeechSettings
from orch.speech.captions import Origin
from orch.speech.output import CaptionOutput
from orch.speech.requests import AUDIO, TRANSLATION, Headers
from orch.speech.service import SpeechService, SpeechStream
from orch.speech.stream_sound import Pipelines
from orch.speech.transcriber import Transcriber
from orch.speech.translator import Translator
from orch.speech.voice_models import VoiceModels
from orch.telemetry.traces import OFF, Tracer


@dataclass(frozen=True)
class FakeAnswer:
    status: int
    body: bytes
    headers: Headers = ()


@dataclass
class Holder:
    """Settings that a test may change."""

    current: Settings


@dataclass(frozen=True)
class Asked:
    """A request that came: when, what for, and its parsed body."""

    at: float
    service: str
    path: str
    fields: dict[str, Any]
    headers: dict[str, str]
    seconds: float = 0.0


def form(headers: Headers, body: bytes) -> dict[str, bytes]:
    """Parse multipart/form-data with Python's own parser of MIME."""
    kind = dict(headers)[b"content-type"]
    message = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + body)
    fields: dict[str, bytes] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if name is not None:
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            before = fields.get(str(name))  # a list is sent as its name, several times
            fields[str(name)] = content if before is None else before + b", " + content
    return fields


def pcm_of(file: bytes) -> bytes:
    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (16_000, 1, 2)
        pcm: bytes = reader.readframes(reader.getnframes())
        return pcm


def words_of(pcm: bytes) -> str:
    """Return the fake's text: length and checksum of the audio, so that a test can identify it."""
    return f"{len(pcm) // 2} {zlib.crc32(pcm):08x}"


@dataclass
class BackEnds:
    """Sends scripted responses; delays are on Trio's clock.

    ``hear`` gets PCM and returns the text, ``timed`` the words with their times; ``audio_delay`` gets seconds
    of audio and returns how long the engine takes. ``speakers`` gets the request's fields and
    returns what the response says of speakers. ``audio_error``/``translation_error``: raised or answered
    instead while they are set.
    """

    hear: Callable[[bytes], str] = words_of
    timed: Callable[[bytes], list[dict[str, Any]]] = lambda pcm: [
        {"word": "one", "start": 0.25, "end": 0.5, "confidence": 0.5}
    ]
    audio_delay: Callable[[float], float] = lambda seconds: 0.1
    translation_delay: Callable[[str, str], float] = lambda text, target: 0.05
    audio_error: ProblemError | FakeAnswer | None = None
    translation_error: ProblemError | FakeAnswer | None = None
    language: str | None = "en"
    language_probability: float | None = 0.99
    confidence: float | None = 0.75
    asked: list[Asked] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    cancelled: int = 0
    speakers: Callable[[dict[str, str]], dict[str, Any]] = lambda fields: {}
    refuse_audio: Callable[[bytes], FakeAnswer | None] = lambda pcm: None

    async def fetch(
        self, service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> FakeAnswer:
        if service == AUDIO:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(service, path, headers, body)
        except trio.Cancelled:
            self.cancelled += 1
            raise
        finally:
            if service == AUDIO:
                self.in_flight -= 1

    async def _answer(self, service: str, path: str, headers: Headers, body: bytes) -> FakeAnswer:
        plain = {name.decode(): value.decode() for name, value in headers}
        now = trio.current_time()
        if service == AUDIO:
            fields = form(headers, body)
            pcm = pcm_of(fields["audio"])
            text_fields = {name: value.decode() for name, value in fields.items() if name != "audio"}
            self.asked.append(Asked(now, service, path, text_fields, plain, len(pcm) / 32_000))
            if isinstance(self.audio_error, ProblemError):
                await trio.lowlevel.checkpoint()
                raise self.audio_error
            await trio.sleep(self.audio_delay(len(pcm) / 32_000))
            if isinstance(self.audio_error, ProblemError):
                raise self.audio_error
            refusal = self.audio_error or self.refuse_audio(pcm)
            if refusal is not None:
                return refusal
            document: dict[str, Any] = {
                "text": self.hear(pcm),
                "language": self.language,
                "language_probability": self.language_probability,
                "confidence": self.confidence,
                "segments": [{"words": self.timed(pcm)}],
                "processing_time": 0.1,
                "model_used": "fake",
                "something_new": {},
                **self.speakers(text_fields),
            }
        else:
            assert service == TRANSLATION
            question = msgspec.json.decode(body)
            self.asked.append(Asked(now, service, path, question, plain))
            if isinstance(self.translation_error, ProblemError):
                await trio.lowlevel.checkpoint()
                raise self.translation_error
            await trio.sleep(self.translation_delay(question["text"], question["target_language"]))
            if self.translation_error is not None:
                assert isinstance(self.translation_error, FakeAnswer)
                return self.translation_error
            document = {
                "translated_text": f"{question['target_language']}: {question['text']}",
                "source_language": question["source_language"],
                "target_language": question["target_language"],
                "confidence_score": 0.5,
            }
        return FakeAnswer(200, msgspec.json.encode(document))

    def audio(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.service == AUDIO]


@dataclass
class Told:
    """A message, when it was sent, and whether it is stored."""

    at: float
    message: Transcript | Translation | TranslationUsage | SpeakerIdentified | AudioStatus
    is_kept: bool


@dataclass
class Session:
    """Stores what a stream publishes and sends. ``publishing``: how long that takes."""

    told: list[Told] = field(default_factory=list)
    targets: tuple[str, ...] = ()
    growing_targets: tuple[str, ...] = ()
    known_terms: tuple[Term, ...] = ()
    publishing: float = 0.0

    async def publish(self, message: Transcript | Translation | SpeakerIdentified) -> int:
        await trio.sleep(self.publishing)
        self.told.append(Told(trio.current_time(), message, is_kept=True))
        return len(self.told)

    def languages(self) -> tuple[str, ...]:
        return self.targets

    def growing_languages(self) -> tuple[str, ...]:
        return self.growing_targets

    def terms(self) -> tuple[Term, ...]:
        return self.known_terms

    def acknowledge(self, status: AudioStatus) -> None:
        pass

    def send(self, message: Transcript | Translation | TranslationUsage | AudioStatus) -> None:
        self.told.append(Told(trio.current_time(), message, is_kept=False))

    def kept(self) -> list[Transcript]:
        return [told.message for told in self.told if told.is_kept and isinstance(told.message, Transcript)]

    def finals(self) -> list[Transcript]:
        return [message for message in self.kept() if message.final]

    def revisions(self) -> list[Transcript]:
        return [
            told.message for told in self.told if not told.is_kept and isinstance(told.message, Transcript)
        ]

    def translations(self) -> list[Translation]:
        return [told.message for told in self.told if isinstance(told.message, Translation)]

    def identified(self) -> list[SpeakerIdentified]:
        return [told.message for told in self.told if isinstance(told.message, SpeakerIdentified)]

    def usages(self) -> list[TranslationUsage]:
        return [told.message for told in self.told if isinstance(told.message, TranslationUsage)]

    def statuses(self) -> list[Told]:
        return [told for told in self.told if isinstance(told.message, AudioStatus)]

    def at(self, message: Transcript | Translation) -> float:
        """When a message came."""
        return next(told.at for told in self.told if told.message is message)


@dataclass(frozen=True)
class Opened:
    """A stream that was created, and with what."""

    origin: Origin
    output: CaptionOutput
    stream: SpeechStream
    #: How many seconds ago the first sample was recorded.
    age: float


class ObservedSpeech(SpeechService):
    """The speech service, with a list of the streams it created."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.opened: list[Opened] = []

    def stream(
        self,
        origin: Origin,
        *,
        sample_rate: int,
        output: CaptionOutput,
        address: str = "",
        pipeline: PipelineSettings | None = None,
        trace: str = "",
        links: Sequence[str] = (),
    ) -> SpeechStream:
        stream = super().stream(
            origin,
            sample_rate=sample_rate,
            output=output,
            address=address,
            pipeline=pipeline,
            trace=trace,
            links=links,
        )
        age = self._wall() - origin.started / 1000
        self.opened.append(Opened(origin, output, stream, age))
        return stream


@dataclass
class Room:
    """Everything a stream needs, put together as the tree does, but for the network."""

    back_ends: BackEnds = field(default_factory=BackEnds)
    session: Session = field(default_factory=Session)
    settings: Holder = field(
        default_factory=lambda: Holder(
            Settings(
                orchestration=Orchestration(speech=SpeechSettings()),
                services={AUDIO: Service(url="http://a"), TRANSLATION: Service(url="http://t")},
            )
        )
    )

    voices: VoiceModels | None = None
    pipelines: Pipelines | None = None
    tracer: Tracer = OFF

    def __post_init__(self) -> None:
        self.transcriber = Transcriber(fetch=self.back_ends.fetch, settings=self.settings)
        self.translator = Translator(fetch=self.back_ends.fetch, settings=self.settings)
        self.speech = ObservedSpeech(
            transcriber=self.transcriber,
            translator=self.translator,
            settings=self.settings,
            wall=self.wall,
            voices=self.voices,
            pipelines=self.pipelines,
            tracer=self.tracer,
        )

    @staticmethod
    def wall() -> float:
        return 1_700_000_000 + trio.current_time()

    def stream(
        self,
        *,
        sample_rate: int = 16_000,
        source_language: str = "auto",
        name: str = "s1",
        pipeline: PipelineSettings | None = None,
        trace: str = "",
        links: Sequence[str] = (),
        participant_id: str | None = "p1",
    ) -> SpeechStream:
        return self.speech.stream(
            Origin(
                session_id="session",
                stream_id=name,
                started=int(self.wall() * 1000),
                source_language=source_language,
                speaker="Ann",
                participant_id=participant_id,
            ),
            sample_rate=sample_rate,
            output=self.session,
            pipeline=pipeline,
            trace=trace,
            links=links,
        )


async def play(stream: SpeechStream, pcm: bytes, *, rate: int = 16_000, block: float = 0.02) -> None:
    """Feed sound as fast as it is spoken."""
    step = round(rate * block) * 2
    for begin in range(0, len(pcm), step):
        await trio.sleep(block)
        stream.feed(pcm[begin : begin + step])


async def speak(stream: SpeechStream, pcm: bytes, *, rate: int = 16_000) -> None:
    """Run a stream, play sound into it as fast as it is spoken, end it, and wait for its captions."""
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm, rate=rate)
        stream.end()

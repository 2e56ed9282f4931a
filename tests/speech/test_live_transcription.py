"""Live speech over the sockets of Deepgram, OpenAI and vLLM: one stream, a virtual clock, with stand-ins."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import trio

from orch.back_end_checks import try_socket
from orch.problems import ProblemError
from orch.protocol.messages import Transcript
from orch.settings import Orchestration, Service, Settings
from orch.settings import Speech as SpeechSettings
from orch.settings.structs import Vad
from orch.speech.captions import Origin
from orch.speech.dialects.live import Sound
from orch.speech.live_socket import LiveSocket
from orch.speech.live_transcriber import LiveRequest
from orch.speech.requests import AUDIO, TRANSLATION, Answer, Fetch, Headers
from orch.speech.transcriber import Transcriber
from orch.speech.translator import Translator
from tests.fakes import numbered_words
from tests.fakes.live_vendors import Closing, End, Vendor, deepgram, openai
from tests.fakes.sounds import pcm, silence
from tests.fakes.speech_back_ends import FakeAnswer, Holder, ObservedSpeech, Room, play, speak
from tests.fakes.traces import SpansKept
from tests.fakes.vllm_vendor import vllm

DEEPGRAM = Service(url="https://d", dialect="deepgram", api_key="k")
OPENAI = Service(url="https://o/v1", dialect="openai", api_key="k", streaming="always")
VLLM = msgspec.structs.replace(OPENAI, streaming_protocol="vllm")
ALL = pytest.mark.parametrize("name", ["deepgram", "openai", "openai after the commit", "vllm"])
EACH = pytest.mark.parametrize("name", ["deepgram", "openai", "vllm"])
WORDS = 12
TONES = SpeechSettings(vad=Vad(model="none"))  # a model knows that tones are no speech


def vendor(name: str, **more: Any) -> Vendor:
    if name in ("deepgram", "vllm"):
        return Vendor(deepgram if name == "deepgram" else vllm, **more)
    return Vendor(openai(speaks_early=name == "openai"), **more)


@dataclass
class LiveRoom(Room):
    """Everything that a stream needs, with a vendor at the end of its socket."""

    vendor: Vendor = field(default_factory=lambda: Vendor(deepgram))
    service: Service = DEEPGRAM
    speech_settings: SpeechSettings = TONES
    fetch: Fetch | None = None

    def __post_init__(self) -> None:
        self.settings = Holder(
            Settings(
                orchestration=Orchestration(speech=self.speech_settings),
                services={AUDIO: self.service, TRANSLATION: Service(url="http://t")},
            )
        )
        self.transcriber = Transcriber(
            fetch=self.fetch or self.back_ends.fetch, settings=self.settings, dial=self.vendor.dial
        )
        self.translator = Translator(fetch=self.back_ends.fetch, settings=self.settings)
        self.speech = ObservedSpeech(
            transcriber=self.transcriber,
            translator=self.translator,
            settings=self.settings,
            wall=self.wall,
            tracer=self.tracer,
        )


def room(name: str, *, speech: dict[str, Any] | None = None, **more: Any) -> LiveRoom:
    return LiveRoom(
        vendor=vendor(name, **more),
        service={"deepgram": DEEPGRAM, "vllm": VLLM}.get(name, OPENAI),
        speech_settings=SpeechSettings(vad=Vad(model="none"), **(speech or {})),
    )


def said(finals: Sequence[Transcript]) -> list[str]:
    return [word for final in finals for word in final.text.split()]


def expected(count: int = WORDS) -> list[str]:
    return [f"w{number}" for number in range(count)]


@ALL
async def test_every_word_comes_once_and_in_order(name: str) -> None:
    """Two sentences, two finals, soon after their ends; silence is not sent."""
    subject = room(name)
    stream = subject.stream(source_language="en")
    sound = numbered_words.sound(WORDS)
    await speak(stream, sound)
    finals = subject.session.finals()
    assert [len(final.text.split()) for final in finals] == [6, 6]
    assert said(finals) == expected()
    assert all(final.language == "en" for final in finals)
    spoken = [numbered_words.begins(number) + numbered_words.WORD for number in (5, 11)]
    late = [subject.session.at(final) - end for final, end in zip(finals, spoken, strict=True)]
    assert max(late) < 0.8
    assert subject.vendor.seconds < len(sound) / 32_000 - 3
    assert len(subject.vendor.dialled) == 1
    assert subject.vendor.open == 0
    assert stream.lost_seconds == 0
    assert subject.speech.statistics().back_ends[0].answered == 2


@EACH
async def test_text_grows_while_one_speaks(name: str) -> None:
    subject = room(name)
    await speak(subject.stream(source_language="en"), numbered_words.sound(WORDS))
    revisions = [each for each in subject.session.revisions() if each.segment_id.endswith("-1")]
    assert len(revisions) >= 2
    grown = [len(each.text.split()) for each in revisions]
    assert grown[0] < 6
    assert grown[-1] >= 4
    first = subject.session.at(revisions[0])
    assert first < numbered_words.begins(0) + 2.5, "it is shown before the sentence is over"


async def test_deepgrams_words_have_their_times_in_the_stream() -> None:
    """Silence that was not sent is missing in Deepgram's times."""
    subject = room("deepgram")
    await speak(subject.stream(source_language="en"), numbered_words.sound(WORDS))
    words = [word for final in subject.session.finals() for word in final.words]
    for number, word in enumerate(words):
        assert word.start == pytest.approx(numbered_words.begins(number), abs=0.06)
        assert word.confidence == 0.9


@EACH
@pytest.mark.parametrize("seconds", [1.0, 2.7])
async def test_a_connection_lost_in_the_middle_of_an_utterance_loses_no_word(
    name: str, seconds: float
) -> None:
    """The utterance is sent again over another one; what readers saw of it stays."""
    closing = Closing(1011, "going away")
    subject = room(name, close_after=[(seconds, closing), (seconds, Closing())])
    await speak(subject.stream(source_language="en"), numbered_words.sound(WORDS))
    assert said(subject.session.finals()) == expected()
    assert len(subject.vendor.dialled) >= 2
    assert [each.error for each in subject.session.finals()] == [None, None]


@ALL
async def test_speech_that_is_cut_for_its_length_loses_and_doubles_no_word(name: str) -> None:
    """The sound after the cut was sent already: with the utterance before."""
    subject = room(name, speech={"max_utterance": 2.0})
    await speak(subject.stream(source_language="en"), numbered_words.sound(WORDS))
    finals = subject.session.finals()
    assert len(finals) > 3
    assert said(finals) == expected()


@EACH
async def test_a_vendor_that_is_away_for_a_while_costs_time_alone(name: str) -> None:
    away = ProblemError("service_unavailable", "The audio-service is not answering.", service=AUDIO)
    subject = room(name, handshakes=[away] * 4)
    await speak(subject.stream(source_language="en"), numbered_words.sound(WORDS))
    assert said(subject.session.finals()) == expected()
    (gap,) = [each for each in subject.session.kept() if each.error is not None]
    assert not gap.final


@EACH
async def test_a_slow_vendor_is_waited_for(name: str) -> None:
    subject = room(name, delay=1.5)
    await speak(subject.stream(source_language="en"), numbered_words.sound(6))
    assert said(subject.session.finals()) == expected(6)


ODD = [
    "[]",
    "5",
    "null",
    '{"type": 5}',
    '{"type": "SomethingNew", "x": {}}',
    '{"type": "Results"}',
    '{"type": "Results", "channel": {"alternatives": ["x", {"words": [{"word": 1}], "languages": [5]}]}}',
    '{"type": "SpeechStarted", "timestamp": 1.0}',
    '{"type": "UtteranceEnd", "last_word_end": 2.1}',
    '{"type": "conversation.item.input_audio_transcription.delta"}',
    '{"type": "conversation.item.input_audio_transcription.segment", "item_id": "x"}',
    '{"type": "input_audio_buffer.speech_started"}',
]


@EACH
async def test_odd_messages_cost_nothing(name: str) -> None:
    subject = room(name, odd=list(ODD))
    await speak(subject.stream(source_language="en"), numbered_words.sound(6))
    assert said(subject.session.finals()) == expected(6)
    assert len(subject.vendor.dialled) == 1


@EACH
@pytest.mark.parametrize("message", ["<html>", b"\xff\xfe", "[" * 5_000])
async def test_messages_that_are_no_json_cost_a_connection(name: str, message: Any) -> None:
    subject = room(name, odd=[message])
    await speak(subject.stream(source_language="en"), numbered_words.sound(6))
    assert said(subject.session.finals()) == expected(6)
    assert len(subject.vendor.dialled) == 2


ERRORS = [
    ("deepgram", {"type": "Error", "description": "Deepgram is tired"}, "bad_gateway", "Deepgram is tired"),
    (
        "openai",
        {"type": "error", "error": {"type": "server_error", "message": "The server had an error"}},
        "bad_gateway",
        "The server had an error",
    ),
    (
        "openai",
        {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "Too much"}},
        "rate_limited",
        "Too much",
    ),
    (
        "openai",
        {"type": "error", "error": {"type": "invalid_request_error", "message": "Model X is none"}},
        "refused",
        "Model X is none",
    ),
    (
        "openai",
        {
            "type": "conversation.item.input_audio_transcription.failed",
            "item_id": "item_0",
            "error": {"code": "audio_unintelligible", "message": "Could not be transcribed"},
        },
        "bad_gateway",
        "Could not be transcribed",
    ),
    (
        "vllm",
        {"type": "error", "error": "The engine died", "code": "processing_error"},
        "bad_gateway",
        "The engine died",
    ),
    (
        "vllm",
        {"type": "error", "error": "The model `x` does not exist.", "code": "model_not_found"},
        "refused",
        "The model `x` does not exist.",
    ),
    (
        "vllm",
        {"type": "session.created", "session": {}},
        "refused",
        "This is OpenAI's realtime protocol: set streaming_protocol to openai.",
    ),
    (
        "openai",
        {"type": "session.created", "id": "sess-1", "created": 1},
        "refused",
        "This is vLLM's realtime protocol: set streaming_protocol to vllm.",
    ),
]


@pytest.mark.parametrize(("name", "message", "code", "words"), ERRORS)
async def test_an_error_message_fails_a_request_in_the_vendors_words(
    name: str, message: dict[str, Any], code: str, words: str
) -> None:
    subject = room(name, odd=[json.dumps(message)])
    live = subject.transcriber.live("en")
    async with trio.open_nursery() as nursery:
        await nursery.start(live.run)
        sound = numbered_words.sound(6)
        request = LiveRequest(1, Sound(0, len(sound) // 2, sound), is_final=True)
        with pytest.raises(ProblemError) as caught:
            await live.transcribe(request)
        assert (caught.value.code, caught.value.detail) == (code, words)
        await trio.sleep(60)
        assert (await live.transcribe(request)).text.split() == expected(6)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("name", "message"), [(name, message) for name, message, *_ in ERRORS[:2]])
async def test_after_an_error_message_the_utterance_is_sent_again(name: str, message: dict[str, Any]) -> None:
    subject = room(name)
    stream = subject.stream(source_language="en")
    sound = numbered_words.sound(6)
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, sound[: 3 * 32_000])
        subject.vendor.odd = [json.dumps(message)]
        await play(stream, sound[3 * 32_000 :])
        stream.end()
    assert said(subject.session.finals()) == expected(6)
    assert len(subject.vendor.dialled) == 2


async def test_a_socket_is_opened_with_the_trace_of_its_first_utterance() -> None:
    """Sound is sent as it comes: of each utterance only the wait for its whole text is a span."""
    spans = SpansKept()
    subject = LiveRoom(vendor=vendor("deepgram"), tracer=spans.tracer)
    await speak(subject.stream(source_language="en"), numbered_words.sound(WORDS))
    first, second = spans.named("speech.utterance")
    assert subject.vendor.traces == [first.traceparent]
    requests = spans.named("speech.transcription")
    assert [each.parent for each in requests] == [first.context, second.context]
    assert {each.kind for each in requests} == {"client"}
    assert {each.attributes["orch.speech.request"] for each in requests} == {"final"}


async def test_a_recording_is_transcribed_over_http() -> None:
    """It is no live speech: a socket would have to be fed as slowly as it was spoken."""
    asked: list[str] = []

    async def fetch(
        service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> FakeAnswer:
        await trio.lowlevel.checkpoint()
        asked.append(f"{service} {method} {path.partition('?')[0]} {dict(headers)[b'content-type'].decode()}")
        words = " ".join(word["word"] for word in numbered_words.heard(body[44:]))
        channel = {"alternatives": [{"transcript": words, "confidence": 0.9}]}
        return FakeAnswer(200, json.dumps({"results": {"channels": [channel]}}).encode())

    subject = LiveRoom(fetch=fetch)
    stream = subject.stream(source_language="en")
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await stream.feed_paced(numbered_words.sound(6))
        stream.end()
    assert subject.vendor.dialled == []
    assert asked == ["audio-service POST /v1/listen audio/wav"]
    assert said(subject.session.finals()) == expected(6)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Answer(401, (), b'{"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}'),
            "Invalid credentials",
        ),
        (Answer(400, (), b'{"err_msg": "Bad Request: No such model/language"}'), "No such model"),
        (Answer(402, (), b'{"err_msg": "Project does not have enough credits"}'), "enough credits"),
    ],
)
async def test_a_refused_handshake_is_told_in_the_vendors_words(answer: Answer, words: str) -> None:
    """The utterance becomes a gap with the reason, and operators see which setting to check."""
    subject = room("deepgram", handshakes=[answer] * 50)
    await speak(subject.stream(source_language="en"), numbered_words.sound(WORDS))
    errors = [each.error for each in subject.session.finals()]
    assert len(errors) == 2
    assert None not in errors
    refused = subject.transcriber.back_end.statistics()
    assert refused.refused >= 1
    if answer.status == 402:
        assert refused.refusal is not None
        assert words in refused.refusal


async def test_a_rate_limit_is_honoured() -> None:
    subject = room("deepgram", handshakes=[Answer(429, ((b"retry-after", b"7"),), b"")])
    await speak(subject.stream(source_language="en"), numbered_words.sound(WORDS))
    assert said(subject.session.finals()) == expected()
    assert len(subject.vendor.dialled) == 2


@pytest.mark.limit(300)
async def test_silence_keeps_the_connection_and_long_silence_closes_it() -> None:
    """Deepgram closes after 10 s without a message; nothing is kept open for one who does not speak."""
    subject = room("deepgram")
    stream = subject.stream(source_language="en")
    sentence = numbered_words.sound(6)
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, sentence)
        await play(stream, pcm(silence(30)))
        assert subject.vendor.open == 1
        await play(stream, sentence)
        assert len(subject.vendor.dialled) == 1
        assert subject.vendor.received.count({"type": "KeepAlive"}) >= 6
        await play(stream, pcm(silence(70)))
        assert subject.vendor.open == 0
        assert subject.vendor.received[-1] == {"type": "CloseStream"}
        await play(stream, sentence)
        stream.end()
    assert said(subject.session.finals()) == expected(6) * 3
    assert len(subject.vendor.dialled) == 2


async def test_what_is_sent_to_deepgram_and_to_openai() -> None:
    """Paths, credentials, options of the settings, and the session's configuration."""
    for service, path, header in (
        (
            msgspec.structs.replace(DEEPGRAM, query={"diarize": "true"}, model="nova-2"),
            (
                "/v1/listen?model=nova-2&language=multi&encoding=linear16&sample_rate=16000&channels=1"
                "&interim_results=true&smart_format=true&endpointing=false&diarize=true"
            ),
            b"Token k",
        ),
        (OPENAI, "/v1/realtime?intent=transcription", b"Bearer k"),
    ):
        subject = LiveRoom(
            vendor=vendor(service.dialect),
            service=service,
            speech_settings=TONES,
        )
        await speak(subject.stream(), numbered_words.sound(6))
        ((url, asked, headers),) = subject.vendor.dialled
        assert (url, asked) == (service.url, path)
        assert headers[b"authorization"] == header
    assert subject.vendor.received[0] == {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": {"model": "gpt-live-transcribe"},
                    "turn_detection": None,
                }
            },
        },
    }


async def test_other_settings_apply_to_the_next_utterance() -> None:
    """Another model opens another connection; without streaming, requests go over HTTP."""
    subject = room("deepgram")
    stream = subject.stream(source_language="en")
    services = subject.settings.current.services
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, numbered_words.sound(6))
        for change in (
            msgspec.structs.replace(DEEPGRAM, model="nova-2"),
            Service(url="http://a"),
        ):
            subject.settings.current = msgspec.structs.replace(
                subject.settings.current, services={**services, AUDIO: change}
            )
            await play(stream, numbered_words.sound(6))
        stream.end()
    assert [path.partition("&")[0] for _, path, _ in subject.vendor.dialled] == [
        "/v1/listen?model=nova-3",
        "/v1/listen?model=nova-2",
    ]
    *live, http = subject.session.finals()
    assert said(live) == expected(6) * 2
    assert subject.back_ends.audio()
    assert http.text


async def test_a_stream_that_is_cancelled_leaves_nothing_open() -> None:
    subject = room("deepgram")
    stream = subject.stream(source_language="en")
    with trio.move_on_after(5):
        async with trio.open_nursery() as nursery:
            await nursery.start(stream.run)
            await play(stream, numbered_words.sound(WORDS))
    assert len(subject.vendor.dialled) == 1
    assert subject.vendor.open == 0


async def test_another_instance_is_tried_after_a_failure() -> None:
    away = ProblemError("service_unavailable", "The audio-service is not answering.", service=AUDIO)
    service = msgspec.structs.replace(DEEPGRAM, instances=({"url": "https://e"},))
    service = msgspec.convert(msgspec.to_builtins(service), Service)
    subject = LiveRoom(
        vendor=vendor("deepgram", handshakes=[away]),
        service=service,
        speech_settings=TONES,
    )
    await speak(subject.stream(source_language="en"), numbered_words.sound(6))
    assert [url for url, _, _ in subject.vendor.dialled] == ["https://d", "https://e"]
    assert said(subject.session.finals()) == expected(6)


@pytest.mark.parametrize(
    ("answers", "is_good", "words"),
    [
        ([], True, "transcribed it over its WebSocket in"),
        ([Answer(401, (), b'{"err_msg": "Invalid credentials."}')], False, "WebSocket: Invalid credentials"),
    ],
)
async def test_a_check_tries_the_socket_too(answers: list[Any], *, is_good: bool, words: str) -> None:
    subject = room("deepgram", handshakes=answers)
    told: list[str] = []
    assert await try_socket(subject.transcriber, told.append) is is_good
    assert words in told[0]
    assert subject.vendor.open == 0


async def test_a_vendor_that_never_answers_loses_the_speech_in_words_after_the_buffer_alone() -> None:
    """Each attempt has half a minute; what is given up is a gap, and the next utterance is tried as well."""

    async def silent(_vendor: Vendor, end: LiveSocket) -> None:
        while True:
            await end.receive()

    subject = LiveRoom(vendor=Vendor(silent))
    stream = subject.stream(source_language="en")
    await speak(stream, numbered_words.sound(6))
    (gap,) = subject.session.finals()
    assert gap.error is not None
    assert gap.error.code == "speech_lost"
    assert len(subject.vendor.dialled) >= 2
    assert subject.vendor.open == 0


async def test_a_handshake_that_hangs_is_given_up_after_ten_seconds() -> None:
    class Hanging(Vendor):
        @asynccontextmanager
        async def dial(self, service: Service, url: str, path: str, trace: str) -> AsyncIterator[End]:
            if not self.dialled:
                self.dialled.append((url, path, {}))
                await trio.sleep_forever()
            async with super().dial(service, url, path, trace) as end:
                yield end

    subject = LiveRoom(vendor=Hanging(deepgram))
    await speak(subject.stream(source_language="en"), numbered_words.sound(6))
    assert said(subject.session.finals()) == expected(6)
    assert len(subject.vendor.dialled) == 2


async def test_a_key_in_the_reason_of_a_close_is_masked() -> None:
    service = msgspec.structs.replace(DEEPGRAM, api_key="secret-key")
    closing = Closing(1008, "the key secret-key has expired")
    subject = LiveRoom(vendor=Vendor(deepgram, close_after=[(1.0, closing)]), service=service)
    live = subject.transcriber.live("en")
    async with trio.open_nursery() as nursery:
        await nursery.start(live.run)
        sound = numbered_words.sound(6)
        with pytest.raises(ProblemError) as caught:
            await live.transcribe(LiveRequest(1, Sound(0, len(sound) // 2, sound), is_final=True))
        nursery.cancel_scope.cancel()
    assert caught.value.detail == (
        "The audio-service closed the connection with code 1008: the key •••• has expired."
    )
    assert caught.value.code == "service_unavailable"


@pytest.mark.parametrize("diarization", [True, False])
async def test_deepgrams_speakers_label_the_lines_of_a_stream_that_asks_for_it(*, diarization: bool) -> None:
    subject = room("deepgram")
    await subject.transcriber.languages()
    assert subject.transcriber.diarizes
    origin = Origin(
        session_id="session",
        stream_id="s1",
        started=0,
        source_language="en",
        participant_id="p1",
        diarization=diarization,
    )
    await speak(
        subject.speech.stream(origin, sample_rate=16_000, output=subject.session), numbered_words.sound(WORDS)
    )
    labels = [each.speaker_label for each in subject.session.finals()]
    if diarization:
        first, second = labels
        assert first == second
        assert str(first).startswith("1-")
    else:
        assert labels == [msgspec.UNSET, msgspec.UNSET]
    assert ("diarize=true" in subject.vendor.dialled[0][1]) is diarization

import zlib
from typing import Any

import msgspec
import pytest
import trio

from orch.problems import ProblemError
from orch.settings import Service, Settings
from orch.speech.request_errors import is_transient, is_unanswered
from orch.speech.requests import AUDIO, Headers
from orch.speech.responses import read_error
from orch.speech.results import TranscribedSegment, TranscribedWord, Transcription
from orch.speech.transcriber import Transcriber
from orch.speech.transcription_responses import read_models, read_transcription
from tests.fakes.running import run
from tests.fakes.speech_back_ends import FakeAnswer, Holder, form, pcm_of

PCM = bytes(range(256)) * 100


class Server:
    """Sends a test's responses in turn, and stores the requests."""

    def __init__(self, *answers: FakeAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, str, dict[str, str], bytes]] = []

    async def fetch(
        self, service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> FakeAnswer:
        await trio.lowlevel.checkpoint()
        self.asked.append((service, method, path, {k.decode(): v.decode() for k, v in headers}, body))
        return self.answers.pop(0)

    def form(self, number: int = 0) -> dict[str, str]:
        """Return what a question's form held; the file's name stands for the file."""
        headers = tuple((k.encode(), v.encode()) for k, v in self.asked[number][3].items())
        fields = form(headers, self.asked[number][4])
        file = next(name for name in fields if name in ("audio", "file"))
        assert pcm_of(fields[file]) == PCM
        return {"": file} | {name: value.decode() for name, value in fields.items() if name != file}


def ok(document: object) -> FakeAnswer:
    return FakeAnswer(200, msgspec.json.encode(document))


def transcriber(server: Server, **service: Any) -> Transcriber:
    settings = Settings(services={AUDIO: Service(url="http://a", **service)})
    return Transcriber(fetch=server.fetch, settings=Holder(settings))


def ask(server: Server, *, language: str = "auto", times: int = 1, **service: Any) -> Transcription:
    subject = transcriber(server, **service)

    async def main() -> Transcription:
        for _ in range(times - 1):
            await subject.transcribe(PCM, sample_rate=16_000, language=language, session_id="s")
        return await subject.transcribe(PCM, sample_rate=16_000, language=language, session_id="s")

    return run(main)


def test_requests_of_recordings_are_sent_in_a_class_of_their_own() -> None:
    """So that live speech goes first at the back end."""
    live, later = Server(ok({"text": "a"})), Server(ok({"text": "b"}))
    settings = Settings(services={AUDIO: Service(url="http://a")})
    subject = Transcriber(fetch=live.fetch, fetch_later=later.fetch, settings=Holder(settings))

    async def main() -> list[str]:
        return [
            (
                await subject.transcribe(
                    PCM, sample_rate=16_000, language="en", session_id="s", is_recording=is_recording
                )
            ).text
            for is_recording in (False, True)
        ]

    assert run(main) == ["a", "b"]


def test_the_systems_own_dialect() -> None:
    """A WAV as audio; fields language, session_id, enable_vad; every field of the response is read."""
    document = {
        "text": " and  mister john ",
        "segments": [
            {"start": 0, "end": 1, "text": "and", "words": [{"word": "and", "start": 0.1, "end": 0.3}]}
        ],
        "language": "en",
        "confidence": 0.83,
        "processing_time": 0.5,
        "model_used": "pocketsphinx",
        "new": 1,
    }
    server = Server(ok(document))
    heard = ask(server, language="en", api_key="k")
    service, method, path, headers, _ = server.asked[0]
    assert (service, method, path) == (AUDIO, "POST", "/api/transcribe")
    assert headers["authorization"] == "Bearer k"
    assert server.form() == {"": "audio", "language": "en", "session_id": "s", "enable_vad": "false"}
    assert heard == Transcription(
        text="and mister john",
        language="en",
        confidence=0.83,
        words=(TranscribedWord("and", 0.1, 0.3, None),),
        model="pocketsphinx",
        seconds=0.5,
        segments=(TranscribedSegment("and", 0.0, 1.0),),
    )


def test_openais_dialect_with_times() -> None:
    """verbose_json: words with their times; auto is sent; avg_logprob is no confidence."""
    document = {
        "task": "transcribe",
        "language": "english",
        "duration": 3.2,
        "text": "Hello there.",
        "words": [{"word": "Hello", "start": 0.0, "end": 0.4}, {"word": "there", "start": 0.4, "end": 0.9}],
        "segments": [{"id": 0, "avg_logprob": -0.1, "no_speech_prob": 0.01}],
    }
    server = Server(ok(document))
    heard = ask(server, dialect="openai")
    assert server.asked[0][2] == "/v1/audio/transcriptions"
    assert "authorization" not in server.asked[0][3]
    assert server.form() == {
        "": "file",
        "model": "whisper-1",
        "language": "auto",
        "response_format": "verbose_json",
        "timestamp_granularities[]": "word, segment",
    }
    assert (heard.text, heard.language, heard.confidence) == ("Hello there.", "en", None)
    assert [word.text for word in heard.words] == ["Hello", "there"]


def test_words_of_faster_whispers_servers_keep_their_probability() -> None:
    document = {
        "text": "Hi",
        "segments": [{"words": [{"word": " Hi", "start": 0, "end": 1, "probability": 0.9}]}],
    }
    heard = ask(Server(ok(document)), dialect="openai", model="base", language="pt-BR")
    assert heard.words == (TranscribedWord("Hi", 0, 1, 0.9),)


def test_the_language_goes_as_its_primary_subtag() -> None:
    server = Server(ok({"text": "Oi"}))
    ask(server, dialect="openai", model="base", language="pt-BR")
    assert server.form()["language"] == "pt"
    assert server.form()["model"] == "base"


@pytest.mark.parametrize("dialect", ["livetranslate", "openai"])
def test_a_vocabulary_is_sent_as_the_prompt(dialect: str) -> None:
    server = Server(ok({"text": "Elinor is here"}))
    ask(server, dialect=dialect, vocabulary=("Norland Park", "Elinor"))
    assert server.form()["prompt"] == "Norland Park, Elinor"


def test_a_server_that_refuses_a_prompt_gets_none_from_then_on() -> None:
    refusal = FakeAnswer(400, b'{"error": {"message": "unknown field", "param": "prompt"}}')
    server = Server(refusal, ok({"text": "one"}), ok({"text": "two"}))
    assert ask(server, dialect="openai", vocabulary=("Elinor",), times=2).text == "two"
    assert ["prompt" in server.form(number) for number in range(3)] == [True, False, False]
    assert server.form(2)["response_format"] == "verbose_json"


def test_a_server_without_verbose_json_gets_requests_for_plain_json_from_then_on() -> None:
    """VLLM and OpenAI's newer models refuse verbose_json: one refusal, then plain JSON at once."""
    refusal = FakeAnswer(400, b'{"error": {"message": "response_format not supported"}}')
    server = Server(refusal, ok({"text": "one"}), ok({"text": "two"}))
    assert ask(server, dialect="openai", times=2).text == "two"
    assert [server.form(number)["response_format"] for number in range(3)] == ["verbose_json", "json", "json"]
    assert "timestamp_granularities[]" not in server.form(1)


async def test_a_refusal_of_something_else_does_not_change_the_format() -> None:
    refusal = FakeAnswer(400, b'{"error": {"message": "no such model", "code": "model_not_found"}}')
    server = Server(refusal, refusal, refusal, refusal)
    subject = transcriber(server, dialect="openai")

    for _ in range(2):
        with pytest.raises(ProblemError, match="no such model") as caught:
            await subject.transcribe(PCM, sample_rate=16_000, language="en", session_id="s")
        assert caught.value.code == "refused"
    assert [server.form(number)["response_format"] for number in range(4)] == ["verbose_json", "json"] * 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"text": null}',
        b'{"text": 3}',
        b'{"segments": [{"text": null}]}',
        b'{"error": null, "text": null}',
        b"\xff",
    ],
)
def test_what_cannot_be_read_is_a_bad_gateway(body: bytes) -> None:
    """Never a guess: the message names the unexpected field."""
    with pytest.raises(ProblemError) as caught:
        read_transcription("/api/transcribe", FakeAnswer(200, body))
    assert caught.value.code == "bad_gateway"
    assert caught.value.extra["service"] == AUDIO
    assert is_transient(caught.value)
    assert not is_unanswered(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "code", "detail", "passing"),
    [
        (
            422,
            {"code": "unsupported_language", "detail": "Only English."},
            "unsupported_language",
            "Only English.",
            False,
        ),
        (422, {"detail": [{"loc": ["body"]}]}, "refused", '[{"loc":["body"]}]', False),
        (401, {"error": {"message": "bad key"}}, "refused", "bad key", False),
        (400, {"error": "Invalid request"}, "refused", "Invalid request", False),
        (404, None, "refused", "dialect", False),
        (
            413,
            {"code": "recording_too_large", "title": "Too large."},
            "recording_too_large",
            "Too large.",
            False,
        ),
        (429, {}, "rate_limited", "429", True),
        (500, None, "bad_gateway", "500", True),
        (500, {"code": "unsupported_language"}, "bad_gateway", "500", True),
        (503, {"code": "engine_missing", "detail": "Install it."}, "engine_missing", "Install it.", False),
        (503, {"message": "loading"}, "service_unavailable", "loading", True),
        (504, None, "gateway_timeout", "504", True),
        (302, None, "bad_gateway", "302", True),
    ],
)
def test_each_status_becomes_its_error(
    status: int, body: object, code: str, detail: str, *, passing: bool
) -> None:
    """Errors keep the back end's own sentence and, where it is one of ours, its code."""
    raw = b"<h1>oh</h1>" if body is None else msgspec.json.encode(body)
    with pytest.raises(ProblemError) as caught:
        read_transcription("/api/transcribe", FakeAnswer(status, raw))
    assert caught.value.code == code
    assert detail in caught.value.detail
    assert is_transient(caught.value) is passing


def test_complaints_are_one_bounded_line() -> None:
    assert read_error(b'{"detail": "a\\n  b"}') == (None, "a b")
    assert len(read_error(msgspec.json.encode({"detail": "x" * 9000}))[1]) == 500


@pytest.mark.parametrize("confidence", [-0.1, 1.5, None])
def test_a_confidence_out_of_range_is_none(confidence: float | None) -> None:
    heard = read_transcription("/", ok({"text": "a", "confidence": confidence}))
    assert heard.confidence is None


def test_words_without_times_stay_in_the_text_alone() -> None:
    words = [
        {"word": "a"},
        {"word": "", "start": 0, "end": 1},
        {"word": "b", "start": 2, "end": 1},
        {"text": "c", "start": 0, "end": 0},
    ]
    heard = read_transcription("/", ok({"text": "a b c", "words": words}))
    assert [word.text for word in heard.words] == ["c"]


def test_languages_are_those_of_all_models() -> None:
    document = {
        "models": [{"name": "x", "languages": ["en-US", "de"]}, {"name": "y"}],
        "languages": ["fr", "auto"],
    }
    assert read_models(ok(document)) == ("de", "en-US", "fr")


async def test_a_language_is_spelled_as_the_back_end_spells_it() -> None:
    """Once it has listed its languages, en means its en-US."""
    server = Server(ok({"languages": ["en-US"]}), ok({"text": "x"}), ok({"text": "x"}))
    subject = transcriber(server)

    assert await subject.languages() == ("en-US",)
    for language in ("en", "de"):
        await subject.transcribe(PCM, sample_rate=16_000, language=language, session_id="s")
    assert [server.form(number)["language"] for number in (1, 2)] == ["en-US", "de"]


async def test_openais_dialect_does_not_say_its_languages() -> None:
    assert await transcriber(Server(), dialect="openai").languages() is None


async def test_a_service_that_is_not_configured_is_an_error() -> None:
    subject = Transcriber(fetch=Server().fetch, settings=Holder(Settings(services={})))

    with pytest.raises(ProblemError) as caught:
        await subject.transcribe(PCM, sample_rate=16_000, language="en", session_id="s")
    assert caught.value.code == "unknown_service"


async def test_the_file_survives_the_form() -> None:
    """Audio that looks like a boundary does not end the part early."""
    awkward = b"\r\n--" * 1000 + b"\r\n\r\n"
    server = Server(ok({"text": ""}))

    await transcriber(server).transcribe(awkward, sample_rate=16_000, language="en", session_id="s")
    headers = tuple((k.encode(), v.encode()) for k, v in server.asked[0][3].items())
    assert zlib.crc32(pcm_of(form(headers, server.asked[0][4])["audio"])) == zlib.crc32(awkward)

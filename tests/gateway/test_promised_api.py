"""``/api/audio/transcribe`` and ``/api/translate`` for clients, over back ends of other dialects."""

import json
from typing import Any

import pytest
import trio

from orch.gateway.flows import Flow
from orch.problems import ProblemError
from orch.speech.promised_api import PromisedApi
from orch.speech.requests import AUDIO, TRANSLATION
from orch.speech.transcriber import Transcriber
from orch.speech.translator import Translator
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok
from tests.fakes.speech_back_ends import form
from tests.gateway.test_proxy import through, told

FILE = bytes(range(256)) * 100
LARGE = FILE * 20  # more than is held in memory
OPENAI = {
    "task": "transcribe",
    "language": "english",
    "text": "Hello there. Good morning.",
    "words": [
        {"word": "Hello", "start": 0.0, "end": 0.4},
        {"word": "there.", "start": 0.5, "end": 0.9},
        {"word": "Good", "start": 1.1, "end": 1.3},
        {"word": "morning.", "start": 1.3, "end": 1.8},
    ],
    "segments": [
        {
            "id": 0,
            "start": 0.0,
            "end": 1.0,
            "text": " Hello there.",
            "no_speech_prob": 0.01,
            "avg_logprob": -0.1,
        },
        {
            "id": 1,
            "start": 1.0,
            "end": 2.0,
            "text": " Good morning.",
            "no_speech_prob": 0.0,
            "avg_logprob": -0.1,
        },
    ],
}


def answer(document: object, status: bytes = b"200 OK", *extra: bytes) -> bytes:
    return ok(json.dumps(document).encode(), b"Content-Type: application/json", *extra, status=status)


def upload(
    file: bytes = FILE, *, name: str = "a.mp3", kind: str = "audio/mpeg", field: str = "audio", **fields: str
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of a form, as a browser sends it."""
    parts = [
        f'--B\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--B\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
    parts.append(f"{head}Content-Type: {kind}\r\n\r\n".encode() + file + b"\r\n--B--\r\n")
    body = b"".join(parts)
    return [
        (b"content-type", b"multipart/form-data; boundary=B"),
        (b"content-length", b"%d" % len(body)),
    ], body


def adapted(rig: GatewayRig, **services: Any) -> None:
    """Give the back ends other dialects, and let the gateway translate them."""
    given = {AUDIO: {"url": "http://a:1"}, TRANSLATION: {"url": "http://t:1"}}
    rig.settings.change(
        services={name: given[name] | services.get(name.partition("-")[0], {}) for name in given}
    )
    fetch = rig.gateway.fetch
    rig.gateway.use_adapter(
        PromisedApi(
            transcriber=Transcriber(fetch=fetch, settings=rig.settings),
            translator=Translator(fetch=fetch, settings=rig.settings),
            settings=rig.settings,
        )
    )


async def transcribed(rig: GatewayRig, **options: Any) -> Browser:
    headers, body = upload(**options)
    return await through(rig, Browser("POST", "/api/audio/transcribe", body, headers=headers))


async def test_an_openai_server_answers_an_upload_in_the_promised_shape() -> None:
    """The file as it is, with the service's own key and model; words in their segments."""
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        adapted(rig, audio={"dialect": "openai", "api_key": "sk-1", "model": "base"})
        rig.network.servers["a:1"] = answering(answer(OPENAI), seen=seen)
        browser = await transcribed(rig, language="en", session_id="s7")
    assert browser.status == 200
    assert browser.headers[b"content-type"] == b"application/json"
    assert browser.headers[b"x-gateway-service"] == b"audio-service"
    assert browser.headers[b"x-gateway-attempts"] == b"1"
    document = json.loads(browser.body)
    assert document.pop("processing_time") >= 0
    segments = document.pop("segments")
    assert document == {
        "text": "Hello there. Good morning.",
        "language": "en",
        "language_probability": None,
        "confidence": None,
        "model_used": "openai/base",
        "session_id": "s7",
    }
    assert [(each["start"], each["end"], each["text"]) for each in segments] == [
        (0.0, 1.0, "Hello there."),
        (1.0, 2.0, "Good morning."),
    ]
    assert [[word["text"] for word in each["words"]] for each in segments] == [
        ["Hello", "there."],
        ["Good", "morning."],
    ]
    (request,) = seen
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/audio/transcriptions HTTP/1.1")
    assert b"authorization: Bearer sk-1" in head.lower().replace(b"bearer", b"Bearer")
    kind = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-type"))
    fields = form(((b"content-type", kind.partition(b": ")[2]),), body)
    assert (fields["file"], fields["language"], fields["model"]) == (FILE, b"en", b"base")
    assert b'filename="recording.mp3"' in body
    assert b"Content-Type: audio/mpeg" in body


async def test_a_deepgram_answers_in_the_promised_shape() -> None:
    """As its documentation has it for POST /v1/listen."""
    words = [
        {"word": "hello", "start": 0.1, "end": 0.4, "confidence": 0.9, "punctuated_word": "Hello,"},
        {"word": "world", "start": 0.5, "end": 0.9, "confidence": 0.7, "punctuated_word": "world."},
    ]
    alternative = {"transcript": "Hello, world.", "confidence": 0.98, "words": words}
    channel = {"alternatives": [alternative], "detected_language": "en", "language_confidence": 0.97}
    document = {
        "metadata": {"duration": 1.0, "channels": 1, "model_info": {"0": {"name": "2-general-nova"}}},
        "results": {"channels": [channel]},
    }
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        adapted(rig, audio={"dialect": "deepgram", "api_key": "k", "query": {"diarize": "true"}})
        rig.network.servers["a:1"] = answering(answer(document), seen=seen)
        body = b"RIFF-not-looked-at"
        headers = [(b"content-type", b"audio/wav"), (b"content-length", b"%d" % len(body))]
        browser = await through(
            rig, Browser("POST", "/api/audio/transcribe", body, headers=headers, query=b"session_id=s")
        )
    found = json.loads(browser.body)
    assert (found["text"], found["language"], found["language_probability"]) == ("Hello, world.", "en", 0.97)
    assert (found["confidence"], found["session_id"], found["model_used"]) == (
        0.98,
        "s",
        "deepgram/2-general-nova",
    )
    (segment,) = found["segments"]
    assert (segment["start"], segment["end"], segment["confidence"]) == (0.1, 0.9, 0.8)
    head, _, sent = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(
        b"POST /v1/listen?model=nova-3&smart_format=true&detect_language=true&diarize=true "
    )
    assert b"Token k" in head
    assert sent == body


@pytest.mark.parametrize(
    ("dialect", "document", "path"),
    [
        ("openai", {"choices": [{"message": {"content": "Hola"}}]}, b"/v1/chat/completions"),
        ("libretranslate", {"translatedText": "Hola"}, b"/translate"),
        ("deepl", {"translations": [{"text": "Hola", "detected_source_language": "EN"}]}, b"/v2/translate"),
    ],
)
async def test_every_dialect_of_translation_answers_in_the_promised_shape(
    dialect: str, document: object, path: bytes
) -> None:
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        adapted(rig, translation={"dialect": dialect, "model": "m"})
        rig.network.servers["t:1"] = answering(answer(document), seen=seen)
        asked = {"text": "Hello", "source_language": "en", "target_language": "es"}
        response = await rig.gateway.fetch(
            TRANSLATION, "POST", "/api/translate", body=json.dumps(asked).encode(), flow=Flow.REQUESTS
        )
        body = json.dumps(asked).encode()
        browser = await through(
            rig,
            Browser("POST", "/api/translate", body, headers=[(b"content-length", b"%d" % len(body))]),
        )
    assert browser.status == response.status == 200
    for found in (json.loads(browser.body), json.loads(response.body)):
        assert found.pop("processing_time") >= 0
        assert found == {
            "translated_text": "Hola",
            "source_language": "en",
            "target_language": "es",
            "confidence_score": None,
            "backend_used": f"{dialect}/m",
        }
    assert [request.split()[1] for request in seen] == [path, path]


async def test_a_back_end_of_the_own_dialect_is_sent_what_the_client_sent() -> None:
    """And so are other paths and methods, whatever the dialect."""
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        adapted(rig, audio={"dialect": "openai"})
        rig.network.servers |= {"a:1": answering(ok(b"a"), seen=seen), "t:1": answering(ok(b"t"), seen=seen)}
        length = (b"content-length", b"1")
        await through(rig, Browser("POST", "/api/translate", b"x", headers=[length]))
        await through(rig, Browser("GET", "/api/audio/transcribe"))
        await through(rig, Browser("GET", "/api/audio/models"))
    assert [request.split()[1] for request in seen] == [b"/api/translate", b"/api/transcribe", b"/api/models"]


async def test_what_the_back_end_refuses_reaches_the_client_in_its_words_without_the_key() -> None:
    async with gateway_rig() as rig:
        adapted(rig, audio={"dialect": "openai", "api_key": "sk-secret"})
        refusal = {"error": {"message": "Incorrect API key provided: sk-secret"}}
        slow = answer({"error": {"message": "slow down"}}, b"429 Too Many Requests", b"Retry-After: 9")
        rig.network.servers["a:1"] = answering(answer(refusal, b"401 Unauthorized"), slow)
        document = told(await transcribed(rig))
        assert (document["status"], document["code"]) == (502, "refused")
        assert document["detail"] == "Incorrect API key provided: ••••"
        browser = await transcribed(rig)
        assert (browser.status, browser.headers[b"retry-after"]) == (429, b"9")
        assert told(browser)["code"] == "rate_limited"


async def test_a_field_that_the_server_refuses_is_left_out_for_clients_too() -> None:
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        adapted(rig, audio={"dialect": "openai"})
        refusal = answer({"error": {"message": "language auto"}}, b"400 Bad Request")
        rig.network.servers["a:1"] = answering(refusal, answer(OPENAI), seen=seen)
        browser = await transcribed(rig)
    assert (browser.status, browser.headers[b"x-gateway-attempts"]) == (200, b"2")
    assert [b'name="language"' in request for request in seen] == [True, False]


async def test_bad_uploads_of_a_client_are_no_news_about_the_back_end() -> None:
    async with gateway_rig() as rig:
        adapted(rig, audio={"dialect": "openai"})
        transcriber = Transcriber(fetch=rig.gateway.fetch, settings=rig.settings)
        rig.gateway.use_adapter(
            PromisedApi(
                transcriber=transcriber,
                translator=Translator(fetch=rig.gateway.fetch, settings=rig.settings),
                settings=rig.settings,
            )
        )
        rig.network.servers["a:1"] = answering(answer({"error": "no audio"}, b"400 Bad Request"))
        for _ in range(20):
            assert (await transcribed(rig, language="en")).status == 502
        assert transcriber.back_end.statistics().refusal is None


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ([(b"content-type", b"text/plain")], b"x", "unsupported_media_type"),
        ([(b"content-type", b"audio/wav")], b"", "empty_audio"),
        ([(b"content-type", b"multipart/form-data")], b"x", "invalid_request"),
        ([(b"content-type", b"multipart/form-data; boundary=B")], b"no form", "invalid_request"),
        ([(b"content-type", b"multipart/form-data; boundary=B")], b"--B\r\n" * 99, "invalid_request"),
        ([(b"content-type", b"multipart/form-data; boundary=B")], upload(field="file")[1], "invalid_request"),
        ([(b"content-type", b"multipart/form-data; boundary=B")], upload()[1][:-9], "invalid_request"),
        ([(b"content-type", b"multipart/form-data; boundary=B")], upload(b"")[1], "empty_audio"),
        (*upload(b"x", **{f"f{number}": "x" for number in range(99)}), "invalid_request"),
    ],
)
async def test_a_request_without_a_recording_is_refused_in_words(
    headers: list[tuple[bytes, bytes]], body: bytes, code: str
) -> None:
    async with gateway_rig() as rig:
        adapted(rig, audio={"dialect": "openai"})
        kept = [header for header in headers if header[0] != b"content-length"]
        length = (b"content-length", b"%d" % len(body))
        browser = await through(rig, Browser("POST", "/api/audio/transcribe", body, headers=[*kept, length]))
        assert told(browser)["code"] == code
        assert not rig.network.opened


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_request"),
        (b"[" * 9_999, "invalid_request"),
        (b'{"text": "a"}', "invalid_request"),
        (b'{"text": 5, "target_language": "es"}', "invalid_request"),
        (b'{"text": "a", "target_language": " "}', "invalid_request"),
        (b'{"text": "%s", "target_language": "es"}' % (b"a" * 10_001), "body_too_large"),
    ],
)
async def test_a_request_without_a_text_is_refused_in_words(body: bytes, code: str) -> None:
    async with gateway_rig() as rig:
        adapted(rig, translation={"dialect": "deepl"})
        length = (b"content-length", b"%d" % len(body))
        browser = await through(rig, Browser("POST", "/api/translate", body, headers=[length]))
        assert told(browser)["code"] == code


async def test_a_back_end_that_does_not_answer_in_time_is_a_gateway_timeout() -> None:
    async def silent(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await trio.sleep_forever()

    async with gateway_rig(timeout=5) as rig:
        adapted(rig, audio={"dialect": "openai"})
        rig.network.servers["a:1"] = silent
        document = told(await transcribed(rig))
        assert (document["code"], document["status"]) == ("gateway_timeout", 504)
        del rig.network.servers["a:1"]
        assert told(await transcribed(rig))["code"] == "service_unavailable"


@pytest.mark.real_time
async def test_large_uploads_take_turns_in_memory() -> None:
    """Four at a time; all of them are served."""
    async with gateway_rig() as rig:
        adapted(rig, audio={"dialect": "openai"})
        rig.network.servers["a:1"] = answering(answer(OPENAI))
        done: list[int | None] = []

        async def one() -> None:
            done.append((await transcribed(rig, file=LARGE)).status)

        async with trio.open_nursery() as nursery:
            for _ in range(9):
                nursery.start_soon(one)
    assert done == [200] * 9


async def test_a_service_message_gets_the_promised_shape_within_its_limit() -> None:
    async with gateway_rig() as rig:
        adapted(rig, translation={"dialect": "deepl"})
        rig.network.servers["t:1"] = answering(answer({"translations": [{"text": "Hola"}]}))
        body = b'{"text": "Hello", "target_language": "es"}'
        with pytest.raises(ProblemError, match="more than 9 bytes"):
            await rig.gateway.fetch(
                TRANSLATION, "POST", "/api/translate", body=body, flow=Flow.REQUESTS, max_response=9
            )

"""What servers really answer, and what is read of it."""

import gzip
import threading
import zlib
from functools import partial
from typing import Any

import msgspec
import pytest

from orch.problems import ProblemError
from orch.speech.request_errors import is_transient
from orch.speech.requests import AUDIO, TRANSLATION, Headers, Request, Response
from orch.speech.results import TranscribedWord, TranslatedText
from orch.speech.transcription_responses import MOST_LANGUAGES, Spans, read_models, read_transcription
from orch.speech.translator import (
    read_libretranslate,
    read_libretranslate_languages,
    read_livetranslate,
    read_livetranslate_languages,
    read_openai,
    without_reasoning,
)
from tests.fakes.speech_back_ends import FakeAnswer
from tests.speech.test_transcriber import Server, ask, ok, transcriber
from tests.speech.test_translator import ask as translate
from tests.speech.test_translator import question


def raw(text: str) -> FakeAnswer:
    return FakeAnswer(200, text.encode())


@pytest.mark.parametrize(
    "beside",
    [
        '"segments": [{"avg_logprob": NaN}]',
        '"segments": [{"avg_logprob": "x", "no_speech_prob": null, "text": 3}]',
        '"words": ["Hello"]',
        '"words": [{"word": "Hello", "start": "0.1", "end": "0.5"}]',
        '"words": [{"word": 1, "start": 0, "end": 1}, null, [[]]]',
        '"words": {"0": "Hello"}',
        '"segments": {"text": "Hello"}',
        '"segments": ["Hello", null, 5]',
        '"segments": [{"words": "Hello"}]',
        '"confidence": "0.9"',
        '"confidence": 1e999',
        '"confidence": true',
        '"confidence": ' + "9" * 400,
        '"language": ["en"]',
        '"language": null, "detected_language": 7',
        '"processing_time": "fast", "model_used": {}',
        '"error": null',
        '"error": ""',
        '"usage": {"type": "duration", "seconds": 1}',
    ],
)
def test_what_is_odd_beside_a_text_costs_nothing_but_itself(beside: str) -> None:
    """An invalid optional field does not lose the text."""
    heard = read_transcription("/", raw('{"text": "Hello", ' + beside + "}"))
    assert (heard.text, heard.language, heard.confidence, heard.words) == ("Hello", None, None, ())


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"segments": [{"text": " Hello"}, {"text": " there."}]}, "Hello there."),
        ({"segments": [{"text": "Hello"}, {"text": "there."}]}, "Hello there."),
        ({"text": None, "segments": [{"text": " 你好"}, {"text": "世界"}]}, "你好世界"),
        ({"text": "", "segments": []}, ""),
        ({"text": " a\n b\t", "segments": [{"text": " c"}]}, "a b"),
    ],
)
def test_the_text_comes_from_segments_if_there_is_no_other(document: Any, text: str) -> None:
    assert read_transcription("/", ok(document)).text == text


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress, lambda body: b"\xef\xbb\xbf" + body])
def test_compressed_responses_and_those_with_a_bom_are_read(pack: Any) -> None:
    """Gzip that was not requested, and a byte order mark."""
    assert read_transcription("/", FakeAnswer(200, pack(b'{"text": "Hello"}'))).text == "Hello"
    assert read_livetranslate(FakeAnswer(200, pack(b'{"translated_text": "Hola"}'))).text == "Hola"


def test_a_small_response_that_decompresses_to_very_much_is_refused() -> None:
    with pytest.raises(ProblemError, match="decompresses to more than"):
        read_transcription("/", FakeAnswer(200, gzip.compress(b'{"text": "%b"}' % (b"a" * 20_000_000))))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"error": "failed to process audio"}, "failed to process audio"),
        ({"error": {"message": "model is not loaded", "code": 5}}, "model is not loaded"),
        ({"error": True, "message": "out of memory"}, "out of memory"),
        ({"error": {"x": []}}, "an error without a message"),
    ],
)
def test_an_error_in_a_good_status_keeps_its_words(document: Any, words: str) -> None:
    """Servers that respond with 200 and an error in the body."""
    for read in (
        lambda answer: read_transcription("/", answer),
        read_livetranslate,
        read_libretranslate,
        read_openai,
    ):
        with pytest.raises(ProblemError, match=words) as caught:
            read(ok(document))
        assert is_transient(caught.value)


@pytest.mark.parametrize(
    ("document", "language"),
    [
        ({"text": "Hallo", "language": "german"}, "de"),
        ({"text": "Hallo", "language": "English", "detected_language": "German"}, "de"),
        ({"text": "Hallo", "language": "unknown"}, None),
        ({"text": "Hallo", "language": "x" * 10_000}, "x" * 35),
    ],
)
def test_the_language_that_was_detected_is_read(document: Any, language: str | None) -> None:
    """Whisper's names; whisper.cpp's server reports the requested language besides."""
    assert read_transcription("/", ok(document)).language == language


DOUBT = {"no_speech_prob": 0.97, "avg_logprob": -1.4}
TRUST = {"no_speech_prob": 0.1, "avg_logprob": -0.3}


def test_what_the_engine_doubts_itself_is_left_out() -> None:
    """Whisper's own rule for silence. Without any other segment there is no text."""
    heard = read_transcription("/", ok({"text": " Thank you for watching!", "segments": [DOUBT]}))
    assert (heard.text, heard.words, heard.doubted) == ("", (), 1)
    segments = [
        {"text": " You", "start": 0.0, "end": 1.0, **DOUBT},
        {"text": " Good morning.", "start": 1.0, "end": 2.5, **TRUST},
    ]
    words = [{"word": "You", "start": 0.2, "end": 0.6}, {"word": "Good", "start": 1.1, "end": 1.4}]
    heard = read_transcription("/", ok({"text": " You Good morning.", "segments": segments, "words": words}))
    assert (heard.text, heard.doubted) == ("Good morning.", 1)
    assert [word.text for word in heard.words] == ["Good"]
    inner = [dict(segments[0], words=words[:1]), dict(segments[1], words=words[1:])]
    assert read_transcription("/", ok({"text": "x", "segments": inner})).words == (
        TranscribedWord("Good", 1.1, 1.4, None),
    )


@pytest.mark.parametrize(
    "segment",
    [
        {"no_speech_prob": 0.97},
        {"avg_logprob": -1.4},
        {"no_speech_prob": 0.6, "avg_logprob": -1.4},
        {"no_speech_prob": 0.97, "avg_logprob": -1.0},
        {"no_speech_prob": "0.97", "avg_logprob": -1.4},
    ],
)
def test_half_a_doubt_is_none(segment: Any) -> None:
    """Both values are required: speech over music has the one, a heavy accent the other."""
    heard = read_transcription("/", ok({"text": "Hello", "segments": [segment]}))
    assert (heard.text, heard.doubted) == ("Hello", 0)


def test_a_segment_that_repeats_itself_is_left_out() -> None:
    """faster-whisper has one compression ratio for a whole window: only the segment that loops is doubted."""
    loop = " unless to be rather" * 30
    good = " He was not an ill-disposed young man."
    segments: list[dict[str, Any]] = [
        {"text": good, "compression_ratio": 9.1, "avg_logprob": -0.2},
        {"text": loop, "compression_ratio": 9.1, "avg_logprob": -0.1},
    ]
    document = {"text": good + loop, "segments": segments}
    heard = read_transcription("/", ok(document))
    assert (heard.text, heard.doubted) == (good.strip(), 1)
    segments[1]["compression_ratio"] = 2.4
    assert read_transcription("/", ok(document)).doubted == 0


# As examples/server/server.cpp of whisper.cpp 1.7.6 and later writes it for response_format=verbose_json:
# "words" are the tokens of a segment, and a detected language comes with a probability.
WHISPER_CPP = {
    "task": "transcribe",
    "language": "english",
    "duration": 2.75,
    "text": " Transcribing, isn't it?\n",
    "segments": [
        {
            "id": 0,
            "text": " Transcribing, isn't it?",
            "start": 0.0,
            "end": 2.75,
            "tokens": [1325, 8056, 11, 1943, 380, 309, 30],
            "words": [
                {"word": " Trans", "start": 0.1, "end": 0.4, "t_dtw": -1, "probability": 0.9},
                {"word": "cribing", "start": 0.4, "end": 0.8, "t_dtw": -1, "probability": 0.7},
                {"word": ",", "start": 0.8, "end": 0.85, "t_dtw": -1, "probability": 0.5},
                {"word": " isn", "start": 0.9, "end": 1.1, "t_dtw": -1, "probability": 0.8},
                {"word": "'t", "start": 1.1, "end": 1.2, "t_dtw": -1, "probability": 0.6},
                {"word": " it", "start": 1.3, "end": 1.5, "t_dtw": -1, "probability": 0.9},
                {"word": "?", "start": 1.5, "end": 1.6, "t_dtw": -1, "probability": 0.9},
            ],
            "temperature": 0.0,
            "avg_logprob": -0.21,
            "no_speech_prob": 0.01,
        }
    ],
    "detected_language": "english",
    "detected_language_probability": 0.97,
    "language_probabilities": {"en": 0.97, "de": 0.01},
}


def test_tokens_of_whisper_cpp_are_joined_to_words() -> None:
    heard = read_transcription("/inference", ok(WHISPER_CPP))
    assert [(word.text, word.start, word.end) for word in heard.words] == [
        ("Transcribing,", 0.1, 0.85),
        ("isn't", 0.9, 1.2),
        ("it?", 1.3, 1.6),
    ]
    assert [word.confidence for word in heard.words] == pytest.approx([0.7, 0.7, 0.9])
    assert (heard.text, heard.language, heard.language_probability) == ("Transcribing, isn't it?", "en", 0.97)
    assert heard.confidence == pytest.approx(0.767)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["Hello", "there"], ["Hello", "there"]),  # OpenAI: no blanks at all
        ([" Hello", " there."], ["Hello", "there."]),  # faster-whisper's servers
        ([" OK", "你", "好", "。", "吗"], ["OK", "你", "好。", "吗"]),
        (["", " a", "", "b"], ["a", "b"]),
        (["Trans", "cribing", " it"], ["Transcribing", "it"]),
    ],
)
def test_only_tokens_are_joined(pieces: list[str], words: list[str]) -> None:
    listed = [{"word": piece, "start": 0, "end": 1} for piece in pieces]
    assert [word.text for word in read_transcription("/", ok({"text": "x", "words": listed})).words] == words


def test_an_utterance_is_as_sure_as_its_words() -> None:
    """If the server reports no confidence of its own, but probabilities of words."""
    words = [
        {"word": "a", "start": 0, "end": 1, "probability": 0.9},
        {"word": "b", "start": 1, "end": 2, "probability": 0.5},
        {"word": "c", "start": 2, "end": 3},
    ]
    assert read_transcription("/", ok({"text": "a b c", "words": words})).confidence == 0.7
    assert read_transcription("/", ok({"text": "a", "words": words, "confidence": 0.1})).confidence == 0.1


def test_a_text_without_end_is_no_caption() -> None:
    """An engine that repeats itself for ever does not fill everybody's page."""
    with pytest.raises(ProblemError, match="20000 characters"):
        read_transcription("/", ok({"text": "no " * 10_000}))
    with pytest.raises(ProblemError, match="40000 characters"):
        read_livetranslate(ok({"translated_text": "no " * 20_000}))


# What is asked, and learned.


def test_detect_is_sent_to_a_server_that_would_assume_english() -> None:
    """whisper.cpp's server assumes English for every request without a language."""
    server = Server(ok({"text": "Hallo", "language": "german"}), ok({"text": "Hallo"}))
    assert ask(server, dialect="openai", times=2).text == "Hallo"
    assert [server.form(number)["language"] for number in range(2)] == ["auto", "auto"]


@pytest.mark.parametrize(
    ("refusal", "left_out"),
    [
        ({"error": {"message": "Invalid language 'auto'", "param": "language"}}, {"language"}),
        ({"detail": [{"loc": ["body", "language"], "msg": "Input should be 'en' or 'de'"}]}, {"language"}),
        ({"error": {"message": "timestamp_granularities is not supported"}}, {"timestamp_granularities[]"}),
        (
            {
                "error": {
                    "message": "'verbose_json' is not compatible",
                    "param": "response_format",
                }
            },
            {"timestamp_granularities[]"},
        ),
        ({"error": "bad request"}, {"language", "timestamp_granularities[]"}),
    ],
)
def test_a_field_that_is_refused_is_left_out_and_remembered(refusal: Any, left_out: set[str]) -> None:
    """OpenAI refuses language=auto, vLLM words; each is found out with one request."""
    fields = {"", "model", "language", "response_format", "timestamp_granularities[]"}
    server = Server(FakeAnswer(400, msgspec.json.encode(refusal)), ok({"text": "a"}), ok({"text": "b"}))
    assert ask(server, dialect="openai", times=2).text == "b"
    assert set(server.form(0)) == fields
    assert [set(server.form(number)) for number in (1, 2)] == [fields - left_out] * 2


def test_several_refusals_are_found_out_one_by_one() -> None:
    """Servers name the first field that they do not like."""
    refusals = [FakeAnswer(422, b'{"detail": "language"}'), FakeAnswer(400, b'{"error": "response_format"}')]
    server = Server(*refusals, ok({"text": "a"}), ok({"text": "b"}))
    assert ask(server, dialect="openai", times=2).text == "b"
    assert server.form(3) == {"": "file", "model": "whisper-1", "response_format": "json"}


def test_a_language_that_a_person_chose_is_never_left_out() -> None:
    server = Server(
        FakeAnswer(400, b'{"error": "language not supported"}'),
        FakeAnswer(400, b'{"error": "language not supported"}'),
    )
    with pytest.raises(ProblemError, match="language not supported"):
        ask(server, dialect="openai", language="xx")
    assert [server.form(number)["language"] for number in range(2)] == ["xx", "xx"]


def test_a_path_headers_and_query_of_the_settings_are_used() -> None:
    """Azure OpenAI: the deployment in the path, the key in a header of its own, the version in the query."""
    server = Server(ok({"text": "a"}))
    ask(
        server,
        dialect="openai",
        path="/openai/deployments/w/audio/transcriptions",
        headers={"api-key": "k"},
        query={"api-version": "2024-06-01"},
    )
    _, _, path, headers, _ = server.asked[0]
    assert path == "/openai/deployments/w/audio/transcriptions?api-version=2024-06-01"
    assert headers["api-key"] == "k"
    assert "authorization" not in headers
    server = Server(ok({"choices": [{"message": {"content": "Hola"}}]}))
    translate(server, dialect="openai", path="/x", headers={"api-key": "k"}, query={"v": "1"})
    assert (server.asked[0][2], server.asked[0][3]["api-key"]) == ("/x?v=1", "k")
    server = Server(ok({"translatedText": "Hola"}))
    translate(server, dialect="libretranslate", api_key="k", headers={"x-y": "z"})
    assert (server.asked[0][3]["x-y"], "authorization" in server.asked[0][3]) == ("z", False)


# Translations.


def chat(content: Any, **choice: Any) -> FakeAnswer:
    return ok({"choices": [{"message": {"content": content}, **choice}]})


@pytest.mark.parametrize(
    "content",
    [
        "Buenos días",
        "<think>\nOkay, the user…\n</think>\n\nBuenos días",
        "<think>\n\n</think>\n\nBuenos días\n",
        "Okay, so I should…\n</think>\nBuenos días",
        "<THINKING>a</THINKING> <thinking>b</thinking>Buenos días",
        "<reasoning>a < b</reasoning>Buenos días",
        "[THINK]a[/THINK]Buenos días",
        "<|channel|>analysis<|message|>Hm<|end|><|channel|>final<|message|>Buenos días<|return|>",
        [{"type": "text", "text": "Buenos "}, {"type": "text", "text": "días"}],
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
            {"type": "text", "text": "Buenos días"},
        ],
        ["Buenos ", "días", None, 3],
    ],
)
def test_the_reasoning_of_a_chat_model_is_left_out(content: Any) -> None:
    assert read_openai(chat(content)) == TranslatedText("Buenos días")


def test_reasoning_that_never_ends_is_no_translation() -> None:
    assert without_reasoning("<think>Okay, the user wants") is None
    with pytest.raises(ProblemError, match="ends within its reasoning") as caught:
        read_openai(chat("<think>Okay, the user wants"))
    assert is_transient(caught.value)


def test_tags_that_someone_speaks_of_stay() -> None:
    """A talk about such models is translated whole."""
    said = "Cierra con </think> y sigue"
    assert read_openai(chat(said), original="Close it with <think> and go on").text == said


def test_a_model_s_refusal_is_an_error() -> None:
    with pytest.raises(ProblemError, match="cannot help") as caught:
        read_openai(ok({"choices": [{"message": {"content": None, "refusal": "I cannot help"}}]}))
    assert not is_transient(caught.value)


@pytest.mark.parametrize(
    "refusal",
    [
        {"error": {"message": "Unsupported value: 'temperature' does not support 0", "param": "temperature"}},
        {"error": {"message": "Bad Request"}},
    ],
)
def test_a_model_that_refuses_a_temperature_gets_none_from_then_on(refusal: Any) -> None:
    server = Server(FakeAnswer(400, msgspec.json.encode(refusal)), chat("Hola"))
    assert translate(server, dialect="openai").text == "Hola"
    assert [question(server, number).get("temperature") for number in range(2)] == [0, None]


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        ("livetranslate", ok({"translated_text": "  "})),
        ("libretranslate", ok({"translatedText": ""})),
        ("openai", chat("")),
        ("openai", chat(None)),
        ("openai", chat("<think></think>")),
        ("openai", chat([])),
    ],
)
def test_an_empty_translation_is_valid_and_readers_see_the_original(dialect: str, answer: FakeAnswer) -> None:
    """An emoji, a pause, a note of music: requested once, and shown as it is."""
    server = Server(answer)
    assert translate(server, dialect=dialect).text == "Good morning"
    assert len(server.asked) == 1


@pytest.mark.parametrize("detected", ["[]", '"en"', "null", '{"language": 5}', "[1, {}]"])
def test_an_odd_detected_language_costs_no_translation(detected: str) -> None:
    answer = raw('{"translatedText": "Hola", "alternatives": 1, "detectedLanguage": ' + detected + "}")
    assert read_libretranslate(answer) == TranslatedText("Hola")


def test_odd_entries_of_a_list_of_languages_are_passed_over() -> None:
    odd: list[Any] = [
        None,
        3,
        "x",
        {"code": 5},
        {"code": ""},
        {"code": "y" * 99},
        {"code": "en", "targets": ["es", 4, None]},
    ]
    assert read_libretranslate_languages(ok(odd)).targets == {"en": ("es",)}
    pairs: list[Any] = [None, {"source": "en"}, {"source": 1, "target": 2}, {"source": "en", "target": "es"}]
    assert read_livetranslate_languages(ok({"pairs": pairs, "languages": 7})).targets == {"en": ("es",)}


@pytest.mark.parametrize(("service", "language"), [(AUDIO, "auto"), (TRANSLATION, "en")])
@pytest.mark.parametrize("status", [200, 201, 400, 401, 404, 418, 422, 429, 500, 503, 599])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b"\xff\xfe",
        b"",
        b"null",
        b'{"error": {"error": [1]}}',
        b'"words"',
        b"9" * 9_000,
        gzip.compress(b"x" * 20_000_000, mtime=0),
        b"\x1f\x8b",
    ],
)
def test_any_response_becomes_a_caption_or_a_problem(
    service: str, language: str, status: int, body: bytes
) -> None:
    """Nothing else is raised, so that no response ends a speaker's stream."""
    for dialect in ("livetranslate", "openai"):
        server = Server(*[FakeAnswer(status, body)] * 9)
        question = partial(ask, language=language) if service == AUDIO else translate
        with pytest.raises(ProblemError) as caught:
            question(server, dialect=dialect)
        assert len(caught.value.detail) < 700


def test_a_transcriber_names_what_it_was_given() -> None:
    assert transcriber(Server()).back_end.name == AUDIO


def test_thousands_of_doubted_segments_are_read_in_linear_time() -> None:
    """Each word is looked up among them, not compared with each: all at once they would stop the service."""
    doubted = [
        {"start": at, "end": at + 1, "text": "Thank you.", "no_speech_prob": 0.9, "avg_logprob": -2}
        for at in range(0, 8_000, 2)
    ]
    words = [{"word": f"w{at}", "start": at + 0.2, "end": at + 0.4} for at in range(2_000)]
    document = {"segments": [*doubted, {"text": "kept", "start": 1, "end": 2}], "words": words}
    compared = 0

    class Counted(float):
        def __le__(self, other: float) -> bool:
            nonlocal compared
            compared += 1
            return float(self) <= other

        def __lt__(self, other: float) -> bool:
            nonlocal compared
            compared += 1
            return float(self) < other

    spans = Spans((Counted(at), Counted(at + 1)) for at in range(0, 8_000, 2))
    compared = 0
    assert (1.5 in spans, 2.5 in spans, 2.0 in spans, -1 in spans) == (False, True, True, False)
    assert compared < 4 * 16
    heard = read_transcription("/", ok(document))
    assert (heard.text, heard.doubted) == ("kept", 4_000)
    assert [word.text for word in heard.words] == [f"w{at}" for at in range(1, 2_000, 2)]


def test_spans_that_overlap_or_lack_an_end_are_looked_up_as_they_are() -> None:
    spans = Spans([(5.0, 6.0), (0.0, 10.0), (2.0, 3.0), (None, 99.0), (50.0, None)])
    assert [moment in spans for moment in (0.0, 4.0, 10.0, 10.1, 60.0)] == [True, True, True, False, False]
    assert 1.0 not in Spans([])


@pytest.mark.real_time
async def test_an_endless_response_is_refused_and_a_long_one_is_parsed_in_a_thread() -> None:
    """The words of a long recording are read; a megabyte of useless numbers is not."""
    threads: list[str] = []

    def read(answer: Response) -> str:
        threads.append(threading.current_thread().name)
        return read_transcription("/", answer).text

    subject = transcriber(Server())

    async def asked(body: bytes) -> str:
        subject.back_end._fetch = Server(FakeAnswer(200, body)).fetch
        return await subject.back_end.send(lambda _: Request("POST", "/"), read)

    assert await asked(b'{"text": "short"}') == "short"
    assert await asked(b'{"text": "long", "tokens": [' + b"1," * 40_000 + b"1]}") == "long"
    with pytest.raises(ProblemError, match="more than 1048576 bytes") as caught:
        await asked(b'{"text": "endless", "tokens": [' + b"1," * 600_000 + b"1]}")
    assert caught.value.code == "bad_gateway"
    assert threads[0] == "MainThread"
    assert "MainThread" not in threads[1:]


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (302, ((b"location", b"/loop"),), b"", "with status 302. That sends to /loop: is its url in"),
        (308, ((b"location", b"https://u:p@h/v1?key=x#y"),), b"", "sends to https://h/v1: is"),
        (301, (), b"", "with status 301.$"),
        (200, ((b"content-encoding", b"br"),), b"\x0b\x02\x80{", r"\(it is packed with br\)"),
        (200, (), b"\n<!doctype html><title>Sign in</title>", "a web page or XML, not JSON"),
        (204, (), b"", "sent an invalid response"),
    ],
)
def test_a_response_of_another_kind_is_described(
    status: int, headers: Headers, body: bytes, words: str
) -> None:
    """A redirect, an unexpected encoding, a proxy's page: so that operators check the url."""
    with pytest.raises(ProblemError, match=words) as caught:
        read_transcription("/v1/audio", FakeAnswer(status, body, headers))
    assert caught.value.code == "bad_gateway"


def test_endless_lists_of_languages_are_cut() -> None:
    """Each question looks through them, and each page is sent them."""
    models = [{"languages": [f"q{number:x}" for number in range(start, start + 900)]} for start in (0, 5_000)]
    found = read_models(ok({"models": models}))
    assert set(found) == set(models[0]["languages"][:MOST_LANGUAGES])

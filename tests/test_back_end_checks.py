"""``orch check --ask`` against servers on real loopback sockets that answer as the named ones do."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h11
import msgspec
import pytest
import trio

from orch.back_end_checks import check_all
from orch.cli import main
from orch.settings import Settings, decode
from tests.fakes.running import run

Answers = Callable[[str, bytes], tuple[int, Any]]


@asynccontextmanager
async def server(answers: Answers) -> AsyncIterator[str]:
    """Answer each request with what ``answers`` makes of its path and body."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            connection, path, body = h11.Connection(h11.SERVER), "", b""
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some(65_536))
                elif isinstance(event, h11.Request):
                    path = event.target.decode()
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                else:
                    break
            status, document = answers(path, body)
            data = msgspec.json.encode(document)
            head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(data))
            await stream.send_all(head + data)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def settings(audio: str, translation: str, more: Mapping[str, Any] | None = None) -> Settings:
    services = {
        "audio-service": {"url": audio, "dialect": "openai", **(more or {})},
        "translation-service": {"url": translation, "dialect": "libretranslate"},
    }
    decoded = decode(msgspec.json.encode({"services": services}).decode(), {})
    assert decoded.faults == ()
    return decoded.settings


def whisper(path: str, body: bytes) -> tuple[int, Any]:
    """whisper.cpp's server with ``--inference-path`` left alone: /inference and /health (examples/server)."""
    if path == "/health":
        return 200, {"status": "ok"}
    if path == "/inference" and b'name="file"' in body:
        return 200, {"text": " unless to be rather cold-hearted\n", "detected_language": "english"}
    return 404, "File Not Found (" + path + ")"


def libre(path: str, body: bytes) -> tuple[int, Any]:
    """LibreTranslate: /health, /languages, /translate (libretranslate/app.py)."""
    if path == "/health":
        return 200, {"status": "ok"}
    if path == "/languages":
        return 200, [{"code": "en", "name": "English", "targets": ["en", "es", "fr"]}]
    if path != "/translate":
        return 404, {"error": "Not Found"}
    target = msgspec.json.decode(body)["target"]
    return 200, {"translatedText": {"es": "Buenos días.", "fr": "Bonjour."}[target]}


def refusing(path: str, _body: bytes) -> tuple[int, Any]:
    if path == "/v1/models":
        return 401, {"error": {"message": "no key"}}
    if path == "/v1/audio/transcriptions":
        return 401, {"error": {"message": "Incorrect API key provided: sk-verysecret123."}}
    return 404, {}


def asked(audio: Answers, more: Mapping[str, Any]) -> tuple[bool, list[str]]:
    said: list[str] = []

    async def ask() -> bool:
        async with server(audio) as audio_url, server(libre) as libre_url:
            return await check_all(settings(audio_url, libre_url, more), said.append)

    return run(ask, virtual=False, limit=60), said


def test_each_back_end_is_asked_once_and_what_it_answers_is_said() -> None:
    """Reachable, model, five seconds of speech, and the language pairs that are offered."""
    is_well, said = asked(whisper, {"path": "/inference"})
    assert is_well
    words = " ".join(said)
    assert "is up" in said[0]
    assert "transcribed 5.3 s of speech" in words
    assert "'unless to be rather cold-hearted'" in words
    assert "offers 2 language pairs" in words
    assert "from en into es" in words
    assert "'Bonjour.'" in words


@pytest.mark.parametrize(
    ("audio", "more", "expected"),
    [
        (refusing, {"api_key": "sk-verysecret123"}, "check services.audio-service.api_key"),
        (whisper, {}, "check services.audio-service.url, .dialect, .path and .model"),
        (lambda path, _: (200, {"text": ""} if path != "/health" else {}), {}, "recognised nothing in 5.3 s"),
        (lambda *_: (503, {"error": "loading"}), {}, "sends unusable responses (503): loading"),
    ],
)
def test_what_is_refused_is_said_with_the_setting_to_look_at(
    audio: Answers, more: Mapping[str, Any], expected: str
) -> None:
    is_well, said = asked(audio, more)
    assert not is_well
    assert expected in " ".join(said)
    assert "verysecret" not in " ".join(said)


def test_a_back_end_that_is_not_there_is_said() -> None:
    said: list[str] = []

    async def ask() -> bool:
        async with server(libre) as libre_url:
            return await check_all(settings("http://127.0.0.1:1", libre_url), said.append)

    assert run(ask, virtual=False, limit=60) is False
    assert "connection refused" in said[0]
    assert "could not be tested" in said[1]


@pytest.mark.real_time
@pytest.mark.parametrize(("path", "code"), [("/inference", 0), ("/nowhere", 1)])
async def test_the_command_says_it_with_its_exit_code(
    path: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 where everything is well, 1 where something is not; the settings' own faults stay 2."""
    for name in [name for name in os.environ if name.startswith("ORCH_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "settings.yaml"
    said: list[str] = []

    async with server(whisper) as audio_url, server(libre) as libre_url:
        service = {"url": audio_url, "dialect": "openai", "path": path}
        other = {"url": libre_url, "dialect": "libretranslate"}
        services = {"audio-service": service, "translation-service": other}
        file.write_bytes(msgspec.json.encode({"services": services}))
        # A loop of its own, as from a terminal.
        result = await trio.to_thread.run_sync(main, ["check", "--ask", str(file)])
        said.append(str(result))
    assert said == [str(code)]
    assert "audio-service at http://127.0.0.1" in capsys.readouterr().out

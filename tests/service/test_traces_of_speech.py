"""Speech in traces, through the whole service: real sockets, back ends on loopback, and a collector."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trio

from tests.fakes import numbered_words
from tests.fakes.client import Client, connected
from tests.fakes.numbered_words import RATE, SENTENCE, numbered_words_service
from tests.fakes.otlp import OtlpReceiver, otlp_receiver
from tests.fakes.patience import PATIENCE
from tests.fakes.service import service
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.real_time]

TRACE = "ab" * 16
CALLER = "cd" * 8


@contextmanager
def translation_service() -> Iterator[tuple[str, list[str | None]]]:
    """Run a service that answers every text alike; yield its address, and the traces that it was sent."""
    traces: list[str | None] = []

    class Responses(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            languages = [{"code": code, "name": code} for code in ("en", "de", "es")]
            self._respond({"status": "healthy", "languages": languages})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            traces.append(self.headers["traceparent"])
            self._respond({"translated_text": "Gesagtes.", "source_language": "en"})

        def _respond(self, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Responses)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", traces
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def say(client: Client, session: str) -> None:
    """Say a sentence in a session; return when its translations are there and the stream has ended."""
    await client.ask("session_created", type="create_session", session_id=session)
    await client.ask(
        "audio_started",
        type="audio_start",
        session_id=session,
        sample_rate=RATE,
        source_language="en",
        target_languages=["de", "es"],
    )
    await client.speak(numbered_words.sound(SENTENCE), pace=0.005)
    await client.ask("audio_ended", type="audio_end")


async def test_a_spoken_sentence_is_one_trace_from_the_client_to_its_translations(tmp_path: Path) -> None:
    """Every step is a span in its place; back ends are sent the trace; the log and the metrics name it."""
    with otlp_receiver() as collector, numbered_words_service() as audio, translation_service() as translator:
        url, sent = translator
        settings = numbered_words.settings(audio, translation=url).replace(
            "orchestration:\n",
            f'orchestration:\n  traces: {{endpoint: "{collector.url}", sample_ratio: 0}}\n',
            1,
        )
        with service("serve", tmp_path, settings=settings) as running:
            async with connected(running.url, {"traceparent": f"00-{TRACE}-{CALLER}-01"}) as client:
                await say(client, "private-name")
            async with connected(running.url) as other:
                await say(other, "another")
            exposition = running.get("/metrics", headers={"accept": "application/openmetrics-text"}).text
            collector.wait_for_named("speech.stream")
        check_tree(collector)
    recorded = {each.span_id: each for each in collector.spans}
    for traceparent in sent[:2]:
        _, trace_id, span_id, flags = (traceparent or "").split("-")
        assert (trace_id, flags) == (TRACE, "01")
        assert span_id in recorded
    assert not any(each and each.endswith("-01") for each in sent[2:]), "the other client is not recorded"
    for name in ("orch_speech_caption_seconds", "orch_translation_seconds"):
        assert any(line.startswith(name) and TRACE in line for line in exposition.splitlines()), name


def check_tree(collector: OtlpReceiver) -> None:
    """Assert that the collector has the sentence's spans, in their places and in order."""
    assert {each.trace_id for each in collector.spans} == {TRACE}
    (stream,) = collector.named("speech.stream")
    (utterance,) = collector.named("speech.utterance")
    assert (stream.parent_id, stream.kind) == (CALLER, "server")
    assert utterance.parent_id == stream.span_id
    assert utterance.attributes["orch.speech.outcome"] == "final"
    parents = {each.span_id: each for each in collector.spans}
    transcriptions = collector.named("speech.transcription")
    assert {each.parent_id for each in transcriptions} == {utterance.span_id}
    last = [each for each in transcriptions if not each.attributes.get("orch.cancelled")][-1]
    assert last.attributes["orch.speech.request"] in ("speculation", "final")
    translations = collector.named("speech.translation")
    assert sorted(each.attributes["orch.speech.target_language"] for each in translations) == ["de", "es"]
    assert {each.parent_id for each in translations} == {utterance.span_id}
    for request in (last, *translations):
        (one_try,) = [
            each for each in collector.spans if each.parent_id == request.span_id and each.name == "POST"
        ]
        assert (one_try.kind, one_try.attributes["http.response.status_code"]) == ("client", 200)
        assert request.began <= one_try.began < one_try.ended <= request.ended
    published = collector.named("speech.publish")
    assert sorted(parents[each.parent_id].name for each in published) == [
        *("speech.translation", "speech.translation", "speech.utterance")
    ]
    assert not any(each.is_failed for each in collector.spans)
    # One moves on where the other ends: no time is unaccounted for.
    assert stream.began <= utterance.began < last.began < last.ended <= published[0].began
    assert published[0].ended <= utterance.ended <= min(each.ended for each in translations)
    assert max(each.ended for each in collector.spans) == stream.ended
    assert "w0" not in repr(collector.spans)
    assert "Gesagtes" not in repr(collector.spans)


async def test_a_recording_is_a_part_of_the_trace_of_its_upload(tmp_path: Path) -> None:
    """The upload is answered before it is transcribed; its captions are in the same trace all the same."""
    path = numbered_words.write(tmp_path / "words.wav", SENTENCE)
    with otlp_receiver() as collector, numbered_words_service() as audio, translation_service() as translator:
        settings = numbered_words.settings(audio, translation=translator[0]).replace(
            "orchestration:\n",
            f'orchestration:\n  traces: {{endpoint: "{collector.url}", sample_ratio: 0}}\n',
            1,
        )
        with service("serve", tmp_path, settings=settings) as running:
            assert running.post("/api/sessions/create", json={"session_id": "s"}).is_success
            for flag in ("01", "00"):
                started = running.post(
                    "/api/sessions/s/recordings?name=secret-name",
                    headers={"traceparent": f"00-{TRACE}-{CALLER}-{flag}", "content-type": "audio/wav"},
                    content=path.read_bytes(),
                )
                assert started.is_success, started.text
                wait_until(
                    lambda: not running.get("/api/sessions/s/recordings").json()["recordings"],
                    "it is transcribed",
                    limit=PATIENCE,
                )
            collector.wait_for_named("speech.stream")
    (stream,) = collector.named("speech.stream")
    (upload,) = [each for each in collector.spans if each.span_id == stream.parent_id]
    assert (upload.kind, upload.parent_id, stream.kind) == ("server", CALLER, "internal")
    assert stream.attributes["orch.speech.source"] == "recording"
    assert len(collector.named("speech.utterance")) == 1
    assert "secret-name" not in repr(collector.spans)


async def test_speech_goes_on_while_the_collector_is_away(tmp_path: Path) -> None:
    """Nothing waits for it: neither the captions, nor the end of the service."""
    with numbered_words_service() as audio, translation_service() as translator:
        settings = numbered_words.settings(audio, translation=translator[0]).replace(
            "orchestration:\n",
            'orchestration:\n  traces: {endpoint: "http://127.0.0.1:9", sample_ratio: 1, timeout: 1}\n',
            1,
        )
        with service("serve", tmp_path, settings=settings) as running:
            async with connected(running.url) as client:
                await say(client, "s")
                assert client.words() == [f"w{number}" for number in range(SENTENCE)]
            with trio.fail_after(PATIENCE):
                while not running.figure('orch_trace_spans_total{outcome="undelivered"}'):  # noqa: ASYNC110
                    await trio.sleep(0.2)
            began = trio.current_time()
            assert await trio.to_thread.run_sync(running.stop) == 0
            assert trio.current_time() - began < 30

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import trio

from tests.fakes.running import run
from tests.fakes.whole import whole

CLIP = Path(__file__).parents[1] / "data" / "speech" / "austen-0920.wav"

Use = Callable[[httpx2.AsyncClient], Awaitable[None]]


def using(folder: Path, use: Use, **overlay: Any) -> None:
    """Run ``use`` against a whole service on loopback, its back ends away."""
    away: dict[str, Any] = {
        f"services.{name}.url": "http://127.0.0.1:9" for name in ("audio-service", "translation-service")
    }

    async def main() -> None:
        async with (
            whole(folder, **away, **overlay) as service,
            httpx2.AsyncClient(base_url=service.url, timeout=120) as client,
        ):
            await use(client)

    run(main, virtual=False)


def code(response: httpx2.Response) -> tuple[int, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def test_a_session_is_created_found_listed_and_ended(tmp_path: Path) -> None:
    """Its whole life, over HTTP only."""

    async def use(client: httpx2.AsyncClient) -> None:
        made = await client.post(
            "/api/sessions/create", json={"session_id": "budget", "config": {"topic": "money"}}
        )
        assert made.status_code == 201
        assert made.headers["Location"] == "/api/sessions/budget"
        assert made.json()["config"] == {"topic": "money"}
        found = await client.get("/api/sessions/budget")
        assert found.json()["session_id"] == "budget"
        listed = await client.get("/api/sessions")
        assert [session["session_id"] for session in listed.json()["sessions"]] == ["budget"]
        assert (await client.delete("/api/sessions/budget")).status_code == 204
        assert code(await client.get("/api/sessions/budget")) == (404, "unknown_session")
        assert code(await client.delete("/api/sessions/budget")) == (404, "unknown_session")

    using(tmp_path, use)


def test_operators_set_the_pipeline_of_a_session(tmp_path: Path) -> None:
    """A preset, settings or none; what is invalid changes nothing, and each fault has its path."""

    async def use(client: httpx2.AsyncClient) -> None:
        made = await client.post("/api/sessions/create", json={"session_id": "s", "pipeline": "voice"})
        assert made.json()["pipeline"] == "voice"
        path = "/api/sessions/s/pipeline"
        assert (await client.get(path)).json() == {"pipeline": "voice", "revision": 0}
        own = {"parameters": {"noiseReduction": {"strength": 0.5}}, "enabledStages": ["noise"]}
        changed = (await client.put(path, json={"pipeline": own})).json()
        assert changed["pipeline"]["parameters"]["noiseReduction"]["strength"] == 0.5
        own["parameters"] = {"noiseReduction": {"strength": 2}}
        refused = await client.put(path, json={"pipeline": own})
        assert code(refused) == (422, "invalid_settings")
        assert [fault["path"] for fault in refused.json()["faults"]] == ["noiseReduction.strength"]
        assert (await client.get(path)).json() == changed
        assert (await client.put(path, json={"pipeline": None})).json() == {"pipeline": None, "revision": 2}
        assert code(await client.put(path, json={})) == (400, "invalid_request")
        assert code(await client.get("/api/sessions/gone/pipeline")) == (404, "unknown_session")
        assert code(await client.put("/api/sessions/gone/pipeline", json={"pipeline": "voice"}))[0] == 404

    using(tmp_path, use)


def test_a_session_without_a_name_gets_one(tmp_path: Path) -> None:
    """An empty body requests a session with defaults."""

    async def use(client: httpx2.AsyncClient) -> None:
        one, other = [await client.post("/api/sessions/create") for _ in range(2)]
        assert one.status_code == other.status_code == 201
        assert one.json()["session_id"] != other.json()["session_id"]

    using(tmp_path, use)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"session_id": "budget"}, (409, "session_exists")),
        ({"session_id": "a b"}, (400, "invalid_request")),
        ({"session_id": ""}, (400, "invalid_request")),
        ({"session_id": "x" * 129}, (400, "invalid_request")),
        ({"session": "typo"}, (400, "invalid_request")),
        ({"config": []}, (400, "invalid_request")),
    ],
)
def test_an_invalid_session_is_refused(
    tmp_path: Path, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    """By its status and its code."""

    async def use(client: httpx2.AsyncClient) -> None:
        await client.post("/api/sessions/create", json={"session_id": "budget"})
        assert code(await client.post("/api/sessions/create", json=body)) == expected

    using(tmp_path, use)


@pytest.mark.process
@pytest.mark.parametrize("is_form", [False, True], ids=["body", "form"])
def test_a_recording_is_accepted_as_the_body_or_in_a_form(tmp_path: Path, is_form: bool) -> None:  # noqa: FBT001 - a table's column
    """At once, with the stream's name and the recording's length; it is transcribed afterwards."""

    async def use(client: httpx2.AsyncClient) -> None:
        await client.post("/api/sessions/create", json={"session_id": "budget"})
        sent: dict[str, Any] = (
            {"files": {"audio": CLIP.read_bytes()}} if is_form else {"content": CLIP.read_bytes()}
        )
        answer = await client.post("/api/sessions/budget/recordings?target_languages=es,de&name=Jane", **sent)
        assert answer.status_code == 202
        assert answer.json()["stream_id"]
        assert 5 < answer.json()["seconds"] < 8
        streams = (await client.get("/api/sessions/budget")).json()["streams"]
        assert streams == 1

    using(tmp_path, use)


@pytest.mark.process
@pytest.mark.parametrize(
    ("query", "sent", "expected"),
    [
        ("", {"content": b"This is no recording." * 100}, (415, "not_audio")),
        ("", {"content": b""}, (422, "empty_audio")),
        ("", {"files": {"audio": b""}}, (422, "empty_audio")),
        ("", {"files": {"sound": b"x"}}, (400, "invalid_request")),
        ("", {"content": bytes(25 * 2**20 + 1)}, (413, "recording_too_large")),
        ("", {"content": bytes(40 * 2**20)}, (413, "recording_too_large")),
        ("", {"files": {"audio": bytes(25 * 2**20 + 1)}}, (413, "recording_too_large")),
        ("?source_language=x", {"content": CLIP.read_bytes()}, (400, "invalid_request")),
        ("?target_languages=en,%20,d!", {"content": CLIP.read_bytes()}, (400, "invalid_request")),
        ("?language=en", {"content": CLIP.read_bytes()}, (400, "invalid_request")),
    ],
    ids=[
        "text",
        "empty",
        "empty-form",
        "no-field",
        "one-too-many",
        "huge",
        "form",
        "source",
        "target",
        "unknown-field",
    ],
)
def test_an_invalid_recording_is_refused_with_the_reason(
    tmp_path: Path, query: str, sent: dict[str, Any], expected: tuple[int, str]
) -> None:
    """And leaves nothing running in the session."""

    async def use(client: httpx2.AsyncClient) -> None:
        await client.post("/api/sessions/create", json={"session_id": "budget"})
        assert code(await client.post(f"/api/sessions/budget/recordings{query}", **sent)) == expected
        assert (await client.get("/api/sessions/budget")).json()["streams"] == 0

    using(tmp_path, use)


def test_a_chunked_upload_is_stopped_at_the_limit(tmp_path: Path) -> None:
    """Its length is not known beforehand."""

    async def endless() -> Any:
        for _ in range(60):
            yield bytes(2**20)

    async def use(client: httpx2.AsyncClient) -> None:
        await client.post("/api/sessions/create", json={"session_id": "budget"})
        answer = await client.post("/api/sessions/budget/recordings", content=endless())
        assert code(answer) == (413, "recording_too_large")

    using(tmp_path, use)


def test_a_recording_for_an_unknown_session_is_refused(tmp_path: Path) -> None:
    """Before it is read."""

    async def use(client: httpx2.AsyncClient) -> None:
        answer = await client.post("/api/sessions/nowhere/recordings", content=CLIP.read_bytes())
        assert code(answer) == (404, "unknown_session")

    using(tmp_path, use)


@pytest.mark.process
def test_recordings_over_the_limit_are_refused(tmp_path: Path) -> None:
    """503, and those that were accepted go on."""

    async def use(client: httpx2.AsyncClient) -> None:
        await client.post("/api/sessions/create", json={"session_id": "budget"})
        answers: list[httpx2.Response] = []

        async def send() -> None:
            answers.append(await client.post("/api/sessions/budget/recordings", content=CLIP.read_bytes()))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(send)
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses[0] == 202
        assert statuses[-1] == 503
        assert {code(answer)[1] for answer in answers if answer.status_code == 503} == {"too_many_recordings"}

    using(tmp_path, use, **{"orchestration.speech.concurrent_recordings": 1})


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("json", "application/json"),
        ("txt", "text/plain"),
        ("srt", "application/x-subrip"),
        ("vtt", "text/vtt"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
)
def test_a_transcript_is_a_file_to_download(tmp_path: Path, kind: str, media_type: str) -> None:
    """Also of a session without messages."""

    async def use(client: httpx2.AsyncClient) -> None:
        await client.post("/api/sessions/create", json={"session_id": "budget"})
        answer = await client.get(f"/api/sessions/budget/transcript?format={kind}&languages=es")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith(media_type)
        assert answer.headers["Content-Disposition"] == f'attachment; filename="translation-budget.{kind}"'
        assert answer.headers["X-Transcript-Complete"] == "true"
        if kind == "json":
            assert msgspec.json.decode(answer.content)["lines"] == []

    using(tmp_path, use)


def test_an_unknown_format_or_session_has_no_transcript(tmp_path: Path) -> None:
    """The problem names it."""

    async def use(client: httpx2.AsyncClient) -> None:
        await client.post("/api/sessions/create", json={"session_id": "budget"})
        assert code(await client.get("/api/sessions/budget/transcript?format=pdf")) == (
            400,
            "invalid_request",
        )
        assert code(await client.get("/api/sessions/nowhere/transcript")) == (404, "unknown_session")

    using(tmp_path, use)

"""Long recordings in pieces over real HTTP, with connections that break."""

import io
import itertools
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import trio

from orch.web.tus import CONTENT_TYPE
from tests.fakes.patience import PATIENCE
from tests.fakes.sounds import CLIPS, SPEECH
from tests.fakes.whole import Whole, whole
from tests.web.test_sessions import code

pytestmark = [pytest.mark.process, pytest.mark.real_time]

CLIP = (SPEECH / f"{CLIPS[0]}.wav").read_bytes()
TUS = {"Tus-Resumable": "1.0.0"}
AWAY: dict[str, Any] = {
    **{f"services.{name}.url": "http://127.0.0.1:9" for name in ("audio-service", "translation-service")},
    "orchestration.speech.max_waiting_seconds": 3600,
}


@asynccontextmanager
async def uploading(folder: Path, **overlay: Any) -> AsyncIterator[tuple[Whole, httpx2.AsyncClient]]:
    """Run the service with a session ``s``, and a client that may speak there."""
    async with (
        whole(folder, **AWAY, **overlay) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE, headers=TUS) as client,
    ):
        await client.post("/api/sessions/create", json={"session_id": "s"})
        yield service, client


async def create(client: httpx2.AsyncClient, length: int = len(CLIP)) -> str:
    """Create an upload; return its path."""
    response = await client.post("/api/sessions/s/uploads", headers={"Upload-Length": str(length)})
    assert (response.status_code, response.headers["upload-offset"]) == (201, "0")
    return str(response.headers["location"])


async def send(client: httpx2.AsyncClient, path: str, offset: int, data: bytes) -> httpx2.Response:
    """Send a piece."""
    headers = {"Upload-Offset": str(offset), "Content-Type": CONTENT_TYPE}
    return await client.patch(path, content=data, headers=headers)


async def stored(client: httpx2.AsyncClient, path: str) -> int:
    """Return how many bytes the service has."""
    response = await client.head(path)
    assert response.status_code == 204
    assert response.headers["cache-control"] == "no-store"
    return int(response.headers["upload-offset"])


async def begin(client: httpx2.AsyncClient, path: str) -> httpx2.Response:
    """Transcribe what was uploaded."""
    return await client.post(f"/api/sessions/s/recordings?name=talk.wav&upload={path.rpartition('/')[2]}")


async def break_off(service: Whole, client: httpx2.AsyncClient, path: str, offset: int) -> int:
    """Send a piece whose connection is lost in its middle; return the new offset."""
    where = urlsplit(service.url)
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: {where.netloc}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: {offset}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(CLIP) - offset}\r\n\r\n"
    )
    until = offset + 20_000
    stream = await trio.open_tcp_stream(where.hostname or "", where.port or 0)
    async with stream:
        await stream.send_all(head.encode() + CLIP[offset:until])
        with trio.fail_after(120):
            while await stored(client, path) < until:  # noqa: ASYNC110 - over HTTP
                await trio.sleep(0.02)
    return until


async def released(client: httpx2.AsyncClient, path: str) -> None:
    """Wait until the service has noticed that a connection is lost."""
    with trio.fail_after(120):
        while (await send(client, path, 10**9, b"")).status_code == 423:  # noqa: ASYNC110 - over HTTP
            await trio.sleep(0.02)


async def test_a_recording_arrives_in_pieces_over_breaking_connections(tmp_path: Path) -> None:
    """What arrived before each break is stored; the whole is the file, and its transcription begins."""
    with wave.open(io.BytesIO(CLIP)) as file:
        whole_length = file.getnframes() / file.getframerate()
    async with uploading(tmp_path) as (service, client):
        path = await create(client)
        folder = tmp_path / "uploads"
        offset = 0
        for _ in range(3):
            offset = await break_off(service, client, path, offset)
            await released(client, path)
        assert await stored(client, path) == offset == 60_000
        response = await send(client, path, offset, CLIP[offset:])
        assert (response.status_code, response.headers["upload-offset"]) == (204, str(len(CLIP)))
        (part,) = folder.glob("*.part")
        assert part.read_bytes() == CLIP
        started = await begin(client, path)
        assert started.status_code == 202
        assert started.json()["seconds"] == pytest.approx(whole_length)
        (listed,) = (await client.get("/api/sessions/s/recordings")).json()["recordings"]
        assert (listed["name"], listed["stream_id"]) == ("talk.wav", started.json()["stream_id"])
        assert not list(folder.glob("*.part"))
        again = await begin(client, path)
        assert (again.status_code, again.json()) == (202, started.json())
        assert len((await client.get("/api/sessions/s/recordings")).json()["recordings"]) == 1


async def test_an_upload_survives_a_restart_of_the_service(tmp_path: Path) -> None:
    async with uploading(tmp_path) as (_, client):
        path = await create(client)
        await send(client, path, 0, CLIP[:50_000])
    async with uploading(tmp_path) as (_, client):
        assert await stored(client, path) == 50_000
        assert (await send(client, path, 50_000, CLIP[50_000:])).status_code == 204
        assert (await begin(client, path)).status_code == 202


async def test_faults_are_named_and_lose_nothing(tmp_path: Path) -> None:
    async with uploading(tmp_path) as (_, client):
        path = await create(client)
        await send(client, path, 0, CLIP[:1000])
        wrong = await send(client, path, 999, b"x")
        assert (code(wrong), wrong.headers["upload-offset"]) == ((409, "wrong_offset"), "1000")
        assert code(await send(client, path, 1000, CLIP)) == (413, "recording_too_large")
        assert code(await begin(client, path)) == (409, "upload_incomplete")
        assert code(await client.patch(path, content=b"x", headers={"Upload-Offset": "1000"})) == (
            415,
            "unsupported_media_type",
        )
        old = await client.head(path, headers={"Tus-Resumable": "0.2"})
        assert (old.status_code, old.headers["tus-version"]) == (412, "1.0.0")
        assert code(await client.get(f"{path[:-1]}!")) == (404, "unknown_upload")
        assert code(await client.post("/api/sessions/s/uploads", headers={"Upload-Length": str(2**31)})) == (
            413,
            "recording_too_large",
        )
        assert code(await client.post("/api/sessions/none/uploads", headers={"Upload-Length": "5"})) == (
            404,
            "unknown_session",
        )
        assert await stored(client, path) == 1000


async def test_a_piece_is_limited_whatever_its_length_is_said_to_be(tmp_path: Path) -> None:
    async with uploading(tmp_path) as (_, client):
        path = await create(client, 2**25)
        assert (await send(client, path, 0, bytes(2**23 + 1))).status_code == 413
        assert await stored(client, path) == 0
        for offset, piece in itertools.pairwise((0, 2**23, 2**24)):
            assert (await send(client, path, offset, bytes(piece - offset))).status_code == 204


async def test_what_is_no_recording_is_removed_and_what_cannot_begin_stays(tmp_path: Path) -> None:
    async with uploading(tmp_path, **{"orchestration.speech.max_recordings_per_session": 1}) as (_, client):
        path = await create(client, 100)
        await send(client, path, 0, b"x" * 100)
        assert code(await begin(client, path)) == (415, "not_audio")
        assert code(await begin(client, path)) == (404, "unknown_upload")
        await client.post("/api/sessions/s/recordings", content=CLIP)
        path = await create(client)
        await send(client, path, 0, CLIP)
        for _ in range(2):
            assert code(await begin(client, path)) == (503, "too_many_recordings")
        assert await stored(client, path) == len(CLIP)
        assert (await client.delete(path)).status_code == 204
        assert (await client.head(path)).status_code == 404


async def test_the_server_describes_itself(tmp_path: Path) -> None:
    async with uploading(tmp_path) as (_, client):
        response = await client.options("/api/sessions/s/uploads")
    assert response.headers["tus-extension"] == "creation,termination,expiration"
    assert (response.headers["tus-version"], response.headers["tus-max-size"]) == ("1.0.0", str(2**30))


async def test_uploads_of_one_session_are_limited(tmp_path: Path) -> None:
    async with uploading(tmp_path) as (_, client):
        paths = [await create(client) for _ in range(6)]
        refused = await client.post("/api/sessions/s/uploads", headers={"Upload-Length": "5"})
        assert code(refused) == (503, "too_many_uploads")
        await client.delete(paths[0])
        await create(client)


async def test_a_reader_may_not_upload_nor_see_uploads(tmp_path: Path) -> None:
    token = "control-token-of-the-test"  # noqa: S105 - made up
    async with uploading(tmp_path, **{"orchestration.control_token": token}) as (_, client):
        made = await client.post(
            "/api/sessions/create",
            json={"session_id": "t"},
            headers={"Authorization": f"Bearer {token}"},
        )
        keys = made.json()["keys"]
        away = {"X-Forwarded-For": "192.0.2.7"}
        speaker, reader = away | {"X-Session-Key": keys["speak"]}, away | {"X-Session-Key": keys["read"]}
        length = {"Upload-Length": "5"}
        assert code(await client.post("/api/sessions/t/uploads", headers=reader | length)) == (
            403,
            "read_only",
        )
        path = (await client.post("/api/sessions/t/uploads", headers=speaker | length)).headers["location"]
        assert (await client.head(path, headers=speaker)).status_code == 204
        assert (await client.head(path, headers=reader)).status_code == 403
        assert (await client.head(path, headers=away)).status_code in {403, 404}
        assert code(await client.delete(path, headers=reader)) == (403, "read_only")

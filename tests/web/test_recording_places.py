"""Limits of recordings transcribed at the same time, and when their places are released."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from orch.problems import ProblemError
from orch.settings.structs import Speech
from orch.web.recording_places import Place, check
from orch.web.uploads import paced
from tests.fakes.patience import PATIENCE
from tests.fakes.running import run
from tests.fakes.sounds import CLIPS, SPEECH
from tests.web.test_sessions import code, using

CLIP = (SPEECH / f"{CLIPS[0]}.wav").read_bytes()


async def begin(client: httpx2.AsyncClient, session_id: str) -> None:
    assert (await client.post("/api/sessions/create", json={"session_id": session_id})).status_code == 201


async def send(client: httpx2.AsyncClient, session_id: str) -> httpx2.Response:
    return await client.post(f"/api/sessions/{session_id}/recordings", content=CLIP)


@pytest.mark.process
def test_a_place_is_held_until_the_recording_is_transcribed_or_cancelled(tmp_path: Path) -> None:
    """The back end is unavailable, so nothing ends by itself; cancelling frees the place."""

    async def use(client: httpx2.AsyncClient) -> None:
        await begin(client, "one")
        await begin(client, "two")
        first = await send(client, "one")
        assert first.status_code == 202
        assert (first.json()["tracks"], first.json()["track"]) == (1, 1)
        refused = await send(client, "one")
        assert code(refused) == (503, "too_many_recordings")
        assert "1 recordings of this session" in refused.json()["detail"]
        assert (await send(client, "two")).status_code == 202
        place = f"/api/sessions/one/recordings/{first.json()['stream_id']}"
        elsewhere = await client.delete(place.replace("/one/", "/two/"))
        assert code(elsewhere) == (404, "unknown_recording")
        assert (await client.delete(place)).status_code == 204
        with trio.fail_after(PATIENCE):
            while (again := await send(client, "one")).status_code != 202:  # noqa: ASYNC110 - over HTTP
                await trio.sleep(0.05)
        assert code(await client.delete(place)) == (404, "unknown_recording")
        assert again.json()["stream_id"] != first.json()["stream_id"]

    using(
        tmp_path,
        use,
        **{
            "orchestration.speech.max_recordings_per_session": 1,
            "orchestration.speech.max_waiting_seconds": 3600,
        },
    )


def held(*places: tuple[str, str]) -> list[Place]:
    return [Place(*place) for place in places]


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (held(("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")), "4 recordings are being transcribed"),
        (held(("s", "1"), ("s", "2")), "2 recordings of this session"),
        (held(("a", "me"), ("b", "me"), ("c", "me")), "3 recordings from your address"),
    ],
)
def test_the_refusal_names_the_limit_and_what_to_do(taken: list[Place], words: str) -> None:
    bounds = Speech(concurrent_recordings=4, max_recordings_per_session=2, max_recordings_per_address=3)
    with pytest.raises(ProblemError, match=words) as caught:
        check(taken, Place("s", "me"), bounds)
    assert caught.value.code == "too_many_recordings"
    assert "cancel one" in caught.value.detail
    check(taken[:-1], Place("s", "me"), bounds)


def arrive(blocks: list[tuple[float, int]], rate: int = 1_000) -> float:
    """Return when a body of (seconds before it, bytes) has arrived whole."""

    async def body() -> AsyncIterator[bytes]:
        for seconds, size in blocks:
            await trio.sleep(seconds)
            yield bytes(size)

    async def main() -> float:
        began = trio.current_time()
        async for _ in paced(body(), rate):
            pass
        return trio.current_time() - began

    return run(main)


def test_an_upload_that_sends_single_bytes_is_stopped_within_seconds() -> None:
    async def main() -> float:
        began = trio.current_time()
        with pytest.raises(ProblemError, match="slower than 1000 bytes a second") as caught:
            async for _ in paced(drops(), 1_000):
                pass
        assert caught.value.code == "request_timeout"
        return trio.current_time() - began

    async def drops() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await trio.sleep(0.5)

    assert run(main) == pytest.approx(5, abs=0.01)


def test_a_slow_but_steady_upload_is_accepted() -> None:
    """A little faster than the minimum rate, in any blocks; a short file may arrive in one."""
    assert arrive([(4, 5_000)] * 10) == pytest.approx(40)
    assert arrive([(0.1, 110)] * 300) == pytest.approx(30)
    assert arrive([(4, 10)]) == pytest.approx(4)


def test_the_consumers_time_does_not_count_as_a_slow_upload() -> None:
    """A busy disk of ours stops no upload."""

    async def main() -> int:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(5):
                await trio.sleep(1)
                yield bytes(2_000)

        count = 0
        async for _ in paced(body(), 1_000):
            count += 1
            await trio.sleep(6)
        return count

    assert run(main) == 5


def test_a_form_that_arrives_too_slowly_is_stopped_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orch.web.uploads.RATE_WINDOW", 0.3)

    async def use(client: httpx2.AsyncClient) -> None:
        await begin(client, "s")

        async def drip() -> AsyncIterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
            for _ in range(100):
                yield b"R"
                await trio.sleep(0.1)

        headers: dict[str, Any] = {"Content-Type": "multipart/form-data; boundary=x"}
        for more in (headers, {"Content-Type": "audio/wav"}):
            answer = await client.post("/api/sessions/s/recordings", content=drip(), headers=more)
            assert code(answer) == (408, "request_timeout")

    using(tmp_path, use)

"""Recordings of a session are listed for its participants, and cancelled by those who may."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from tests.fakes.patience import PATIENCE
from tests.fakes.sounds import CLIPS, SPEECH
from tests.fakes.whole import whole
from tests.web.test_sessions import code

pytestmark = pytest.mark.process

CLIP = (SPEECH / f"{CLIPS[0]}.wav").read_bytes()
TOKEN = "control-token-of-the-test"  # noqa: S105 - made up
AWAY: dict[str, Any] = {
    "orchestration.control_token": TOKEN,
    **{f"services.{name}.url": "http://127.0.0.1:9" for name in ("audio-service", "translation-service")},
    "orchestration.speech.max_waiting_seconds": 3600,
}


@pytest.mark.real_time
@pytest.mark.parametrize("by", ["the one who sent it", "an operator"])
async def test_recordings_are_listed_and_cancelled_by_their_sender_or_an_operator(
    tmp_path: Path, by: str
) -> None:
    """Found again by its name with nothing of the upload stored; another participant looks, and cannot."""
    async with (
        whole(tmp_path, **AWAY) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=120) as operator,
        httpx2.AsyncClient(base_url=service.url, timeout=120) as guest,
    ):
        operator.headers["Authorization"] = f"Bearer {TOKEN}"
        made = await operator.post("/api/sessions/create", json={"session_id": "s"})
        guest.headers.update({"X-Forwarded-For": "192.0.2.7", "X-Session-Key": made.json()["keys"]["speak"]})
        assert (await guest.get("/api/sessions/s/recordings")).json() == {"recordings": []}
        sent = (await guest.post("/api/sessions/s/recordings?name=talk.wav", content=CLIP)).json()
        place = f"/api/sessions/s/recordings/{sent['stream_id']}"
        (listed,) = (await guest.get("/api/sessions/s/recordings")).json()["recordings"]
        assert (listed["stream_id"], listed["name"]) == (sent["stream_id"], "talk.wav")
        assert listed["seconds"] == pytest.approx(sent["seconds"])
        assert "key" not in str(listed)
        for shown in ({}, {"X-Recording-Key": ""}, {"X-Recording-Key": "x" * 22}):
            assert code(await guest.delete(place, headers=shown)) == (403, "not_your_recording")
        none = await guest.delete(f"{place}0")
        assert code(none) == (404, "unknown_recording")
        if by == "an operator":
            answer = await operator.delete(place)
        else:
            answer = await guest.delete(place, headers={"X-Recording-Key": sent["recording_key"]})
        assert answer.status_code == 204
        with trio.fail_after(PATIENCE):
            while (await guest.get("/api/sessions/s/recordings")).json()["recordings"]:  # noqa: ASYNC110 - over HTTP
                await trio.sleep(0.05)

"""The control API of bots, over bots that note what they are asked."""

import io
import itertools
import wave
from pathlib import Path
from typing import Any

import pytest

from orch.bots.requests import Languages, LanguagesChange, WebcamChange
from orch.bots.states import State
from orch.problems import ProblemError
from orch.web import bot_speech, time_limits
from tests.fakes.bots_api import bots_api

pytestmark = pytest.mark.real_time

MEET = "https://meet.google.com/abc-defg-hij"


def wav(seconds: float, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(b"\x01\x02" * round(seconds * rate))
    return file.getvalue()


async def test_a_bot_is_sent_once_for_a_key(tmp_path: Path) -> None:
    """201 with its address, then 200; the same key for another request is refused."""
    async with bots_api(tmp_path) as (api, bots, _):
        body = {"meeting_url": MEET, "metadata": {"ticket": 17}}
        headers = {"Idempotency-Key": "k-1"}
        made = await api.ask("POST", "/api/bots", json=body, headers=headers)
        assert (made.status_code, made.headers["Location"]) == (201, "/api/bots/b1")
        again = await api.ask("POST", "/api/bots", json=body, headers=headers)
        assert (again.status_code, again.headers["Location"]) == (200, "/api/bots/b1")
        status, problem = await api.json("POST", "/api/bots", json=body | {"name": "Other"}, headers=headers)
        assert (status, problem["code"]) == (422, "idempotency_key_reused")
        assert bots.requests[0].idempotency_key == "k-1"
        assert bots.requests[0].metadata == {"ticket": 17}


def body(more: str) -> bytes:
    """Return a request for a meeting with more in it."""
    return f'{{"meeting_url": "{MEET}", {more}}}'.encode()


async def test_a_wrong_request_is_refused_with_its_place(tmp_path: Path) -> None:
    """And no bot is sent."""
    deep = '{"a":' * 5_000 + "1" + "}" * 5_000
    async with bots_api(tmp_path) as (api, bots, _):
        for sent, status, code, path in (
            (b'{"meeting_url": "https://zoom.us/j/1"}', 422, "bad_meeting_url", "$.meeting_url"),
            (b"{}", 400, "invalid_request", "$"),
            (b'{"meeting_url": 5}', 400, "invalid_request", "$.meeting_url"),
            (body('"nane": "x"'), 400, "invalid_request", "$"),
            (body('"camera": {"lines": 9}'), 400, "invalid_request", "$.camera"),
            (body('"rules": {"lobby": 0}'), 400, "invalid_request", "$.rules.lobby"),
            (body('"start_at": 1e999'), 400, "invalid_request", "$.start_at"),
            (body(f'"metadata": {deep}'), 400, "invalid_json", None),
            (body('"metadata": {"a": "' + "x" * 20_000 + '"}'), 400, "invalid_request", "$.metadata"),
            (body('"name": "\\ud800"'), 400, "invalid_json", None),
            (b"{" + b" " * 70_000 + b"}", 413, "body_too_large", None),
        ):
            headers = {"Content-Type": "application/json"}
            got, problem = await api.json("POST", "/api/bots", data=sent, headers=headers)
            assert (got, problem["code"], problem.get("path")) == (status, code, path)
        assert bots.requests == []


async def test_what_prevents_bots_is_said(tmp_path: Path) -> None:
    """With the sentence of the service."""
    async with bots_api(tmp_path) as (api, bots, _):
        for code in ("browser_missing", "too_many_bots", "bots_off"):
            bots.problem = ProblemError(code, "Install it, or set bots.chromium.")
            got, problem = await api.json("POST", "/api/bots", json={"meeting_url": MEET})
            assert (got, problem["code"], problem["detail"]) == (503, code, bots.problem.detail)


async def test_bots_are_listed_counted_and_shown(tmp_path: Path) -> None:
    """Pages of the list begin after a bot."""
    async with bots_api(tmp_path) as (api, bots, _):
        bots.add("b1")
        assert (await api.json("GET", "/api/bots?state=active&limit=5&before=b9"))[0] == 200
        assert (await api.json("GET", "/api/bots"))[1]["bots"][0]["bot_id"] == "b1"
        assert bots.listed == [(True, "b9", 5), (None, None, 50)]
        assert (await api.json("GET", "/api/bots/stats"))[1]["states"] == {"capturing": 1}
        assert (await api.json("GET", "/api/bots/b1"))[1]["bot"]["state"] == "capturing"
        for query in ("state=x", "limit=0", "limit=201", "before=a%2Fb", "more=1"):
            status, problem = await api.json("GET", f"/api/bots?{query}")
            assert status in (400, 404), query
            assert problem["code"] in ("invalid_request", "unknown_bot")


async def test_an_unknown_bot_is_404_everywhere(tmp_path: Path) -> None:
    """Whatever the id looks like, and before a body is read."""
    ids = ("nobody", "a%2Fb", "..%2Fstats", "%00", "ü", "x" * 65)
    async with bots_api(tmp_path) as (api, _, _):
        for bot_id, (method, path) in itertools.product(ids, (
            ("GET", ""), ("POST", "/leave"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/speak"),
            ("GET", "/transcript"), ("GET", "/translations?language=es"), ("GET", "/timeline"),
            ("GET", "/correlations"), ("GET", "/events"), ("GET", "/recording"), ("GET", "/recording/f"),
            ("GET", "/evidence"), ("GET", "/evidence/f"), ("GET", "/webcam.png"), ("GET", "/webcam.mjpg"),
            ("DELETE", "/data"),
        )):  # fmt: skip
            status, problem = await api.json(method, f"/api/bots/{bot_id}{path}")
            assert (status, problem["code"]) in ((404, "unknown_bot"), (404, "not_found")), path


async def test_commands_are_passed_on(tmp_path: Path) -> None:
    """Each with what it needs; the response is the bot."""
    async with bots_api(tmp_path) as (api, bots, _):
        bots.add("b1")
        for command, body in (
            ("pause", None),
            ("chat", {"text": " Hello\r\nall\x07 "}),
            ("language", {"targets": ["es", "es"], "captions": None}),
        ):
            more: dict[str, Any] = {} if body is None else {"json": body}
            if command == "pause":
                status, bot = await api.json("POST", "/api/bots/b1/pause")
            else:
                status, bot = await api.json("POST", f"/api/bots/b1/{command}", **more)
            assert (status, bot["bot_id"]) == (200, "b1")
        assert (await api.json("PATCH", "/api/bots/b1/webcam", json={"theme": "light", "on": True}))[0] == 200
        assert bots.asked == [
            ("pause", "b1", None),
            ("chat", "b1", "Hello\nall"),
            ("language", "b1", LanguagesChange(targets=("es",), captions=None)),
            ("webcam", "b1", WebcamChange(theme="light", on=True)),  # type: ignore[arg-type]
        ]
        assert bots.asked[2][2].applied_to(Languages(captions="de")) == Languages(targets=("es",))


async def test_a_wrong_state_is_409_with_the_state(tmp_path: Path) -> None:
    """As the service says it."""
    async with bots_api(tmp_path) as (api, bots, _):
        bots.add("b1", State.PAUSED)
        bots.add("b2", State.ENDED)
        status, problem = await api.json("POST", "/api/bots/b1/pause")
        assert (status, problem["code"], problem["state"]) == (409, "wrong_bot_state", "paused")
        status, problem = await api.json("DELETE", "/api/bots/b1/data")
        assert (status, problem["state"]) == (409, "paused")
        assert (await api.json("DELETE", "/api/bots/b2/data"))[0] == 200


async def test_leaving_is_accepted_and_may_be_repeated(tmp_path: Path) -> None:
    """202 while it goes on; one that has ended stays as it is."""
    async with bots_api(tmp_path) as (api, bots, _):
        bots.add("b1")
        assert (await api.json("POST", "/api/bots/b1/leave"))[0] == 202
        assert (await api.json("POST", "/api/bots/b1/leave"))[1]["state"] == "leaving"
        bots.add("b1", State.ENDED)
        assert (await api.json("POST", "/api/bots/b1/leave"))[0] == 200


@pytest.mark.process
async def test_a_recording_is_spoken_at_16_khz(tmp_path: Path) -> None:
    """Decoded and resampled, whatever it was."""
    async with bots_api(tmp_path) as (api, bots, _):
        bots.add("b1")
        headers = {"Content-Type": "audio/wav"}
        status, spoken = await api.json("POST", "/api/bots/b1/speak", data=wav(0.5, 48_000), headers=headers)
        assert (status, spoken["bot"]["bot_id"]) == (202, "b1")
        assert spoken["seconds"] == pytest.approx(0.5, abs=0.02)
        (_, _, pcm) = bots.asked[0]
        assert len(pcm) == pytest.approx(16_000, abs=700)
        status, problem = await api.json("POST", "/api/bots/b1/speak", data=wav(121), headers=headers)
        assert (status, problem["code"]) == (413, "recording_too_long")
        status, problem = await api.json("POST", "/api/bots/b1/speak", data=b"RIFFnonsense", headers=headers)
        assert (status, problem["code"]) == (415, "not_audio")
        assert len(bots.asked) == 1


async def test_what_cannot_be_spoken_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """A text, a file that is too large, a bot that is not in the call, and too many at a time."""
    async with bots_api(tmp_path) as (api, bots, _):
        bots.add("b1")
        bots.add("b2", State.WAITING_IN_LOBBY)
        path = "/api/bots/b1/speak"
        status, problem = await api.json("POST", path, json={"text": "Hello"})
        assert (status, problem["code"]) == (415, "unsupported_media_type")
        assert "no speech synthesis" in problem["detail"]
        large = b"x" * (bot_speech.LARGEST + 1)
        status, problem = await api.json("POST", path, data=large, headers={"Content-Type": "audio/wav"})
        assert (status, problem["code"]) == (413, "recording_too_large")
        status, problem = await api.json(
            "POST", "/api/bots/b2/speak", data=b"x", headers={"Content-Type": "audio/wav"}
        )
        assert (status, problem["code"], problem["state"]) == (409, "wrong_bot_state", "waiting_in_lobby")
        assert "capturing" in problem["expected"]
        assert [asked[0] for asked in bots.asked] == []


async def test_a_command_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response says so."""
    monkeypatch.setattr(time_limits, "COMMAND_SECONDS", 0.05)
    async with bots_api(tmp_path) as (api, bots, _):
        bots.add("b1")
        bots.hangs = True
        status, problem = await api.json("POST", "/api/bots/b1/pause")
        assert (status, problem["code"]) == (504, "bot_silent")

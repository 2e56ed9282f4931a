"""The HTTP API and the sockets of the meetings' server, without a network."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from quart import typing as quart_typing

from orch.sandbox.meeting.__main__ import DEMO, USAGE_ERROR, run
from orch.sandbox.meeting.clips import ClipLibrary
from orch.sandbox.meeting.meetings import Meetings
from orch.sandbox.meeting.script import Clip, ScriptError
from orch.sandbox.meeting.server import POLICY, create
from orch.sandbox.meeting.sockets import MeetingEndpoint, account
from tests.fakes.sounds import SPEECH

VOICES = SPEECH.parent / "voices"

OPEN = """
code: quz-waxy-lob
entry: {button: join_now}
participants: [{id: ana, name: Ana & Söhne, is_host: true}]
says: [{who: ana, clip: sense, at: 1}]
captions: {starts_on: true}
"""


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Meetings, quart_typing.TestClientProtocol, MeetingEndpoint]]:
    """Run a server of meetings."""
    meetings = Meetings(ClipLibrary())
    app = create(meetings)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(meetings.run)
        yield meetings, app.test_client(), MeetingEndpoint(app, meetings)
        nursery.cancel_scope.cancel()


class Page:
    """A page's socket."""

    def __init__(self) -> None:
        self.to_server, self._receive = trio.open_memory_channel[dict[str, Any]](100)
        self._send, self._sent = trio.open_memory_channel[dict[str, Any]](1000)
        self.ended = trio.Event()
        self.to_server.send_nowait({"type": "websocket.connect"})

    async def run(self, endpoint: MeetingEndpoint, path: str, query: str = "", cookie: str = "") -> None:
        headers = [(b"cookie", cookie.encode())] if cookie else []
        scope: dict[str, Any] = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
        }
        scope["extensions"] = {"websocket.http.response": {}}
        await endpoint(scope, self._receive.receive, self._send.send)
        self.ended.set()

    async def say(self, **message: Any) -> None:
        await self.to_server.send({"type": "websocket.receive", "text": json.dumps(message)})

    async def event(self) -> dict[str, Any]:
        return await self._sent.receive()

    async def until(self, kind: str) -> dict[str, Any]:
        """Return the next message of a type."""
        while True:
            event = await self.event()
            if event["type"] == "websocket.send":
                message: dict[str, Any] = json.loads(event["text"])
                if message["type"] == kind:
                    return message


async def test_a_meeting_is_added_read_and_removed() -> None:
    async with serving() as (_, client, _endpoint):
        added = await client.post("/api/meetings", data=OPEN)
        assert added.status_code == 201
        assert await added.get_json() == {"code": "quz-waxy-lob", "url": "http://localhost/quz-waxy-lob"}
        state = await (await client.get("/api/meetings/quz-waxy-lob")).get_json()
        assert (state["name"], state["running"], state["present"], state["guests"]) == (
            "Meeting",
            False,
            ["ana"],
            [],
        )
        told = await (await client.get("/api/meetings/quz-waxy-lob/truth")).get_json()
        assert told["utterances"][0]["words"][0]["word"] == "unless"
        schedule = await (await client.get("/api/meetings/quz-waxy-lob/schedule")).get_json()
        assert "spoken" in {each["kind"] for each in schedule}
        again = await (await client.post("/api/meetings", data=OPEN)).get_json()
        assert again["code"] != "quz-waxy-lob"
        assert (await client.delete("/api/meetings/quz-waxy-lob")).status_code == 204
        assert (await client.get("/api/meetings/quz-waxy-lob")).status_code == 404


async def test_an_invalid_script_is_refused_with_its_faults() -> None:
    async with serving() as (_, client, _endpoint):
        refused = await client.post("/api/meetings", data=OPEN.replace("who: ana", "who: bo"))
        assert refused.status_code == 400
        assert (await refused.get_json())["faults"][0]["path"] == "says[0].who"
        assert (await client.post("/api/meetings", data=b"\xff: [")).status_code == 400
        assert (await client.post("/api/meetings", data=b"")).status_code == 400


async def test_pages_are_served_under_a_strict_policy() -> None:
    async with serving() as (_, client, _endpoint):
        await client.post("/api/meetings", data=OPEN)
        for path in (
            "/",
            "/quz-waxy-lob",
            "/quz-waxy-lob/far",
            "/quz-waxy-lob/style.css",
            "/scripts/first.js",
            "/captcha",
        ):
            response = await client.get(path)
            assert response.status_code == 200, path
            assert response.headers["Content-Security-Policy"] == POLICY
        assert "unsafe" not in POLICY
        unknown = await client.get("/aaa-aaaa-aaa")
        assert unknown.status_code == 404
        assert "guest.js" in await unknown.get_data(as_text=True), (
            "the page itself says that there is no meeting"
        )
        for path in (
            "/scripts/none.js",
            "/scripts/..%2fserver.py",
            "/quz-waxy-lob/clips/none",
            "/aaa-aaaa-aaa/far",
        ):
            assert (await client.get(path)).status_code == 404, path


async def test_the_page_is_sent_its_texts_in_the_language_of_its_address() -> None:
    async with serving() as (_, client, _endpoint):
        await client.post("/api/meetings", data=OPEN.replace("code:", "language: fr\nclass_names: 3\ncode:"))
        german = await (await client.get("/quz-waxy-lob/config?hl=de-AT")).get_json()
        assert german["texts"]["join_now"] == "Jetzt teilnehmen"
        assert german["names"]["tile"] != "tile"
        for query in ("", "?hl=xx"):
            french = await (await client.get(f"/quz-waxy-lob/config{query}")).get_json()
            assert french["texts"]["join_now"] == "Participer"
        assert german["far"] == "http://127.0.0.1/quz-waxy-lob/far"
        unknown = await (await client.get("/aaa-aaaa-aaa/config?hl=de")).get_json()
        assert (unknown["is_known"], unknown["texts"]["no_meeting"]) == (
            False,
            "Überprüfe deinen Besprechungscode",
        )


async def test_a_clip_is_served_with_its_type() -> None:
    async with serving() as (_, client, _endpoint):
        await client.post("/api/meetings", data=OPEN + "clips: {hiss: {noise: 0.1, seconds: 0.5}}")
        sense = await client.get("/quz-waxy-lob/clips/sense")
        assert sense.content_type == "audio/wav"
        assert (await sense.get_data())[:4] == b"RIFF"
        assert len(await (await client.get("/quz-waxy-lob/clips/hiss")).get_data()) == 44 + 16_000


async def test_a_guest_joins_hears_and_reads_over_its_sockets() -> None:
    async with serving() as (meetings, client, endpoint), trio.open_nursery() as nursery:
        await client.post("/api/meetings", data=OPEN)
        near, far = Page(), Page()
        nursery.start_soon(near.run, endpoint, "/quz-waxy-lob/near")
        assert (await near.event())["type"] == "websocket.accept"
        key = (await near.until("hello"))["key"]
        await near.say(type="enter", name="Bot")
        assert (await near.until("view"))["view"] == "call"
        nursery.start_soon(far.run, endpoint, "/quz-waxy-lob/far", f"guest={key}")
        assert (await far.until("begin"))["clips"] == ["sense"]
        await far.say(type="signal", data={"pc": "down", "description": {"sdp": "v=0"}})
        assert (await near.until("signal"))["data"] == {"pc": "down", "description": {"sdp": "v=0"}}
        await far.say(type="connected")
        assert (await far.until("sound"))["clip"] == "sense"
        assert (await near.until("caption"))["name"] == "Ana & Söhne"
        await near.say(type="leave")
        assert (await near.until("view"))["view"] == "left"
        await far.ended.wait()
        await near.to_server.send({"type": "websocket.disconnect", "code": 1001})
        await near.ended.wait()
        assert meetings.rooms["quz-waxy-lob"].guests == {}


async def test_guests_in_the_call_pass_signals_to_each_other_and_to_nobody_else() -> None:
    async with serving() as (_, client, endpoint), trio.open_nursery() as nursery:
        await client.post("/api/meetings", data=OPEN)
        pages = [Page(), Page(), Page()]
        keys = []
        for page in pages:
            nursery.start_soon(page.run, endpoint, "/quz-waxy-lob/near")
            keys.append((await page.until("hello"))["key"])
        first, second, outside = pages
        for page in (first, second):
            await page.say(type="enter", name="Bot")
            await page.until("view")
        await first.say(type="signal", to=keys[1], data={"way": "to"})
        assert (await second.until("peer")) == {"type": "peer", "from": keys[0], "data": {"way": "to"}}
        await outside.say(type="signal", to=keys[1], data={"number": 1})
        for to in (keys[0], keys[2], "nobody"):
            await first.say(type="signal", to=to, data={"number": 2})
        await first.say(type="signal", to=keys[1], data={"number": 3})
        assert (await second.until("peer"))["data"] == {"number": 3}
        for page in pages:
            await page.to_server.send({"type": "websocket.disconnect", "code": 1001})
            await page.ended.wait()


@pytest.mark.parametrize("message", [{"bytes": b"x"}, {"text": "no JSON"}])
async def test_a_page_that_sends_nonsense_is_disconnected(message: dict[str, Any]) -> None:
    async with serving() as (_, client, endpoint), trio.open_nursery() as nursery:
        await client.post("/api/meetings", data=OPEN)
        near = Page()
        nursery.start_soon(near.run, endpoint, "/quz-waxy-lob/near")
        await near.until("hello")
        await near.to_server.send({"type": "websocket.receive", **message})
        while (event := await near.event())["type"] != "websocket.close":
            pass
        assert event["code"] in (1003, 1008)


@pytest.mark.parametrize("path", ["/aaa-aaaa-aaa/near", "/quz-waxy-lob/far", "/quz-waxy-lob/other", "/near"])
async def test_other_sockets_are_refused(path: str) -> None:
    async with serving() as (_, client, endpoint), trio.open_nursery() as nursery:
        await client.post("/api/meetings", data=OPEN)
        page = Page()
        nursery.start_soon(page.run, endpoint, path)
        event = await page.event()
        assert (event["type"], event["status"]) == ("websocket.http.response.start", 404)


async def test_the_host_acts_over_the_api() -> None:
    async with serving() as (_, client, endpoint), trio.open_nursery() as nursery:
        await client.post(
            "/api/meetings", data=OPEN.replace("join_now", "ask_to_join, lobby: {verdict: silence}")
        )
        at = "/api/meetings/quz-waxy-lob"
        near = Page()
        nursery.start_soon(near.run, endpoint, "/quz-waxy-lob/near")
        await near.say(type="enter", name="Bot")
        assert (await near.until("view"))["view"] == "lobby"
        assert (await client.post(f"{at}/admit", json={"guest": "nobody"})).status_code == 404
        assert (await client.post(f"{at}/admit")).status_code == 200
        assert (await near.until("view"))["view"] == "call"
        await client.post(f"{at}/chat", json={"who": "ana", "text": "hello"})
        assert (await near.until("chat"))["text"] == "hello"
        await client.post(f"{at}/network", json={"is_up": False})
        assert not (await near.until("network"))["is_up"]
        await client.post(f"{at}/network", json={"is_up": True})
        assert (await near.until("network"))["is_up"]
        await client.post(f"{at}/recording", json={"is_allowed": True})
        assert (await near.until("recording"))["state"] == "allowed"
        assert (
            "begins"
            in await (await client.post(f"{at}/say", json={"who": "ana", "text": "a b c"})).get_json()
        )
        for body in ({"who": "bo", "text": "x"}, {"who": "ana"}, {"who": "ana", "clip": "none"}, {"who": 1}):
            assert (await client.post(f"{at}/say", json=body)).status_code == 400, body
        assert (await client.post(f"{at}/chat", json={"who": "bo", "text": "x"})).status_code == 400
        await client.post(f"{at}/remove")
        assert (await near.until("view"))["view"] == "removed"
        await client.post(f"{at}/end")
        records = await (await client.get(f"{at}/records")).get_json()
        assert {"guest_moved", "chat_posted", "ended"} <= {each["what"] for each in records}
        nursery.cancel_scope.cancel()


async def test_an_account_passes_the_wall() -> None:
    async with serving() as (_, client, endpoint), trio.open_nursery() as nursery:
        await client.post("/api/meetings", data=OPEN.replace("join_now", "join_now, login_wall: true"))
        assert (await (await client.get("/quz-waxy-lob/config")).get_json())["is_refused"]
        signed = await client.post("/sign-in?meeting=quz-waxy-lob", form={"name": "Scribe"})
        assert (signed.status_code, signed.headers["Location"]) == (303, "/quz-waxy-lob")
        config = await (await client.get("/quz-waxy-lob/config")).get_json()
        assert (config["is_refused"], config["account"]) == (False, "Scribe")
        near = Page()
        nursery.start_soon(near.run, endpoint, "/quz-waxy-lob/near", "", "account=Scribe")
        await near.say(type="enter", name="Scribe")
        assert (await near.until("view"))["view"] == "call"
        assert (await client.post("/sign-in", form={"name": " "})).status_code == 400
        outside = await client.post("/sign-in?meeting=//evil.example", form={"name": "Scribe"})
        assert outside.headers["Location"] == "/"
        nursery.cancel_scope.cancel()


def test_an_account_is_read_from_cookies() -> None:
    assert account([(b"cookie", b"a=b; account=Scribe")]) == "Scribe"
    assert account([(b"cookie", b"a=b")]) is None
    assert account([]) is None


async def test_a_meeting_that_is_removed_closes_its_sockets() -> None:
    async with serving() as (_, client, endpoint), trio.open_nursery() as nursery:
        await client.post("/api/meetings", data=OPEN)
        near = Page()
        nursery.start_soon(near.run, endpoint, "/quz-waxy-lob/near")
        await near.say(type="enter", name="Bot")
        assert (await near.until("view"))["view"] == "call"
        assert (await client.delete("/api/meetings/quz-waxy-lob")).status_code == 204
        assert (await near.until("view"))["view"] == "ended"
        await near.ended.wait()
        assert await (await client.get("/api/meetings")).get_json() == []


async def test_the_server_closes_its_sockets_when_it_stops() -> None:
    async with serving() as (_, client, endpoint), trio.open_nursery() as nursery:
        await client.post("/api/meetings", data=OPEN)
        near = Page()
        nursery.start_soon(near.run, endpoint, "/quz-waxy-lob/near")
        await near.until("hello")
        await endpoint.drain()
        await near.ended.wait()


def test_clips_of_a_folder_are_listed_and_stay_in_it(tmp_path: Path) -> None:
    (tmp_path / "clips.yaml").write_text("austen: {file: a.wav, words: unless to be}", encoding="utf-8")
    (tmp_path / "a.wav").write_bytes((SPEECH / "austen-0890.wav").read_bytes())
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "link.wav").symlink_to("/etc/hostname")
    library = ClipLibrary(tmp_path)
    assert library.clips["austen"].seconds == pytest.approx(5.3, abs=0.1)
    assert library.recording(library.clips["austen"]).media_type == "audio/wav"
    meetings = Meetings(library)
    for file in ("none.wav", "empty.wav", "link.wav", "clips.yaml"):
        text = OPEN.replace("clip: sense", "clip: own") + f"clips: {{own: {{file: {file}}}}}"
        with pytest.raises(ScriptError, match="expected a recording"):
            meetings.add(text)
    with pytest.raises(ValueError, match="outside"):
        library.recording(Clip(file="link.wav"))


def test_the_clips_and_the_demo_that_ship_can_be_played() -> None:
    library = ClipLibrary()
    assert all(clip.seconds and clip.words for clip in library.clips.values())
    room = Meetings(library).add(DEMO.read_text(encoding="utf-8"))
    assert len({each.who for each in room.playback.planned.utterances}) >= 2


def test_an_invalid_script_ends_the_program_with_its_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("participants: 3", encoding="utf-8")
    assert run(["--script", str(file)]) == USAGE_ERROR
    assert capsys.readouterr().err == "participants: expected `array`, got `int`\n"
    assert run(["--script", str(tmp_path / "none.yaml")]) == USAGE_ERROR
    assert "none.yaml" in capsys.readouterr().err


def test_the_voices_of_the_tests_have_timed_words() -> None:
    """Enough voices for a meeting of six, whose truth is known to the word."""
    clips = ClipLibrary(VOICES).clips
    assert len({name.partition("-")[0] for name in clips}) == 6
    for name, clip in clips.items():
        assert not isinstance(clip.words, str)
        assert clip.seconds is not None
        assert clip.words[-1].end <= clip.seconds, name
        assert all(0.02 < word.end - word.begin < 1.2 for word in clip.words), name
        assert (VOICES / clip.file).is_file()

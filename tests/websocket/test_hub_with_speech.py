"""The hub and the real speech flow, on a virtual clock; only the back ends are stand-ins."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import trio

from orch.problems import ProblemError
from tests.fakes.hub import running_hub
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import Room

SPOKEN = pcm(silence(0.3), voice(1.5), silence(1.0), voice(1.0), silence(1.0))
BLOCK = 3200


def kept(messages: list[dict[str, Any]]) -> list[tuple[int, str, str | None]]:
    return [
        (message["offset"], message["type"], message.get("target_language", message.get("language")))
        for message in messages
        if "offset" in message and message["type"] in ("transcript", "translation")
    ]


async def test_two_clients_read_the_same_captions_and_translations(tmp_path: Path) -> None:
    """Speech is transcribed and translated into the requested and the read languages, in one order."""
    room = Room()
    async with (
        running_hub(tmp_path, room) as hub,
        hub.connected() as ann,
        hub.connected() as bob,
    ):
        await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
        await bob.ask({"type": "join_session", "session_id": "s", "languages": ["de"]})
        started = await ann.ask(
            {"type": "audio_start", "session_id": "s", "sample_rate": 16_000, "target_languages": ["es"]},
            "audio_started",
        )
        for begin in range(0, len(SPOKEN), BLOCK):
            ann.say(SPOKEN[begin : begin + BLOCK])
            await trio.sleep(0.1)
        ann.say({"type": "audio_end", "id": "end"})
        heard = []
        for socket in (ann, bob):
            messages: list[dict[str, Any]] = []
            while not messages or messages[-1]["type"] != "audio_ended":
                messages.append(await socket.hear())
            heard.append(messages)
        assert heard[0][-1]["id"] == "end"
        assert heard[0][-1]["seconds"] == len(SPOKEN) / 32_000
        captions = kept(heard[0])
        assert captions == kept(heard[1])
        assert [offset for offset, _, _ in captions] == list(range(1, 7))
        assert sorted(str(language) for _, kind, language in captions if kind == "translation") == [
            "de",
            "de",
            "es",
            "es",
        ]
        finals = [m for m in heard[1] if m["type"] == "transcript" and m["final"]]
        assert [m["speaker"] for m in finals] == ["Ann", "Ann"]
        assert all(m["segment_id"].startswith(started["stream_id"]) for m in finals)
        assert any(m["type"] == "transcript" and not m["final"] for m in heard[1])


async def test_a_recording_is_transcribed_after_the_back_end_returns(tmp_path: Path) -> None:
    """A recording uploaded while the back end restarts is transcribed when it is back, nothing twice."""
    room = Room()
    room.back_ends.audio_error = ProblemError("service_unavailable", "Away.", service="audio-service")

    async def chunks() -> AsyncIterator[bytes]:
        for begin in range(0, len(SPOKEN), BLOCK):
            yield SPOKEN[begin : begin + BLOCK]

    async with running_hub(tmp_path, room) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await hub.service.open_recording(
            "s", name="talk.wav", source_language="auto", target_languages=("es",), chunks=chunks()
        )
        await trio.sleep(5)
        room.back_ends.audio_error = None
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["type"] != "audio_ended":
            messages.append(await ann.hear())
        finals = [m for m in messages if m["type"] == "transcript" and m["final"] and not m["error"]]
        assert len({m["segment_id"] for m in finals}) == len(finals) == 2
        assert [m["speaker"] for m in finals] == ["talk.wav", "talk.wav"]
        assert messages[-1]["lost_seconds"] == 0

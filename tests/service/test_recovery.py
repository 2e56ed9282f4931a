"""Messages outlive the process."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.client import connected
from tests.fakes.running import run
from tests.fakes.service import service

SETTINGS = """\
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
"""


def test_after_kill_9_a_client_recovers_every_message_it_had_missed(tmp_path: Path) -> None:
    """All of them, in order, and none twice: every message was stored before it was sent."""
    told: dict[str, Any] = {}
    with service("serve", tmp_path, settings=SETTINGS) as s:

        async def before() -> None:
            async with connected(s.url) as reader, connected(s.url) as speaker:
                told.update(
                    await reader.ask("session_created", type="create_session", session_id="s-1", config={})
                )
                await speaker.ask("session_joined", type="join_session", session_id="s-1")
                for number in range(200):
                    await speaker.send(type="broadcast", session_id="s-1", data={"n": number})
                await reader.until(lambda m: m["type"] == "session_message" and m["data"]["n"] == 99)
                told["seen"] = 100
                await speaker.until(lambda m: m["type"] == "session_message" and m["data"]["n"] == 199)
                s.process.send_signal(signal.SIGKILL)

        run(before, virtual=False)
        s.process.wait(10)

    with service("serve", tmp_path, settings=SETTINGS) as s:

        async def after() -> None:
            async with connected(s.url) as reader:
                answer = await reader.ask(
                    "session_recovered",
                    type="recover_session",
                    session_id="s-1",
                    recovery_token=told["recovery_token"],
                    epoch=told["epoch"],
                    offset=told["offset"] + told["seen"],
                )
                assert answer["recovered"] is True
                assert [m["data"]["n"] for m in answer["messages"]] == list(range(100, 200))
                offsets = [m["offset"] for m in answer["messages"]]
                assert offsets == list(range(offsets[0], offsets[0] + 100))
                assert answer["offset"] == offsets[-1]

        run(after, virtual=False)


@pytest.mark.real_time
async def test_what_cannot_be_recovered_is_an_honest_false(tmp_path: Path) -> None:
    """A wrong token, another epoch, an unassigned offset, a missing session: each has its own reason."""
    with service("serve", tmp_path, settings=SETTINGS) as s:
        async with connected(s.url) as client:
            made = await client.ask("session_created", type="create_session", session_id="s", config={})
            good = {
                "session_id": "s",
                "recovery_token": made["recovery_token"],
                "epoch": made["epoch"],
                "offset": made["offset"],
            }
        wrongs: dict[str, dict[str, object]] = {
            "wrong_token": {"recovery_token": "guess"},
            "epoch_changed": {"epoch": "other"},
            "offset_unknown": {"offset": 10_000},
            "unknown_session": {"session_id": "t"},
        }
        async with connected(s.url) as client:
            for reason, wrong in wrongs.items():
                answer = await client.ask("session_recovered", type="recover_session", **(good | wrong))
                assert (answer["recovered"], answer["reason"]) == (False, reason)
                assert "messages" not in answer
            answer = await client.ask("session_recovered", type="recover_session", **good)
            assert answer["recovered"] is True

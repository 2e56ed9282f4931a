"""Followers of a bot's session: in the hub, as a program reads it, and in the store."""

import json
import time
from typing import Any, Final, Never

import httpx2
import trio
from trio_websocket import open_websocket_url

LOOKED: Final = 0.04
"""Seconds between two readings of what is stored."""

REVISED: Final = 5
"""Captions before the last one that may be revised."""


class Reader:
    """Follows a session in the hub. ``captions``: texts and arrivals; ``finals``: arrivals of transcripts."""

    def __init__(self) -> None:
        self.captions: list[tuple[str, float]] = []
        self.finals: list[float] = []
        self.kinds: dict[str, int] = {}

    async def run(
        self, url: str, session: str, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Follow until cancelled. RuntimeError if the session cannot be joined."""
        async with open_websocket_url(url.replace("http", "ws", 1) + "/ws") as socket:
            await socket.send_message(json.dumps({"type": "join_session", "session_id": session}))
            while True:
                message = json.loads(await socket.get_message())
                now = time.time()
                kind = message["type"]
                self.kinds[kind] = self.kinds.get(kind, 0) + 1
                if kind == "session_joined":
                    task_status.started()
                elif kind == "error":
                    raise RuntimeError(message)
                elif kind == "meeting_caption":
                    self.captions.append((message["text"], now))
                elif kind == "transcript" and message["final"] and message["text"]:
                    self.finals.append(now)


class StoreReader:
    """Reads the stored captions over HTTP. ``captions``: each new text, and when it was there."""

    def __init__(self, url: str) -> None:
        """Begin; ``url``: of the bot in the API."""
        self.captions: list[tuple[str, float]] = []
        self._url = url
        self._known: dict[int, str] = {}

    async def run(self) -> Never:
        """Read until cancelled."""
        async with httpx2.AsyncClient(timeout=30) as client:
            while True:
                after = max(self._known, default=-1)
                parameters: dict[str, Any] = {"source": "captions", "after": max(-1, after - REVISED)}
                response = await client.get(f"{self._url}/transcript", params=parameters)
                response.raise_for_status()
                now = time.time()
                for line in response.json()["lines"]:
                    if self._known.get(line["index"]) != line["text"]:
                        self._known[line["index"]] = line["text"]
                        self.captions.append((line["text"], now))
                await trio.sleep(LOOKED)

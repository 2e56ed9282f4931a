"""The service with its sandbox back ends, and a server of scripted meetings, as processes of their own."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import trio

from benchmarks.meeting_scoring import NotedWord
from benchmarks.peers.servers import ROOT
from orch.bots.chromium.guard import descendants
from orch.bots.correlation.naming import CONFIDENT
from orch.bots.states import FINAL
from tests.fakes.processes import command, shared_memory, stat

VOICES: Final = ROOT / "tests" / "data" / "voices"
STARTING: Final = 120.0
ENDING: Final = 60.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds so far, and bytes: what is shared is counted once."""

    cpu: float
    memory: int


@dataclass
class Stack:
    """What runs. ``service``: the process id of the service."""

    url: str
    meetings: str
    service: int
    client: httpx2.AsyncClient

    async def has_back_ends(self) -> bool:
        """Return whether all back ends are healthy."""
        health = (await self.client.get(f"{self.url}/api/health")).json()
        return set(health["services"].values()) == {"healthy"}

    async def add_meeting(self, script: str) -> str:
        """Add a meeting; return its URL."""
        response = await self.client.post(f"{self.meetings}/api/meetings", content=script.encode())
        response.raise_for_status()
        return str(response.json()["url"])

    async def meeting(self, url: str, what: str = "") -> Any:
        """Return the state of a meeting, or its ``/truth`` or ``/records``."""
        response = await self.client.get(f"{self.meetings}/api/meetings/{code_in(url)}{what}")
        response.raise_for_status()
        return response.json()

    async def send_bot(self, url: str, **wishes: Any) -> Any:
        """Send a bot to a meeting; return it."""
        response = await self.client.post(f"{self.url}/api/bots", json={"meeting_url": url, **wishes})
        if response.is_error:
            raise RuntimeError(response.text)
        return response.json()

    async def bot(self, bot_id: str) -> Any:
        """Return a bot with what is live."""
        response = await self.client.get(f"{self.url}/api/bots/{bot_id}")
        response.raise_for_status()
        return response.json()

    async def until_capturing(self, bot_id: str) -> Any:
        """Wait until a bot listens. RuntimeError if it ends before."""
        while True:
            bot = (await self.bot(bot_id))["bot"]
            if bot["state"] == "capturing":
                return bot
            if bot["state"] in FINAL:
                raise RuntimeError(f"the bot has ended: {bot['end']}")
            await trio.sleep(0.1)

    async def leave(self, bot_id: str) -> Any:
        """Have a bot leave; return it when it has ended."""
        response = await self.client.post(f"{self.url}/api/bots/{bot_id}/leave")
        response.raise_for_status()
        with trio.fail_after(ENDING):
            while (bot := (await self.bot(bot_id))["bot"])["state"] not in FINAL:  # noqa: ASYNC110 - over HTTP
                await trio.sleep(0.2)
        return bot

    async def _pages(self, path: str, first: str | int, items: str, **query: str) -> list[Any]:
        """Return all items of a list that has pages."""
        found: list[Any] = []
        after: str | int | None = first
        while after is not None:
            parameters: dict[str, Any] = {"limit": 200, **query} | ({"after": after} if after != "" else {})
            response = await self.client.get(f"{self.url}{path}", params=parameters)
            response.raise_for_status()
            page = response.json()
            found += page[items]
            after = page["next"]
        return found

    async def started(self, bot_id: str) -> float:
        """Return when a bot's session started, in seconds since the epoch."""
        response = await self.client.get(f"{self.url}/api/bots/{bot_id}/transcript")
        return float(response.json()["started"])

    async def words(self, bot_id: str) -> list[NotedWord]:
        """Return all transcribed words, each with its name as it is stored."""
        found = []
        for line in await self._pages(f"/api/bots/{bot_id}/transcript", -1, "lines"):
            names = {
                place: (part["speaker"], part["confidence"] >= CONFIDENT)
                for part in line["parts"]
                for place in range(part["first"], part["end"])
            }
            for place, word in enumerate(line["words"]):
                name, is_sure = names.get(place, (None, False))
                found.append(NotedWord(word["text"], word["start"], word["end"], name, is_sure))
        return found

    async def captions(self, bot_id: str) -> list[tuple[str, str]]:
        """Return the stored captions of the meeting: name and text."""
        lines = await self._pages(f"/api/bots/{bot_id}/transcript", -1, "lines", source="captions")
        return [(each["speaker"] or "", each["text"]) for each in lines if each["text"]]

    async def revised(self, bot_id: str) -> tuple[int, int]:
        """Return how many words had a name replaced or withdrawn after it was shown, and how many had one."""
        revised = shown = 0
        path = f"/api/bots/{bot_id}/correlations"
        for each in await self._pages(path, "", "revisions", list="revisions"):
            words = each["end"] - each["first"]
            if each["old_speaker"] is None and each["new_speaker"] is not None:
                shown += words
            elif each["was_shown"] and each["old_speaker"] != each["new_speaker"]:
                revised += words
        return revised, shown

    def usage(self) -> tuple[Usage, Usage]:
        """Return what the service uses, and what all browsers of its bots do."""
        browsers = [pid for pid in descendants(self.service) if _is_browser(pid)]
        return _sum([self.service]), _sum(browsers)


def code_in(url: str) -> str:
    """Return the code of a meeting's URL."""
    return url.partition("?")[0].rpartition("/")[2]


def _is_browser(pid: int) -> bool:
    line = command(pid)
    return b"chrom" in line or b"guard.py" in line


def _sum(pids: list[int]) -> Usage:
    cpu, memory = 0.0, 0
    for pid in pids:
        fields = stat(pid)
        if fields:
            cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            memory += shared_memory(pid)
    return Usage(cpu, memory)


@asynccontextmanager
async def running(folder: Path, *, bots: int) -> AsyncIterator[Stack]:
    """Run everything in ``folder`` for the block. ``bots``: that may run at a time."""
    async with trio.open_nursery() as nursery:
        meetings = await nursery.start(
            partial(
                _process,
                ["-m", "orch.sandbox.meeting", "--no-script", "--port", "0", "--clips", str(VOICES)],
                folder,
                event="listening",
                is_fed=True,
            )
        )
        settings = folder / "orchestration.yaml"
        origin = meetings[1]
        settings.write_text(
            json.dumps(
                {
                    "orchestration": {
                        "bots": {
                            "max_bots": bots,
                            "sqlite_path": str(folder / "bots.sqlite3"),
                            "meeting_origins": [{"origin": origin}],
                            "demo_meeting": f"{origin}/none",
                        },
                    },
                    "session_management": {"sqlite_path": str(folder / "sessions.sqlite3")},
                }
            ),
            encoding="utf-8",
        )
        command = ["-m", "orch", "demo", "--port", "0", "--model", "none", "--config", str(settings)]
        pid, url = await nursery.start(partial(_process, command, folder, event="ready"))
        async with httpx2.AsyncClient(timeout=STARTING) as client:
            stack = Stack(url, origin, pid, client)
            with trio.fail_after(STARTING):
                while not await stack.has_back_ends():  # noqa: ASYNC110 - over HTTP
                    await trio.sleep(0.5)
            yield stack
        nursery.cancel_scope.cancel()


async def _process(
    arguments: list[str],
    folder: Path,
    *,
    event: str,
    is_fed: bool = False,
    task_status: trio.TaskStatus[tuple[int, str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a Python program until cancelled; started, with process id and address, once it logs ``event``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    more = ["--exit-with-stdin"] if is_fed else []
    process = await trio.lowlevel.open_process(
        [sys.executable, *arguments, *more], stdin=-1, stderr=-1, cwd=folder, env=environment
    )
    log = folder / f"{arguments[1].replace('.', '-')}.log"
    with log.open("wb") as file:
        try:
            assert process.stderr is not None  # noqa: S101 - a pipe
            rest = b""
            is_started = False
            async for part in process.stderr:
                file.write(part)
                if is_started:
                    continue
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    if f'"event": "{event}"'.encode() in line and b'"addresses"' in line and not is_started:
                        is_started = True
                        task_status.started((process.pid, json.loads(line)["addresses"][0]))
            file.flush()
            raise RuntimeError(f"a process has ended: {log.read_text(encoding='utf-8')[-2_000:]}")
        finally:
            process.terminate()
            with trio.move_on_after(ENDING, shield=True):
                await process.wait()

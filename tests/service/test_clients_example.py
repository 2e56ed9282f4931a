"""The examples of docs/clients.md work unchanged on a freshly started service."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio
from playwright.sync_api import Browser

import orch.client
from tests.fakes.chromium import window
from tests.fakes.client import clip
from tests.fakes.patience import PATIENCE
from tests.fakes.service import UNHURRIED, RunningService, service

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).parents[2]
URL = "http://localhost:3000"


def example(language: str, number: int = 0) -> str:
    """Return one of the document's examples in a language."""
    document = (ROOT / "docs" / "clients.md").read_text("utf-8")
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)
    return found[number]


class Printed:
    """What the example has printed so far."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.text = ""

    async def until(self, word: str) -> None:
        """Wait until it has printed a word."""
        assert self._process.stdout is not None
        while word not in self.text:
            part = await self._process.stdout.receive_some()
            assert part, self.text
            self.text += part.decode()

    async def end(self) -> int:
        """Return its exit status once it has ended by itself."""
        with trio.fail_after(PATIENCE):
            return await self._process.wait()


@asynccontextmanager
async def running(
    s: RunningService, folder: Path, *arguments: str, number: int = 0
) -> AsyncIterator[Printed]:
    """Run a Python example for the block."""
    script = folder / "example.py"
    script.write_text(example("python", number).replace(URL, s.url), encoding="utf-8")
    process = await trio.lowlevel.open_process(
        [sys.executable, "-u", str(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PYTHONPATH": str(ROOT)},
    )
    try:
        yield Printed(process)
    finally:
        process.terminate()
        await process.wait()


async def begun(s: RunningService, people: int = 1) -> None:
    """Wait until the example's session exists with this many participants."""
    async with httpx2.AsyncClient(base_url=s.url, timeout=120) as http:
        with trio.fail_after(PATIENCE):
            while True:
                answer = await http.get("/api/sessions/stand-up")
                if answer.status_code == 200 and answer.json()["participant_count"] >= people:
                    return
                await trio.sleep(0.05)


@pytest.mark.sandbox
async def test_the_example_prints_what_is_said(tmp_path: Path) -> None:
    """A sentence is spoken in the session that it has created; it prints the words."""
    assert len(example("python").strip().splitlines()) <= 26
    with service("demo", tmp_path, environ=UNHURRIED) as s:
        async with running(s, tmp_path) as printed, orch.client.connect(s.url) as client:
            await begun(s)
            await client.join("stand-up")
            async with client.speak("stand-up", sample_rate=16_000, source_language="en") as speech:
                await speech.send(clip("austen-0890"))
            await printed.until("selfish")


async def test_the_example_ends_with_its_session_and_joins_one_that_is_there(tmp_path: Path) -> None:
    """It prints that the session is over, and ends."""
    with service("serve", tmp_path) as s:
        for _ in range(2):
            async with running(s, tmp_path) as printed, running(s, tmp_path) as second:
                await begun(s, people=2)
                async with httpx2.AsyncClient(base_url=s.url, timeout=120) as http:
                    assert (await http.delete("/api/sessions/stand-up")).status_code == 204
                for each in (printed, second):
                    await each.until("The session is over: ended\n")
                    assert await each.end() == 0


async def test_the_example_with_a_code_finds_the_session(tmp_path: Path) -> None:
    """It prints the title that the owner gave, and what was found."""
    with service("serve", tmp_path) as s:
        async with (
            orch.client.connect(s.url) as owner,
            httpx2.AsyncClient(base_url=s.url, timeout=PATIENCE) as http,
        ):
            await owner.create("stand-up")
            titled = await owner.title_session("stand-up", "Monday")
            assert titled.title == "Monday"
            made = await http.post("/api/sessions/stand-up/codes", json={"right": "read"}, timeout=120)
            async with running(s, tmp_path, made.json()["shown"], "budget", number=1) as printed:
                await printed.until("Monday: 0 lines have it\n")
                assert await printed.end() == 0


@pytest.mark.browser
def test_the_javascript_example_runs_as_it_stands_in_a_page(tmp_path: Path, chromium: Browser) -> None:
    """It creates the session, and prints when it is over."""
    with service("serve", tmp_path) as s, window(chromium) as context:
        page = context.new_page()
        printed: list[str] = []
        page.on("console", lambda message: printed.append(message.text))
        page.on("pageerror", lambda error: printed.append(f"threw {error}"))
        page.route(
            "**/static/example.js",
            lambda route: route.fulfill(body=example("js"), content_type="text/javascript"),
        )
        page.goto(f"{s.url}/connections")
        for _ in range(2):
            page.evaluate("name => import(name)", "/static/example.js")
            assert httpx2.get(f"{s.url}/api/sessions/stand-up", timeout=180).json()["participant_count"] == 1
            with page.expect_console_message(lambda message: "over" in message.text):
                assert httpx2.delete(f"{s.url}/api/sessions/stand-up", timeout=180).status_code == 204
            assert printed == ["The session is over: ended"]
            httpx2.post(f"{s.url}/api/sessions/create", json={"session_id": "stand-up"}, timeout=180)
            printed.clear()
            page.reload()

"""Every reason of the closed list is reached in a real Chromium, by its real cause, through the service.

One run attends all meetings at the same time, in tabs of one browser that the service attaches to; bots whose
browser is a part of the cause have their own. The tests then look at what each bot ended with.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import trio
from msgspec import convert

from orch.bots.chromium import evidence
from orch.bots.chromium.arguments import Launch, is_sandbox_possible
from orch.bots.chromium.guard import descendants
from orch.bots.chromium.process import Browser, installed, run_browser
from orch.bots.chromium.profiles import Profiles
from orch.bots.ends import ENDS, EndReason
from orch.bots.lifecycle import MAX_RECOVERIES
from orch.bots.media.channel import Channel
from orch.bots.media.server import MediaServer
from orch.bots.pruning import Pruning
from orch.bots.requests import BotRequest
from orch.bots.runs import departing, stays
from orch.bots.runs.parts import Session
from orch.bots.service import BotsService, Joined, Kept
from orch.bots.shown import BotShown, EndShown
from orch.bots.states import FINAL, State
from orch.problems import ProblemError
from orch.stores.bot_store import BotStore
from orch.stores.bot_writer import BotWriter, spool_at
from orch.stores.sqlite.bots import SqliteBots
from tests.fakes.bot_service import FakePipeline
from tests.fakes.hub import inline
from tests.fakes.patience import PATIENCE
from tests.fakes.processes import command
from tests.fakes.settings import FakeSettings
from tests.fakes.tools import require

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.browser]


SOON: Final = 0.4
ANA: Final = "{id: ana, name: Ana, is_host: true}"
LEAVES: Final = "{id: ana, name: Ana, present: [{joins: 0, leaves: 1.5}]}"
SPEAKS: Final = (
    "[" + ", ".join(f"{{who: ana, clip: sense, at: {at}}}" for at in (1, 8, 15, 22, 29, 36, 43)) + "]"
)


@dataclass(frozen=True)
class Case:
    """A meeting and what is asked of its bot. ``then``: done once the bot is in the meeting, by its name."""

    script: str = ""
    people: str = ANA
    asked: dict[str, Any] = field(default_factory=dict)
    then: str = ""


def rules(**seconds: float) -> dict[str, Any]:
    """Return a request with these rules."""
    return {"rules": seconds}


#: In tabs of one browser.
SHARED: Final[dict[EndReason, Case]] = {
    EndReason.LEFT_ON_REQUEST: Case(then="leave"),
    EndReason.MEETING_ENDED: Case("ends: 1.5\nreopens: false"),
    EndReason.REMOVED: Case("removal: 1.5"),
    EndReason.ALONE: Case(people=LEAVES, asked=rules(everyone_left=SOON)),
    EndReason.ONLY_BOTS: Case(people=f"{LEAVES}, {{id: bot, name: Otter.ai}}", asked=rules(only_bots=SOON)),
    EndReason.NOBODY_CAME: Case(
        people="{id: ana, name: Ana, present: [{joins: 3000}]}", asked=rules(nobody_came=SOON)
    ),
    EndReason.SILENCE: Case(asked=rules(silence=SOON, silence_after=SOON)),
    EndReason.MAX_DURATION: Case(asked=rules(longest=6)),
    EndReason.RECORDING_REFUSED: Case(
        "host: {recording: refuse, after: 0.1}",
        asked=rules(recording_refused=SOON) | {"consent": {"require": "host"}},
    ),
    EndReason.NEVER_ADMITTED: Case("entry: {lobby: {verdict: silence}}", asked=rules(lobby=SOON)),
    EndReason.ADMISSION_DENIED: Case("entry: {lobby: {verdict: deny, after: 0.1}}"),
    EndReason.LOGIN_REQUIRED: Case("entry: {login_wall: true}"),
    EndReason.BLOCKED: Case("entry: {blocked: true}"),
    EndReason.CAPTCHA: Case("entry: {captcha: blocking}"),
    EndReason.PAGE_CHANGED: Case("changed: call\nentry: {button: join_now}"),
    EndReason.NO_AUDIO: Case(f"channels: {{mode: none}}\nsays: {SPEAKS}\ncaptions: {{starts_on: true}}"),
    EndReason.NETWORK_LOST: Case("network: [{drops: 1.5}]"),
}

#: Each in a browser of its own, or in none.
OWN: Final = {
    EndReason.CANCELLED,
    EndReason.UNREACHABLE,
    EndReason.SIGNED_OUT,
    EndReason.BROWSER_MISSING,
    EndReason.BROWSER_CRASHED,
    EndReason.BROWSER_STALLED,
    EndReason.INTERNAL_ERROR,
    EndReason.OWNER_LOST,
}


@dataclass
class Ended:
    """What a bot ended with, and the kinds of evidence that were stored."""

    bot: BotShown
    evidence: set[str]

    @property
    def end(self) -> EndShown:
        assert self.bot.end is not None
        return self.bot.end


Found = dict[EndReason, Ended]


class Attendance:
    """A service of bots with real browsers, and a server of meetings."""

    def __init__(self, folder: Path, store: BotStore, meetings: str, *, lag: float = 0.0) -> None:
        """Set up; ``lag``: seconds by which the service's clock is ahead."""
        self.store = store
        self.meetings = meetings
        self.client = httpx2.AsyncClient(base_url=meetings, timeout=PATIENCE)
        self.settings = FakeSettings()
        self.folder = folder
        self.failing: set[str] = set()
        self._count = 0
        self.wall = lambda: time.time() + lag
        self.writer = BotWriter(store, spool_at(folder / "spool", f"w{lag:g}"), offload=inline)
        media = MediaServer()
        bots = stays.BrowserStays(lambda: self.settings.current.orchestration.bots)

        def channel(bot_id: str, request: BotRequest) -> AbstractContextManager[Channel]:
            camera = request.camera
            return media.channel(bot_id, camera=None if camera is None else (camera.width, camera.height))

        self.service = BotsService(
            Kept(
                store=store,
                writer=self.writer,
                joined=Joined(
                    stay=bots, channel=channel, pipeline=self.pipeline, alongside=(bots.reap, media.run)
                ),
                remove_files=Pruning(store, self.settings, wall=self.wall, in_thread=inline).remove_files,
            ),
            settings=self.settings,
            wall=self.wall,
            touch=lambda _topic: None,
            worker="w",
            stopping=trio.Event,
        )

    async def pipeline(self, session: Session) -> FakePipeline:
        """Make a pipeline; that of a bot named so fails."""
        await trio.lowlevel.checkpoint()
        made = FakePipeline(session)
        if session.request.name in self.failing:
            made.failure = LookupError("a fault of our own")
        return made

    def set(self, **changes: Any) -> None:
        """Set the settings of bots."""
        limits = {"recovery": 1.0, "no_audio": SOON} | changes.pop("limits", {})
        self.settings.change(
            orchestration={
                "bots": {
                    "max_bots": 50,
                    "profiles": str(self.folder / "profiles"),
                    "evidence": str(self.folder / "evidence"),
                    "meeting_origins": [{"origin": self.meetings}, {"origin": "http://127.0.0.1:9"}],
                    "limits": limits,
                }
                | changes
            }
        )

    async def meeting(self, case: Case) -> str:
        """Add the meeting of a case; return its URL."""
        self._count += 1
        letters = "".join(chr(97 + int(each)) for each in f"{self._count:04}")
        head = f"code: end-{letters}-bot\nparticipants: [{case.people}]\n"
        button = "" if "entry:" in case.script else "entry: {button: join_now}\n"
        response = await self.client.post("/api/meetings", content=(head + button + case.script).encode())
        assert response.status_code == 201, response.text
        return str(response.json()["url"])

    async def send(self, url: str, **asked: Any) -> BotShown:
        """Send a bot without a camera."""
        wanted = {"meeting_url": url, "camera": None, "consent": {"announce": False}} | asked
        bot, _ = await self.service.create(convert(wanted, BotRequest))
        return bot

    async def until(self, bot: BotShown, *states: State) -> BotShown:
        """Return the bot once it is in one of the states."""
        with trio.fail_after(PATIENCE):
            while (found := (await self.service.get(bot.bot_id)).bot).state not in states:  # noqa: ASYNC110
                await trio.sleep(0.1)
        return found

    def kill(self) -> None:
        """Have the service end as SIGKILL ends it: nothing is released, no page is left."""

        async def nothing() -> None:
            await trio.lowlevel.checkpoint()

        assert self.service._parts is not None
        self.service._parts.host.release = nothing  # type: ignore[method-assign]

    async def ended(self, bot: BotShown) -> Ended:
        """Return what a bot ended with."""
        found = await self.until(bot, *FINAL)
        await self.writer.flush()
        return Ended(found, {each.kind for each in await self.store.evidence_files(bot.session_id)})


@contextmanager
def meeting_server() -> Iterator[str]:
    """Run a server of meetings for the block; yield its origin."""
    command = [
        sys.executable,
        "-m",
        "orch.sandbox.meeting",
        "--no-script",
        "--port",
        "0",
        "--exit-with-stdin",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stdin is not None
        yield next(json.loads(line)["addresses"][0] for line in process.stderr if b'"listening"' in line)
        process.stdin.close()
        process.stderr.read()


@asynccontextmanager
async def attending(folder: Path, meetings: str, *, lag: float = 0.0) -> AsyncIterator[Attendance]:
    """Run a service on the folder's store for the block."""
    engine = SqliteBots(folder / "bots.sqlite3", most=lambda: 2**40, offload=inline)
    async with trio.open_nursery() as outer:
        await outer.start(engine.run)
        attendance = Attendance(folder, engine.store, meetings, lag=lag)
        attendance.set()
        await outer.start(attendance.writer.run)
        async with trio.open_nursery() as nursery, attendance.client:
            await nursery.start(attendance.service.run)
            yield attendance
            nursery.cancel_scope.cancel()
        outer.cancel_scope.cancel()


@asynccontextmanager
async def shared_browser(folder: Path) -> AsyncIterator[str]:
    """Run a browser for the block; yield the address of its DevTools."""
    launch = Launch(
        program=installed(),
        is_sandboxed=is_sandbox_possible(os.getuid()),
        extra=("--remote-debugging-port=0",),
    )
    async with trio.open_nursery() as nursery:
        with trio.fail_after(PATIENCE):
            browser: Browser = await nursery.start(run_browser, launch, Profiles(folder))
            port = ""
            while not port:
                files = [each.read_text() for each in folder.glob("*/data/DevToolsActivePort")]
                port = files[0].partition("\n")[0] if files else ""
                await trio.sleep(0.02)
        assert browser.process
        yield f"http://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


async def attend(attendance: Attendance, reason: EndReason, case: Case, found: Found) -> None:
    """Send a bot to the meeting of a case, and note its end."""
    bot = await attendance.send(await attendance.meeting(case), name=f"Bot {reason}", **case.asked)
    if case.then == "leave":
        await attendance.until(bot, State.CAPTURING)
        await attendance.service.leave(bot.bot_id)
    found[reason] = await attendance.ended(bot)


def test_the_meeting_ends_the_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens in the meeting, at its door and on its page, with the stage and the evidence."""
    require("chromium")
    # Pictures of many tabs that a busy machine draws one after the other.
    monkeypatch.setattr(evidence, "PATIENCE", PATIENCE)
    monkeypatch.setattr(departing, "EVIDENCE_WITHIN", PATIENCE)
    found: Found = {}

    async def main() -> None:
        with meeting_server() as meetings:
            async with (
                shared_browser(tmp_path / "shared") as cdp_url,
                attending(tmp_path, meetings) as attendance,
            ):
                attendance.set(cdp_url=cdp_url)
                async with trio.open_nursery() as nursery:
                    for reason, case in SHARED.items():
                        nursery.start_soon(attend, attendance, reason, case, found)

    trio.run(main)
    judge(found, set(SHARED))


def browser_of(profiles: Path) -> int:
    """Return the process id of the only browser with a profile in this folder."""
    for pid in descendants(os.getpid()):
        line = command(pid)
        program = line.partition(b"\0")[0]
        if b"chrom" in program and line.find(bytes(profiles)) > 0 and b"--type=" not in line:
            return pid
    raise AssertionError("no browser runs")


def renderers(browser: int) -> list[int]:
    """Return the processes that run a browser's pages."""
    return [pid for pid in descendants(browser) if b"--type=renderer" in command(pid)]


class Own:
    """Bots whose browser, or owner, is a part of what ends them. Each has a folder of profiles of its own."""

    def __init__(self, attendance: Attendance, found: Found) -> None:
        self.attendance = attendance
        self.found = found

    def prepare(self, reason: EndReason, **changes: Any) -> Path:
        """Set the settings for the next bot; return its folder of profiles."""
        profiles = self.attendance.folder / reason.value
        self.attendance.set(profiles=str(profiles), **changes)
        return profiles

    async def capturing(self, reason: EndReason, script: str = "") -> BotShown:
        """Return a bot that captures."""
        url = await self.attendance.meeting(Case(script))
        bot = await self.attendance.send(url, name=f"Bot {reason}")
        return await self.attendance.until(bot, State.CAPTURING)

    async def note(self, reason: EndReason, bot: BotShown) -> None:
        """Note what a bot ends with."""
        self.found[reason] = await self.attendance.ended(bot)

    async def cancelled(self) -> None:
        """Cancel a bot that is scheduled."""
        url = await self.attendance.meeting(Case())
        bot = await self.attendance.send(url, start_at=time.time() + 3000)
        await self.attendance.service.leave(bot.bot_id)
        await self.note(EndReason.CANCELLED, bot)

    async def unreachable(self) -> None:
        """Schedule a bot for an address where nothing listens when it is due."""
        self.prepare(EndReason.UNREACHABLE)
        bot = await self.attendance.send("http://127.0.0.1:9/abc", start_at=time.time() + SOON)
        await self.note(EndReason.UNREACHABLE, bot)

    async def missing(self) -> None:
        """Point to a program that is no browser; where there is none at all, a bot is refused."""
        url = await self.attendance.meeting(Case())
        self.prepare(EndReason.BROWSER_MISSING, chromium="/nonexistent/chromium")
        with pytest.raises(ProblemError, match="/nonexistent/chromium") as caught:
            await self.attendance.send(url)
        assert caught.value.code == "browser_missing"
        self.prepare(EndReason.BROWSER_MISSING, chromium="/bin/false")
        await self.note(EndReason.BROWSER_MISSING, await self.attendance.send(url))

    async def signed_out(self) -> None:
        """Use a profile that has no account any more."""
        template = self.attendance.folder / "template"
        template.mkdir()
        (template / "Local State").write_text("{}")
        self.prepare(EndReason.SIGNED_OUT, profile_dir=str(template))
        bot = await self.attendance.send(await self.attendance.meeting(Case("entry: {login_wall: true}")))
        await self.note(EndReason.SIGNED_OUT, bot)

    async def crashed(self) -> None:
        """Kill its browser, and each that is started after it."""
        profiles = self.prepare(EndReason.BROWSER_CRASHED, limits={"recovery": 60})
        bot = await self.capturing(EndReason.BROWSER_CRASHED)
        while bot.state is State.CAPTURING:
            os.kill(browser_of(profiles), signal.SIGKILL)
            await self.attendance.until(bot, State.RECOVERING, *FINAL)
            bot = await self.attendance.until(bot, State.CAPTURING, *FINAL)
        await self.note(EndReason.BROWSER_CRASHED, bot)
        assert self.found[EndReason.BROWSER_CRASHED].bot.recoveries == MAX_RECOVERIES

    async def stalled(self) -> None:
        """Stop the process of its page."""
        profiles = self.prepare(EndReason.BROWSER_STALLED, limits={"recovery": 0.1})
        bot = await self.capturing(EndReason.BROWSER_STALLED)
        stopped = renderers(browser_of(profiles))
        assert stopped
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        await self.note(EndReason.BROWSER_STALLED, bot)

    async def failing(self) -> None:
        """Let what is made of its observations fail."""
        self.prepare(EndReason.INTERNAL_ERROR)
        self.attendance.failing.add(f"Bot {EndReason.INTERNAL_ERROR}")
        bot = await self.attendance.send(
            await self.attendance.meeting(Case()), name=f"Bot {EndReason.INTERNAL_ERROR}"
        )
        await self.note(EndReason.INTERNAL_ERROR, bot)


def test_its_browser_or_its_owner_ends_the_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what happens before there is a browser; the service that is killed is followed by another one."""
    require("chromium")
    monkeypatch.setattr(stays, "PATIENCE", 1.0)
    monkeypatch.setattr(stays, "LOOKED_EVERY", 0.2)
    found: Found = {}

    async def main() -> None:
        with meeting_server() as meetings:
            async with attending(tmp_path, meetings) as attendance:
                own = Own(attendance, found)
                for reach in (own.cancelled, own.unreachable, own.missing, own.signed_out):
                    await reach()
                for reach in (own.crashed, own.stalled, own.failing):
                    await reach()
                own.prepare(EndReason.OWNER_LOST)
                bot = await own.capturing(EndReason.OWNER_LOST)
                attendance.kill()
            async with attending(tmp_path, meetings, lag=600) as later:
                await Own(later, found).note(EndReason.OWNER_LOST, bot)

    trio.run(main)
    judge(found, OWN)


def judge(found: Found, wanted: set[EndReason]) -> None:
    """Hold each end to its row in the closed list."""
    assert {reason: str(each.end.reason) for reason, each in found.items()} == {
        each: str(each) for each in wanted
    }
    for reason, each in found.items():
        row = ENDS[reason]
        assert each.bot.state is row.state, reason
        assert each.end.stage in row.stages, reason
        assert each.end.sentence == row.sentence
        assert each.end.has_evidence == bool(each.evidence), reason
        # What has ended with its browser, or before it had one, cannot show a page.
        if row.has_evidence and reason in SHARED:
            assert each.evidence == {"screenshot", "dom", "log"}, reason


def test_the_two_lists_are_all_reasons() -> None:
    assert set(SHARED) | OWN == set(EndReason)
    assert not set(SHARED) & OWN

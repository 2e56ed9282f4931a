"""The whole service with a real Chromium in the sandbox's meetings."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio

from orch.bots.chromium.guard import descendants
from orch.bots.chromium.process import installed
from orch.bots.requests import BotRequest
from orch.bots.shown import BotLive
from orch.bots.states import State
from tests.bots.adapters.meetings import MeetingServer, serving
from tests.fakes.patience import PATIENCE
from tests.fakes.postgres import postgres_address
from tests.fakes.processes import command, with_command
from tests.fakes.tools import require
from tests.fakes.whole import Whole, whole

pytestmark = [pytest.mark.process, pytest.mark.real_time, pytest.mark.slow, pytest.mark.browser]


MEETING = """
starts: at_once
entry: {lobby: {verdict: admit, after: 0}}
participants: [{id: ana, name: Ana, is_host: true}, {id: bo, name: Bo}]
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Run a server of meetings."""
    require("chromium")
    with serving() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the setting of a database: "" for SQLite, or the URL of a server of its own."""
    if request.param == "sqlite":
        yield ""
    else:
        with postgres_address() as url:
            yield url


def settings(address: str, database: str = "") -> str:
    return f"""
orchestration:
  bots:
    chromium: "{installed()}"
    meeting_origins: [{{origin: "{address}"}}]
    postgres_url: "{database}"
"""


@asynccontextmanager
async def serving_bots(
    folder: Path, address: str, database: str = ""
) -> AsyncIterator[tuple[Whole, MeetingServer]]:
    async with (
        httpx2.AsyncClient(base_url=address, timeout=PATIENCE) as client,
        whole(folder, settings=settings(address, database)) as service,
    ):
        yield service, MeetingServer(address, client)


async def until(service: Whole, bot_id: str, *states: State) -> BotLive:
    with trio.fail_after(PATIENCE):
        while (live := await service.parts.bots.get(bot_id)).bot.state not in states:  # noqa: ASYNC110
            await trio.sleep(0.05)
    return live


async def spoken(service: Whole, session_id: str, *texts: str) -> list[tuple[str | None, int]]:
    """Return speaker and number of the captions with these texts, once all of them are stored."""
    store = service.parts.stores.bots
    assert store is not None
    with trio.fail_after(PATIENCE):
        while True:
            found = {each.transcript_text: each for each in await store.utterances(session_id, "google_meet")}
            if found.keys() >= set(texts):
                return [(found[text].speaker_name, found[text].segment_index) for text in texts]
            await trio.sleep(0.1)


async def say(meetings: MeetingServer, code: str, who: str, text: str) -> None:
    """Have the meeting caption somebody, once the bot has the captions on."""
    with trio.fail_after(PATIENCE):
        while not (await meetings.guest(code))["captions"]:  # noqa: ASYNC110 - another process
            await trio.sleep(0.1)
    await meetings.host(code, "say", who=who, text=text)


def processes(folder: Path) -> list[int]:
    """Return the processes whose command lines name a profile in the folder."""
    return with_command(f"{folder}/profiles/".encode())


async def none_left(folder: Path) -> None:
    with trio.fail_after(PATIENCE):
        while processes(folder) or any((folder / "profiles").iterdir()):  # noqa: ASYNC110 - other processes
            await trio.sleep(0.05)


async def test_a_bot_joins_reads_who_speaks_writes_and_leaves(
    tmp_path: Path, address: str, database: str
) -> None:
    """On both databases; nothing of its browser is left, although the service goes on."""
    async with serving_bots(tmp_path, address, database) as (service, meetings):
        bots = service.parts.bots
        code = await meetings.add(MEETING)
        began = time.monotonic()
        bot, _ = await bots.create(BotRequest(meeting_url=f"{address}/{code}", name="Captions"))
        live = await until(service, bot.bot_id, State.CAPTURING)
        assert time.monotonic() - began < PATIENCE
        assert {each.name for each in live.people if each.is_present} >= {"Ana", "Bo"}
        await say(meetings, code, "ana", "Shall we begin with the numbers?")
        await say(meetings, code, "bo", "Yes, I have them here.")
        names = await spoken(
            service, bot.session_id, "Shall we begin with the numbers?", "Yes, I have them here."
        )
        assert [name for name, _ in names] == ["Ana", "Bo"]
        frame = await bots.camera(bot.bot_id, "png")
        assert frame.file.startswith(b"\x89PNG")
        assert processes(tmp_path)
        assert (await bots.pause(bot.bot_id)).state is State.PAUSED
        await bots.resume(bot.bot_id)
        await bots.chat(bot.bot_id, "Hello from the bot")
        guest = (await meetings.client.get(f"/api/meetings/{code}/records")).text
        assert "Hello from the bot" in guest
        await bots.leave(bot.bot_id)
        ended = await until(service, bot.bot_id, State.ENDED)
        assert ended.bot.end is not None
        assert ended.bot.end.reason == "left_on_request"
        await none_left(tmp_path)


async def test_a_killed_browser_is_replaced_and_a_cancelled_service_leaves_nothing(
    tmp_path: Path, address: str
) -> None:
    """The same session, whose numbers go on; the stop leaves no process, and the meeting sees it leave."""
    async with serving_bots(tmp_path, address) as (service, meetings):
        bots = service.parts.bots
        code = await meetings.add(MEETING)
        bot, _ = await bots.create(BotRequest(meeting_url=f"{address}/{code}"))
        await until(service, bot.bot_id, State.CAPTURING)
        await say(meetings, code, "ana", "Before the crash.")
        ((_, first),) = await spoken(service, bot.session_id, "Before the crash.")
        for process in processes(tmp_path):
            if not descendants(process) or b"--type=" not in command(process):
                os.kill(process, signal.SIGKILL)
                break
        await until(service, bot.bot_id, State.RECOVERING, State.JOINING, State.WAITING_IN_LOBBY)
        live = await until(service, bot.bot_id, State.CAPTURING)
        assert (live.bot.recoveries, live.bot.session_id) == (1, bot.session_id)
        await say(meetings, code, "bo", "After the crash.")
        ((name, second),) = await spoken(service, bot.session_id, "After the crash.")
        assert (name, second > first) == ("Bo", True)
    await none_left(tmp_path)


SERVICE = """
import sys, trio
from pathlib import Path
from orch.bots.requests import BotRequest
from tests.fakes.whole import whole

async def main(folder, url):
    async with whole(folder, settings=(folder / "settings.yaml").read_text()) as service:
        bot, _ = await service.parts.bots.create(BotRequest(meeting_url=url))
        while (await service.parts.bots.get(bot.bot_id)).bot.state != "capturing":
            await trio.sleep(0.05)
        print("capturing", bot.bot_id, flush=True)
        await trio.sleep_forever()

trio.run(main, Path(sys.argv[1]), sys.argv[2])
"""


def killed_service(folder: Path, url: str) -> str:
    """Run a service until its bot captures, then kill it; return the bot's id."""
    command = [sys.executable, "-c", SERVICE, str(folder), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        bot_id = next(line.split()[1].decode() for line in process.stdout if line.startswith(b"capturing"))
        assert processes(folder)
        process.kill()
    return bot_id


async def test_a_killed_service_leaves_nothing_and_another_one_goes_on(
    tmp_path: Path, address: str, database: str
) -> None:
    """SIGKILL: the browser ends with it, and another process joins again with the same session.

    At once where it is alone with its store; with others beside it, when the lease has expired.
    """
    async with httpx2.AsyncClient(base_url=address, timeout=PATIENCE) as client:
        code = await MeetingServer(address, client).add(MEETING)
    (tmp_path / "settings.yaml").write_text(settings(address, database))
    bot_id = killed_service(tmp_path, f"{address}/{code}")
    with trio.fail_after(PATIENCE):
        while processes(tmp_path):  # noqa: ASYNC110 - processes set no event
            await trio.sleep(0.05)
    async with serving_bots(tmp_path, address, database) as (service, _):
        await until(service, bot_id, State.RECOVERING, State.JOINING)
        live = await until(service, bot_id, State.CAPTURING)
        assert live.bot.recoveries == 1
        await service.parts.bots.leave(bot_id)
        await until(service, bot_id, State.ENDED)
    await none_left(tmp_path)

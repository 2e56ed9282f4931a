"""Faults of meeting bots: a worker with browsers in meetings of the sandbox, and what it calls outside."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from signal import SIGKILL
from threading import Thread
from typing import Any, Final

import httpx2

from orch.bots.chromium.process import installed
from tests.bots.adapters.meetings import serving
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.processes import command, with_command
from tests.fakes.service import service
from tests.fakes.waiting import wait_until
from tests.monitoring.live.faults import Fault
from tests.monitoring.live.stack_faults import Stack
from tests.monitoring.live.world import World

SETTINGS: Final = """\
orchestration:
  bots:
    max_bots: 10
    chromium: "{chromium}"
    postgres_url: "{postgres}"
    meeting_origins: [{{origin: "{meetings}"}}]
    limits: {{join: 15, recovery: 60}}
    webhooks: {{http: true, allowed_networks: ["127.0.0.0/8"], ports: [{webhooks}, {calendars}]}}
    calendars: [{{name: "team", url: "http://127.0.0.1:{calendars}/team.ics"}}]
  monitoring: {{journey: {{enabled: "off"}}}}
services:
  audio-service: {{url: "{audio}"}}
  translation-service: {{url: "{translation}"}}
"""
CALENDAR: Final = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nEND:VCALENDAR\r\n"
ANA: Final = "{id: ana, name: Ana, is_host: true}"
OPEN: Final = f"participants: [{ANA}]\nentry: {{button: join_now}}\n"
REFUSES: Final = f"participants: [{ANA}]\nentry: {{blocked: true}}\n"
CHANGED: Final = f"{OPEN}changed: call\n"
#: What is said in it has no captions and no marks: nothing tells who speaks.
NAMELESS: Final = (
    f"participants: [{ANA}, {{id: bo, name: Bo}}, {{id: cy, name: Cy}}]\nentry: {{button: join_now}}\n"
    "channels: {mode: mixed}\nmarks: {missing: 1}\ncaptions: {utterances_lost: 1}\nsays: ["
    + ", ".join(f"{{who: {'bo' if at % 2 else 'cy'}, clip: sense, at: {2 + 7 * at}}}" for at in range(40))
    + "]\n"
)
ENDED: Final = frozenset({"ended", "failed"})


class Bots:
    """A worker that runs bots, beside a stack whose PostgreSQL has them."""

    def __init__(self, stack: Stack) -> None:
        self.world, self.stack = stack.world, stack
        more, folder = self.world.more, self.world.folder
        self.meetings = more.enter_context(serving())
        self.calendars = Calendars()
        more.callback(self.calendars.close)
        self.webhooks = free_port()
        self.chromium = folder / "chromium"
        self._browser(f'exec {installed()} "$@"')
        text = SETTINGS.format(
            chromium=self.chromium,
            postgres=stack.postgres.url,
            meetings=self.meetings,
            webhooks=self.webhooks,
            calendars=self.calendars.port,
            audio=self.world.audio.url,
            translation=self.world.translation.url,
        )
        self.home = folder / "bots"
        self.home.mkdir()
        self.worker = more.enter_context(service("serve", self.home, settings=text))
        self.client = more.enter_context(httpx2.Client(base_url=self.worker.url, timeout=PATIENCE))
        self._number = 0
        self._stuck: list[Path] = []
        self.world.watch.scrape("orchestration", self.world.running.url, self.worker.url)

    def faults(self) -> tuple[Fault, ...]:
        """Return the faults in the order in which they can be injected."""
        return (
            Fault(
                "a calendar cannot be fetched", ("CalendarFailing",), _nothing, self._fetchable, is_there=True
            ),
            Fault("webhooks are not accepted", ("WebhookUndelivered",), self._undelivered, self._no_endpoint),
            Fault("browsers do not start", ("BotsFailingToJoin",), self._no_browser, self._usual_browser),
            Fault("browsers hang at their start", ("BotStuck",), self._stuck_browser, self._usual_browser),
            Fault("meetings refuse bots", ("BotsBlocked",), partial(self._send_often, REFUSES), self._leave),
            Fault("a meeting's page is unknown", ("BotPageChanged",), self._changed, self._leave),
            Fault("files cannot be deleted", ("BotFilesStuck",), self._keep_files, self._delete_files),
            Fault("browsers crash", ("BotBrowserCrashes",), self._crash, self._leave),
            Fault(
                "nothing shows who speaks",
                ("AttributionWithheld",),
                self._speak,
                self._leave,
                fires_within=150,
            ),
            Fault(
                "the store of bots ends while one is in a meeting",
                ("SpoolGrowing", "SpoolNearlyFull"),
                self._no_store,
                self._store_again,
            ),
            Fault(
                "nobody speaks in a meeting, and another bot waits for a place",
                ("BotQueueStuck", "BotSilent"),
                self._wait,
                self._no_wait,
                fires_within=180,
            ),
        )

    def _browser(self, command: str) -> None:
        """Have this command run as Chromium from now on."""
        made = self.chromium.with_suffix(".new")
        made.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        made.chmod(0o755)
        made.replace(self.chromium)

    def _send(self, script: str) -> str:
        """Send a bot into a meeting of its own; return its id."""
        self._number += 1
        code = "".join(chr(97 + int(each)) for each in f"{self._number:04}")
        made = httpx2.post(
            f"{self.meetings}/api/meetings", content=f"code: bot-{code}-bot\n{script}", timeout=PATIENCE
        )
        assert made.is_success, made.text
        asked = {"meeting_url": made.json()["url"], "camera": None, "consent": {"announce": False}}
        sent = self.client.post("/api/bots", json=asked)
        assert sent.is_success, sent.text
        return str(sent.json()["bot_id"])

    def _state(self, bot: str) -> str:
        return str(self.client.get(f"/api/bots/{bot}").json()["bot"]["state"])

    def _until(self, bot: str, *states: str) -> None:
        wait_until(lambda: self._state(bot) in states, f"{bot} is {states}", every=0.2, limit=PATIENCE)

    def _leave(self, world: World) -> None:
        """Have all bots leave, and wait until they have."""
        world.calm()
        for bot in self._active():
            self.client.post(f"/api/bots/{bot}/leave")
        wait_until(lambda: not self._active(), "all bots have left", every=0.2, limit=PATIENCE)

    def _active(self) -> list[str]:
        listed = self.client.get("/api/bots", params={"state": "active"}).json()
        return [each["bot_id"] for each in listed["bots"]]

    def _changed(self, _: World) -> None:
        self._send(CHANGED)

    def _send_often(self, script: str, world: World) -> None:
        def once() -> None:
            self._until(self._send(script), *ENDED)

        world.pump(once, 0.1)

    def _fetchable(self, _: World) -> None:
        self.calendars.status = 200

    def _undelivered(self, _: World) -> None:
        address = f"http://127.0.0.1:{self.webhooks}/"
        made = self.client.post("/api/webhooks", json={"url": address, "triggers": ["bot.state_change"]})
        assert made.is_success, made.text
        asked = {"meeting_url": f"{self.meetings}/abc-defg-hij", "start_at": time.time() + 3000}
        sent = self.client.post("/api/bots", json=asked)
        assert sent.is_success, sent.text
        self.client.post(f"/api/bots/{sent.json()['bot_id']}/leave")

    def _no_endpoint(self, _: World) -> None:
        for each in self.client.get("/api/webhooks").json()["endpoints"]:
            self.client.delete(f"/api/webhooks/{each['endpoint_id']}")

    def _no_browser(self, _: World) -> None:
        self._browser("exit 3")
        for _number in range(5):
            self._send(OPEN)

    def _stuck_browser(self, _: World) -> None:
        self._browser("exec sleep 600")
        self._send(OPEN)

    def _usual_browser(self, world: World) -> None:
        self._browser(f'exec {installed()} "$@"')
        self._leave(world)

    def _keep_files(self, _: World) -> None:
        """Put folders where the pictures of a bot's end were, and delete its data."""
        bot = self._send(CHANGED)
        self._until(bot, *ENDED)
        evidence = self.home / "var" / "bots" / "evidence"
        wait_until(lambda: any(evidence.rglob("*.*")), "evidence is stored", every=0.2)
        for path in [each for each in evidence.rglob("*") if each.is_file()]:
            path.unlink()
            path.mkdir()
            self._stuck.append(path)
        assert self.client.delete(f"/api/bots/{bot}/data").is_success

    def _delete_files(self, _: World) -> None:
        for path in self._stuck:
            with suppress(OSError):
                path.rmdir()
        bot = self._send(CHANGED)
        self._until(bot, *ENDED)
        assert self.client.delete(f"/api/bots/{bot}/data").is_success

    def _crash(self, world: World) -> None:
        """Kill the browsers of two bots whenever both are in their meetings."""
        bots = [self._send(OPEN) for _ in range(2)]

        def kill() -> None:
            for bot in bots:
                self._until(bot, "capturing", *ENDED)
            _kill_browsers(self.home)
            time.sleep(2)

        world.pump(kill, 0.1)

    def _speak(self, _: World) -> None:
        self._send(NAMELESS)

    def _no_store(self, _: World) -> None:
        self._until(self._send(NAMELESS), "capturing")
        self.stack.postgres.kill()

    def _store_again(self, world: World) -> None:
        self.stack.postgres.start()
        wait_until(partial(self._can, self._active), "bots are listed", every=0.5, limit=PATIENCE)
        self._leave(world)

    def _can(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except (KeyError, httpx2.TransportError):
            return False
        return True

    def _wait(self, _: World) -> None:
        self._change(max_bots=1)
        self._until(self._send(OPEN), "capturing")
        self._send(OPEN)

    def _no_wait(self, world: World) -> None:
        self._change(max_bots=10)
        self._leave(world)

    def _change(self, **values: Any) -> None:
        changed = {f"orchestration.bots.{name}": value for name, value in values.items()}
        response = self.client.patch("/api/config", json={"values": changed})
        assert response.is_success, response.text


class Calendars:
    """Serves an empty calendar, or ``status``."""

    def __init__(self) -> None:
        self.status = 503
        calendars = self

        class Responses(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(calendars.status)
                self.send_header("content-type", "text/calendar")
                self.send_header("content-length", str(len(CALENDAR)))
                self.end_headers()
                self.wfile.write(CALENDAR)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Responses)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


def _kill_browsers(home: Path) -> None:
    """Kill the browsers with a profile below a folder, without their children."""
    for pid in with_command(f"{home}/var/bots/profiles/".encode()):
        line = command(pid)
        if b"chrom" in line.partition(b"\0")[0] and b"--type=" not in line:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, SIGKILL)


def _nothing(_: World) -> None:
    """Do nothing: it is so from the start."""

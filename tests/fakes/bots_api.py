"""The control API of bots over a real store, with bots that only note what they are asked."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import trio
from quart import Response

from orch.access.actors import ACTOR
from orch.bots.calendars.service import Calendars
from orch.bots.control import BotsControl, CameraFrame, FrameKind
from orch.bots.requests import BotRequest, LanguagesChange, WebcamChange
from orch.bots.shown import BotLive, BotsCounted, BotShown, BotsListed
from orch.bots.states import COMMANDS, FINAL, State
from orch.bots.webhooks.service import WebhookService
from orch.problems import ProblemError
from orch.settings import Orchestration, Settings
from orch.settings.bots import BotCalendar, Bots, MeetingOrigin
from orch.stores.bot_store import BotStore
from orch.web import app
from orch.web.api import (
    bot_camera,
    bot_commands,
    bot_files,
    bot_results,
    bot_transcripts,
    bots,
    calendars,
    webhooks,
)
from orch.web.assets import Assets
from orch.web.bot_records import BotRecords
from tests.fakes.access import access_over
from tests.fakes.bot_sessions import NOW, SqliteBotEngine


class FakeBots:
    """Bots in memory. ``asked`` notes commands; ``problem``: what every method raises.

    ``counted``: returns how many there are, in place of one that captures.
    """

    def __init__(self, counted: Callable[[], BotsCounted] | None = None) -> None:
        self.counted = counted
        self.bots: dict[str, BotShown] = {}
        self.keys: dict[str, BotRequest] = {}
        self.requests: list[BotRequest] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.listed: list[tuple[bool | None, str | None, int]] = []
        self.problem: ProblemError | None = None
        self.frame = 1
        self.changed = trio.Event()
        self.hangs = False
        self.watching = 0

    def add(self, bot_id: str, state: State = State.CAPTURING) -> BotShown:
        can = tuple(name for name, states in COMMANDS.items() if state in states)
        self.bots[bot_id] = BotShown(
            bot_id=bot_id,
            session_id=f"session-{bot_id}",
            name="Live captions (bot)",
            meeting_url="https://meet.google.com/abc-defg-hij",
            state=state,
            since=NOW,
            requested_at=NOW,
            revision=1,
            can=can,
        )
        return self.bots[bot_id]

    async def _find(self, bot_id: str) -> BotShown:
        await trio.lowlevel.checkpoint()
        if self.problem is not None:
            raise self.problem
        if self.hangs:
            await trio.sleep_forever()
        if bot_id not in self.bots:
            raise ProblemError("unknown_bot", f"No bot has the id {bot_id}.")
        return self.bots[bot_id]

    async def _command(self, name: str, bot_id: str, what: Any = None) -> BotShown:
        bot = await self._find(bot_id)
        if name in COMMANDS and name not in bot.can:
            raise ProblemError("wrong_bot_state", f"It is {bot.state}.", state=bot.state, command=name)
        self.asked.append((name, bot_id, what))
        return bot

    async def create(self, request: BotRequest) -> tuple[BotShown, bool]:
        await trio.lowlevel.checkpoint()
        if self.problem is not None:
            raise self.problem
        self.requests.append(request)
        if request.idempotency_key in self.keys:
            if self.keys[request.idempotency_key] != request:
                raise ProblemError("idempotency_key_reused", "Another request has used it.")
            return self.bots["b1"], False
        if request.idempotency_key is not None:
            self.keys[request.idempotency_key] = request
        return self.add(f"b{len(self.bots) + 1}", State.REQUESTED), True

    async def list(self, *, active: bool | None, before: str | None, limit: int) -> BotsListed:
        await trio.lowlevel.checkpoint()
        self.listed.append((active, before, limit))
        return BotsListed(now=NOW, limit=10, running=0, waiting=0, bots=tuple(self.bots.values()))

    async def count(self) -> BotsCounted:
        await trio.lowlevel.checkpoint()
        if self.counted is not None:
            return self.counted()
        return BotsCounted(now=NOW, limit=10, queue_limit=500, running=1, waiting=0, states={"capturing": 1})

    async def get(self, bot_id: str) -> BotLive:
        return BotLive(bot=await self._find(bot_id), is_here=True)

    async def leave(self, bot_id: str) -> BotShown:
        bot = await self._find(bot_id)
        self.asked.append(("leave", bot_id, None))
        return bot if bot.state in FINAL else self.add(bot_id, State.LEAVING)

    async def pause(self, bot_id: str) -> BotShown:
        return await self._command("pause", bot_id)

    async def resume(self, bot_id: str) -> BotShown:
        return await self._command("resume", bot_id)

    async def chat(self, bot_id: str, text: str) -> BotShown:
        return await self._command("chat", bot_id, text)

    async def speak(self, bot_id: str, pcm: bytes) -> BotShown:
        return await self._command("speak", bot_id, pcm)

    async def change_languages(self, bot_id: str, change: LanguagesChange) -> BotShown:
        return await self._command("language", bot_id, change)

    async def change_webcam(self, bot_id: str, change: WebcamChange) -> BotShown:
        return await self._command("webcam", bot_id, change)

    async def camera(self, bot_id: str, kind: FrameKind, *, after: int = -1) -> CameraFrame:
        bot = await self._find(bot_id)
        self.watching += 1
        try:
            while self.frame == after:
                await self.changed.wait()
        finally:
            self.watching -= 1
        if bot.state in FINAL or self.frame == 0:
            raise ProblemError("camera_off", "It has left.")
        return CameraFrame(number=self.frame, file=f"{kind} {self.frame}".encode())

    def draw(self, frame: int) -> None:
        self.frame = frame
        self.changed.set()
        self.changed = trio.Event()

    async def delete_data(self, bot_id: str) -> BotShown:
        return await self._command("delete_data", bot_id)


class BotsApi:
    """The application, and requests to it as an operator on this machine."""

    def __init__(
        self,
        folder: Path,
        bots_control: BotsControl,
        store: BotStore | None,
        *,
        key: str = "",
        followed: Calendars | None = None,
    ) -> None:
        folder.joinpath("recordings").mkdir(exist_ok=True)
        folder.joinpath("evidence").mkdir(exist_ok=True)
        section = Bots(
            recordings=str(folder / "recordings"),
            evidence=str(folder / "evidence"),
            former_folders=(str(folder / "former"),),
            recording_key=key,
            calendars=(
                BotCalendar(name="team", url="https://calendar.example/private-hush/basic.ics"),
                BotCalendar(name="other", url="https://calendar.example/b", name_match="stand*", lead=60),
                BotCalendar(name="third", url="https://calendar.example/c", zone="Europe/Lisbon"),
            ),
            meeting_origins=(MeetingOrigin(origin="http://127.0.0.1:5010"),),
        )
        settings: Any = SimpleNamespace(current=Settings(orchestration=Orchestration(bots=section)))
        self.access = access_over(settings)
        self.webhooks = None if store is None else WebhookService(store, settings, wall=lambda: NOW)
        captured = BotRecords(lambda: store, "Bots cannot be stored.")
        self.pages = app.create_pages(
            settings=settings,
            access=self.access,
            session_keys=cast("Any", SimpleNamespace()),
            socket_refusal=lambda _scope: None,
            blueprints=(
                bots.blueprint(bots_control, settings, lambda: NOW),
                bot_commands.blueprint(bots_control),
                bot_camera.blueprint(bots_control),
                bot_transcripts.blueprint(captured),
                bot_results.blueprint(captured),
                bot_files.blueprint(captured, settings),
                calendars.blueprint(followed, settings),
                webhooks.blueprint(self.webhooks, "Bots cannot be stored."),
            ),
            assets=Assets({}),
        )

    def scope(self, headers: dict[str, str]) -> dict[str, Any]:
        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        base: dict[str, Any] = {"client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 3000)}
        base[ACTOR] = self.access.actor(base | {"headers": pairs}, trusts_local=True)
        return base

    async def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> Response:
        """Send a request; ``json``, ``data`` and ``query_string`` as Quart's client has them."""
        given = {"Host": "localhost:3000", **(headers or {})}
        return await self.pages.test_client().open(
            path, method=method, headers=given, scope_base=self.scope(given), **more
        )

    async def json(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Send a request; return status and document."""
        response = await self.ask(method, path, **more)
        return response.status_code, msgspec.json.decode(await response.get_data(as_text=False))

    @asynccontextmanager
    async def stream(self, method: str, path: str) -> AsyncIterator[trio.MemoryReceiveChannel[Any]]:
        """Send a request and yield the messages of its response; disconnect at the end of the block."""
        into, received = trio.open_memory_channel[Any](0)
        is_gone = trio.Event()
        scope: Any = self.scope({"Host": "localhost:3000"}) | {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"localhost:3000")],
        }
        messages: list[Any] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await is_gone.wait()
            return {"type": "http.disconnect"}

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.pages, scope, receive, into.send)
            yield received
            is_gone.set()


@asynccontextmanager
async def bots_api(folder: Path) -> AsyncIterator[tuple[BotsApi, FakeBots, BotStore]]:
    """Run the API over an SQLite file."""
    fake = FakeBots()
    async with SqliteBotEngine(folder).running() as store:
        yield BotsApi(folder, fake, store), fake, store

"""The real pages over parts that say what a scene tells them to say, with a socket that sends it.

For tests of what is drawn; what the service does is tested against the service. As a program, to look at a
scene: ``python -m tests.fakes.scripted_service --scene broken --port 3999``.
"""

import argparse
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from orch.access.actors import ACTOR
from orch.analytics.insights.insight import Insight
from orch.analytics.queries import OpenInsights
from orch.analytics.route_history import RouteHistory
from orch.audio.pipeline_runs import PipelineRuns
from orch.bots.shown import BotLive
from orch.cluster.runtime_settings import Changed, WorkerChanged
from orch.gateway.controls.commands import Command
from orch.gateway.controls.shared import WorkerControlled
from orch.problems import ProblemError
from orch.settings import Settings
from orch.telemetry.metrics import Metrics
from orch.telemetry.traces import OFF
from orch.websocket.announcements import Announced
from orch.websocket.connections.connection_query import ConnectionQuery
from orch.websocket.connections.handshake import Refused
from orch.websocket.statistics import ConnectionsStatistics
from orch.wiring.applications import create_pages
from orch.wiring.parts import Parts
from tests.fakes import bot_scenes
from tests.fakes.access import access_over
from tests.fakes.alerts import scripted_alerts
from tests.fakes.analytics_scenes import LazyAnalytics, scripted_analytics
from tests.fakes.bots_api import FakeBots
from tests.fakes.gateway_scenes import history
from tests.fakes.incidents import scripted_incidents
from tests.fakes.patience import PATIENCE
from tests.fakes.scenes import SCENES, Scene, statistics


async def _none() -> tuple[()]:
    return ()


async def _no_registry(service: str, *_: Any, **__: Any) -> None:
    raise ProblemError("registry_off", f"Instances of {service} cannot register themselves.")


async def _no_session(*_: Any) -> None:
    raise ProblemError("unknown_session", "A scene has no sessions to join.")


async def _nothing(*_given: Any) -> tuple[()]:
    """Let everyone in; nothing is being read."""
    return ()


class ScriptedService:
    """An ASGI application. ``changes`` notes what the control API was asked to do.

    ``is_quiet``: the socket is open but says nothing more (figures grow old).
    """

    def __init__(self, scene: str = "full", *, settings: Settings | None = None) -> None:
        self.scene = scene
        #: Why handshakes are refused.
        self.refused: Refused | None = None
        self.changes: list[tuple[str, Any]] = []
        self.is_quiet = False
        self.announced: str | None = None
        #: What the topic of insights says.
        self.insights: tuple[Insight, ...] = ()
        #: The engine of bot sessions, if there is one.
        self.bot_engine: Any = None
        #: What the topics of bots say instead of the scene, by bot_id.
        self.live: dict[str, BotLive] = {}
        #: Whose history was asked for.
        self.histories: list[str] = []
        self.asked: list[ConnectionQuery] = []
        self.others: tuple[WorkerChanged, ...] = ()
        self.settings = settings or Settings()
        self.access = access_over(SimpleNamespace(current=self.settings))
        self.analytics = LazyAnalytics(
            lambda: scripted_analytics(
                self.scene,
                time.time(),
                gateway=lambda: self.state()["gateway"],
                speech=lambda: self.state()["metrics"].speech,
            )
        )
        self.alerts = scripted_alerts(self.settings, scene, time.time(), time.time)
        self.pages = create_pages(self.parts())

    def refresh(self) -> None:
        """Build the pages anew, after ``settings`` was replaced."""
        self.access = access_over(SimpleNamespace(current=self.settings))
        self.analytics = LazyAnalytics(
            lambda: scripted_analytics(
                self.scene,
                time.time(),
                gateway=lambda: self.state()["gateway"],
                speech=lambda: self.state()["metrics"].speech,
            )
        )
        self.pages = create_pages(self.parts())

    def state(self) -> dict[str, Any]:
        """Return what every topic says now."""
        return statistics(self.raw()) | {
            "alerts": self.alerts.statistics(),
            "insights": OpenInsights(
                now=time.time(), worker="w-1", insights=self.insights, total=len(self.insights)
            ),
            "bots": bot_scenes.listed(self.scene, time.time()),
        }

    def raw(self) -> Scene:
        """Return the scene at this moment."""
        return SCENES[self.scene](time.time())

    def parts(self) -> Parts:
        """Return parts that read the scene."""

        def says(topic: str) -> Callable[[], Any]:
            return lambda: self.state()[topic]

        async def restart(service: str, *, reason: str, is_forced: bool = False, instance: str = "") -> None:
            if service not in ("audio-service", "translation-service"):
                raise ProblemError("unknown_service", f"No service is called {service}.", service=service)
            change = "restart service at once" if is_forced else "restart service"
            self.changes.append((change, f"{service} {instance}".strip()))

        async def stop_recovery(service: str, *, reason: str) -> None:
            self.changes.append(("stop recovery", service))

        async def announce(text: str) -> Announced:
            self.changes.append(("announce", text))
            self.announced = text
            return Announced(taken=58, evicted=2, seconds=0.0312)

        async def close_connection(connection_id: str) -> None:
            if connection_id not in {each.connection_id for each in self.state()["connections"].connections}:
                raise ProblemError("unknown_connection", f"No connection is called {connection_id}.")
            self.changes.append(("close connection", connection_id))

        def restart_branch(name: str) -> bool:
            self.changes.append(("restart branch", name))
            return True

        parts = SimpleNamespace(
            access=self.access,
            settings=SimpleNamespace(current=self.settings, statistics=says("config")),
            runtime=SimpleNamespace(change=self._change),
            health=SimpleNamespace(
                statistics=says("services"),
                restart=restart,
                stop_recovery=stop_recovery,
                summary=lambda: {each.name: each.state for each in self.state()["services"].services},
            ),
            alerts=self.alerts,
            traces=SimpleNamespace(tracer=OFF),
            incidents=scripted_incidents(self.settings, self.scene, time.time(), time.time),
            stores=SimpleNamespace(
                engine=SimpleNamespace(status=says("store")),
                bot_engine=self.bot_engine,
                bots=None,
                without_bots="A scene stores no bots.",
            ),
            gateway=SimpleNamespace(statistics=says("gateway")),
            controls=SimpleNamespace(carry_out=self._control),
            registry=SimpleNamespace(
                require_token=lambda _token, _address: None, read=_none, put=_no_registry, delete=_no_registry
            ),
            overload=SimpleNamespace(refuse=lambda: None),
            survey=SimpleNamespace(
                statistics=says("workers"),
                me=self.state()["workers"].workers[0].worker,
                request=self._ask_worker,
            ),
            hub=SimpleNamespace(
                statistics=lambda _query=None: self.state()["connections"],
                cluster_connections=SimpleNamespace(latest=says("connections"), look=self._look),
                announce_everywhere=announce,
                close_connection=close_connection,
                would_refuse=lambda _scope: self.refused,
                access=SimpleNamespace(require=_nothing),
                get_session=_nothing,
                recordings_of=_nothing,
                after_each_sweep=lambda _run: None,
                moderator=SimpleNamespace(decided=_no_session),
                endings=SimpleNamespace(),
                join_codes=SimpleNamespace(
                    create=_no_session, list=_no_session, delete=_no_session, resolve=_no_session
                ),
            ),
            dashboard=SimpleNamespace(statistics=says("metrics"), route_history=self._history),
            analytics=self.analytics,
            tree=SimpleNamespace(
                statistics=says("tree"),
                restart=restart_branch,
                names=lambda: tuple(branch.name for branch in self.state()["tree"].branches),
                states=lambda: {branch.name: branch.state for branch in self.state()["tree"].branches},
                uptime=lambda: self.state()["tree"].uptime,
                stopping=SimpleNamespace(is_set=lambda: self.state()["tree"].state != "running"),
            ),
            metrics=Metrics(),
            bots=FakeBots(lambda: bot_scenes.counted(self.scene, time.time())),
            stored_bots=None,
            calendars=None,
            pipeline_runs=PipelineRuns(),
            speech=SimpleNamespace(languages=self._languages),
        )
        return cast("Parts", parts)

    def _history(self, key: str) -> RouteHistory | None:
        gateway = self.state()["gateway"]
        keys = {route.prefix for route in gateway.routes} | {
            f"{own.flow} {own.service}" for own in gateway.own
        }
        self.histories.append(key)
        if key not in keys:
            return None
        return msgspec.convert(history(time.time(), 180), RouteHistory)

    async def _control(
        self, command: Command, *, worker: str = "", by: str = ""
    ) -> tuple[WorkerControlled, ...]:
        if command.service not in ("audio-service", "translation-service"):
            raise ProblemError("unknown_service", f"No service is called {command.service}.")
        self.changes.append(("control", (command, worker, by)))
        return (WorkerControlled(worker="Worker 0", outcome="done", in_flight=2, left=1),)

    async def _change(self, wanted: dict[str, Any]) -> Changed:
        self.changes.append(("patch", wanted))
        return Changed((), self.others)

    async def _look(self, query: ConnectionQuery) -> ConnectionsStatistics:
        """Choose among what the scene lists; the rest of its connections match nothing."""
        pool: ConnectionsStatistics = self.state()["connections"]
        wanted = query.find.lower().split()
        found = tuple(
            each
            for each in pool.connections
            if (not query.doing or each.doing == query.doing)
            and (not query.worker or each.worker == query.worker)
            and all(word in f"{each.connection_id} {each.name} {each.agent}".lower() for word in wanted)
        )
        self.asked.append(query)
        return msgspec.structs.replace(pool, connections=found[: query.limit], matching=len(found))

    async def _ask_worker(
        self, worker: str, subject: str, question: bytes = b"null", *, within: float = 2.0
    ) -> bytes:
        if worker == "w-2":
            raise ProblemError("worker_silent", "Worker 2 at translate-1 did not reply within 2 s.")
        if subject == "restart":
            self.changes.append(("restart branch", f"{msgspec.json.decode(question)} of {worker}"))
            return b'"restarting"'
        if subject == "route_history":
            return msgspec.json.encode(self._history(msgspec.json.decode(question, type=str)))
        if subject == "analytics":
            reply: bytes = self.analytics.reply(question)
            return reply
        if subject == "analytics_series":
            series: bytes = await self.analytics.reply_with_series(question)
            return series
        number = int(worker[-1])
        tree = self.state()["tree"]
        return msgspec.json.encode(msgspec.structs.replace(tree, worker=number, pid=4711 + number))

    async def _languages(self) -> dict[str, Any]:
        return {"source": ["auto", "en"], "targets": ["es"], "pairs": {"en": ["es"]}}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve pages, the control API, and the socket."""
        if scope["type"] != "lifespan":
            scope[ACTOR] = actor = self.access.actor(scope, trusts_local=True)
            name = self.access.sign_in_to_look_up(scope, actor)
            if name is not None:
                scope[ACTOR] = await self.access.signed_in(actor, name)
        if scope["type"] == "websocket":
            await self._socket(receive, send)
        else:
            await self.pages(scope, receive, send)

    async def _socket(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        stamp = int(time.time() * 1000)
        await _say(
            send,
            {
                "type": "connected",
                "timestamp": stamp,
                "connection_id": "c-test",
                "server_time": stamp,
                "ping_interval": 25,
                "recovery_window": 60,
            },
        )
        topics: set[str] = set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat, topics, send)
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    nursery.cancel_scope.cancel()
                    return
                message = msgspec.json.decode(event["text"])
                if message["type"] == "subscribe":
                    topics.add(message["topic"])
                    await _say(
                        send, {"type": "subscribed", "topic": message["topic"], "id": message.get("id")}
                    )
                    await self._tell(message["topic"], send)
                elif message["type"] == "ping":
                    await _say(send, {"type": "pong", "id": message.get("id")})

    async def _beat(self, topics: set[str], send: Any) -> None:
        while True:
            await trio.sleep(1)
            said, self.announced = self.announced, None
            if said is not None:
                await _say(send, {"type": "system_announcement", "message": said})
            for topic in sorted(topics):
                if not self.is_quiet:
                    await self._tell(topic, send)

    async def _tell(self, topic: str, send: Any) -> None:
        if topic == "analytics":
            data = self.analytics.live()
            await _say(send, {"type": "update", "topic": topic, "data": msgspec.to_builtins(data)})
            return
        data = self.bot_state(topic) if topic.startswith("bots/") else self.state()[topic]
        await _say(send, {"type": "update", "topic": topic, "data": data})

    def bot_state(self, topic: str) -> Any:
        """Return what the topic of one bot says now, or None."""
        bot_id = topic.removeprefix("bots/")
        return self.live.get(bot_id) or bot_scenes.live(self.scene, time.time(), bot_id)


async def _say(send: Any, message: dict[str, Any]) -> None:
    message.setdefault("timestamp", int(time.time() * 1000))
    await send({"type": "websocket.send", "text": msgspec.json.encode(message).decode()})


class Running:
    """A scripted service that listens, in a thread of its own. ``stop`` and ``start`` keep its address."""

    def __init__(self, service: ScriptedService) -> None:
        self.service = service
        self._port = 0
        self._thread: threading.Thread | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, and return once connections are accepted (the socket listens before the thread runs)."""
        listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._port = listener.getsockname()[1]
        started = threading.Event()

        async def serve_until_stopped() -> None:
            self._token = trio.lowlevel.current_trio_token()
            self._stopping = trio.Event()
            started.set()
            config = Config()
            config.bind = [f"fd://{listener.detach()}"]
            config.graceful_timeout = 0.2
            config.keep_alive_timeout = PATIENCE  # for a first request, too, which a busy machine sends late
            config.loglevel = "ERROR"
            await serve(cast("Any", self.service), config, shutdown_trigger=self._stopping.wait)

        self._thread = threading.Thread(target=trio.run, args=(serve_until_stopped,), daemon=True)
        self._thread.start()
        started.wait()

    def stop(self) -> None:
        """Close everything, as a service that has gone."""
        if self._thread is not None:
            self._token.run_sync_soon(self._stopping.set)
            self._thread.join()
            self._thread = None


@contextmanager
def scripted(scene: str) -> Iterator[Running]:
    """Serve a scene for the length of the block."""
    running = Running(ScriptedService(scene))
    try:
        yield running
    finally:
        running.stop()


def main() -> None:
    """Serve one scene until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", choices=sorted(SCENES), default="full")
    parser.add_argument("--port", type=int, default=3999)
    arguments = parser.parse_args()
    config = Config()
    config.bind = [f"127.0.0.1:{arguments.port}"]
    trio.run(partial(serve, cast("Any", ScriptedService(arguments.scene)), config))


if __name__ == "__main__":
    main()

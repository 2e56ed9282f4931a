"""The service, its back ends, stores and watchers, as programs of a test; and clients that make trouble."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.fakes.patience import PATIENCE
from tests.fakes.service import RunningService, service
from tests.fakes.sounds import pcm, silence, voice
from tests.monitoring.live.engines import Engine
from tests.monitoring.live.watching import Server, Watch

#: A caller from outside, as a proxy on this machine names it.
AFAR = "192.0.2.7"

#: A second of a voice, and a pause that ends the utterance.
UTTERANCE = pcm(voice(1.0), silence(0.8))

SETTINGS = """\
orchestration:
  frontend: {{trusted_proxies: ["127.0.0.0/8"]}}
  websocket:
    max_connections: 40
    max_connections_per_address: 30
    max_sessions_per_address: 20000
    max_sessions_per_minute_per_address: 60000
  monitoring:
    health_check_interval: 1
    health_check_timeout: 1
    alert_thresholds: {{response_time: 200}}
    journey: {{enabled: "on", interval: 5, timeout: 2}}
  incidents: {{open_after: 1, degraded_after: 2, close_after: 1}}
  gateway:
    timeout: 8
    retries: 1
    public: true
    public_routes: [{{path: "/api/other", methods: ["POST"]}}]
    circuit_breaker_cooldown: 2
    shedding: {{interactive: {{waiting: 4, deadline: 1}}, batch: {{waiting: 2, deadline: 1}}}}
    rate_limits: [{{name: "few", requests: 10, window: 60, per: "route", route: "/api/few"}}]
    static_responses: [{{name: "sorry", status: 200, content_type: "application/json", body: "{{}}"}}]
    routes:
      - prefix: "/api/translate"
        service: "translation-service"
        path: "/api/translate"
        repeatable: "always"
      - prefix: "/api/spare"
        service: "translation-service"
        path: "/api/translate"
        fallbacks: [{{use: "static", response: "sorry"}}]
      - {{prefix: "/api/few", service: "translation-service", path: "/api/translate"}}
      - {{prefix: "/api/other", service: "other-service", path: "/api/translate"}}
  speech: {{buffer_seconds: 6, translate_growing: "off", vad: {{model: "none"}}}}
  bots: {{enabled: false}}
  alerts: {{webhook_token: "{token}", escalate_after: 2}}
services:
  audio-service:
    url: "{audio}"
    instances: [{{url: "{spare}"}}]
    probe: {{misses: 1, good: 1, flaps: 5, flap_window: 20}}
    recovery: {{hook: "none"}}
  translation-service:
    url: "{translation}"
    max_concurrency: 4
    restart_command: ["true"]
    probe: {{misses: 2, good: 1}}
    recovery: {{wait_for_work: 0, verify_within: 1, attempts: 4, window: 300}}
  other-service:
    url: "{one}"
    instances: [{{url: "{two}"}}]
    ejection: {{consecutive: 3, percent: 50, base: 20, longest: 20}}
    breaker: {{cooldown: 20}}
    probe: {{misses: 30, good: 1}}
    recovery: {{hook: "none"}}
"""

#: The password of notifications about alerts.
ALERTS_TOKEN = "the-right-secret-of-alerts"  # noqa: S105 - of a service that a test runs


class World:
    """What a fault breaks. ``more``: closed at the end; ``every``, ``shortens``: of its :class:`Watch`."""

    def __init__(self, folder: Path, more: ExitStack, *, every: int = 1, shortens: bool = True) -> None:
        self.folder = folder
        self.more = more
        self.audio, self.spare, self.translation = Engine(), Engine(), Engine()
        self.one, self.two = Engine(), Engine()
        self.watch = Watch(folder / "watch", every=every, shortens=shortens)
        more.callback(self.watch.stop)
        text = SETTINGS.format(
            token=ALERTS_TOKEN,
            audio=self.audio.url,
            spare=self.spare.url,
            translation=self.translation.url,
            one=self.one.url,
            two=self.two.url,
        )
        home = folder / "service"
        home.mkdir()
        self.home, self.config = home, home / "orchestration.yaml"
        self.running: RunningService = more.enter_context(service("serve", home, settings=text))
        self.client = more.enter_context(httpx2.Client(timeout=PATIENCE))
        self._sockets = ExitStack()
        self._pumps: list[tuple[threading.Event, threading.Thread]] = []

    @property
    def address(self) -> str:
        """The service's host and port."""
        return f"127.0.0.1:{self.running.port}"

    def exporter(self, job: str, program: str, *arguments: str, **environment: str) -> Server:
        """Start an exporter, and scrape it as a job."""
        server = Server(self.folder, program, *arguments, ready="/metrics", environment=environment).start()
        self.more.callback(server.stop)
        self.watch.scrape(job, server.url)
        return server

    def pump(self, act: Callable[[], object], every: float, threads: int = 1) -> None:
        """Do something again and again, until :meth:`calm`."""
        for _ in range(threads):
            stop = threading.Event()

            def run(stop: threading.Event = stop) -> None:
                while not stop.wait(every):
                    with suppress(httpx2.TransportError, OSError, WebSocketException, TimeoutError):
                        act()

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            self._pumps.append((stop, thread))

    def calm(self) -> None:
        """End what was pumped, and close the sockets that were opened."""
        for stop, _ in self._pumps:
            stop.set()
        for _, thread in self._pumps:
            thread.join(30)
        self._pumps.clear()
        with suppress(OSError, WebSocketException, TimeoutError):
            self._sockets.close()

    def post(self, path: str, document: object = None, **headers: str) -> httpx2.Response:
        """Post JSON to the service."""
        return self.client.post(self.running.url + path, json=document, headers=headers)

    def translate(self, path: str = "/api/translate", **headers: str) -> httpx2.Response:
        """Have a text translated through the gateway."""
        text = {"text": "word", "source_language": "en", "target_language": "es"}
        return self.post(path, text, **headers)

    def open(self, count: int, **headers: str) -> int:
        """Open WebSockets that stay; return how many were refused."""
        refused = 0
        for _ in range(count):
            try:
                socket = connect(
                    f"ws://{self.address}/ws",
                    additional_headers=headers,
                    open_timeout=PATIENCE,
                    ping_interval=None,
                )
                self._sockets.enter_context(socket)
            except (OSError, WebSocketException, TimeoutError):
                refused += 1
        return refused

    def say(self, **message: Any) -> None:
        """Send a message on a socket of its own."""
        with connect(f"ws://{self.address}/ws", open_timeout=PATIENCE, ping_interval=None) as socket:
            socket.send(json.dumps(message))
            with suppress(TimeoutError):
                while json.loads(socket.recv(timeout=2)).get("type") == "connected":
                    continue

    def change(self, **values: object) -> None:
        """Change settings as an operator does; dots in their paths are ``__`` here."""
        changed = {path.replace("__", "."): value for path, value in values.items()}
        response = self.client.patch(f"{self.running.url}/api/config", json={"values": changed})
        assert response.is_success, response.text

    def speak(
        self,
        streams: int = 1,
        languages: tuple[str, ...] = ("es",),
        sound: bytes = UTTERANCE,
        **options: object,
    ) -> None:
        """Speak in sessions of their own, one utterance after the other, until :meth:`calm`.

        ``options``: more members of ``audio_start``.
        """
        for number in range(streams):
            stop = threading.Event()

            def run(stop: threading.Event = stop, number: int = number) -> None:
                with suppress(OSError, WebSocketException, TimeoutError):
                    session = f"speech-{number}-{time.monotonic_ns()}"
                    self._stream(stop, session, sound, {"target_languages": languages, **options})

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            self._pumps.append((stop, thread))

    def _stream(
        self, stop: threading.Event, session: str, sound: bytes, options: Mapping[str, object]
    ) -> None:
        with connect(f"ws://{self.address}/ws", open_timeout=PATIENCE, ping_interval=None) as socket:
            reader = threading.Thread(target=lambda: [None for _ in socket], daemon=True)
            reader.start()
            for message in (
                {"type": "create_session", "session_id": session, "config": {}},
                {"type": "join_session", "session_id": session},
                {
                    "type": "audio_start",
                    "session_id": session,
                    "sample_rate": 16_000,
                    "source_language": "en",
                    **options,
                },
            ):
                socket.send(json.dumps(message))
            piece = 6400
            while not stop.is_set():
                for at in range(0, len(sound), piece):
                    if stop.wait(0.1):
                        break
                    socket.send(sound[at : at + piece])


@contextmanager
def world(folder: Path, *, every: int = 1, shortens: bool = True) -> Iterator[World]:
    """Run all of it for the block."""
    with ExitStack() as more:
        made = World(folder, more, every=every, shortens=shortens)
        more.callback(made.calm)
        made.watch.scrape("orchestration", made.running.url)
        yield made

"""``orch demo`` with every feature in use, and what watches it, for panels that must have data."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx2
from websockets.sync.client import ClientConnection, connect

from tests.fakes.client import clip
from tests.fakes.otlp import otlp_receiver
from tests.fakes.postgres import postgres_address
from tests.fakes.prometheus import Prometheus, exporter, prometheus
from tests.fakes.redis import redis_server
from tests.fakes.service import UNHURRIED, RunningService, service
from tests.fakes.waiting import wait_until

ROOT: Final = Path(__file__).parents[2]
CERTIFICATE: Final = ROOT / "tests" / "data" / "tls" / "localhost.pem"

ENVIRON: Final = UNHURRIED | {"ORCH_ORCHESTRATION__BOTS__ENABLED": "true"}
SETTINGS: Final = """\
orchestration:
  traces: {{endpoint: "{collector}", sample_ratio: 1}}
  monitoring:
    health_check_interval: 1
    journey: {{enabled: "on", interval: 5, timeout: 60}}
  incidents: {{open_after: 1, degraded_after: 2}}
  alerts: {{alertmanager_url: "http://{alertmanager}", webhook_token: "of the test", poll_interval: 1}}
  bots:
    webhooks: {{http: true, allowed_networks: ["127.0.0.0/8"], ports: [{port}]}}
    calendars: [{{name: "team", url: "http://{outside}/team.ics"}}]
  gateway:
    rate_limits: [{{name: "few", requests: 1, window: 60, per: "route", route: "/api/few"}}]
    static_responses: [{{name: "sorry", status: 200, content_type: "application/json", body: "{{}}"}}]
    routes:
      - prefix: "/api/translate"
        service: "translation-service"
        path: "/api/translate"
        repeatable: "always"
        hedging: {{extra: 1, percentile: 0, delay: 0.5, budget: 0.1}}
      - prefix: "/api/spare"
        service: "translation-service"
        path: "/api/translate"
        fallbacks: [{{use: "static", response: "sorry"}}]
      - {{prefix: "/api/few", service: "translation-service", path: "/api/translate"}}
services:
  translation-service:
    max_concurrency: 4
    discovery: {{registry: add}}
"""
CALENDAR: Final = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nEND:VCALENDAR\r\n"
TEXT: Final = {"text": "Good morning.", "source_language": "en", "target_language": "es"}


class DemoInUse:
    """A running demo and the Prometheus that scrapes it. ``url``: the demo's."""

    def __init__(self, running: RunningService, watching: Prometheus) -> None:
        self.running = running
        self.watching = watching
        self.url = running.url

    def seen(self, expression: str) -> None:
        """Wait until Prometheus has something for an expression."""
        wait_until(lambda: self.watching.value(expression) is not None, expression, every=0.25)

    def translate(self, path: str = "/api/translate") -> httpx2.Response:
        """Have a text translated through the gateway."""
        return httpx2.post(self.url + path, json=TEXT, timeout=180)

    @contextmanager
    def socket(self) -> Iterator[ClientConnection]:
        """Connect to the hub for the block."""
        address = self.url.replace("http", "ws") + "/ws"
        with connect(address, open_timeout=180, ping_interval=None, max_size=None) as found:
            yield found


def ask(socket: ClientConnection, expected: str, **message: Any) -> dict[str, Any]:
    """Send a message; return the first one of a type that comes."""
    socket.send(json.dumps(message))
    return wait_for(socket, lambda found: bool(found["type"] == expected))


def wait_for(socket: ClientConnection, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the next message that is the wanted one."""
    while True:
        found: dict[str, Any] = json.loads(socket.recv(timeout=180))
        assert found["type"] != "error", found
        if is_it(found):
            return found


def speak(demo: DemoInUse, session: str) -> None:
    """Say a sentence that is transcribed and translated; then lose the connection and recover."""
    with demo.socket() as socket:
        made = ask(socket, "session_created", type="create_session", session_id=session, config={})
        ask(
            socket,
            "audio_started",
            type="audio_start",
            session_id=session,
            sample_rate=16_000,
            source_language="en",
            target_languages=["es"],
        )
        sound = clip("austen-0890") + bytes(48_000)
        for at in range(0, len(sound), 6_400):
            socket.send(sound[at : at + 6_400])
        wait_for(socket, lambda found: found["type"] == "translation" and not found.get("growing"))
    with demo.socket() as socket:
        wanted = {name: made[name] for name in ("recovery_token", "epoch", "offset")}
        back = ask(socket, "session_recovered", type="recover_session", session_id=session, **wanted)
        assert back["recovered"], back
        ask(socket, "session_left", type="leave_session", session_id=session)


def attend(demo: DemoInUse) -> None:
    """Have a bot join the demo's meeting until words have speakers, and leave."""
    listed = demo.running.get("/api/bots").json()
    made = demo.running.post("/api/bots", json={"meeting_url": listed["demo_meeting"]})
    assert made.status_code == 201, made.text
    bot = made.json()["bot_id"]
    demo.seen("sum(increase(orch_attribution_words_total[5m])) > 0")
    assert demo.running.post(f"/api/bots/{bot}/leave").is_success
    demo.seen("sum(increase(orch_bot_ends_total[5m])) > 0")


@contextmanager
def outside() -> Iterator[str]:
    """Serve an empty calendar, and translations as a second instance does; yield the address."""

    class Responses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith(".ics"):
                self._respond("text/calendar", CALENDAR)
            else:
                self._respond("application/json", json.dumps({"status": "healthy"}))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            translated = {"translated_text": "Buenos días.", "source_language": "en", "confidence": 0.9}
            self._respond("application/json", json.dumps(translated))

        def _respond(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Responses)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _alertmanager(folder: Path) -> str:
    path = folder / "alertmanager.yml"
    path.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n", encoding="utf-8")
    return str(path)


@contextmanager
def demo_in_use(folder: Path) -> Iterator[DemoInUse]:
    """Run the demo, Redis, PostgreSQL, exporters and Prometheus for the block.

    Beside the demo another service is scraped: one with a certificate, whose back ends are down.
    """
    for name in ("demo", "tls", "prometheus", "alertmanager"):
        (folder / name).mkdir()
    with ExitStack() as more:
        enter = more.enter_context
        alertmanager = enter(
            exporter(
                "prometheus-alertmanager",
                f"--config.file={_alertmanager(folder)}",
                f"--storage.path={folder / 'alertmanager'}",
                "--cluster.listen-address=",
                "--web.listen-address={address}",
            )
        )
        others = enter(outside())
        settings = SETTINGS.format(
            alertmanager=alertmanager,
            collector=enter(otlp_receiver()).url,
            outside=others,
            port=others.rpartition(":")[2],
        )
        demo = enter(service("demo", folder / "demo", settings=settings, environ=ENVIRON))
        registered = httpx2.put(
            f"{demo.url}/api/registry/translation-service/second",
            json={"url": f"http://{others}", "seconds": 300},
            timeout=180,
        )
        assert registered.is_success, registered.text
        secure = {"TLS_CERTIFICATE": str(CERTIFICATE), "TLS_KEY": str(CERTIFICATE)}
        second = enter(
            service("serve", folder / "tls", environ=secure | {"ORCH_ORCHESTRATION__BOTS__ENABLED": "false"})
        )
        redis = enter(redis_server(folder / "redis", "--maxmemory", "64mb"))
        postgres = enter(postgres_address())
        listen = "--web.listen-address={address}"
        probes = f"--config.file={ROOT / 'monitoring' / 'blackbox' / 'blackbox.yml'}"
        targets = {
            "orchestration": [f"127.0.0.1:{demo.port}", f"https://127.0.0.1:{second.port}"],
            "readyz": [f"127.0.0.1:{demo.port}"],
            "alertmanager": [alertmanager],
            "node": [enter(exporter("prometheus-node-exporter", listen))],
            "blackbox": [enter(exporter("prometheus-blackbox-exporter", probes, listen))],
            "redis": [
                enter(
                    exporter(
                        "prometheus-redis-exporter",
                        "-redis.addr",
                        redis.url,
                        "-web.listen-address",
                        "{address}",
                    )
                )
            ],
            "postgres": [
                enter(
                    exporter(
                        "prometheus-postgres-exporter",
                        listen,
                        environ={"DATA_SOURCE_NAME": f"{postgres}?sslmode=disable"},
                    )
                )
            ],
        }
        yield DemoInUse(demo, enter(prometheus(folder / "prometheus", targets, interval="2s")))

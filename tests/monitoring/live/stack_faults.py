"""Faults of what watches, of the stores' servers and of workers, and the alerts that each must raise."""

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGHUP
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.sync.client import connect

from tests.fakes.patience import PATIENCE
from tests.fakes.postgres import PostgresServer
from tests.fakes.redis import RedisServer
from tests.fakes.service import service
from tests.monitoring.live.faults import Fault
from tests.monitoring.live.world import World

NOWHERE: Final = "127.0.0.1:9"
REDIS_LIMIT: Final = "6mb"

#: Of a second worker, whose sessions are in Redis.
SETTINGS: Final = """\
orchestration: {{bots: {{postgres_url: "{postgres}", chromium: "/nowhere/chromium"}}}}
session_management: {{persistence: "redis", redis_url: "{redis}"}}
services:
  audio-service: {{url: "{audio}"}}
  translation-service: {{url: "{translation}", discovery: {{registry: "add"}}}}
"""


THIRD: Final = """\
orchestration: {bots: {enabled: false}}
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
"""


class Stack:
    """Servers of stores, exporters, and a second worker, beside a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        watch, folder, more = world.watch, world.folder, world.more
        self.node = world.exporter("node", "prometheus-node-exporter", "--web.listen-address=127.0.0.1:PORT")
        blackbox = folder / "blackbox.yml"
        blackbox.write_text("modules: {http_2xx: {prober: http, timeout: 1s}}\n", encoding="utf-8")
        listen = "--web.listen-address=127.0.0.1:PORT"
        self.blackbox = world.exporter(
            "blackbox", "prometheus-blackbox-exporter", listen, f"--config.file={blackbox}"
        )
        watch.through_blackbox = self.blackbox.url.removeprefix("http://")
        watch.scrape("readyz", world.running.url)
        self.redis = RedisServer(_made(folder / "redis"), "--maxmemory", REDIS_LIMIT)
        more.callback(self.redis.kill)
        world.exporter(
            "redis",
            "prometheus-redis-exporter",
            REDIS_EXPORTER_WEB_LISTEN_ADDRESS="127.0.0.1:PORT",
            REDIS_ADDR=self.redis.url,
        )
        self.postgres = PostgresServer(_made(folder / "postgres"))
        more.callback(self.postgres.kill)
        source = f"{self.postgres.url}?sslmode=disable"
        world.exporter("postgres", "prometheus-postgres-exporter", listen, DATA_SOURCE_NAME=source)
        text = SETTINGS.format(
            redis=self.redis.url,
            postgres=self.postgres.url,
            audio=world.audio.url,
            translation=world.translation.url,
        )
        self.second = more.enter_context(service("serve", _made(folder / "second"), settings=text))
        watch.scrape("orchestration", world.running.url, self.second.url)
        # Of programs that do not run here.
        for job in ("cadvisor", "loki", "alloy", "tempo", "grafana"):
            watch.scrape(job, self.node.url)
        self.held: list[socket.socket] = []
        self.key, self.certificate = folder / "key.pem", folder / "certificate.pem"

    def faults(self) -> tuple[Fault, ...]:
        """Return the faults in the order in which they can be injected."""
        watch = self.world.watch
        one = self.world.running.url
        both = (one, self.second.url)
        return (
            Fault(
                "the workers have other settings",
                ("ConfigDrift",),
                _nothing,
                lambda _: watch.scrape("orchestration", one),
                is_there=True,
            ),
            Fault(
                "a worker ends",
                ("OrchestrationDown",),
                lambda _: watch.scrape("orchestration", one, NOWHERE),
                lambda _: watch.scrape("orchestration", *both),
            ),
            Fault(
                "no worker answers",
                ("OrchestrationAllWorkersDown", "OrchestrationNotReady"),
                self._none_answers,
                self._all_answer,
            ),
            Fault(
                "discovery finds no worker",
                ("OrchestrationAbsent",),
                lambda _: watch.scrape("orchestration"),
                lambda _: watch.scrape("orchestration", *both),
            ),
            Fault(
                "the workers export none of their series",
                (
                    "RequestsNotMeasured",
                    "CaptionsNotMeasured",
                    "CaptionLatencyNotMeasured",
                    "RecoveriesNotMeasured",
                ),
                lambda _: watch.scrape("orchestration", self.node.url),
                lambda _: watch.scrape("orchestration", *both),
            ),
            Fault(
                "a job has no targets",
                ("ScrapeJobAbsent",),
                lambda _: watch.scrape("node"),
                lambda _: watch.scrape("node", self.node.url),
            ),
            Fault(
                "an exporter ends",
                ("PrometheusTargetMissing",),
                lambda _: watch.scrape("node", NOWHERE),
                lambda _: watch.scrape("node", self.node.url),
            ),
            Fault(
                "Prometheus's configuration is broken",
                ("PrometheusConfigReloadFailed",),
                self._break_prometheus,
                lambda _: watch.reload(),
            ),
            Fault(
                "Alertmanager's configuration is broken",
                ("AlertmanagerConfigReloadFailed",),
                self._break_alertmanager,
                self._mend_alertmanager,
            ),
            Fault(
                "a rule cannot be evaluated", ("PrometheusRuleFailures",), self._break_rule, self._mend_rule
            ),
            Fault(
                "no receiver of alerts answers",
                ("AlertmanagerNotificationsFailing",),
                _nothing,
                self._no_notifications,
                is_there=True,
            ),
            Fault("Redis loses what it has not saved", ("StoreCautions",), self._no_file, self._a_file),
            Fault(
                "a branch starts while Redis stands still",
                ("BranchDown",),
                self._stand_still,
                self._usual_redis,
            ),
            Fault("Redis is slow", ("FanOutSlow",), self._slow_redis, self._usual_redis),
            Fault("Redis is nearly full", ("RedisMemoryNearMax",), self._fill_redis, self._empty_redis),
            Fault("Redis evicts", ("RedisEvicts",), self._evict, self._empty_redis),
            Fault(
                "Redis ends",
                ("RedisDown", "StoreDegraded", "StoreWaiting", "DiscoveryStale"),
                self._end_redis,
                self._start_redis,
            ),
            Fault("Redis refuses writes", ("StoreFailures",), self._refuse_writes, self._accept_writes),
            Fault(
                "PostgreSQL has few connections left",
                ("PostgresConnectionsNearMax",),
                self._hold,
                self._release,
            ),
            Fault(
                "PostgreSQL ends",
                ("PostgresDown", "BotStoreDegraded"),
                lambda _: self.postgres.kill(),
                lambda _: self.postgres.start(),
            ),
            Fault(
                "a certificate expires tomorrow",
                ("CertificateExpires", "CertificateExpiresSoon"),
                self._short_certificate,
                self._long_certificate,
            ),
            Fault(
                "Prometheus knows no Alertmanager",
                ("PrometheusNotConnectedToAlertmanager",),
                self._no_alertmanager,
                self._an_alertmanager,
            ),
        )

    def _none_answers(self, world: World) -> None:
        world.watch.targets["orchestration"] = [NOWHERE]
        world.watch.scrape("readyz", NOWHERE)

    def _all_answer(self, world: World) -> None:
        world.watch.scrape("orchestration", world.running.url, self.second.url)
        world.watch.scrape("readyz", world.running.url)

    def _break_prometheus(self, world: World) -> None:
        (world.watch.folder / "prometheus.yml").write_text("nonsense: [", encoding="utf-8")
        world.watch.prometheus.signal(SIGHUP)

    def _break_alertmanager(self, world: World) -> None:
        path = world.watch.folder / "alertmanager.yml"
        path.write_text("nonsense: true\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
        world.watch.alertmanager.signal(SIGHUP)

    def _mend_alertmanager(self, world: World) -> None:
        path = world.watch.folder / "alertmanager.yml"
        path.write_text(path.read_text(encoding="utf-8").removeprefix("nonsense: true\n"), encoding="utf-8")
        world.watch.alertmanager.signal(SIGHUP)

    def _break_rule(self, world: World) -> None:
        path = world.watch.folder / "ambiguous.yml"
        path.write_text(
            "groups: [{name: ambiguous, rules: [{record: 'a:b:c', expr: 'up * on () up'}]}]\n",
            encoding="utf-8",
        )
        world.watch.more_rules = [str(path)]
        world.watch.reload()

    def _mend_rule(self, world: World) -> None:
        world.watch.more_rules = []
        world.watch.reload()

    def _no_notifications(self, world: World) -> None:
        path = world.watch.folder / "alertmanager.yml"
        path.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n", encoding="utf-8")
        world.watch.alertmanager.signal(SIGHUP)

    def _fill_redis(self, world: World) -> None:
        self.redis.ask("CONFIG", "SET", "maxmemory", "6mb")
        for number in range(200):
            if b"OOM" in self.redis.ask("SET", f"filler:{number}", "x" * 40_000):
                break

    def _empty_redis(self, world: World) -> None:
        self.redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.redis.ask("CONFIG", "SET", "maxmemory", "64mb")
        for number in range(400):
            self.redis.ask("DEL", f"filler:{number}")

    def _evict(self, world: World) -> None:
        self.redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        self.redis.ask("CONFIG", "SET", "maxmemory", "6mb")

        def fill() -> None:
            for number in range(200, 400):
                self.redis.ask("SET", f"filler:{number}", "x" * 40_000)

        world.pump(fill, 0.5)

    def _no_file(self, world: World) -> None:
        self.redis.ask("CONFIG", "SET", "appendonly", "no")

    def _a_file(self, world: World) -> None:
        self.redis.ask("CONFIG", "SET", "appendonly", "yes")

    def _stand_still(self, world: World) -> None:
        self.redis.pause()
        self.second.post("/api/tree/websocket/restart").raise_for_status()

    def _slow_redis(self, world: World) -> None:
        """Have it stand still for most of the time, while sessions publish."""

        def pause() -> None:
            self.redis.pause()
            time.sleep(1.2)
            self.redis.resume()
            time.sleep(0.4)

        world.pump(pause, 0.05)
        world.pump(self._publish, 0.1, threads=3)

    def _publish(self) -> None:
        session = f"slow-{time.monotonic_ns()}"
        address = f"ws://127.0.0.1:{self.second.port}/ws"
        with connect(address, open_timeout=PATIENCE, ping_interval=None) as client:
            client.send(json.dumps({"type": "create_session", "session_id": session}))
            for _ in range(60):
                client.send(json.dumps({"type": "broadcast", "session_id": session, "data": "word"}))
                time.sleep(0.05)

    def _usual_redis(self, world: World) -> None:
        world.calm()
        self.redis.resume()

    def _end_redis(self, world: World) -> None:
        self.redis.kill()
        self._create_sessions()

    def _start_redis(self, world: World) -> None:
        self.redis.start()
        self._empty_redis(world)  # its limit is that of its command again
        world.calm()

    def _refuse_writes(self, world: World) -> None:
        self.redis.ask("CONFIG", "SET", "min-replicas-to-write", "1")
        self._create_sessions()

    def _accept_writes(self, world: World) -> None:
        world.calm()
        self.redis.ask("CONFIG", "SET", "min-replicas-to-write", "0")

    def _create_sessions(self) -> None:
        for number in range(12):

            def create(number: int = number) -> None:
                self.second.post(
                    "/api/sessions/create", json={"session_id": f"s{number}-{time.monotonic_ns()}"}
                )

            self.world.pump(create, 0.1)

    def _hold(self, world: World) -> None:
        greeting = b"user\0orch\0database\0postgres\0\0"
        greeting = (3 << 16).to_bytes(4, "big") + greeting
        for _ in range(85):
            connection = socket.create_connection(("127.0.0.1", self.postgres.port), timeout=PATIENCE)
            connection.sendall((len(greeting) + 4).to_bytes(4, "big") + greeting)
            connection.recv(1)
            self.held.append(connection)

    def _release(self, world: World) -> None:
        for connection in self.held:
            connection.close()
        self.held.clear()

    def _short_certificate(self, world: World) -> None:
        self._write_certificate(days=1)
        tls = ("TLS_CERTIFICATE", str(self.certificate)), ("TLS_KEY", str(self.key))
        third = world.more.enter_context(
            service("serve", _made(world.folder / "third"), settings=THIRD, environ=dict(tls))
        )
        world.watch.scrape("tls", third.url.removeprefix("https://"))

    def _long_certificate(self, world: World) -> None:
        self._write_certificate(days=90)

    def _write_certificate(self, *, days: int) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=days))
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        self.key.write_bytes(key.private_bytes(pem, *plain))
        self.certificate.write_bytes(made.public_bytes(pem))

    def _no_alertmanager(self, world: World) -> None:
        world.watch.has_alertmanager = False
        world.watch.reload()

    def _an_alertmanager(self, world: World) -> None:
        world.watch.has_alertmanager = True
        world.watch.reload()


def _nothing(_: World) -> None:
    """Do nothing: the fault is there already, or ends by itself."""


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder

"""Faults that clients make, or that they notice: slow readers, leaking sessions, speech that gets worse."""

import base64
import json
import os
import socket
import time
from contextlib import suppress
from functools import partial
from signal import SIGKILL
from typing import Final

from websockets.sync.client import connect

from tests.fakes.patience import PATIENCE
from tests.fakes.processes import children, command
from tests.fakes.sounds import pcm, silence, voice
from tests.monitoring.live.faults import Fault
from tests.monitoring.live.world import ALERTS_TOKEN, World

#: A voice for longer than an engine takes for the words so far, and the pause that ends the utterance.
LONG: Final = pcm(voice(9.0), silence(0.8))
CROWDED: Final = "crowded"
#: Clients that read nothing.
UNREAD: Final = 12
ALERT: Final = {
    "labels": {"alertname": "SomethingIsDown", "severity": "critical", "service": "orchestration"},
    "annotations": {"summary": "Something is down."},
    "generatorURL": "",
}


def _calm(world: World) -> None:
    world.calm()


def _unread(world: World) -> None:
    """Let clients join a session in which much is said, and never read."""

    def speak() -> None:
        with connect(
            f"ws://{world.address}/ws", open_timeout=PATIENCE, ping_interval=None, max_size=None
        ) as own:
            own.send(json.dumps({"type": "create_session", "session_id": CROWDED}))
            while True:
                own.send(json.dumps({"type": "broadcast", "session_id": CROWDED, "data": "x" * 60_000}))
                time.sleep(0.04)
                with suppress(TimeoutError):
                    while True:
                        own.recv(timeout=0)

    world.pump(speak, 0.5)
    for number in range(UNREAD):
        world.pump(partial(_join_unread, world, 0.7 * number), 0.1)


def _join_unread(world: World, wait: float) -> None:
    """Wait; join by hand, with a small buffer, and read nothing until the service has closed the connection.

    ``wait``: seconds, different ones for each client, so that there is one in each state at any time.
    """
    time.sleep(wait)
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(20)
        one.connect(("127.0.0.1", world.running.port))
        key = base64.b64encode(os.urandom(16)).decode()
        one.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {world.address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        one.recv(256)
        one.sendall(_frame({"type": "join_session", "session_id": CROWDED}))
        time.sleep(8)


def _frame(message: object) -> bytes:
    """Return a text frame with a mask of zeros."""
    body = json.dumps(message).encode()
    assert len(body) < 126
    return bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body


class Leak:
    """Sessions that are created and that nobody leaves, until they are ended."""

    def __init__(self) -> None:
        self._made: list[str] = []

    def inject(self, world: World) -> None:
        """Create them from now on."""

        def create() -> None:
            session = f"leak-{time.monotonic_ns()}"
            response = world.post("/api/sessions/create", {"session_id": session})
            assert response.is_success, response.text
            self._made.append(session)

        world.pump(create, 0.01, threads=3)

    def heal(self, world: World) -> None:
        """End them."""
        world.calm()
        while self._made:
            world.client.delete(f"{world.running.url}/api/sessions/{self._made.pop()}")


def _long_sentences(world: World) -> None:
    world.audio.delay = world.spare.delay = 4.0
    world.speak(4, sound=LONG)


def _less_sure(world: World) -> None:
    """Let the engine be sure for a while, so that there is something to compare with, and then not."""
    for engine in (world.audio, world.spare):
        engine.confidence = 0.95
    world.speak(3)
    time.sleep(22)
    for engine in (world.audio, world.spare):
        engine.confidence = 0.2


def _usual(world: World) -> None:
    world.calm()
    for engine in (world.audio, world.spare):
        engine.delay, engine.confidence = 0.0, 0.9


def _pipelines_die(world: World) -> None:
    """Kill the processes with the pipelines of streams, again and again."""
    world.speak(2, pipeline="voice")
    world.pump(partial(_kill_pipelines, world), 1.0)


def _kill_pipelines(world: World) -> None:
    for pid in children(world.running.process.pid):
        if b"\0-m\0orch.audio." in command(pid):
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, SIGKILL)


def _nobody_comes(world: World) -> None:
    """Notify the service of a critical alert that nobody acknowledges, and that cannot be escalated."""
    _notify(world, "firing")


def _over(world: World) -> None:
    _notify(world, "resolved")


def _notify(world: World, status: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    alert = {
        **ALERT,
        "status": status,
        "fingerprint": "00aa11bb22cc33dd",
        "startsAt": now,
        "endsAt": now if status == "resolved" else "0001-01-01T00:00:00Z",
    }
    note = {"version": "4", "status": status, "receiver": "pages", "alerts": [alert]}
    right = {"Authorization": "Basic " + base64.b64encode(f"a:{ALERTS_TOKEN}".encode()).decode()}
    response = world.post("/api/alerts/webhook", note, **right)
    assert response.is_success, response.text


LEAK: Final = Leak()

CLIENTS: Final = (
    Fault("clients read nothing", ("QueuedBytesHigh", "SlowClientsEvicted"), _unread, _calm),
    Fault(
        "sessions are created and never left", ("SessionsLeaking", "MemoryGrowing"), LEAK.inject, LEAK.heal
    ),
    Fault("the engine is slow, and sentences are long", ("RevisionsDropped",), _long_sentences, _usual),
    Fault("words are recognised less surely", ("ConfidenceFell",), _less_sure, _usual, fires_within=100),
    Fault("processes with pipelines end", ("PipelineFailing",), _pipelines_die, _usual),
    Fault("an alert cannot be escalated", ("EscalationFailed",), _nobody_comes, _over),
)

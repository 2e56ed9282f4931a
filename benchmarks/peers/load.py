"""One client process: thousands of bare sockets behind one epoll, told what to do line by line on stdin.

Frames are counted, not read, where their bytes are known already, so that one process takes more than a
server can send. Between commands it goes on answering heartbeats. Every command ends by itself: what has not
come within :data:`PATIENCE` is waited for no longer, and the answer says how much came.

A command is a line of JSON, ``{"do": NAME, …}``, and so is its answer. Times are those of CLOCK_MONOTONIC,
which the processes of a machine share.
"""

import base64
import json
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from benchmarks.peers.dialects import (
    DELIVERED,
    DIALECTS,
    ECHOED,
    PONG,
    Dialect,
    echo,
    joining,
    masked,
    saying,
    unmasked,
)

PATIENCE: Final = 120.0
"""Seconds a command may take."""
CHUNK: Final = 65_536
HEAD: Final = 300
"""Bytes of a message that say what it is."""
WINDOW: Final = 100
"""Handshakes, and joins, that one process has under way at a time."""
ADDRESSES: Final = tuple(f"127.0.0.{last}" for last in range(2, 252))
"""Where clients come from: each has ports of its own, and none has so many that a limit per address tells."""
STDIN: Final = 0
_NOTHING: Final = b"\x00"  # no frame of a server is this
_CLOSE: Final = 0x8
_PING: Final = 0x9

now = time.monotonic


class Load:
    """The clients of one process.

    The mutable state: the sockets, what is unread of a frame that has come in part, and what the command that
    is under way waits for.
    """

    def __init__(self) -> None:
        self._dialect: Dialect = DIALECTS["json"]
        self._sockets: dict[int, socket.socket] = {}
        self._shaking: set[int] = set()
        self._joined: set[int] = set()
        self._rest: dict[int, bytes] = {}
        self._skipped: dict[int, tuple[int, int, bytes]] = {}
        self._epoll = select.epoll()
        self._is_commanded = False
        self._same = _NOTHING
        self._times: list[float] = []
        self._on_text: Callable[[int, bytes], None] = self._ignore
        self._lost = self._beats = 0
        self._problems: list[str] = []

    def run(self) -> None:
        """Obey until stdin ends."""
        commands: dict[str, Callable[..., dict[str, Any]]] = {
            "open": self.open,
            "join": self.join,
            "arm": self.arm,
            "say": self.say,
            "collect": self.collect,
            "echo": self.echo,
            "quiet": self.quiet,
            "close": self.close,
        }
        self._epoll.register(STDIN, select.EPOLLIN)
        while True:
            while not self._is_commanded:
                self._turn(1.0)
            line = sys.stdin.buffer.readline()
            if not line:
                return
            self._is_commanded = False
            command = json.loads(line)
            answer = commands[command.pop("do")](**command)
            answer |= {"lost": self._lost, "beats": self._beats, "problems": self._problems[:3]}
            print(json.dumps(answer), flush=True)

    # Commands.

    def open(self, *, port: int, count: int, dialect: str) -> dict[str, Any]:
        """Open so many connections; answers when the first was begun and the last had shaken hands."""
        self._dialect = DIALECTS[dialect]
        key = base64.b64encode(bytes(range(16))).decode()
        asked = (
            f"GET {self._dialect.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        begun = 0
        began = now()

        def more() -> bool:
            nonlocal begun
            while begun < count and len(self._shaking) < WINDOW:
                self._connect(port, ADDRESSES[begun % len(ADDRESSES)], asked)
                begun += 1
            return begun == count and not self._shaking

        self._pump(more)
        return {"began": began, "ended": now(), "open": len(self._sockets) - len(self._shaking)}

    def join(self, *, session: str, creates: bool) -> dict[str, Any]:
        """Have the first connection make a session, or all others be in it."""
        fds = list(self._sockets)
        todo = deque(fds[:1] if creates else [fd for fd in fds if fd not in self._joined])
        steps: dict[int, deque[tuple[bytes, bytes]]] = {}
        began = now()

        def on_text(fd: int, text: bytes) -> None:
            waiting = steps.get(fd)
            if waiting is None or waiting[0][1] not in text[:HEAD]:
                return
            waiting.popleft()
            if waiting:
                self._send(fd, waiting[0][0])
            else:
                del steps[fd]
                self._joined.add(fd)

        def more() -> bool:
            while todo and len(steps) < WINDOW:
                fd = todo.popleft()
                steps[fd] = deque(joining(self._dialect, session, creates=creates))
                self._send(fd, steps[fd][0][0])
            return not todo and not steps

        self._on_text = on_text
        self._pump(more)
        self._on_text = self._ignore
        return {"began": began, "ended": now(), "joined": len(self._joined)}

    def arm(self) -> dict[str, Any]:
        """Count from now on what everyone in the session is sent."""

        def on_text(_fd: int, text: bytes) -> None:
            if DELIVERED in text[:HEAD]:
                self._times.append(now())
                self._same = unmasked(text)

        self._times, self._same, self._on_text = [], _NOTHING, on_text
        return {}

    def say(self, *, session: str, data: str) -> dict[str, Any]:
        """Say something in the session, on the first connection."""
        frame = saying(self._dialect, session, data)
        said = now()
        self._send(next(iter(self._sockets)), frame)
        return {"said": said}

    def collect(self) -> dict[str, Any]:
        """Answer when each connection was delivered to, once all were."""
        self._pump(lambda: len(self._times) >= len(self._sockets))
        self._same, self._on_text = _NOTHING, self._ignore
        return {"times": self._times}

    def echo(self, *, seconds: float) -> dict[str, Any]:
        """Have every connection send one message after the other, each once the last has come back."""
        frame = echo(self._dialect)
        began = now()
        until = began + seconds
        sent = dict.fromkeys(self._sockets, began)
        taken: list[float] = []

        def on_text(fd: int, text: bytes) -> None:
            if ECHOED not in text[:HEAD]:
                return
            at = now()
            taken.append(at - sent[fd])
            if at < until:
                sent[fd] = at
                self._send(fd, frame)
            else:
                del sent[fd]

        self._on_text = on_text
        for fd in self._sockets:
            self._send(fd, frame)
        self._pump(lambda: not sent)
        self._on_text = self._ignore
        return {"seconds": now() - began, "taken": taken}

    def quiet(self, *, seconds: float) -> dict[str, Any]:
        """Wait until so many seconds have brought no text."""
        heard = now()

        def on_text(_fd: int, _text: bytes) -> None:
            nonlocal heard
            heard = now()

        self._on_text = on_text
        self._pump(lambda: now() - heard >= seconds)
        self._on_text = self._ignore
        return {}

    def close(self) -> dict[str, Any]:
        """Drop all connections."""
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()
        self._shaking.clear()
        self._joined.clear()
        self._rest.clear()
        self._skipped.clear()
        return {}

    # Sockets.

    def _connect(self, port: int, address: str, asked: bytes) -> None:
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
        opened.bind((address, 0))
        opened.settimeout(PATIENCE)
        opened.connect(("127.0.0.1", port))
        opened.send(asked)
        opened.settimeout(0)
        self._sockets[opened.fileno()] = opened
        self._shaking.add(opened.fileno())
        self._epoll.register(opened, select.EPOLLIN)

    def _send(self, fd: int, frame: bytes) -> None:
        if (to := self._sockets.get(fd)) is not None:
            to.send(frame)

    def _pump(self, is_done: Callable[[], bool]) -> None:
        """Read until done, or for :data:`PATIENCE`."""
        give_up = now() + PATIENCE
        while not is_done() and now() < give_up:
            self._turn(0.1)
            if self._is_commanded:
                sys.exit("The benchmark has ended.")

    def _turn(self, wait: float) -> None:
        sockets = self._sockets
        for fd, _ in self._epoll.poll(wait):
            if fd == STDIN:
                self._is_commanded = True
                continue
            try:
                data = sockets[fd].recv(CHUNK)
            except ConnectionResetError:
                data = b""
            if data == self._same:
                self._times.append(now())
            elif data:
                self._read(fd, data)
            else:
                self._gone(fd)

    def _gone(self, fd: int) -> None:
        self._lost += 1
        self._shaking.discard(fd)
        self._sockets.pop(fd).close()

    # Frames.

    def _read(self, fd: int, data: bytes) -> None:
        if fd in self._shaking:
            data = self._shake(fd, data)
        if fd in self._skipped:
            data = self._skip(fd, data)
        data = self._rest.pop(fd, b"") + data
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length >= 126:
                start = at + (4 if length == 126 else 10)
                if start > size:
                    break
                length = int.from_bytes(data[at + 2 : start])
            end = start + length
            if end > size:
                if length > CHUNK:  # not worth putting together
                    self._skipped[fd] = (end - size, data[at], data[start : start + HEAD])
                    return
                break
            self._frame(fd, data[at], data[start:end])
            at = end
        if at < size:
            self._rest[fd] = data[at:]

    def _shake(self, fd: int, data: bytes) -> bytes:
        """Read the answer to the handshake; return what came after it."""
        data = self._rest.pop(fd, b"") + data
        head, ended, data = data.partition(b"\r\n\r\n")
        if not ended:
            self._rest[fd] = head
            return b""
        if not head.startswith(b"HTTP/1.1 101 "):
            self._problems.append((head + b" " + data)[:HEAD].decode(errors="replace"))
        self._shaking.discard(fd)
        return data

    def _skip(self, fd: int, data: bytes) -> bytes:
        """Pass over the rest of a large frame; return what came after it."""
        left, first, head = self._skipped.pop(fd)
        if len(data) < left:
            self._skipped[fd] = (left - len(data), first, head)
            return b""
        self._frame(fd, first, head)
        return data[left:]

    def _frame(self, fd: int, first: int, payload: bytes) -> None:
        opcode = first & 0xF
        if opcode == _PING:
            self._beats += 1
            self._send(fd, masked(payload, PONG))
        elif opcode == _CLOSE:
            self._problems.append(f"closed: {payload[:2].hex()} {payload[2:].decode(errors='replace')}")
        elif payload == self._dialect.heartbeat:
            self._beats += 1
            self._send(fd, masked(self._dialect.alive))
        elif opcode < _CLOSE:
            if b'"error"' in payload[:HEAD]:
                self._problems.append(payload[:HEAD].decode(errors="replace"))
            self._on_text(fd, payload)

    def _ignore(self, fd: int, text: bytes) -> None:
        """Nothing waits for a text."""


if __name__ == "__main__":
    Load().run()

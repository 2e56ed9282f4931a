"""Many clients in one process: bare sockets behind one epoll, told what to do line by line on stdin.

    python -m tests.fakes.crowd

Each is in one session and keeps account of what it hears: every number once, every offset one higher than the
last. One that loses its connection comes back at once, to the next address, and recovers. A command is a line
of JSON, ``{"do": NAME, …}``, and so is its answer; between commands the clients go on. Every command ends by
itself: what has not come within :data:`PATIENCE` is waited for no longer, and the answer says what has.

Times are those of CLOCK_MONOTONIC, which the processes of a machine share.
"""

import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from benchmarks.peers.dialects import PONG, TEXT, masked
from tests.fakes.patience import PATIENCE

CHUNK: Final = 65_536
STDIN: Final = 0
AT_ONCE: Final = 200
"""Clients that are on their way in at a time; those who come back do not wait for each other."""
_CLOSE: Final = 0x88
_PING: Final = 0x89
_SHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

now = time.monotonic


class Said(Struct):
    """What someone said: ``n`` counts, ``at`` is when."""

    n: int
    at: float


class Message(Struct):
    """As much of a server's message as is looked at."""

    type: str
    id: int | None = None
    offset: int = -1
    data: Raw = Raw()
    recovery_token: str = ""
    epoch: str = ""
    recovered: bool = True
    state: str = ""
    code: str | None = None
    messages: list["Message"] = []


class Place(Enum):
    """Where a client stands."""

    CONNECTING = auto()
    SHAKING = auto()
    ENTERING = auto()
    IN = auto()


_message: Final = msgspec.json.Decoder(Message)
_said: Final = msgspec.json.Decoder(Said)


class Member:
    """One client. The mutable state is its socket, what is unread of it, and its account."""

    __slots__ = (
        "addresses",
        "heard",
        "is_slow",
        "offset",
        "place",
        "session",
        "socket",
        "ticket",
        "unacknowledged",
        "unread",
    )

    def __init__(self, session: str, addresses: list[tuple[str, int]], *, is_slow: bool) -> None:
        self.session = session
        self.addresses = addresses
        self.is_slow = is_slow
        self.ticket: tuple[str, str] | None = None
        self.offset = -1
        self.heard = 0
        self.unacknowledged = 0
        self.connect()

    def connect(self) -> None:
        """Begin to connect."""
        self.place = Place.CONNECTING
        self.unread = b""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)  # noqa: FBT003 - the standard library's
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.is_slow:
            # As over a network: else the kernel alone would hold megabytes for it on loopback.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        self.socket.connect_ex(self.addresses[0])

    def say(self, message: dict[str, Any]) -> None:
        """Send a message."""
        wire = masked(msgspec.json.encode(message))
        if self.socket.send(wire) < len(wire):
            raise BlockingIOError("The service does not read what a few clients say.")

    def enter(self, *, creates: bool) -> None:
        """Ask to be in the session, anew or again."""
        self.place = Place.ENTERING
        asked: dict[str, Any] = {"session_id": self.session}
        if self.ticket is None:
            self.say(asked | {"type": "create_session" if creates else "join_session"})
            return
        token, epoch = self.ticket
        again = {"type": "recover_session", "recovery_token": token, "epoch": epoch, "offset": self.offset}
        self.say(asked | again)


class Crowd:
    """The clients of one process.

    The mutable state: the members by file descriptor, those who are still to come in, and the account of
    what went wrong and how long things took.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._members: dict[int, Member] = {}
        self._first: dict[str, Member] = {}
        self._stalled: list[Member] = []
        self._waiting: list[Member] = []
        self._outside = 0
        self._creates = False
        self._returns = True
        self._faults: list[str] = []
        self._counts: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self._latencies: list[float] = []
        self._lost_at = self._back_at = 0.0
        self._is_commanded = False

    def run(self) -> None:
        """Obey until stdin ends."""
        commands: dict[str, Callable[..., dict[str, Any]]] = {
            "enter": self.enter,
            "speak": self.speak,
            "hear": self.hear,
            "stall": self.stall,
            "awake": self.awake,
        }
        self._epoll.register(STDIN, select.EPOLLIN)
        while True:
            while not self._is_commanded:
                self._turn(1.0)
            line = sys.stdin.buffer.readline()
            if not line:
                return
            self._is_commanded = False
            command = msgspec.json.decode(line)
            answer = commands[command.pop("do")](**command)
            answer |= {"faults": self._faults[:5], "at": now()}
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
            sys.stdout.buffer.flush()

    # Commands.

    def enter(
        self,
        *,
        addresses: list[tuple[str, int]],
        sessions: list[str],
        each: int,
        creates: bool = False,
        is_slow: bool = False,
    ) -> dict[str, Any]:
        """Have so many come into each session; with ``creates``, the first of them makes it."""
        self._creates = creates
        places = [(host, port) for host, port in addresses]
        came = deque(session for _ in range(each) for session in sessions)

        def more() -> bool:
            while came and self._outside < AT_ONCE:
                session = came.popleft()
                self._outside += 1
                member = Member(session, places, is_slow=is_slow)
                self._first.setdefault(session, member)
                self._watch(member)
            return not came and not self._outside

        self._pump(more)
        return {"inside": self._inside()}

    def speak(
        self, *, begin: int, end: int, filler: int = 0, pace: float = 0, window: int = 1
    ) -> dict[str, Any]:
        """Have the first in each session say the numbers, and wait until all were heard to be kept.

        ``filler``: bytes more in each; ``pace``: seconds from one message to the next, whoever's it is;
        ``window``: messages that one may have under way.
        """
        due = now()
        speakers = list(self._first.values())
        is_heard = True
        for number in range(begin, end):
            for member in speakers:
                while (left := due - now()) > 0:
                    self._turn(left)
                due += pace
                member.unacknowledged += 1
                data = {"n": number, "at": now(), "x": "x" * filler}
                member.say({"type": "broadcast", "session_id": member.session, "id": number, "data": data})
                self._turn(0)
            most = window if number < end - 1 else 1
            is_heard = is_heard and self._pump(
                lambda most=most: all(member.unacknowledged < most for member in speakers)  # type: ignore[misc]  # bound now
            )
            if not is_heard:
                break
        return {"unacknowledged": sum(member.unacknowledged for member in speakers)}

    def hear(self, *, count: int, told: dict[str, int] | None = None) -> dict[str, Any]:
        """Wait until everyone here is in and has heard so many numbers; tell how it was since the last time.

        ``told``: what else has to have been counted by then, and how often.
        ``heard``: how many, without repetition, those here have; ``latencies``: seconds from saying to
        hearing, each; ``lost_at`` and ``back_at``: of the first lost and the last recovered.
        """

        def is_done() -> bool:
            return (
                not self._outside
                and all(each.heard >= count for each in self._members.values())
                and all(self._counts[name] >= least for name, least in (told or {}).items())
            )

        self._pump(is_done)
        account = {
            "inside": self._inside(),
            "heard": sorted({member.heard for member in self._members.values()}),
            "counts": dict(self._counts),
            "codes": dict(self._codes),
            "latencies": self._latencies,
            "lost_at": self._lost_at,
            "back_at": self._back_at,
        }
        self._latencies = []
        return account

    def stall(self) -> dict[str, Any]:
        """Have everyone here read nothing any more, and not come back."""
        self._returns = False
        self._stalled = list(self._members.values())
        for fd in self._members:
            self._epoll.unregister(fd)
        self._members, self._first = {}, {}
        return {"stalled": len(self._stalled)}

    def awake(self) -> dict[str, Any]:
        """Have those who stalled read again, to the end; tell with which codes they had been closed."""
        self._codes = Counter()
        self._members = {member.socket.fileno(): member for member in self._stalled}
        for member in self._stalled:
            self._epoll.register(member.socket, select.EPOLLIN)
        self._stalled = []
        self._pump(lambda: not self._members)
        self._returns = True
        return {"codes": dict(self._codes), "left": len(self._members)}

    # The loop.

    def _inside(self) -> int:
        return sum(member.place is Place.IN for member in self._members.values())

    def _watch(self, member: Member) -> None:
        self._members[member.socket.fileno()] = member
        self._epoll.register(member.socket, select.EPOLLOUT)

    def _pump(self, is_done: Callable[[], bool]) -> bool:
        """Go on until done, or for :data:`PATIENCE`; return whether it is done."""
        give_up = now() + PATIENCE
        while not is_done():
            if now() > give_up:
                return False
            self._turn(0.05)
            if self._is_commanded:
                sys.exit("The test has ended.")
        return True

    def _turn(self, wait: float) -> None:
        for fd, _ in self._epoll.poll(wait):
            if fd == STDIN:
                self._is_commanded = True
                continue
            member = self._members[fd]
            try:
                if member.place is Place.CONNECTING:
                    self._connected(fd, member)
                else:
                    data = member.socket.recv(CHUNK)
                    if not data:
                        raise ConnectionError("ended")
                    self._take(member, data)
            except OSError:
                self._lose(fd, member)

    def _connected(self, fd: int, member: Member) -> None:
        if error := member.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._counts["refused"] += 1
            time.sleep(0.001)  # where nobody listens there is no use in asking as fast as can be
            raise OSError(error, "refused")
        member.place = Place.SHAKING
        member.socket.send(_SHAKE)
        self._epoll.modify(fd, select.EPOLLIN)

    def _lose(self, fd: int, member: Member) -> None:
        """Note a loss; whoever has been in the session comes back to the next address."""
        del self._members[fd]
        member.socket.close()
        if self._returns:
            if member.place is Place.IN:
                self._outside += 1
                self._counts["lost"] += 1
                self._lost_at = self._lost_at or now()
            member.addresses = member.addresses[1:] + member.addresses[:1]
            member.connect()
            self._watch(member)

    # What comes.

    def _take(self, member: Member, data: bytes) -> None:
        data = member.unread + data
        if member.place is Place.SHAKING:
            head, ended, rest = data.partition(b"\r\n\r\n")
            if not ended:
                member.unread = data
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self._faults.append(head[:200].decode(errors="replace"))
                raise ConnectionError("not let in")
            member.place, data = Place.ENTERING, rest
        member.unread = data[self._frames(member, data) :]

    def _frames(self, member: Member, data: bytes) -> int:
        """Take the frames that are there in whole; return where the rest begins."""
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length >= 126:
                start = at + (4 if length == 126 else 10)
                length = int.from_bytes(data[at + 2 : start])
            end = start + length
            if start > size or end > size:
                break
            if data[at] == TEXT:
                self._hear(member, _message.decode(data[start:end]))
            elif data[at] == _PING:
                member.socket.send(masked(data[start:end], PONG))
            elif data[at] == _CLOSE:
                self._codes[str(int.from_bytes(data[start : start + 2]))] += 1
            at = end
        return at

    def _hear(self, member: Member, message: Message) -> None:
        kind = message.type
        if kind == "session_message":
            self._account(member, message)
            if message.id is not None:
                member.unacknowledged -= 1
        elif kind == "connected":
            member.enter(creates=self._creates and self._first[member.session] is member)
        elif kind in ("session_created", "session_joined"):
            member.ticket = message.recovery_token, message.epoch
            # Numbers and offsets go together: who comes later has missed nothing that is its own.
            member.offset = member.heard = message.offset
            self._come_in(member)
        elif kind == "session_recovered":
            if not message.recovered:
                self._faults.append(f"{member.session}: not recovered")
            for missed in message.messages:
                self._account(member, missed)
            self._counts["recovered"] += 1
            self._back_at = now()
            self._come_in(member)
        elif kind == "system_announcement":
            self._counts[message.state] += 1
        elif kind == "error":
            self._faults.append(f"{member.session}: {message.code}")

    def _come_in(self, member: Member) -> None:
        member.place = Place.IN
        self._outside -= 1

    def _account(self, member: Member, message: Message) -> None:
        said = _said.decode(message.data)
        self._latencies.append(now() - said.at)
        if message.offset != member.offset + 1 or said.n != member.heard:
            self._faults.append(
                f"{member.session}: number {said.n} at offset {message.offset},"
                f" after {member.heard} numbers and offset {member.offset}"
            )
        member.offset = message.offset
        member.heard = said.n + 1


if __name__ == "__main__":
    Crowd().run()

"""What asks the proxies: wrk as fast as it can, a steady rate of requests, large bodies both ways."""

import re
import socket
import subprocess
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from selectors import EVENT_READ, DefaultSelector
from typing import Final

from benchmarks.peers.proxies.contenders import cores

SECONDS_MOST: Final = 300.0
PIECE: Final = 256 * 1024
_UNITS: Final = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second; milliseconds of the median and of the 99th percentile."""

    rate: float
    p50: float
    p99: float


#: A trace of its own for each request of wrk's only thread.
TRACED: Final = """
local count = 0
request = function()
  count = count + 1
  wrk.headers["traceparent"] = string.format("00-%032x-%016x-01", count, count)
  return wrk.format()
end
"""


def hammered(
    port: int, path: str, *, connections: int, seconds: float, traced: bool = False, on: str | None = None
) -> Rate:
    """Have wrk ask over so many connections at once. Raises SystemExit for any response but 200.

    ``traced``: each request has another ``traceparent``; otherwise all have the same head. ``on``: its cores.
    """
    url = f"http://127.0.0.1:{port}{path}"
    command = ("taskset", "--cpu-list", on or cores()[1], "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s")
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="ascii") as script:
        script.write(TRACED)
        script.flush()
        more = ("-s", script.name) if traced else ()
        said = subprocess.run(
            (*command, *more, "--latency", url),
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS_MOST,
        ).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{url} fails:\n{said}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    quantiles = dict(re.findall(r"(50|99)%\s+([\d.]+(?:us|ms|s))", said))
    if rate is None or len(quantiles) != 2:
        raise SystemExit(f"wrk says something else:\n{said}")
    return Rate(float(rate[1]), _milliseconds(quantiles["50"]), _milliseconds(quantiles["99"]))


def _milliseconds(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    assert found is not None, text  # noqa: S101 - it was found by this form
    return float(found[1]) * _UNITS[found[2]]


def steady(port: int, path: str, *, rate: float, connections: int, seconds: float) -> list[float]:
    """Ask at a constant rate; return each request's milliseconds from when it was due.

    Raises SystemExit where a response is not 200, or fewer came than were due.
    """
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    selector = DefaultSelector()
    idle: deque[socket.socket] = deque()
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, EVENT_READ)
        idle.append(connection)
    due: dict[socket.socket, float] = {}
    taken: list[float] = []
    began = time.perf_counter()
    count, begun = round(rate * seconds), 0
    while len(taken) < count:
        now = time.perf_counter()
        if now - began > seconds + 30:
            raise SystemExit(f"{len(taken)} of {count} requests were answered.")
        while begun < count and idle and now >= (at := began + begun / rate):
            connection = idle.popleft()
            connection.sendall(asked)
            due[connection] = at
            begun += 1
        for key, _ in selector.select(0):
            connection = key.fileobj  # type: ignore[assignment] # sockets were registered
            answer = connection.recv(65_536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"A request fails: {answer!r}")
            taken.append((time.perf_counter() - due.pop(connection)) * 1000)
            idle.append(connection)
    for connection in (*idle, *due):
        connection.close()
    selector.close()
    return taken


def downloaded(port: int, path: str, size: int) -> float:
    """Read a body of so many bytes; return the seconds. Raises SystemExit if it is another."""
    began = time.perf_counter()
    buffer = memoryview(bytearray(PIECE))
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MOST) as connection:
        connection.sendall(f"GET {path}/{size} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(PIECE) or _ended(head)
        got = len(head.partition(b"\r\n\r\n")[2])
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"The download fails: {head[:500]!r}")
        while got < size:
            got += connection.recv_into(buffer) or len(_ended(head))
    return time.perf_counter() - began


def uploaded(port: int, path: str, size: int) -> float:
    """Send a body of so many bytes; return the seconds. Raises SystemExit if another number arrived."""
    began = time.perf_counter()
    piece = memoryview(bytes(PIECE))
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MOST) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {size}\r\n\r\n".encode()
        )
        left = size
        while left:
            connection.sendall(piece[:left])
            left -= min(left, PIECE)
        answer = b""
        while f'{{"bytes":{size}}}'.encode() not in answer:
            answer += connection.recv(PIECE) or _ended(answer)
    return time.perf_counter() - began


def _ended(answer: bytes) -> bytes:
    raise SystemExit(f"The connection was ended: {answer[:500]!r}")

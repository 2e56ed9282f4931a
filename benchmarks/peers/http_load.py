"""A client process for HTTP: so many kept connections, each asking again once it has its answer.

    python -m benchmarks.peers.http_load PORT PATH CONNECTIONS SECONDS HOW

``HOW`` is ``the same``, where all requests are the same to the byte, or ``another``: another query each time.
Prints ``connected``, then ``asked`` once it is done, then a line of JSON: how many were ``asked`` in all; the
``answers`` after the first tenth, the ``seconds`` these took, and how long each had ``taken``. An answer is
read once on each connection, for its length; those that follow are counted by it.
"""

import itertools
import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from typing import Final

CHUNK: Final = 65_536
PATIENCE: Final = 10.0
"""Seconds without an answer after which the run has failed."""

now = time.monotonic


def length_of(answer: bytes) -> int:
    """Return how long a whole answer is, head included. Raises ConnectionError for any but 200."""
    head, _, _ = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    fields = dict(line.lower().split(b":", 1) for line in lines)
    if b" 200" not in status or b"content-length" not in fields:
        raise ConnectionError(head)
    return len(head) + 4 + int(fields[b"content-length"])


def requests(port: int, path: str, how: str) -> Iterator[bytes]:
    """Yield one request after the other."""
    if how == "the same":
        return itertools.repeat(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    asked = f"GET {path}?%08d HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    return (asked % number for number in itertools.count())


def ask(port: int, path: str, connections: int, seconds: float, how: str) -> dict[str, object]:
    """Ask for so long; a tenth of it first goes uncounted."""
    request = requests(port, path, how)
    epoll = select.epoll()
    sockets = {}
    for _ in range(connections):
        opened = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[opened.fileno()] = opened
        epoll.register(opened, select.EPOLLIN)
    print("connected", flush=True)
    began = now()
    counted = began + seconds / 10
    until = began + seconds
    sent, have, lengths = {}, dict.fromkeys(sockets, 0), {}
    for fd, each in sockets.items():
        sent[fd] = now()
        each.send(next(request))
    taken = []
    asked_in_all = 0
    at = began
    while at < until:
        ready = epoll.poll(PATIENCE)
        if not ready:
            raise TimeoutError(f"no answer for {PATIENCE:g} s")
        for fd, _ in ready:
            data = sockets[fd].recv(CHUNK)
            if not data:
                raise ConnectionError("closed")
            if fd not in lengths:
                lengths[fd] = length_of(data)
            have[fd] += len(data)
            if have[fd] < lengths[fd]:
                continue
            at = now()
            asked_in_all += 1
            if at >= counted:
                taken.append(at - sent[fd])
            have[fd], sent[fd] = 0, at
            sockets[fd].send(next(request))
    print("asked", flush=True)
    return {"asked": asked_in_all, "answers": len(taken), "seconds": at - counted, "taken": taken}


if __name__ == "__main__":
    print(json.dumps(ask(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])))

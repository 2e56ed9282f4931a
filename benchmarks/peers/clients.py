"""The client processes, told what to do together."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import msgspec

from benchmarks.peers.servers import ROOT, Process, Server
from benchmarks.peers.use import Use, used_by


class ClientError(Exception):
    """The clients did not get what they asked for, so that there is no figure."""


class Clients:
    """So many client processes; connections are shared out evenly."""

    def __init__(self, children: list[subprocess.Popen[bytes]]) -> None:
        self._children = children
        self._processes = [Process(child.pid) for child in children]

    def tell(self, do: str, **arguments: Any) -> list[dict[str, Any]]:
        """Have all do something at once; return their answers. Raises ClientError."""
        for child in self._children:
            _write(child, {"do": do, **arguments})
        return [_answer(child, do) for child in self._children]

    def tell_first(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have the first do something. Raises ClientError."""
        _write(self._children[0], {"do": do, **arguments})
        return _answer(self._children[0], do)

    def open(self, server: Server, count: int, dialect: str) -> float:
        """Open so many connections; return the seconds that took."""
        shares = [len(range(index, count, len(self._children))) for index in range(len(self._children))]
        for child, share in zip(self._children, shares, strict=True):
            _write(child, {"do": "open", "port": server.port, "count": share, "dialect": dialect})
        answers = [_answer(child, "open") for child in self._children]
        _require("connections", sum(answer["open"] for answer in answers), count)
        return _span(answers)

    def join(self, session: str, count: int) -> float:
        """Have the first connection make the session and all others join it; return the joins' seconds."""
        self.tell_first("join", session=session, creates=True)
        answers = self.tell("join", session=session, creates=False)
        _require("joins", sum(answer["joined"] for answer in answers), count)
        return _span(answers)

    def broadcast(self, session: str, data: str, count: int) -> list[float]:
        """Say something on the first connection; return the seconds until each of all was delivered to."""
        self.tell("arm")
        said = self.tell_first("say", session=session, data=data)["said"]
        times = [at for answer in self.tell("collect") for at in answer["times"]]
        _require("deliveries", len(times), count)
        return [at - said for at in times]

    def beats(self) -> int:
        """Return how many heartbeats have been answered in all."""
        return sum(answer["beats"] for answer in self.tell("quiet", seconds=0))

    def measured(self, server: Server) -> AbstractContextManager[list[Use]]:
        """Give a list that after the block holds what it used."""
        return used_by(server, self._processes)


@contextmanager
def clients(count: int) -> Iterator[Clients]:
    """Start so many client processes for the block."""
    with ExitStack() as stack:
        children = []
        for _ in range(count):
            child = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.peers.load"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            stack.callback(child.kill)
            children.append(child)
        yield Clients(children)


def _write(child: subprocess.Popen[bytes], command: dict[str, Any]) -> None:
    assert child.stdin is not None  # noqa: S101 - a pipe was asked for
    child.stdin.write(msgspec.json.encode(command) + b"\n")
    child.stdin.flush()


def _answer(child: subprocess.Popen[bytes], do: str) -> dict[str, Any]:
    assert child.stdout is not None  # noqa: S101 - a pipe was asked for
    line = child.stdout.readline()
    if not line:
        raise ClientError(f"A client process ended during {do!r}.")
    answer: dict[str, Any] = msgspec.json.decode(line)
    if answer["problems"] or answer["lost"]:
        raise ClientError(f"{do}: {answer['lost']} connections lost; {'; '.join(answer['problems'])}")
    return answer


def _require(what: str, there: int, wanted: int) -> None:
    if there != wanted:
        raise ClientError(f"{there} of {wanted} {what} within the time")


def _span(answers: list[dict[str, Any]]) -> float:
    return float(max(answer["ended"] for answer in answers) - min(answer["began"] for answer in answers))

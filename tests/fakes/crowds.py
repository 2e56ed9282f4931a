"""Processes of many clients, told what to do; what they are is in :mod:`tests.fakes.crowd`."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.fakes.locks import locked

_ROOT: Final = Path(__file__).parents[2]


class Crowd:
    """One process of clients."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def tell(self, do: str, **arguments: Any) -> None:
        """Have it do something; :meth:`answer` waits for the end of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode({"do": do, **arguments}) + b"\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait until it has done what it was told; what went wrong in it fails the test."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "a process of clients has ended"
        answer: dict[str, Any] = msgspec.json.decode(line)
        assert not answer["faults"], answer["faults"]
        return answer

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have it do something and wait for the end of it."""
        self.tell(do, **arguments)
        return self.answer()


def ask_all(crowds: list[Crowd], do: str, **arguments: Any) -> list[dict[str, Any]]:
    """Have all do the same at once; return what they answered."""
    for crowd in crowds:
        crowd.tell(do, **arguments)
    return [crowd.answer() for crowd in crowds]


@contextmanager
def crowds(count: int) -> Iterator[list[Crowd]]:
    """Run so many processes for the block, while no other test on this machine has a crowd."""
    with ExitStack() as stack:
        stack.enter_context(locked("crowds"))
        yield [Crowd(stack.enter_context(_process())) for _ in range(count)]


@contextmanager
def _process() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.crowd"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def need_descriptors(count: int) -> None:
    """Have this process, and those it starts, be allowed so many; where they cannot be, the test fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard < count:
        pytest.fail(f"This needs {count} file descriptors; ulimit -Hn is {hard}.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

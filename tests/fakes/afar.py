"""A client on the far side of a network: our own library's, in a process of its own.

    python -m tests.fakes.afar URL SESSION KEY

Each line on stdin is JSON that it says in the session. What it learns it prints, a JSON object a line.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any, Final

import msgspec
import trio

import orch.client
from orch.client import Backoff, ConnectionLostError, Lost, Recovered, StateChanged
from orch.protocol.messages import SessionMessage
from tests.fakes.patience import PATIENCE

NAME: Final = "Bob"
_ROOT: Final = Path(__file__).parents[2]


def tell(event: str, **members: Any) -> None:
    """Print one line."""
    sys.stdout.write(msgspec.json.encode({"event": event, **members}).decode() + "\n")
    sys.stdout.flush()


async def speak(client: orch.client.Client, session: str) -> None:
    """Say what stdin says, until its end."""
    buffer = b""
    async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
        async for data in stdin:
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                try:
                    await client.broadcast(session, msgspec.json.decode(line))
                except ConnectionLostError:
                    tell("not said", data=msgspec.json.decode(line))


async def main(url: str, session: str, key: str) -> None:
    """Be in the session, and tell of it, until stdin ends."""
    # One is no crowd: it comes back without much waiting.
    async with orch.client.connect(url, backoff=Backoff(base=0.1, cap=0.5, floor=0.05)) as client:
        await client.join(session, name=NAME, key=key)
        tell("joined")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, client)
            await speak(client, session)
            nursery.cancel_scope.cancel()


async def listen(client: orch.client.Client) -> None:
    """Tell what comes."""
    async for event in client:
        if isinstance(event, SessionMessage):
            tell("message", n=msgspec.json.decode(event.data)["n"], offset=event.offset)
        elif isinstance(event, StateChanged):
            tell("state", state=event.state)
        elif isinstance(event, Recovered):
            tell("recovered")
        elif isinstance(event, Lost):
            tell("lost")


class Afar:
    """The client as seen from here. ``told`` is what it has printed so far."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._changed = trio.Event()
        self.told: list[dict[str, Any]] = []

    async def read(self) -> None:
        """Read what it prints, until its end."""
        assert self._process.stdout is not None
        buffer = b""
        async for data in self._process.stdout:
            *lines, buffer = (buffer + data).split(b"\n")
            self.told += map(msgspec.json.decode, lines)
            self._changed.set()
            self._changed = trio.Event()

    async def say(self, data: Any) -> None:
        """Have it say something."""
        assert self._process.stdin is not None
        await self._process.stdin.send_all(msgspec.json.encode(data) + b"\n")

    def all(self, event: str) -> list[dict[str, Any]]:
        """Return what it has told of that kind."""
        return [each for each in self.told if each["event"] == event]

    @property
    def numbers(self) -> list[int]:
        """The numbers it has heard, as they came."""
        return [each["n"] for each in self.all("message")]

    async def until_heard(self, number: int, *, limit: float = 60) -> None:
        """Wait until it has heard a number."""
        with trio.fail_after(limit):
            while number not in self.numbers:
                await self._changed.wait()


@asynccontextmanager
async def afar(prefix: tuple[str, ...], url: str, session: str, key: str) -> AsyncIterator[Afar]:
    """Have such a client in the session for the block."""
    async with trio.open_nursery() as nursery:
        command = [*prefix, sys.executable, "-m", "tests.fakes.afar", url, session, key]
        process = await nursery.start(
            partial(trio.run_process, command, cwd=_ROOT, stdin=PIPE, stdout=PIPE, check=False)
        )
        client = Afar(process)
        nursery.start_soon(client.read)
        with trio.fail_after(PATIENCE):
            while not client.all("joined"):
                await client._changed.wait()
        yield client
        process.terminate()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2], sys.argv[3])

"""The process is killed outright while it writes: a real process, a real file."""

import subprocess
import sys
from pathlib import Path

import pytest

from orch.stores.sqlite.store import SqliteStore
from tests.fakes.running import run

pytestmark = pytest.mark.process

WRITER = """
import sys
import trio
from orch.stores.records import SessionRecord
from orch.stores.sqlite.store import SqliteStore
from orch.stores.history import Limits

async def main():
    store = SqliteStore(sys.argv[1])
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        await store.create(SessionRecord("s", "e", 0, 1, b"{}", 1.0, 1.0))
        async def write(number):
            while True:
                body = b'{"writer":%d}' % number
                ticket = await store.begin_append("s", body, at=1.0, limits=Limits(10**6, 1e9))
                offset = await ticket.wait()
                sys.stdout.write(f"{offset}\\n")
                sys.stdout.flush()
        for number in range(8):
            nursery.start_soon(write, number)

trio.run(main)
"""


@pytest.mark.parametrize("acknowledged", [1, 40, 700])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    """Every offset that was told is in the file afterwards, each once, without a gap before it."""
    path = tmp_path / "s.sqlite3"
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(acknowledged)]
    child.kill()
    told += [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.stdout.close()
    child.wait()

    async def main() -> list[int]:
        store = SqliteStore(path)
        import trio

        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            session = await store.load("s")
            assert session is not None
            kept = await store.read("s", after=0, until=session.offset)
            assert session.offset == len(kept)
            nursery.cancel_scope.cancel()
        return [message.offset for message in kept]

    offsets = run(main, virtual=False)
    assert offsets == list(range(1, len(offsets) + 1))
    assert set(told) <= set(offsets)
    assert len(set(told)) == len(told)

"""Who has gone is gone at once: no descriptor is kept for a client that has closed."""

import pytest
import trio

from orch.front.hypercorn import Front
from tests.fakes.running import run


async def answer(scope: object, receive: object, send: object) -> None:
    """Never be asked."""
    raise AssertionError


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_client_that_leaves_without_a_request_leaves_nothing_behind(said: bytes) -> None:
    """Its connection does not wait for the time-out of idle ones."""

    async def main() -> None:
        stopping = trio.Event()
        front = Front(
            answer,
            host="127.0.0.1",
            port=0,
            stopping=stopping,
            drain=trio.lowlevel.checkpoint,
            grace=lambda: 60.0,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(front.run)
            port = int(front.bound[0].rpartition(":")[2])
            for _ in range(3):
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await stream.send_all(said)
            while front.statistics().accepted < 3 or front.statistics().open:
                await trio.testing.wait_all_tasks_blocked(0.01)
            stopping.set()

    run(main, virtual=False, limit=20)

"""Bytes to the back end and back, with nothing read in them: ``python -m … PORT BACKEND_URL``.

What it adds is what Trio, two more system calls each way, and the machine cost without any gateway.
"""

import sys
from contextlib import suppress
from typing import Final

import trio

BACK: Final = int(sys.argv[2].rpartition(":")[2])
READ: Final = 65_536


async def forward(client: trio.SocketStream) -> None:
    """Forward one client's requests in turn, each in one piece, as its response is."""
    async with await trio.open_tcp_stream("127.0.0.1", BACK) as back:
        with suppress(trio.BrokenResourceError):  # a client that has enough resets its connections
            while data := await client.receive_some(READ):
                await back.send_all(data)
                await client.send_all(await back.receive_some(READ))


async def main() -> None:
    """Serve."""
    await trio.serve_tcp(forward, int(sys.argv[1]), host="127.0.0.1")


if __name__ == "__main__":
    trio.run(main)

"""The service's own front with the peers' application. Arguments: port, heartbeat in seconds."""

import sys

import trio

from benchmarks.peers.asgi_rooms import app
from orch.front.server import Server


async def serve(port: int, heartbeat: float) -> None:
    """Serve until killed."""
    server = Server(
        app,
        host="127.0.0.1",
        port=port,
        stopping=trio.Event(),
        drain=trio.lowlevel.checkpoint,
        grace=lambda: 0.0,
        heartbeat=lambda: heartbeat,
    )
    await server.run()


if __name__ == "__main__":
    trio.run(serve, int(sys.argv[1]), float(sys.argv[2]))

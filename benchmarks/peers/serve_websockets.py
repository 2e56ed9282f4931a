"""The peer that is websockets' own Trio server. Arguments: port, heartbeat in seconds."""

import itertools
import sys
from functools import partial
from typing import Any

import msgspec
import trio
from websockets.trio.server import ServerConnection, broadcast, serve

from benchmarks.peers.asgi_rooms import collect_when_told


class Rooms:
    """Sends whatever is said in a room to all who are in it."""

    def __init__(self) -> None:
        self._rooms: dict[str, set[ServerConnection]] = {}
        self._offsets = itertools.count(1)
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode
        self._encode = msgspec.json.Encoder().encode

    async def serve(self, connection: ServerConnection) -> None:
        """Serve one client."""
        member_of = []
        try:
            async for text in connection:
                message = self._decode(text)
                kind, room = message["type"], message.get("session_id", "")
                if kind == "test_message":
                    await connection.send(self._encode(message), text=True)
                elif kind == "broadcast":
                    said = message | {"type": "session_message", "offset": next(self._offsets)}
                    await broadcast(self._rooms[room], self._encode(said), text=True)
                else:
                    self._rooms.setdefault(room, set()).add(connection)
                    member_of.append(room)
                    answer = "session_created" if kind == "create_session" else "session_joined"
                    await connection.send(self._encode({"type": answer, "session_id": room}), text=True)
        finally:
            for room in member_of:
                self._rooms[room].discard(connection)


if __name__ == "__main__":
    collect_when_told()
    heartbeat = float(sys.argv[2])
    trio.run(
        partial(
            serve,
            Rooms().serve,
            int(sys.argv[1]),
            host="127.0.0.1",
            compression=None,
            ping_interval=heartbeat,
            ping_timeout=heartbeat,
        )
    )

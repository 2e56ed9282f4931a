"""The peers' application: rooms over WebSocket, and fifteen bytes of JSON over HTTP, in bare ASGI.

It does what the service does for the same messages, less what the service promises: nothing is kept, nobody
is told who is there, and whoever is slow holds up whoever speaks.
"""

import gc
import itertools
import signal
from typing import Any, Final

import msgspec

ANSWER: Final = b'{"hello":"you"}'
_HEADERS: Final = [(b"content-type", b"application/json"), (b"content-length", b"15")]


class Rooms:
    """Sends whatever is said in a room to all who are in it."""

    def __init__(self) -> None:
        self._rooms: dict[str, dict[int, Any]] = {}
        self._names = itertools.count()
        self._offsets = itertools.count(1)
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, connection or lifespan."""
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": ANSWER})
        elif scope["type"] == "websocket":
            await self._websocket(receive, send)
        else:
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return

    async def _websocket(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        name = next(self._names)
        member_of: list[str] = []
        try:
            while (event := await receive())["type"] == "websocket.receive":
                message = self._decode(event["text"])
                kind = message["type"]
                if kind == "test_message":
                    await self._answer(send, message)
                elif kind == "broadcast":
                    await self._broadcast(name, message)
                else:
                    room = message["session_id"]
                    self._rooms.setdefault(room, {})[name] = send
                    member_of.append(room)
                    answer = "session_created" if kind == "create_session" else "session_joined"
                    await self._answer(send, {"type": answer, "session_id": room, "participant_id": name})
        finally:
            for room in member_of:
                del self._rooms[room][name]

    async def _answer(self, send: Any, message: dict[str, Any]) -> None:
        await send({"type": "websocket.send", "text": self._encode(message).decode()})

    async def _broadcast(self, sender: int, message: dict[str, Any]) -> None:
        said = {
            "type": "session_message",
            "session_id": message["session_id"],
            "sender": sender,
            "data": message["data"],
            "offset": next(self._offsets),
        }
        event = {"type": "websocket.send", "text": self._encode(said).decode()}
        for send in tuple(self._rooms[message["session_id"]].values()):
            await send(event)


def collect_when_told() -> None:
    """Collect garbage on SIGUSR2, so that memory is compared without it."""
    signal.signal(signal.SIGUSR2, lambda _number, _frame: gc.collect())


collect_when_told()
app = Rooms()

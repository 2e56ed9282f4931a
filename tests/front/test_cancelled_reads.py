"""A cancelled read loses nothing: the bytes are there for the next reader."""

from typing import Any

import pytest
import trio

from tests.fakes.wires import answer, body_of, eventually, masked, serving, websocket, wire

pytestmark = pytest.mark.real_time

TEXT = 1
NEXT = b"POST /next HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n" + b"n" * 40


async def give_up(receive: Any) -> None:
    """Read where the reading has been given up already, though there is something to read."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await receive()
    assert scope.cancelled_caught


@pytest.mark.parametrize("first_body", [b"", b"b" * 30], ids=["behind_a_request", "its_body"])
async def test_a_request_that_is_refused_unread_leaves_the_next_one_whole(first_body: bytes) -> None:
    """Behind a proxy they are different people's: none may be read as the rest of another's."""
    begun = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/next":
            await answer(send, await body_of(receive))
            return
        if not first_body:
            await body_of(receive)
        begun.set()
        await eventually(lambda: receive.__self__._reader.link._is_readable)
        await give_up(receive)
        await answer(send, b"no", status=401)

    async with serving(app) as server, wire(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(first_body))
        await begun.wait()
        await client.send(first_body or NEXT)
        assert await client.answer() == (401, b"no")
        if first_body:
            await client.send(NEXT)
        assert await client.answer() == (200, b"n" * 40)
        assert not server.statistics().refused


async def test_a_message_whose_receive_was_cancelled_is_the_next_one() -> None:
    """Also where others are given a turn between two of many."""
    count = 64
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while len(told) < count:
            message = None
            with trio.CancelScope() as given_up:
                given_up.cancel()
                message = await receive()
            if message is None:
                message = await receive()
            told.append(message["text"])
        await send({"type": "websocket.close", "code": 1000})

    async with serving(app) as server, websocket(server) as client:
        await client.send(b"".join(masked(TEXT, str(number).encode()) for number in range(count)))
        assert await client.close_code() == 1000
        assert told == [str(number) for number in range(count)]

"""Connections in memory that hold a limited number of bytes each way, as a kernel's sockets do."""

from functools import partial
from typing import Any, Final

import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair

ROOM: Final = 65_536
"""Bytes on their way from which on a sender waits."""


def bounded_pair() -> tuple[Any, Any]:
    """Return both ends of a connection. A sender waits while :data:`ROOM` bytes or more were not read."""
    one, other = memory_stream_pair()
    _bound(one.send_stream, other.receive_stream)
    _bound(other.send_stream, one.receive_stream)
    return one, other


def _bound(sender: MemorySendStream, receiver: MemoryReceiveStream) -> None:
    incoming: Any = receiver._incoming
    pump, receive, lot = sender.send_all_hook, receiver.receive_some, trio.lowlevel.ParkingLot()
    assert pump is not None

    async def wait_for_room() -> None:
        await pump()
        while len(incoming._data) >= ROOM:
            await lot.park()
            if receiver._closed:
                raise trio.BrokenResourceError

    async def receive_some(max_bytes: int | None = None) -> bytearray:
        data = await receive(max_bytes)
        lot.unpark_all()
        return data

    sender.send_all_hook = wait_for_room
    receiver.close_hook = partial(_unpark, lot)
    setattr(receiver, "receive_some", receive_some)  # noqa: B010 - a method of a final class


def _unpark(lot: trio.lowlevel.ParkingLot) -> None:
    lot.unpark_all()

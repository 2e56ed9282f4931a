"""Closes WebSockets of the package ``websockets``, whatever the other side sends meanwhile."""

import trio
from websockets.trio.connection import Connection


async def close(connection: Connection, *, seconds: float) -> None:
    """Close a connection; a close that takes longer than ``seconds`` ends it as well.

    The package (17.4) stops reading while more than 16 messages are unread, and does not begin again when it
    is closed: its reading task, and the block that opened the connection, would then never end.
    """
    with trio.move_on_after(seconds, shield=True):
        await connection.aclose()
    if connection.recv_flow_control is not None:
        connection.resume_reading()

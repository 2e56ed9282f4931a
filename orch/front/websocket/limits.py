"""The limits of what WebSocket clients may send. Pure."""

from typing import Final

from msgspec import Struct

from orch.front import flooders
from orch.front.websocket import partial_messages, small_frames
from orch.front.websocket.small_frames import SmallFrameLimit

MESSAGE: Final = 2**20


class WebSocketLimits(Struct, frozen=True, kw_only=True):
    """The defaults are those of the service; tests run with others."""

    message: int = MESSAGE
    """Bytes of one message; more is answered with close code 1009."""
    partial: int = partial_messages.LIMIT
    """Bytes of all incomplete messages together; beyond, the oldest are dropped with close code 1013."""
    small_frames: SmallFrameLimit = small_frames.DEFAULT
    """Control frames and small fragments of one client; more is answered with close code 1008."""
    flooder_delay: float = flooders.DELAY
    """Seconds by which the handshake of an address is delayed that was closed for a flood."""

"""The kinds of refused and aborted connections, by which ``orch_front_refused_total`` counts them. Pure."""

from typing import Final

from orch.front.http1.refusals import REFUSALS
from orch.front.websocket.small_frames import TOO_MANY

#: Before a request is read: the connection has no place, its handshake failed, or its head did not come.
CONNECTIONS: Final = (
    "no_descriptor",
    "too_many_connections",
    "too_many_from_address",
    "tls_handshake",
    "silent",
    "slow_head",
    "slow_body",
)
#: The client reads too slowly, or not at all.
READERS: Final = ("slow_reader", "stalled_reader", "queue_overflow", "outgoing_overflow")

#: A WebSocket handshake that is not one.
HANDSHAKES: Final = ("handshake_method", "handshake_body", "handshake_version", "handshake_key")

#: A WebSocket client that broke the protocol, or does not answer.
WEBSOCKETS: Final = (
    "reserved_bits",
    "reserved_opcode",
    "not_masked",
    "fragmented_control",
    "control_too_large",
    "nothing_to_continue",
    "message_interrupted",
    "message_too_large",
    "message_given_up",
    "length_not_minimal",
    "length_too_large",
    "not_deflate",
    "not_utf8",
    "close_too_short",
    "close_code",
    TOO_MANY,
    "no_pong",
)

KINDS: Final = (*CONNECTIONS, *READERS, *REFUSALS, *HANDSHAKES, *WEBSOCKETS)

"""The close codes of WebSocket connections, and what a client should do after each. Pure.

Our own codes follow Pusher's ranges, so that a client reacts correctly to a code that it does not know:
after 4000 to 4099 do not reconnect, after 4100 to 4199 back off first, after 4200 to 4299 reconnect at once.
``static/js/models/closes.js`` is the browser's side.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

Next = Literal["stop", "back_off", "now"]


class Close(Struct, frozen=True):
    """A close: the code and reason that are sent (RFC 6455 §5.5.1), and what the client should do next."""

    code: int
    name: str
    reason: str
    next: Next


# RFC 6455 §7.4.1 and the IANA registry.
NORMAL: Final = Close(1000, "normal", "The connection was closed.", "back_off")
GOING_AWAY: Final = Close(1001, "going_away", "The service is stopping.", "back_off")
UNSUPPORTED: Final = Close(1003, "unsupported", "This type of frame is not supported.", "stop")
NOT_TEXT: Final = Close(1007, "not_text", "A text message was not valid UTF-8.", "back_off")
POLICY: Final = Close(1008, "policy", "The service refused this connection.", "stop")
TOO_LARGE: Final = Close(1009, "too_large", "A message can have 1 MiB at most.", "back_off")
INTERNAL_ERROR: Final = Close(1011, "internal_error", "The service had an internal error.", "back_off")
RESTARTING: Final = Close(1012, "restarting", "The service is restarting.", "back_off")
TRY_LATER: Final = Close(1013, "try_later", "The service is too busy.", "back_off")
# Ours: stop.
WRONG_ORIGIN: Final = Close(4000, "wrong_origin", "Pages of this origin may not use the service.", "stop")
CLOSED_BY_OPERATOR: Final = Close(4001, "closed_by_operator", "An operator closed the connection.", "stop")
SIGNED_OUT: Final = Close(4002, "signed_out", "You signed out. Sign in again to go on.", "stop")
REMOVED: Final = Close(4003, "removed", "The host removed you from the session.", "stop")
# Ours: back off.
TOO_MANY_CONNECTIONS: Final = Close(
    4100, "too_many_connections", "The connection limit has been reached.", "back_off"
)
RATE_LIMITED: Final = Close(
    4101, "rate_limited", "Too many messages were sent, also after a warning.", "back_off"
)
TOO_MANY_FROM_ADDRESS: Final = Close(
    4102, "too_many_from_address", "The connection limit of this address has been reached.", "back_off"
)
# Ours: reconnect at once.
SLOW_CLIENT: Final = Close(
    4200, "slow_client", "The client read too slowly. Connect again and recover.", "now"
)
HEARTBEAT_TIMEOUT: Final = Close(
    4201, "heartbeat_timeout", "The client stopped responding. Connect again and recover.", "now"
)
SHUTTING_DOWN: Final = Close(
    4202, "shutting_down", "The service is stopping. Connect again after the announced delay.", "now"
)

CLOSES: Final[Mapping[int, Close]] = {
    close.code: close
    for close in (
        NORMAL,
        GOING_AWAY,
        UNSUPPORTED,
        NOT_TEXT,
        POLICY,
        TOO_LARGE,
        INTERNAL_ERROR,
        RESTARTING,
        TRY_LATER,
        WRONG_ORIGIN,
        CLOSED_BY_OPERATOR,
        SIGNED_OUT,
        REMOVED,
        TOO_MANY_CONNECTIONS,
        RATE_LIMITED,
        TOO_MANY_FROM_ADDRESS,
        SLOW_CLIENT,
        HEARTBEAT_TIMEOUT,
        SHUTTING_DOWN,
    )
}

_RANGES: Final[tuple[tuple[range, Next], ...]] = (
    (range(4000, 4100), "stop"),
    (range(4100, 4200), "back_off"),
    (range(4200, 4300), "now"),
)


def after(code: int) -> Next:
    """Return what a client should do after ``code``. After an unknown code: back off."""
    known = CLOSES.get(code)
    if known is not None:
        return known.next
    return next((then for codes, then in _RANGES if code in codes), "back_off")

"""What a server and an application agree on for requests that repeat on one connection. Pure.

Clients that poll send the same head again and again, byte for byte except for the id and the trace of each
request (:data:`VARYING`). All that was decided for it from the head and its connection and the settings is
decided in the same way the next time. So the application may leave a :class:`Way` for such a head with the
server: it serves the next request without ASGI's messages and without deciding again. The server offers a
:class:`Slot` for it, ``scope["extensions"]["orch.repeats"]``, when a head has come twice in a row on a
connection; a way is used on that connection and for that head only.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol

EXTENSION: Final = "orch.repeats"
"""The name of the slot in ``scope["extensions"]``."""

VARYING: Final = frozenset({b"x-request-id", b"traceparent", b"tracestate"})
"""Headers, in lower case, whose values may differ in a head that repeats. Nothing is decided by them."""

Header = tuple[bytes, bytes]


class Answer(NamedTuple):
    """A whole response.

    ``headers``: without those of ``lines``; the same object as before means the same headers. ``lines``: more
    headers, as they are sent: each ``name: value`` and the end of line.
    """

    status: int
    headers: tuple[Header, ...]
    lines: bytes
    body: bytes


Deliver = Callable[[Answer], Awaitable[None] | None]
"""Sends a response; returns what to wait for if the client reads too slowly."""


class Begun(Protocol):
    """A request that has begun. It is run once; if that answers nothing, it is called as an application."""

    async def run(self, deliver: Deliver) -> bool:
        """Answer the request; False: not in this way, and nothing was delivered."""
        ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Continue as an ASGI application would. The body of the request is not received again."""
        ...


class Way(Protocol):
    """How requests with one head on one connection are served."""

    def begin(self, body: bytes, values: tuple[bytes, ...]) -> Begun | None:
        """Begin to serve a request; None: it has to be served as the first one was.

        ``values``: of the headers that the slot calls ``varying``, printable and without white space around
        them. What has begun is run without a checkpoint before.
        """
        ...


class Slot:
    """What is known of one head on one connection.

    ``varying``: the names of its headers that are among :data:`VARYING`, each once, in the head's order.
    ``holds``: set by the part that decides who may do what, before the part that sets ``way``. It returns
    whether the same decision would be made now; None: it depends on more than the head, the connection and
    the settings, so there must be no way.
    """

    __slots__ = ("holds", "varying", "way")

    def __init__(self, varying: tuple[bytes, ...] = ()) -> None:
        self.varying: Final = varying
        self.holds: Callable[[], bool] | None = None
        self.way: Way | None = None

"""A real request to an instance: what it is asked to do in place of a check. Pure.

A server may answer its health endpoint while its engine hangs, and no traffic shows it when there is none. So
an instance may be sent a short real request from time to time (``probe.real_interval``). While it has other
requests none is sent: those show as much, and an engine that does one thing at a time is not held up.
"""

from collections.abc import Callable
from dataclasses import dataclass

from orch.settings import Service

Headers = tuple[tuple[bytes, bytes], ...]

ReadResponse = Callable[[int, Headers, bytes], str]
"""Returns why a response (status, headers, body) is none to the request, in words; "" if it is one."""


@dataclass(frozen=True, slots=True)
class RealRequest:
    """``path`` is the back end's own; ``read`` judges the response."""

    method: str
    path: str
    headers: Headers
    body: bytes
    read: ReadResponse


MakeRealRequest = Callable[[str, Service], RealRequest | None]
"""Returns the request for a service, or None if nothing is known of its API."""


def pause(interval: float, *, is_first: bool, jitter: float) -> float:
    """Return the seconds until the next real request.

    The first comes within a tenth of ``interval``; ``jitter`` in 0..1 varies the others by a tenth.
    """
    return interval * 0.1 * jitter if is_first else interval * (0.9 + 0.2 * jitter)

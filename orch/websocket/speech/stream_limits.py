"""Limits open speech streams per session, per address and in total. Pure.

With a single limit one client could use up all of it. So one address has at most half of a session's streams,
and half of all; and at a limit, a stream without speech for :data:`IDLE_AFTER` is ended for a new one, a
stream that never received audio at once. A speaker whose stream was ended this way may open another if there
is room.
"""

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from msgspec import Struct

from orch.problems import ProblemError

#: Seconds without speech after which a stream may be ended for another; and without any audio since it began.
IDLE_AFTER: Final = 10.0
UNUSED_AFTER: Final = 1.0


class StreamLimits(Struct, frozen=True):
    """The limits of open streams."""

    total: int
    per_session: int
    per_address: int


class LimitedStream(Protocol):
    """A stream that is open or still being transcribed."""

    @property
    def session_id(self) -> str:
        """Its session."""

    @property
    def address(self) -> str | None:
        """The client's address; None for a recording, which is limited at its upload."""

    @property
    def silent_since(self) -> float | None:
        """Since when no speech was detected; None if it has ended and is only being transcribed."""

    @property
    def is_unused(self) -> bool:
        """Whether it never received audio."""


Stream = TypeVar("Stream", bound=LimitedStream)


def admit(
    held: Iterable[Stream], *, session_id: str, address: str | None, limits: StreamLimits, now: float
) -> list[Stream]:
    """Return the streams to end for a new one. Raises ``too_many_streams``, which names the limit."""
    streams = list(held)
    here = [stream for stream in streams if stream.session_id == session_id]
    whole = "Try again when someone has stopped speaking."
    share = "Stop another microphone, or speak from another network."
    bounds = [
        (streams, limits.total, f"{limits.total} audio streams are open, which is the limit. {whole}"),
        (
            here,
            limits.per_session,
            f"{limits.per_session} audio streams are open in {session_id}, which is the limit. {whole}",
        ),
    ]
    if address is not None:
        own = min(limits.per_address, max(1, limits.total // 2))
        own_here = min(own, max(1, limits.per_session // 2))
        mine = [stream for stream in streams if stream.address == address]
        mine_here = [stream for stream in mine if stream.session_id == session_id]
        bounds += [
            (mine, own, f"{own} audio streams are open from your address, which is the limit. {share}"),
            (
                mine_here,
                own_here,
                f"{own_here} audio streams are open from your address in {session_id}, the limit. {share}",
            ),
        ]
    ended: list[Stream] = []
    for among, limit, words in bounds:
        excess = sum(stream not in ended for stream in among) - limit + 1
        if excess <= 0:
            continue
        idle = sorted(
            (stream for stream in among if stream not in ended and _is_idle(stream, now)), key=_rank
        )
        if len(idle) < excess:
            raise ProblemError("too_many_streams", words)
        ended += idle[:excess]
    return ended


def _is_idle(stream: LimitedStream, now: float) -> bool:
    if stream.silent_since is None:
        return False
    return now - stream.silent_since >= (UNUSED_AFTER if stream.is_unused else IDLE_AFTER)


def _rank(stream: LimitedStream) -> tuple[bool, float]:
    """Return the sort key: the lowest is ended first."""
    return not stream.is_unused, stream.silent_since or 0.0

"""The hub's figures. Pure."""

from collections import deque
from typing import Final, Literal, get_args

from msgspec import Struct

from orch.cluster.workers import Worker

#: Rates are over so many samples; the hub takes one a second.
_SAMPLES: Final = 6

CONNECTIONS_LISTED: Final = 500
SESSIONS_LISTED: Final = 200
#: Sessions named in a connection's line.
SESSIONS_NAMED: Final = 8

Activity = Literal["speaking", "listening", "behind", "idle", "closing"]
ACTIVITIES: Final[tuple[Activity, ...]] = get_args(Activity)


class ConnectionSummary(Struct, frozen=True, kw_only=True):
    """One connection. ``since``: seconds since the epoch; ``sent`` and ``received``: frames.

    ``doing``: ``behind`` has more waiting for it than is merely on its way, ``idle`` is in no session.
    ``sessions`` are the first of ``session_count``. ``worker``: the name of the process it is on.
    """

    connection_id: str
    address: str
    state: Literal["open", "closing"]
    since: float
    doing: Activity
    sessions: tuple[str, ...]
    session_count: int
    name: str | None
    queued_bytes: int
    sent: int
    received: int
    streaming: bool
    agent: str | None
    worker: str


class SessionLine(Struct, frozen=True, kw_only=True):
    """One session. ``participants``, ``speaking`` and ``streams`` here; times in seconds since the epoch.

    ``speaking``: how many of the participants speak now. ``streams``: what is being transcribed, recordings
    and what those who have left said last among it.
    """

    session_id: str
    participants: int
    offset: int
    created: float
    last_active: float
    streams: int
    speaking: int = 0


class ConnectionsWorker(Struct, frozen=True, kw_only=True):
    """A worker whose connections are counted in; ``active`` is None where it did not answer."""

    worker: Worker
    here: bool
    answered: bool
    active: int | None


class Bounded(Struct, frozen=True, kw_only=True):
    """Something of which there may be so much in all. ``setting``: what sets the limit.

    ``is_shared``: all workers have it together, so each of them says the same.
    """

    name: str
    taken: float
    limit: float
    setting: str
    is_shared: bool = False


class ConnectionsStatistics(Struct, frozen=True, kw_only=True):
    """Connections now, on one worker or all: the topic ``connections``.

    ``sessions``: all there are, in use or not; ``session_list``: of those in memory, last used first;
    ``problems``: refusals so far, by code; ``doings``: how many do what, of all that are open.
    ``limit_reason``: why ``limit`` is lower than the settings ask for, and what to do, or empty.
    ``sums``: what there may be only so much of in all, whoever has it.
    ``connections``: the first of those ``matching`` what was asked for. ``pending``: of several workers only
    this one has been counted so far.
    """

    active: int
    total: int
    limit: int
    sessions: int
    evicted: int
    messages_in: int
    messages_out: int
    messages_in_per_second: float
    messages_out_per_second: float
    queued_bytes: int
    outbox_limit: int
    problems: dict[str, int]
    doings: dict[Activity, int]
    matching: int
    connections: tuple[ConnectionSummary, ...]
    session_list: tuple[SessionLine, ...]
    limit_reason: str = ""
    sums: tuple[Bounded, ...] = ()
    workers: tuple[ConnectionsWorker, ...] = ()
    pending: bool = False


class Rates:
    """How fast two counters have grown over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_SAMPLES)

    def sample(self, now: float, received: int, sent: int) -> None:
        """Take the counters' values at ``now`` (monotonic seconds)."""
        self._samples.append((now, received, sent))

    def per_second(self) -> tuple[float, float]:
        """Return received and sent a second; zero until there are two samples."""
        if len(self._samples) < 2:  # noqa: PLR2004 - a rate needs two
            return 0.0, 0.0
        (began, received_then, sent_then), (now, received, sent) = self._samples[0], self._samples[-1]
        passed = now - began
        if passed <= 0:
            return 0.0, 0.0
        return (received - received_then) / passed, (sent - sent_then) / passed

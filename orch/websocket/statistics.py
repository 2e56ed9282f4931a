"""The hub's figures. Pure."""

from collections import deque
from typing import Final, Literal, get_args

from msgspec import Struct

from orch.cluster.workers import Worker

#: The number of samples for rates; the hub takes one a second.
_SAMPLES: Final = 6

CONNECTIONS_LISTED: Final = 500
SESSIONS_LISTED: Final = 200
#: Sessions named in a connection's line.
SESSIONS_NAMED: Final = 8

Activity = Literal["speaking", "listening", "behind", "idle", "closing"]
ACTIVITIES: Final[tuple[Activity, ...]] = get_args(Activity)


class ConnectionSummary(Struct, frozen=True, kw_only=True):
    """One connection. ``since``: seconds since the epoch; ``sent`` and ``received``: frames.

    ``doing``: ``behind`` has more queued than is in transit, ``idle`` is in no session.
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

    ``speaking``: the number of active speakers. ``streams``: being transcribed, including recordings and the
    last speech of participants who have left. ``title``: empty: it has none.
    """

    session_id: str
    participants: int
    offset: int
    created: float
    last_active: float
    streams: int
    speaking: int = 0
    title: str = ""


class ConnectionsWorker(Struct, frozen=True, kw_only=True):
    """A worker whose connections are included; ``active`` is None if it did not reply."""

    worker: Worker
    here: bool
    answered: bool
    active: int | None


class Bounded(Struct, frozen=True, kw_only=True):
    """A limited resource. ``setting``: the setting with its limit.

    ``is_shared``: all workers share it, so each of them reports the same value.
    """

    name: str
    taken: float
    limit: float
    setting: str
    is_shared: bool = False


class ConnectionsStatistics(Struct, frozen=True, kw_only=True):
    """Connections now, on one worker or all: the topic ``connections``.

    ``sessions``: the number of all; ``session_list``: those in memory, most recently used first;
    ``problems``: refusals so far, by code; ``doings``: open connections by activity. ``limit_reason``: why
    ``limit`` is lower than configured, and the remedy, or empty. ``sums``: the limited resources.
    ``connections``: the first of the ``matching`` ones. ``pending``: of several workers only this one is
    included so far.
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
    """The rates of two counters over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_SAMPLES)

    def sample(self, now: float, received: int, sent: int) -> None:
        """Sample the counters at ``now`` (monotonic seconds)."""
        self._samples.append((now, received, sent))

    def per_second(self) -> tuple[float, float]:
        """Return the rates of received and sent per second; zero until there are two samples."""
        if len(self._samples) < 2:  # noqa: PLR2004 - a rate needs two
            return 0.0, 0.0
        (began, received_then, sent_then), (now, received, sent) = self._samples[0], self._samples[-1]
        passed = now - began
        if passed <= 0:
            return 0.0, 0.0
        return (received - received_then) / passed, (sent - sent_then) / passed

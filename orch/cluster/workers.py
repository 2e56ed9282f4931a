"""The workers of a service, and what each reports about itself. Pure."""

from msgspec import Struct


class Worker(Struct, frozen=True, kw_only=True):
    """One process of the service.

    ``name`` is drawn at random when it starts; ``place`` counts from 0 among the workers of one parent, and a
    replacement has the same. ``host`` and ``pid`` are None for a worker that has never replied.
    """

    name: str
    place: int | None = None
    host: str | None = None
    pid: int | None = None


class Reply(Struct, frozen=True):
    """One worker's reply to a survey."""

    worker: Worker
    data: bytes


class SurveyResult(Struct, frozen=True):
    """The result of a survey: the replies, this worker's first, and the workers that did not reply."""

    replies: tuple[Reply, ...]
    missing: tuple[Worker, ...] = ()


class WorkerInfo(Struct, frozen=True, kw_only=True):
    """What a worker reports about itself at each heartbeat.

    ``connections``: how many are open, of at most ``limit``; ``evicted``: how many were closed as too slow.
    ``state``: of its tree; ``amiss``: its failing branches; ``since``: when it started, in seconds since the
    epoch; ``revision``: of the settings it runs with.
    """

    connections: int = 0
    limit: int = 0
    evicted: int = 0
    messages_out_per_second: float = 0.0
    state: str = "running"
    amiss: tuple[str, ...] = ()
    since: float = 0.0
    revision: int = 0


class WorkerStatus(Struct, frozen=True, kw_only=True):
    """A worker at the last heartbeat. ``answered``: whether it replied; ``brief``: its last reply."""

    worker: Worker
    here: bool
    answered: bool
    brief: WorkerInfo


class Counts(Struct, frozen=True, kw_only=True):
    """The topic ``counts``: connections of all workers as of the last heartbeat, sessions, bots that run."""

    connections: int
    sessions: int
    bots: int


class WorkersStatistics(Struct, frozen=True, kw_only=True):
    """All workers, this one first: the topic ``workers``."""

    workers: tuple[WorkerStatus, ...]


def described(worker: Worker) -> str:
    """Return a worker's name for people: ``Worker 1 at host (process 4711)``."""
    number = "A worker" if worker.place is None else f"Worker {worker.place}"
    if worker.host is None:
        return f"{number} (address unknown)"
    return f"{number} at {worker.host} (process {worker.pid})"


def order(worker: Worker) -> tuple[str, int, str]:
    """Return the key that workers are sorted by: machine, then place."""
    return (worker.host or "~", -1 if worker.place is None else worker.place, worker.name)

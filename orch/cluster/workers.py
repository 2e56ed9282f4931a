"""The workers of one service, and what is known of them. Pure; :mod:`orch.cluster.survey` asks them. Pure."""

from msgspec import Struct


class Worker(Struct, frozen=True, kw_only=True):
    """One process of the service.

    ``name`` is its own for as long as it lives; ``place`` counts from 0 where one parent has several, and its
    successor has the same. ``host`` and ``pid`` are None of one that has never said them.
    """

    name: str
    place: int | None = None
    host: str | None = None
    pid: int | None = None


class Answer(Struct, frozen=True):
    """What one worker has answered."""

    worker: Worker
    data: bytes


class Asked(Struct, frozen=True):
    """What became of a question: who has answered, this worker first, and who is there and has not."""

    answers: tuple[Answer, ...]
    missing: tuple[Worker, ...] = ()


class Brief(Struct, frozen=True, kw_only=True):
    """What a worker says of itself at every roll call.

    ``connections`` that are open on it, of at most ``limit``, and how many were ``evicted``; ``state`` of its
    tree, ``amiss``: its branches that are not running; ``since`` when it runs, in seconds since the epoch;
    ``revision``: which settings it runs.
    """

    connections: int = 0
    limit: int = 0
    evicted: int = 0
    messages_out_per_second: float = 0.0
    state: str = "running"
    amiss: tuple[str, ...] = ()
    since: float = 0.0
    revision: int = 0


class Present(Struct, frozen=True, kw_only=True):
    """A worker at the last roll call. ``brief`` is the last it has said; ``answered``: at that one."""

    worker: Worker
    here: bool
    answered: bool
    brief: Brief


class Counts(Struct, frozen=True, kw_only=True):
    """How many connections all workers have, as of the last roll call, and sessions: the topic ``counts``."""

    connections: int
    sessions: int


class WorkersStatistics(Struct, frozen=True, kw_only=True):
    """All workers, this one first: the topic ``workers``."""

    workers: tuple[Present, ...]


def described(worker: Worker) -> str:
    """Return what a person calls a worker: ``Worker 1 at host (process 4711)``."""
    number = "A worker" if worker.place is None else f"Worker {worker.place}"
    if worker.host is None:
        return f"{number} (address unknown)"
    return f"{number} at {worker.host} (process {worker.pid})"


def order(worker: Worker) -> tuple[str, int, str]:
    """Return what workers are sorted by: machine, place."""
    return (worker.host or "~", -1 if worker.place is None else worker.place, worker.name)

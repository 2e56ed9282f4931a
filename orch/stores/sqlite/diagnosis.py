"""The problems of the SQLite file: sentences about them, and when they are announced. Pure.

Each kind has two texts: sentences for operators (problem, effect, remedy), and a few words for participants.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from orch.shortages import Shortage, causes, own_shortage
from orch.stores.status import StoreStatus

STEADY: Final = 1.0
"""Seconds that a state must last before it is announced: shorter ones are noise."""

SLOW: Final = 2.0
"""Seconds of one commit above which the store counts as slow; a healthy disk takes milliseconds."""


class Trouble(StrEnum):
    """A problem of the file."""

    FULL = "full"
    SHORT = "short"
    FAILING = "failing"
    READ_ONLY = "read_only"
    BUSY = "busy"
    SLOW = "slow"
    DELETED = "deleted"
    REPLACED = "replaced"
    DAMAGED = "damaged"


BRIEF: Final[Mapping[Trouble, str]] = {
    Trouble.FULL: "the disk is full",
    Trouble.SHORT: "the service is short of memory or file descriptors",
    Trouble.FAILING: "the disk reports errors",
    Trouble.READ_ONLY: "the disk cannot be written",
    Trouble.BUSY: "the file is in use by another program",
    Trouble.SLOW: "each write to the disk takes seconds",
    Trouble.DELETED: "the file was deleted",
    Trouble.REPLACED: "the file was replaced",
    Trouble.DAMAGED: "the file is damaged",
}
"""Completes "Nothing can be stored right now: …"."""

ADVICE: Final[Mapping[Trouble, str]] = {
    Trouble.FULL: (
        "Free disk space: end sessions that are not needed (leaving and ending still work), or "
        "remove other files. The service then recovers by itself within 3 s."
    ),
    Trouble.SHORT: "Find out which resource the service is out of. It recovers by itself.",
    Trouble.FAILING: "Check the machine's log for disk errors. The file is reopened shortly.",
    Trouble.READ_ONLY: "Mount the disk for writing, or give the service the right to write there.",
    Trouble.BUSY: "End the other program; one service may use a file at a time.",
    Trouble.SLOW: "Check which other programs use the disk. Messages are queued meanwhile.",
    Trouble.DELETED: "The file is being written again; give the service permission to do so.",
    Trouble.REPLACED: (
        "The data stored so far was saved beside it. Restart the service to use the new file, or "
        "move the old one back."
    ),
    Trouble.DAMAGED: "Move it away or restore it from a backup.",
}

GOOD_LOOKS: Final = 2
"""Successful checks in a row before new messages are accepted again."""

REFUSING: Final = frozenset(Trouble) - {Trouble.SLOW}
"""Problems during which nothing new is accepted: acknowledged messages must not be lost."""

REOPENING: Final = frozenset({Trouble.FAILING, Trouble.READ_ONLY, Trouble.BUSY, Trouble.SHORT})
"""Problems after which the file is opened again."""

_BY_NAME: Final = (
    # The log's index cannot be created: a full disk, when the file is opened.
    (("SQLITE_IOERR_SHMSIZE",), Trouble.FULL),
    (("SQLITE_NOTADB", "SQLITE_CORRUPT"), Trouble.DAMAGED),
    (("SQLITE_READONLY", "SQLITE_PERM"), Trouble.READ_ONLY),
    (("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL"), Trouble.BUSY),
    (("SQLITE_IOERR", "SQLITE_CANTOPEN"), Trouble.FAILING),
)


def trouble_of(error: BaseException | None) -> Trouble | None:
    """Return the file's problem behind an error; None if the error is the operation's own."""
    shortage = own_shortage(error)
    if shortage is Shortage.DISK:
        return Trouble.FULL
    if shortage is not None:
        return Trouble.SHORT
    names = [getattr(each, "sqlite_errorname", None) or "" for each in causes(error)]
    found = (trouble for prefixes, trouble in _BY_NAME for name in names if name.startswith(prefixes))
    return next(found, None)


def reason(trouble: Trouble, path: str, *, detail: str = "") -> str:
    """Return the sentences for operators."""
    more = f" ({detail})" if detail else ""
    if trouble is Trouble.SLOW:
        return f"Sessions are stored slowly: {BRIEF[trouble]}{more}, {path}. {ADVICE[trouble]}"
    return f"Nothing can be stored right now: {BRIEF[trouble]}{more}, {path}. {ADVICE[trouble]}"


def refused(trouble: Trouble) -> str:
    """Return the sentence for a client whose message or session is not accepted."""
    return f"Nothing can be stored right now: {BRIEF[trouble]}. Try again in a moment."


class Steadied:
    """Debounces a state: it changes only after the new state has lasted for :data:`STEADY` seconds.

    The mutable state is the announced state, and since when the actual one differs.
    """

    def __init__(self) -> None:
        self.announced: bool = True
        self._differs_since: float | None = None

    def changed(self, is_well: bool, now: float) -> bool:  # noqa: FBT001 - the state is the point of the call
        """Observe the current state; return whether it should be announced."""
        if is_well is self.announced:
            self._differs_since = None
            return False
        if self._differs_since is None:
            self._differs_since = now
        if now - self._differs_since < STEADY:
            return False
        self.announced, self._differs_since = is_well, None
        return True


class Condition:
    """The condition of the file, from the results of commits and checks.

    The mutable state: the problem and its start, the number of successful checks in a row, the commit in
    progress, and the announced state. ``now``: monotonic seconds; ``at``: seconds since the epoch.
    """

    def __init__(self) -> None:
        self.trouble: Trouble | None = None
        self.detail = ""
        self.since: float | None = None
        self.commit_began: float | None = None
        self._good_looks = 0
        self._steadied = Steadied()

    def now(self, now: float) -> Trouble | None:
        """Return the current problem; a commit that takes too long counts before it has ended."""
        if self.trouble is None and self.commit_began is not None:
            return Trouble.SLOW if now - self.commit_began > SLOW else None
        return self.trouble

    def note(self, trouble: Trouble, detail: str, *, at: float) -> bool:
        """Record a problem, until :data:`GOOD_LOOKS` checks have succeeded; return whether it is new."""
        self._good_looks = 0
        if self.trouble is None:
            self.since = at
        is_new = trouble is not self.trouble
        self.trouble, self.detail = trouble, detail
        return is_new

    def recovered(self) -> bool:
        """Record a successful check; return whether it ends the problem."""
        self._good_looks += 1
        if self._good_looks < GOOD_LOOKS:
            return False
        self.trouble, self.detail, self.since = None, "", None
        return True

    def is_announced_now(self, now: float) -> bool:
        """Return whether the state has lasted, and differs from the announced one."""
        return self._steadied.changed(self.now(now) is None, now)

    def refusal(self) -> str:
        """Return why new messages are rejected, for the client; empty if they are accepted."""
        return refused(self.trouble) if self.trouble is not None and self.trouble in REFUSING else ""

    def status(self, path: str, *, is_open: bool, last_error: str, now: float) -> StoreStatus:
        """Return the store's status as sentences."""
        trouble = self.now(now)
        if trouble is not None:
            why, brief, since = reason(trouble, path, detail=self.detail), BRIEF[trouble], self.since
        elif is_open:
            why, brief, since = "", "", None
        else:
            why, brief, since = (
                f"{path} is not open. {last_error}".rstrip(),
                "the file is being opened",
                None,
            )
        return StoreStatus(
            engine="sqlite",
            state="degraded" if why else "healthy",
            reason=why,
            since=since,
            cautions=(),
            brief=brief,
        )

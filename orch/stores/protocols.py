"""What a store offers, by purpose, and the handler of its events. Pure.

:class:`orch.stores.sqlite.store.SqliteStore` is the store of a single process,
:class:`orch.stores.redis.store.RedisStore` that of several; :func:`orch.stores.opening.open_stores` says what
the chosen one offers.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from orch.stores.history import NOBODYS_CAPTION, Limits, Losses, Share
from orch.stores.records import (
    Answers,
    Appended,
    HistoryMessage,
    Origin,
    ParticipantRecord,
    SessionRecord,
    StoredSettings,
)
from orch.stores.status import StoreStanding


class StoreEvents(Protocol):
    """Handles the events of a store.

    One handler is registered when the process is built, before the store runs; events arrive from the first
    run on, also while the branches above the store do not run. The methods are called in the store's task, in
    the order of the events: none may wait, and what one raises is logged and counted, and goes no further.

    A store of one process calls ``appended``, ``status_changed`` and ``recovered_data``; that of several
    workers calls all others as well.
    """

    def appended(self, message: Appended) -> None:
        """Deliver a message that was stored: once each, in the order of a session's offsets.

        Called before its ticket is done. With several workers: for each message that any worker appends to a
        session that this one follows.
        """

    def status_changed(self, status: StoreStanding) -> None:
        """Handle that the store became healthy or degraded, once that has lasted for about a second."""

    def recovered_data(self, text: str) -> None:
        """Handle that data was rescued from a damaged file; ``text`` says which, for operators."""

    def connection_changed(self, is_open: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Handle that the connection to the server was lost (False) or is back, at once.

        Messages of other workers (:meth:`received`) were lost in between.
        """

    def received(self, session_id: str, payload: bytes) -> None:
        """Handle a message that another worker published to those that follow a session; it is not stored."""

    def ended(self, session_id: str) -> None:
        """Handle that a followed session was ended on purpose, by any worker."""

    def lost(self, session_id: str) -> None:
        """Handle that a followed session is gone without having been ended.

        Or that what this worker missed of it is no longer stored.
        """

    def is_unused(self, session_id: str) -> bool:
        """Return whether nobody on this worker is in a followed session: it is then followed no longer."""

    def surveyed(self, request: bytes) -> bytes:
        """Return the reply to another worker's survey, once for each; empty: no reply."""


class IgnoreEvents:
    """Handles no event. Followed sessions are always in use."""

    def appended(self, message: Appended) -> None:
        """Do nothing."""

    def status_changed(self, status: StoreStanding) -> None:
        """Do nothing."""

    def recovered_data(self, text: str) -> None:
        """Do nothing."""

    def connection_changed(self, is_open: bool) -> None:  # noqa: FBT001 - as StoreEvents has it
        """Do nothing."""

    def received(self, session_id: str, payload: bytes) -> None:
        """Do nothing."""

    def ended(self, session_id: str) -> None:
        """Do nothing."""

    def lost(self, session_id: str) -> None:
        """Do nothing."""

    def is_unused(self, session_id: str) -> bool:  # noqa: ARG002 - as StoreEvents has it
        """Return False."""
        return False

    def surveyed(self, request: bytes) -> bytes:  # noqa: ARG002 - as StoreEvents has it
        """Return no reply."""
        return b""


class Ticket(Protocol):
    """A message on its way into the history."""

    async def wait(self) -> int:
        """Return its offset once it is kept. ProblemError: unknown_session, store_unavailable."""


class SessionStore(Protocol):
    """Where sessions are kept.

    Every call raises ProblemError ``store_unavailable`` where nothing can be read or written; callers own
    time-outs. What a call has answered is kept, whatever happens to the process.
    """

    async def create(
        self, record: SessionRecord, owner: ParticipantRecord | None = None, *, begun_from: str = ""
    ) -> bool:
        """Keep a new session, and who it belongs to. False: there is one of this name.

        ``begun_from``: the address it counts for; empty: for none.
        """

    async def begun_from(self, address: str, most: int) -> int:
        """Return how many sessions there are that count for an address: exactly, where it is ``most``."""

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return the session, or None."""

    async def newest(self, limit: int) -> tuple[SessionRecord, ...]:
        """Return the sessions that were last active, newest first."""

    async def count(self) -> int:
        """Return how many sessions are kept."""

    async def used_bytes(self) -> int:
        """Return how many bytes all that is kept takes."""

    async def delete(self, session_ids: Sequence[str], *, idle_since: float | None = None) -> Sequence[str]:
        """Forget sessions, what was said in them and who was there. Return those that there were.

        ``idle_since``: only those that were last active before then.
        """

    async def touch(self, session_ids: Sequence[str], at: float) -> None:
        """Note that the sessions are in use."""

    async def idle(self, before: float, limit: int) -> tuple[str, ...]:
        """Return sessions last active before then, oldest first."""

    async def begin_append(
        self,
        session_id: str,
        body: bytes,
        *,
        at: float,
        limits: Limits,
        share: Share = NOBODYS_CAPTION,
        origin: Origin | None = None,
        settled: Callable[[], None] | None = None,
    ) -> Ticket:
        """Take a message in, in the order of the calls; return when its place is sure, not yet kept.

        ``share``: whose part of which budget it takes. Where that is exceeded, older messages of the fullest
        share of the same budget are dropped, never any of another.

        ``settled`` is called once: after the message was kept and told of, or once it is sure that it will
        not be, whether or not anyone still waits for the ticket. It must not raise and cannot wait.
        """

    async def read(
        self, session_id: str, *, after: int, until: int, size: int | None = None
    ) -> tuple[HistoryMessage, ...]:
        """Return what is kept of the offsets after ``after`` up to ``until``, in order.

        ``size``: no more than the oldest of it, as many whole messages as fit into so many bytes, at least
        one.
        """

    async def losses(self, session_id: str) -> Losses | None:
        """Return what was dropped of a session's history so far; None: there is no such session.

        What was read before this was asked, and is not there, was dropped before this was answered.
        """

    async def prune(self, now: float, limits: Limits) -> int:
        """Drop what is too old in every session; return how many messages that were."""

    async def crowded(self) -> tuple[str, ...]:
        """Return the sessions that more than :data:`PARTICIPANTS_KEPT` may return to."""

    async def thin_out(self, session_id: str, present: frozenset[str], at: float) -> int:
        """Forget those who were in a crowded session longest ago; return how many.

        Owners and those who are ``present`` (now, which is ``at``) are never forgotten, and those who have
        spoken after all others.
        """

    async def put_participant(self, session_id: str, participant: ParticipantRecord) -> bool:
        """Keep someone's right to return, or change it. False: there is no such session."""

    async def participant(self, session_id: str, participant_id: str) -> ParticipantRecord | None:
        """Return someone who may return, or None."""

    async def drop_participant(self, session_id: str, participant_id: str) -> None:
        """Forget someone: their token is worth nothing from now on."""


class SettingsStore(Protocol):
    """Where several workers keep what operators have changed. Raises ``store_unavailable``."""

    async def settings(self) -> StoredSettings:
        """Return what operators have changed while the service runs."""

    async def store_settings(self, known: int, kept: StoredSettings) -> bool:
        """Store what operators have changed. False: the stored revision is no longer ``known``."""


class LeaseStore(Protocol):
    """A store in which several workers acquire leases."""

    async def acquire_lease(self, name: str, holder: str, seconds: float) -> int | None:
        """Acquire or renew a lease; return its fence; None: another worker holds it.

        Raises ``store_unavailable``.
        """

    async def release_lease(self, name: str, holder: str) -> None:
        """Release a lease, if ``holder`` holds it. Raises ``store_unavailable``."""


class SignInStore(Protocol):
    """The store of sign-ins. Raises ``store_unavailable``."""

    async def store_sign_in(self, name: str, *, now: float, seconds: float) -> None:
        """Store a sign-in for this many seconds."""

    async def extend_sign_in(self, name: str, *, now: float, seconds: float) -> bool:
        """Extend a sign-in by this many seconds; False if it does not exist."""

    async def delete_sign_in(self, name: str) -> None:
        """End a sign-in."""


class ClusterStore(SettingsStore, LeaseStore, Protocol):
    """What several workers, on one machine or many, share beside the sessions, and how they reach each other.

    Calls raise ``store_unavailable``; callers own time-outs.
    """

    @property
    def worker(self) -> str:
        """This worker's name among those that share the store."""

    async def follow(self, session_id: str) -> SessionRecord | None:
        """Follow a session; return it as of the last message delivered, or None if it does not exist.

        Messages appended after that are delivered to :meth:`StoreEvents.appended`.
        """

    async def wait_for(self, session_id: str, offset: int) -> None:
        """Wait until all messages up to ``offset`` were delivered, or it is certain that there are none."""

    def publish(self, session_id: str, payload: bytes) -> None:
        """Publish to the other workers that follow the session; it may be lost."""

    async def publish_counted(self, session_id: str, payload: bytes) -> int:
        """Publish to the other workers that follow the session; return how many of them there are.

        This worker follows it as well.
        """

    async def survey(self, payload: bytes, *, within: float, only: str | None = None) -> Answers:
        """Survey all other workers, or ``only`` one; return the replies of the first ``within`` seconds.

        Raises ``store_unavailable``, at once, if no worker can be reached.
        """

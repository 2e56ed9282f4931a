"""What a store offers, by purpose, and the handler of its events. Pure.

:class:`orch.stores.sqlite.store.SqliteStore` is the store of a single process,
:class:`orch.stores.redis.store.RedisStore` that of several; :func:`orch.stores.opening.open_stores` says what
the chosen one offers.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from orch.protocol.session_keys import Keys, Right
from orch.protocol.terms import Terms
from orch.stores.history import NOBODYS_CAPTION, Limits, Losses, Share
from orch.stores.records import (
    Appended,
    Document,
    HistoryMessage,
    JoinCode,
    Origin,
    ParticipantRecord,
    SessionRecord,
    StoredSettings,
    SurveyReplies,
)
from orch.stores.status import StoreStatus


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

    def status_changed(self, status: StoreStatus) -> None:
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

    def surveyed(self, request: bytes, reply: Callable[[bytes], None]) -> None:
        """Reply to another worker's survey, once for each, now or later; empty: there is no reply."""


class IgnoreEvents:
    """Handles no event. Followed sessions are always in use."""

    def appended(self, message: Appended) -> None:
        """Do nothing."""

    def status_changed(self, status: StoreStatus) -> None:
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

    def surveyed(self, request: bytes, reply: Callable[[bytes], None]) -> None:  # noqa: ARG002 - as above
        """Reply nothing."""
        reply(b"")


class Ticket(Protocol):
    """A message that is being appended to the history."""

    async def wait(self) -> int:
        """Return its offset once it is stored. ProblemError: unknown_session, store_unavailable."""


class SessionStore(Protocol):
    """The store of sessions.

    Every call raises ProblemError ``store_unavailable`` if nothing can be read or written; callers own
    time-outs. What a call has acknowledged is stored, whatever happens to the process.
    """

    async def create(
        self, record: SessionRecord, owner: ParticipantRecord | None = None, *, created_from: str = ""
    ) -> bool:
        """Store a new session and its owner. False: the name is taken.

        ``created_from``: the address it counts for; empty: for none.
        """

    async def created_from(self, address: str, most: int) -> int:
        """Return the number of live sessions created from an address; exact if it would reach ``most``."""

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return the session, or None."""

    async def replace_config(self, session_id: str, known: bytes, config: bytes) -> bool:
        """Replace a session's ``config``. False: it is ``known`` no longer, or the session does not exist."""

    async def store_terms(self, session_id: str, terms: Terms) -> int | None:
        """Store a session's names and terms in place of the former ones; return their revision.

        None: the session does not exist.
        """

    async def store_pipeline(self, session_id: str, pipeline: bytes) -> int | None:
        """Store what a session's speech passes through, as JSON; return its revision.

        None: the session does not exist.
        """

    async def newest(self, limit: int) -> tuple[SessionRecord, ...]:
        """Return the sessions that were last active, newest first."""

    async def count(self) -> int:
        """Return the number of stored sessions."""

    async def used_bytes(self) -> int:
        """Return the size of all stored data in bytes."""

    async def delete(self, session_ids: Sequence[str], *, idle_since: float | None = None) -> Sequence[str]:
        """Delete sessions with their history and participants. Return those that existed.

        ``idle_since``: only sessions last active before then.
        """

    async def moderate(self, session_id: str, known: bytes, moderation: bytes, keys: Keys | None) -> bool:
        """Replace a session's moderation, and its keys, unless they are None.

        False: it is no longer ``known``, or the session does not exist. ``moderation`` was never stored
        before, so that a repeated call is recognised.
        """

    async def touch(self, session_ids: Sequence[str], at: float) -> None:
        """Mark the sessions as in use."""

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
        """Queue a message in the order of the calls; return when its place is certain, before it is stored.

        ``share``: the budget and participant it counts for. If the budget is exceeded, older messages of its
        largest share are dropped, never those of another budget.

        ``settled`` is called once: after the message was stored and delivered, or once it is certain that it
        will not be, whether or not the ticket is awaited. It must not raise and cannot wait.
        """

    async def read(
        self, session_id: str, *, after: int, until: int, size: int | None = None
    ) -> tuple[HistoryMessage, ...]:
        """Return the stored messages after ``after`` up to ``until``, in order.

        ``size``: only the oldest, as many whole messages as fit into this many bytes, at least one.
        """

    async def erase(self, session_id: str, offsets: Sequence[int]) -> int:
        """Drop these messages of a session's history on purpose, which is no loss; return how many it had."""

    async def losses(self, session_id: str) -> Losses | None:
        """Return the losses of a session's history so far; None if it does not exist.

        Messages missing in an earlier read are included.
        """

    async def prune(self, now: float, limits: Limits) -> int:
        """Drop messages that are too old in every session; return their number."""

    async def crowded(self) -> tuple[str, ...]:
        """Return the sessions with more than :data:`PARTICIPANTS_LIMIT` participants."""

    async def trim_participants(self, session_id: str, present: frozenset[str], at: float) -> int:
        """Delete the participants absent longest from a crowded session; return their number.

        Owners and those ``present`` (at the time ``at``) are never deleted, speakers only after all others.
        """

    async def put_participant(self, session_id: str, participant: ParticipantRecord) -> bool:
        """Store or change a participant who may return. False: the session does not exist."""

    async def participant(self, session_id: str, participant_id: str) -> ParticipantRecord | None:
        """Return a participant who may return, or None."""

    async def drop_participant(self, session_id: str, participant_id: str) -> None:
        """Delete a participant: the recovery token becomes invalid."""


class SettingsStore(Protocol):
    """The store of the settings that operators have changed. Raises ``store_unavailable``."""

    async def settings(self) -> StoredSettings:
        """Return the operators' changes at run time."""

    async def store_settings(self, known: int, kept: StoredSettings) -> bool:
        """Store the operators' changes. False: the stored revision is no longer ``known``."""


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


class JoinCodeStore(Protocol):
    """The store of the codes that sessions are joined with. Raises ``store_unavailable``.

    A session has one code for each right at most. ``now``: seconds since the epoch.
    """

    async def store_code(self, code: JoinCode, *, now: float) -> bool:
        """Store a code in place of the session's earlier one for this right.

        False: the code is in use already, or the session does not exist.
        """

    async def code(self, code: str, *, now: float) -> JoinCode | None:
        """Return a code that has not expired and was not replaced or deleted, or None.

        Its session may have ended.
        """

    async def codes_of(self, session_id: str, *, now: float) -> tuple[JoinCode, ...]:
        """Return the codes of a session."""

    async def delete_code(self, session_id: str, right: Right) -> bool:
        """Delete a session's code for a right; False: it has none."""

    async def count_codes(self, *, now: float) -> int:
        """Return the number of codes; some of them may be of sessions that have ended."""

    async def begin_guess(self, digest: bytes, *, most: int, seconds: float, now: float) -> bool:
        """Count a code that is about to be looked up, by its ``digest``, for all workers together.

        The same one counts once. False: ``most`` different ones were counted within ``seconds``.
        """

    async def end_guess(self, digest: bytes) -> None:
        """Take a code back that :meth:`begin_guess` has counted: it was right."""


class DocumentStore(Protocol):
    """The store of small documents of the service itself. Raises ``store_unavailable``.

    ``now``: seconds since the epoch. The caller bounds their number and sizes.
    """

    async def documents(self, kind: str, *, now: float) -> tuple[Document, ...]:
        """Return the documents of a kind that have not expired, by name."""

    async def store_document(self, document: Document, *, now: float) -> bool:
        """Store a document. False: its revision is not the next one, so another worker was first."""

    async def delete_document(self, kind: str, name: str) -> None:
        """Delete a document, if there is one."""


class RateStore(Protocol):
    """Token buckets that several workers share. Raises ``store_unavailable``; callers own time-outs."""

    async def take_tokens(self, buckets: Sequence[tuple[str, int, int]]) -> tuple[float, ...]:
        """Take a token of each bucket, or of none if one of them has none.

        Each: its name, how many tokens it holds, and in how many seconds an empty one is full. Returns the
        seconds in which each was full before. A bucket that is full takes no space.
        """


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

    async def survey(self, payload: bytes, *, within: float, only: str | None = None) -> SurveyReplies:
        """Survey all other workers, or ``only`` one; return the replies of the first ``within`` seconds.

        Raises ``store_unavailable``, at once, if no worker can be reached.
        """

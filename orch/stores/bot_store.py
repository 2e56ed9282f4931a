"""The store of bot sessions: what it offers, on whichever engine."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeVar

from orch.stores import bot_records as records
from orch.stores.bot_records import BotSession, Captured, Life, Prunable, SourceType, Written
from orch.stores.bot_scripts import (
    captured,
    deletion,
    lives,
    reading,
    statistics,
    subscriptions,
    tables,
    webhooks,
)
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_scripts.requests import Script

T = TypeVar("T")

BATCH_LIMIT: Final = 500
"""Records of one :meth:`BotStore.write`; more are a mistake of the caller."""

PAGE: Final = 1_000
"""Rows returned at a time, unless the caller wants another number."""


class Purpose(Enum):
    """What a script is for, by which an engine decides how it is run.

    ``READ`` changes nothing. ``ADD`` needs space and is refused while there is none. ``CHANGE`` is needed
    even then, as the end of a bot is. ``BEGIN`` begins a bot, which is refused while the store may not grow
    any more. ``ERASE`` leaves no trace of what it deletes, and may take seconds.
    """

    READ = auto()
    BEGIN = auto()
    ADD = auto()
    CHANGE = auto()
    ERASE = auto()


class ScriptEngine(Protocol):
    """Runs scripts, each in one transaction: completely or not at all."""

    async def perform(self, start: Callable[[], Script[T]], purpose: Purpose, *, size: int = 0) -> T:
        """Run a script that ``start`` begins, again if another attempt is needed; return its result.

        ``size``: bytes that wait in the queue meanwhile. Raises ProblemError ``store_unavailable`` if nothing
        can be read or written, ``store_full`` where the store may not grow, and RefusedRecordError for a
        record that does not fit into the schema.
        """


class BotStore:
    """Bot sessions on an engine.

    Every method raises ProblemError ``store_unavailable`` if nothing can be read or written; callers own
    time-outs. What a call has acknowledged is stored, whatever happens to the process. A call that was
    cancelled has happened completely or not at all. ``now`` and ``until`` are seconds since the epoch;
    workers that share a store have synchronised clocks.
    """

    def __init__(self, engine: ScriptEngine) -> None:
        self._engine = engine

    # Lives.

    async def request(self, change: Change, session: BotSession) -> tuple[Life, bool]:
        """Store a new bot; see :func:`orch.stores.bot_scripts.lives.request`."""
        return await self._engine.perform(lambda: lives.request(change, session), Purpose.BEGIN)

    async def advance(self, change: Change, *, owner: str | None) -> Life | None:
        """Store a bot's next state; see :func:`orch.stores.bot_scripts.lives.advance`."""
        return await self._engine.perform(lambda: lives.advance(change, owner), Purpose.CHANGE)

    async def place(self, owner: str, limit: int, *, now: float, until: float) -> Life | None:
        """Give the bot that has waited longest a place; see :func:`orch.stores.bot_scripts.lives.place`."""
        return await self._engine.perform(
            lambda: lives.place(owner, limit, now=now, until=until), Purpose.CHANGE
        )

    async def renew(self, owner: str, *, until: float) -> tuple[Life, ...]:
        """Extend an owner's leases; return the lives of its bots."""
        return await self._engine.perform(lambda: lives.renew(owner, until), Purpose.CHANGE)

    async def release(self, owner: str, *, now: float) -> int:
        """End an owner's leases, so that others take its bots over at once; return how many."""
        return await self._engine.perform(lambda: lives.release(owner, now), Purpose.CHANGE)

    async def take_over(self, owner: str, limit: int, *, now: float, until: float) -> tuple[Life, ...]:
        """Become the owner of bots whose leases have expired; return their lives."""
        return await self._engine.perform(
            lambda: lives.take_over(owner, limit, now=now, until=until), Purpose.CHANGE
        )

    async def placed(self) -> tuple[Life, ...]:
        """Return the bots that have a place, as many as may run at a time."""
        return await self._engine.perform(lives.placed, Purpose.READ)

    async def request_leave(self, bot_id: str, *, now: float) -> Life | None:
        """Record that a bot shall leave, for its owner to read; None: no such bot, or it has ended."""
        return await self._engine.perform(lambda: lives.request_leave(bot_id, now), Purpose.CHANGE)

    async def life(self, bot_id: str) -> Life | None:
        """Return a bot's life."""
        return await self._engine.perform(lambda: lives.life(bot_id), Purpose.READ)

    async def lives(
        self, limit: int = PAGE, *, before: Life | None = None, active: bool = False, ended: bool = False
    ) -> tuple[Life, ...]:
        """Return bots, the last requested first, after ``before``; see ``lives.newest``."""
        return await self._engine.perform(
            lambda: lives.newest(limit, before, active=active, ended=ended), Purpose.READ
        )

    async def life_of_key(self, idempotency_key: str) -> Life | None:
        """Return the life of the bot that was requested with this key."""
        return await self._engine.perform(lambda: lives.life_of_key(idempotency_key), Purpose.READ)

    async def due(self, now: float, limit: int = PAGE) -> tuple[Life, ...]:
        """Return scheduled bots whose time has come."""
        return await self._engine.perform(lambda: lives.due(now, limit), Purpose.READ)

    async def position(self, bot_id: str) -> int | None:
        """Return a bot's position in the queue, from 1; None: it does not wait for a place."""
        return await self._engine.perform(lambda: lives.position(bot_id), Purpose.READ)

    async def counts(self) -> dict[str, int]:
        """Return the number of bots in each state."""
        return await self._engine.perform(lives.counts, Purpose.READ)

    # What was captured.

    async def create_session(self, session: BotSession) -> bool:
        """Store a session without a bot. False: it exists, or its data was deleted."""
        return await self._engine.perform(lambda: captured.create_session(session), Purpose.BEGIN)

    async def update_session(self, session: BotSession) -> bool:
        """Replace what is stored about a session. False: it does not exist."""
        return await self._engine.perform(lambda: captured.update_session(session), Purpose.CHANGE)

    async def write(self, batch: Sequence[Captured]) -> Written:
        """Store what was captured, all or nothing; see :func:`orch.stores.bot_scripts.captured.write`."""
        if len(batch) > BATCH_LIMIT:
            raise ValueError(f"a batch has up to {BATCH_LIMIT} records, not {len(batch)}")
        size = sum(size_of(record) for record in batch)
        return await self._engine.perform(lambda: captured.write(batch), Purpose.ADD, size=size)

    async def session(self, session_id: str) -> BotSession | None:
        """Return a session."""
        return await self._engine.perform(lambda: reading.session(session_id), Purpose.READ)

    async def utterances(
        self, session_id: str, source: SourceType, *, after: int = -1, limit: int = PAGE
    ) -> tuple[records.Utterance, ...]:
        """Return utterances with an index above ``after``, by their index."""
        return await self._engine.perform(
            lambda: reading.utterances(session_id, source, after, limit), Purpose.READ
        )

    async def next_segment(self, session_id: str, source: SourceType) -> int:
        """Return the index after the highest one: where a bot that joins again goes on."""
        return await self._engine.perform(lambda: reading.next_segment(session_id, source), Purpose.READ)

    async def translations(
        self, session_id: str, language: str, *, after: records.Translation | None = None, limit: int = PAGE
    ) -> tuple[records.Translation, ...]:
        """Return translations into a language by time, after the last one of the page before."""
        return await self._engine.perform(
            lambda: reading.translations(session_id, language, after, limit), Purpose.READ
        )

    async def correlations(
        self, session_id: str, *, after: records.Correlation | None = None, limit: int = PAGE
    ) -> tuple[records.Correlation, ...]:
        """Return correlations by time."""
        return await self._page(
            tables.CORRELATIONS, session_id, ("start_time", "correlation_id"), after, limit
        )

    async def names_revised(
        self, session_id: str, *, after: records.NameRevision | None = None, limit: int = PAGE
    ) -> tuple[records.NameRevision, ...]:
        """Return the audit trail of names, the oldest first."""
        return await self._page(
            tables.NAME_REVISIONS, session_id, ("created_at", "revision_id"), after, limit
        )

    async def participants(
        self, session_id: str, *, after: records.Participant | None = None, limit: int = PAGE
    ) -> tuple[records.Participant, ...]:
        """Return participants by name."""
        return await self._page(
            tables.PARTICIPANTS, session_id, ("display_name", "participant_id"), after, limit
        )

    async def events(
        self,
        session_id: str,
        *,
        after: records.SessionEvent | None = None,
        limit: int = PAGE,
        newest_first: bool = False,
    ) -> tuple[records.SessionEvent, ...]:
        """Return events, the oldest first, or the newest."""
        return await self._page(
            tables.EVENTS, session_id, ("timestamp", "event_id"), after, limit, is_descending=newest_first
        )

    async def consents(
        self, session_id: str, *, after: records.Consent | None = None, limit: int = PAGE
    ) -> tuple[records.Consent, ...]:
        """Return the consent log, the oldest entry first."""
        return await self._page(tables.CONSENTS, session_id, ("created_at", "consent_id"), after, limit)

    async def audio_files(
        self, session_id: str, *, after: records.AudioFile | None = None, limit: int = PAGE
    ) -> tuple[records.AudioFile, ...]:
        """Return recorded files by their place in the session."""
        return await self._page(tables.AUDIO_FILES, session_id, ("chunk_start_time", "file_id"), after, limit)

    async def evidence_files(
        self, session_id: str, *, after: records.EvidenceFile | None = None, limit: int = PAGE
    ) -> tuple[records.EvidenceFile, ...]:
        """Return the files of evidence, the oldest first."""
        return await self._page(tables.EVIDENCE_FILES, session_id, ("created_at", "file_id"), after, limit)

    async def compute_statistics(
        self, session_id: str, *, now: float, quality: Mapping[str, Any] | None = None
    ) -> records.SessionStatistics | None:
        """Compute and store the figures of a session that has ended; None: it does not exist."""
        return await self._engine.perform(
            lambda: statistics.compute(session_id, now, quality or {}), Purpose.CHANGE
        )

    async def statistics(self, session_id: str) -> records.SessionStatistics | None:
        """Return a session's figures, once they were computed."""
        return await self._engine.perform(lambda: reading.statistics(session_id), Purpose.READ)

    async def view(self, name: str, session_id: str) -> tuple[dict[str, Any], ...]:
        """Return the rows of one of :data:`VIEWS` for a session."""
        return await self._engine.perform(lambda: reading.view(name, VIEWS[name], session_id), Purpose.READ)

    async def _page(
        self,
        table: tables.Table[Any],
        session_id: str,
        order: tuple[str, str],
        after: Any,
        limit: int,
        *,
        is_descending: bool = False,
    ) -> tuple[Any, ...]:
        return await self._engine.perform(
            lambda: reading.page(table, session_id, order, after, limit, is_descending=is_descending),
            Purpose.READ,
        )

    # Deletion.

    async def delete_data(self, session_id: str, *, now: float, change: Change | None = None) -> Life | None:
        """Delete what was captured in a session; see :func:`orch.stores.bot_scripts.deletion.delete_data`."""
        return await self._engine.perform(
            lambda: deletion.delete_data(session_id, now, change), Purpose.ERASE
        )

    async def prune(self, kind: Prunable, *, before: float, now: float, limit: int = PAGE) -> int:
        """Delete what is older than ``before``; return how many. If it is ``limit``, there may be more."""
        return await self._engine.perform(lambda: deletion.prune(kind, before, now, limit), Purpose.CHANGE)

    async def files_to_delete(self, limit: int = PAGE) -> tuple[str, ...]:
        """Return paths of files whose rows were deleted."""
        return await self._engine.perform(lambda: deletion.files_to_delete(limit), Purpose.READ)

    async def files_deleted(self, paths: Sequence[str]) -> None:
        """Record that files are gone from the disk."""
        await self._engine.perform(lambda: deletion.files_deleted(paths), Purpose.CHANGE)

    async def files_of_ended(
        self, session_ids: Sequence[str], *, before: float
    ) -> dict[str, tuple[str, ...]]:
        """Return the paths of the files of those sessions whose bots ended ``before``, by session."""
        return await self._engine.perform(lambda: deletion.files_of_ended(session_ids, before), Purpose.READ)

    # Webhooks.

    async def enqueue(self, deliveries: Sequence[records.WebhookDelivery]) -> int:
        """Store webhooks to send; return how many are. Those of bots whose data was deleted are not."""
        size = sum(len(each.body) for each in deliveries)
        return await self._engine.perform(lambda: webhooks.enqueue(deliveries), Purpose.ADD, size=size)

    async def claim_webhooks(
        self,
        limit: int,
        *,
        now: float,
        until: float,
        without: AbstractSet[str] = frozenset(),
        only: AbstractSet[str] | None = None,
    ) -> tuple[records.WebhookDelivery, ...]:
        """Lease deliveries that are due; see :func:`orch.stores.bot_scripts.webhooks.claim`."""
        return await self._engine.perform(
            lambda: webhooks.claim(limit, without, now=now, until=until, only=only), Purpose.CHANGE
        )

    async def record_attempt(self, attempt: records.WebhookAttempt, outcome: webhooks.Outcome) -> bool:
        """Store an attempt to send a webhook and what follows it. False: the delivery is gone."""
        return await self._engine.perform(lambda: webhooks.record(attempt, outcome), Purpose.CHANGE)

    async def release_webhook(self, delivery_id: str) -> None:
        """End the lease of a delivery that was not attempted."""
        await self._engine.perform(lambda: webhooks.release(delivery_id), Purpose.CHANGE)

    async def requeue_webhook(self, delivery_id: str, *, now: float) -> records.WebhookDelivery | None:
        """Send a webhook again; see :func:`orch.stores.bot_scripts.webhooks.requeue`."""
        return await self._engine.perform(lambda: webhooks.requeue(delivery_id, now), Purpose.CHANGE)

    async def webhook_deliveries(self, bot_id: str, limit: int = PAGE) -> tuple[records.WebhookDelivery, ...]:
        """Return the webhooks of a bot, the newest first."""
        return await self._engine.perform(lambda: webhooks.deliveries(bot_id, limit), Purpose.READ)

    async def webhook_attempts(
        self, delivery_id: str, limit: int = PAGE
    ) -> tuple[records.WebhookAttempt, ...]:
        """Return the attempts to send a webhook, the newest first."""
        return await self._engine.perform(lambda: webhooks.attempts(delivery_id, limit), Purpose.READ)

    async def disable_endpoint(self, endpoint_id: str, reason: str, *, now: float) -> None:
        """Send nothing more to an endpoint; what waits for it has failed."""
        await self._engine.perform(lambda: webhooks.disable(endpoint_id, reason, now), Purpose.CHANGE)

    async def enable_endpoint(self, endpoint_id: str) -> None:
        """Send to an endpoint again."""
        await self._engine.perform(lambda: webhooks.enable(endpoint_id), Purpose.CHANGE)

    async def oldest_webhook(self) -> float | None:
        """Return when the oldest webhook that is still to be sent was stored; None: there is none."""
        return await self._engine.perform(webhooks.oldest, Purpose.READ)

    async def webhook_endpoints(self) -> tuple[records.WebhookEndpoint, ...]:
        """Return the endpoints that are disabled, or rest or rested last."""
        return await self._engine.perform(webhooks.endpoints, Purpose.READ)

    async def subscribe(self, subscription: records.Subscription, *, most: int) -> bool:
        """Register an endpoint. False: there are ``most``, or one has its id."""
        return await self._engine.perform(lambda: subscriptions.subscribe(subscription, most), Purpose.ADD)

    async def change_subscription(
        self,
        endpoint_id: str,
        change: Callable[[records.Subscription], records.Subscription],
    ) -> records.Subscription | None:
        """Store what ``change`` makes of a subscription, and return it; None: there is none.

        ``change`` may be called more than once, and what it raises is raised here.
        """
        return await self._engine.perform(lambda: subscriptions.change(endpoint_id, change), Purpose.CHANGE)

    async def unsubscribe(self, endpoint_id: str) -> bool:
        """Remove an endpoint; what waits for it has failed. False: there is none."""
        return await self._engine.perform(lambda: subscriptions.unsubscribe(endpoint_id), Purpose.CHANGE)

    async def subscriptions(
        self, endpoint_ids: Sequence[str] | None = None
    ) -> tuple[records.Subscription, ...]:
        """Return the registered endpoints: all (None), or these as far as they exist."""
        return await self._engine.perform(lambda: subscriptions.subscriptions(endpoint_ids), Purpose.READ)

    async def webhook_delivery(self, delivery_id: str) -> records.WebhookDelivery | None:
        """Return a delivery."""
        return await self._engine.perform(lambda: subscriptions.delivery(delivery_id), Purpose.READ)

    async def webhook_deliveries_to(
        self, endpoint_id: str, *, before: records.WebhookDelivery | None = None, limit: int = PAGE
    ) -> tuple[records.WebhookDelivery, ...]:
        """Return what is sent to an endpoint, the newest first, after ``before`` in this order."""
        return await self._engine.perform(
            lambda: subscriptions.deliveries_to(endpoint_id, before, limit), Purpose.READ
        )


VIEWS: Final[Mapping[str, tuple[str, ...]]] = {
    "session_overview": (
        *("session_id", "bot_id", "meeting_title", "meeting_uri", "status", "end_reason", "end_stage"),
        *("start_time", "end_time", "duration_seconds", "participants", "audio_files", "audio_seconds"),
        *("audio_bytes", "transcripts", "transcript_words", "translations", "correlations", "names_revised"),
    ),
    "speaker_statistics": (
        *("session_id", "source_type", "speaker_id", "speaker_name", "utterances", "words"),
        *("speaking_seconds", "average_confidence", "first_spoke", "last_spoke"),
    ),
    "translation_quality": (
        *("session_id", "target_language", "translations", "average_confidence", "lowest_confidence"),
        *("uncertain", "empty", "utterances"),
    ),
    "correlation_effectiveness": (
        *("session_id", "correlations", "named", "exact", "interpolated", "inferred", "words"),
        *("words_named", "average_confidence", "average_offset", "lowest_offset", "highest_offset"),
        "names_revised",
    ),
}
"""The views and their columns."""

_OVERHEAD: Final = 500


def size_of(record: Captured) -> int:
    """Return about how many bytes a record takes while it waits."""
    values = (getattr(record, name) for name in record.__struct_fields__)
    return _OVERHEAD + sum(len(value) for value in values if isinstance(value, str | Mapping))

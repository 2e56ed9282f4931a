"""Delivers what is in the outbox: claims what is due, sends it, records what happened.

Each delivery in flight is a task with a place (:mod:`orch.bots.webhooks.places`), a lease in the store and a
time-out. A delivery is recorded once its outcome is known, and what it follows is decided by
:func:`orch.bots.webhooks.schedule.judge`. Nothing is queued here: what does not have a place stays in the
outbox.

Resource handling: cancelled, an attempt in flight is closed and its lease ended, so that the delivery is due
as before; one whose status has arrived is still recorded, within :data:`RECORD_SECONDS`. If neither succeeds,
the lease ends by itself.

Error handling: while the store is unavailable nothing is sent, and what was sent is recorded when it is back,
until the lease ends; after that it is sent again. Other errors of the store end the branch. A fault of this
program within an attempt is an attempt that failed.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Never

import structlog
import trio

from orch.backoff import exponential
from orch.bots.bot_traces import BotTraces
from orch.bots.webhooks.exchange import ExchangeError, Exchanges
from orch.bots.webhooks.outbox import Attempt, Claim, Delivery, Endpoint, Outbox, Requeued
from orch.bots.webhooks.places import Places, PlacesStatistics
from orch.bots.webhooks.schedule import Answer, Fault, State, Verdict, judge
from orch.bots.webhooks.sent import Request, Sent
from orch.bots.webhooks.signature import signed_headers
from orch.masking import mask_url
from orch.problems import ProblemError
from orch.telemetry.traces import Span
from orch.telemetry.traces.headers import HEADER

log = structlog.get_logger("webhooks")

ATTEMPT_SECONDS: Final = 20.0
"""Seconds until the status of a response must have arrived; the specification recommends 15 to 30."""

BODY_SECONDS: Final = 3.0
RESPONSE_BYTES: Final = 1024
"""How long, and how much of a response's body is read for the history."""

RECORD_SECONDS: Final = 2.0
LEASE_SECONDS: Final = 90.0
"""Seconds for which a delivery is this process's: an attempt, and the time in which it can be recorded."""

POLL_SECONDS: Final = 5.0
"""Seconds between looks for retries that have become due, and for what other workers have stored."""

_SUCCESS: Final = 200
_REDIRECTION: Final = 300
_STORE_PAUSE: Final = 1.0
_LONGEST_STORE_PAUSE: Final = 30.0


@dataclass(frozen=True, slots=True)
class DeliveriesStatistics:
    """What was delivered since the start.

    ``retried``: attempts that failed and are followed by another; ``failed``: deliveries given up, or refused
    with 410; ``unrecorded``: attempts that were made and could not be stored, so that they are made again.
    """

    places: PlacesStatistics
    delivered: int
    retried: int
    failed: int
    unrecorded: int
    store_failures: int


class _Course:
    """The course of one attempt: when it began (wall and Trio's time), and what is known of it so far.

    ``outcome`` is None until a status has arrived or the attempt has failed.
    """

    def __init__(self, at: float, began: float) -> None:
        self.at = at
        self.began = began
        self.sent: Sent | None = None
        self.outcome: Answer | Fault | None = None
        self.reason = ""
        self.response = b""

    def sending(self, sent: Sent) -> None:
        """Note what is being sent."""
        self.sent = sent


class Deliveries:
    """The deliveries of one process. The mutable state is the places and the counts."""

    def __init__(
        self,
        outbox: Outbox,
        exchanges: Exchanges,
        *,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
        traces: BotTraces | None = None,
    ) -> None:
        self._traces = traces or BotTraces()
        self._outbox = outbox
        self._exchanges = exchanges
        self._wall = wall
        self._draw = draw
        self._places = Places()
        self._changed = trio.Event()
        self._counts = dict.fromkeys(State, 0)
        self._unrecorded = 0
        self._store_failures = 0

    def notify(self) -> None:
        """Look for due deliveries at once: some have been stored."""
        self._changed.set()

    async def redeliver(self, delivery_id: str) -> Requeued:
        """Send a delivery again, with the same id and body, whatever became of it. ProblemError: no store."""
        requeued = await self._outbox.requeue(delivery_id, self._wall())
        self.notify()
        return requeued

    def statistics(self) -> DeliveriesStatistics:
        """Return the counts."""
        return DeliveriesStatistics(
            places=self._places.statistics(),
            delivered=self._counts[State.DELIVERED],
            retried=self._counts[State.RETRYING],
            failed=self._counts[State.FAILED],
            unrecorded=self._unrecorded,
            store_failures=self._store_failures,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Deliver until cancelled."""
        failures = 0
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                self._changed = trio.Event()
                try:
                    started = await self._start_due(nursery)
                except ProblemError as error:
                    self._count_store_failure(error)
                    pause = exponential(_STORE_PAUSE, failures, longest=_LONGEST_STORE_PAUSE)
                    failures += 1
                    await trio.sleep(pause)
                    continue
                failures = 0
                if not started:
                    with trio.move_on_after(POLL_SECONDS):
                        await self._changed.wait()

    async def _start_due(self, nursery: trio.Nursery) -> int:
        """Start what is due and has a place; return how many."""
        started, now = 0, self._wall()
        room = self._places.room()
        if room.most <= 0:
            return started
        claims = await self._outbox.claim(
            now=now,
            lease_until=now + LEASE_SECONDS,
            most=room.most,
            without=room.without,
            only=room.only,
        )
        for claim in claims:
            # From here on each has a task that ends its lease.
            has_place = self._places.take(claim.endpoint_id)
            started += has_place
            nursery.start_soon(self._deliver if has_place else self._release, claim)
        return started

    async def _deliver(self, claim: Claim) -> None:
        course = _Course(self._wall(), trio.current_time())
        try:
            try:
                await self._send(claim, course)
            finally:
                # Also if cancelled: an outcome that is known is recorded, else the lease is ended.
                if course.outcome is None:
                    await self._release(claim)
                else:
                    await self._record(
                        claim, *self._conclude(claim, course, course.outcome), began=course.began
                    )
        finally:
            self._places.give_back(claim.endpoint_id)
            self._changed.set()

    async def _release(self, claim: Claim) -> None:
        with trio.move_on_after(RECORD_SECONDS, shield=True), suppress(ProblemError):
            await self._outbox.release(claim.delivery.delivery_id)

    async def _send(self, claim: Claim, course: "_Course") -> None:
        delivery, endpoint = claim.delivery, claim.endpoint
        if endpoint is None:
            course.outcome, course.reason = Fault.REFUSED_TARGET, "The endpoint does not exist any more."
            return
        with self._traces.delivery(delivery.bot_id, endpoint.url, delivery.attempts + 1) as span:
            await self._send_to(endpoint, delivery, course, "" if span is None else span.traceparent)
            if span is not None:
                _note_outcome(span, course.outcome)

    async def _send_to(self, endpoint: Endpoint, delivery: Delivery, course: "_Course", trace: str) -> None:
        with trio.move_on_after(ATTEMPT_SECONDS) as limit:
            try:
                secrets = endpoint.keys.at(course.at)
                signed = signed_headers(delivery.message_id, course.at, delivery.body, secrets)
                traced = ((HEADER, trace),) if trace else ()
                headers = (("content-type", "application/json"), *signed, *traced)
                request = Request("POST", endpoint.url, headers, delivery.body)
                async with self._exchanges.exchange(request, on_sending=course.sending) as reply:
                    course.outcome = Answer(reply.status, reply.headers)
                    with trio.move_on_after(BODY_SECONDS), suppress(ExchangeError):
                        await reply.read(RESPONSE_BYTES)
                    course.response = reply.body
            except ExchangeError as error:
                course.outcome, course.reason = error.fault, error.reason
            except Exception:
                log.exception(
                    "webhook attempt failed", delivery=delivery.delivery_id, url=mask_url(endpoint.url)
                )
                course.outcome, course.reason = (
                    Fault.INTERNAL,
                    "The service could not send it; its log says why.",
                )
        if limit.cancelled_caught and course.outcome is None:
            course.outcome = Fault.TIMED_OUT
            course.reason = f"No status arrived within {ATTEMPT_SECONDS:.0f} s."

    def _conclude(self, claim: Claim, course: "_Course", outcome: Answer | Fault) -> tuple[Attempt, Verdict]:
        delivery = claim.delivery
        verdict = judge(
            outcome,
            attempt=delivery.attempts + 1,
            first_at=course.at if delivery.first_at is None else delivery.first_at,
            now=self._wall(),
            draw=self._draw(),
        )
        self._note(claim.endpoint_id, outcome, verdict)
        attempt = Attempt(
            delivery_id=delivery.delivery_id,
            number=delivery.attempts + 1,
            at=course.at,
            duration=trio.current_time() - course.began,
            sent=course.sent,
            status=outcome.status if isinstance(outcome, Answer) else None,
            response=course.response,
            fault="" if isinstance(outcome, Answer) else outcome.value,
            reason=course.reason or verdict.reason,
        )
        return attempt, verdict

    def _note(self, endpoint_id: str, outcome: Answer | Fault, verdict: Verdict) -> None:
        self._counts[verdict.state] += 1
        if verdict.state is State.DELIVERED:
            self._places.succeeded(endpoint_id)
        elif outcome not in (Fault.SHORTAGE, Fault.INTERNAL):  # these say nothing about the endpoint
            self._places.failed(endpoint_id)

    async def _record(self, claim: Claim, attempt: Attempt, verdict: Verdict, *, began: float) -> None:
        """Record an attempt; while the store is unavailable, again until the lease ends."""
        failures, lease_ends = 0, began + LEASE_SECONDS - RECORD_SECONDS
        while True:
            try:
                # Shielded, as what has been sent is known to nobody else.
                with trio.move_on_after(RECORD_SECONDS, shield=True) as limit:
                    is_stored = await self._outbox.record(attempt, verdict)
                if not limit.cancelled_caught:
                    break
            except ProblemError as error:
                self._count_store_failure(error)
            pause = exponential(_STORE_PAUSE, failures, longest=_LONGEST_STORE_PAUSE)
            failures += 1
            if trio.current_time() + pause > lease_ends:
                self._unrecorded += 1
                log.error("webhook attempt not recorded, will be repeated", delivery=attempt.delivery_id)
                return
            await trio.sleep(pause)
        if not is_stored:
            log.info("webhook delivery was deleted", delivery=attempt.delivery_id)
        elif verdict.disables:
            log.warning("webhook endpoint disabled by its 410", endpoint=claim.endpoint_id)
        elif verdict.state is State.FAILED:
            log.warning(
                "webhook delivery given up",
                delivery=attempt.delivery_id,
                endpoint=claim.endpoint_id,
                attempts=attempt.number,
                reason=attempt.reason,
            )

    def _count_store_failure(self, error: ProblemError) -> None:
        if error.code != "store_unavailable":
            raise error
        self._store_failures += 1
        log.warning("webhook outbox unavailable", reason=error.detail)


def _note_outcome(span: Span, outcome: Answer | Fault | None) -> None:
    if isinstance(outcome, Answer):
        span.set("http.response.status_code", outcome.status)
        if not _SUCCESS <= outcome.status < _REDIRECTION:
            span.set("error.type", str(outcome.status))
            span.failed()
    elif outcome is not None:
        span.set("error.type", outcome.value)
        span.failed(outcome.value)

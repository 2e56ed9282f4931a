"""Makes synthetic journeys: at each interval, a second of speech through ``/ws`` to its caption.

The problem: a metric of users' requests says nothing while no user speaks, and a health check asks one part.
So each worker is its own user: it joins a session over a socket to itself, speaks at the pace of speech, and
waits for the words. The session is created and ended here, as with any invitation; it is marked as synthetic,
so that no figure of use counts it, on any worker that serves it.

What we leave out: the way from other machines to this one. That is a probe's, from there.
"""

import random
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Never, Protocol

import structlog
import trio

from orch.client import BadMessageError, Client, ClientError, SpeechStream, connect
from orch.client.transport import Dial, dial
from orch.journey.clip import BLOCK_SECONDS, RATE, as_spoken, read_speech
from orch.journey.record import JourneyRecord, JourneyStatistics
from orch.journey.verdict import Step, Verdict, Walked, judge, own_address, reason_off
from orch.problems import ProblemError
from orch.protocol.messages import Transcript
from orch.settings.source import SettingsSource
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.names.metric import Distribution, Reading

AGENT: Final = "orch-journey"
NAME: Final = "Test speech"
DISCARD_WITHIN: Final = 2.0
"""Seconds for ending the session of a journey; the store ends one that is left by itself."""

_log = structlog.get_logger("journey")


class Invitation(Protocol):
    """What is needed to join a session."""

    @property
    def session_id(self) -> str:
        """The session."""

    @property
    def key(self) -> str:
        """The key of those who speak."""


class Host(Protocol):
    """Creates and ends the sessions (the hub)."""

    async def open_synthetic_session(self) -> Invitation:
        """Create a session that counts in no figure of use. ProblemError as for any session."""

    async def discard_session(self, session_id: str) -> None:
        """End a session without an event. ProblemError ``store_unavailable``."""


@dataclass(slots=True)
class _Progress:
    """A journey under way: see :class:`Walked`."""

    reached: Step | None = None
    spoken_at: float | None = None
    captioned_at: float | None = None
    is_lost: bool = False
    reason: str = ""


class JourneyService:
    """Makes the journeys of this process, one at a time.

    ``worker``: which of several this is, for events; "": the only one. ``was_suspended_since``: whether this
    process was suspended since a moment of the monotonic clock. ``draw``: where in the interval the first one
    begins, from 0 to 1: workers that start together should not speak together. The mutable state is the
    record, the address of this process, and the last reason why no journeys are made.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        host: Host,
        events: EventLog,
        was_suspended_since: Callable[[float], bool],
        is_stopping: Callable[[], bool],
        wall: Callable[[], float],
        worker: str = "",
        draw: Callable[[], float] = random.random,
        dialled: Callable[[str], Dial] | None = None,
    ) -> None:
        self._settings = settings
        self._host = host
        self._events = events
        self._was_suspended_since = was_suspended_since
        self._is_stopping = is_stopping
        self._wall = wall
        self._draw = draw
        self._dialled = dialled or _dial_of
        self._record = JourneyRecord(worker)
        self._url: str | None = None
        self._speech: tuple[bytes, ...] = ()
        self._off = ""
        self.boundary = Boundary("synthetic journey")

    def serve_at(self, own: Sequence[str], bound: Iterable[str]) -> None:
        """Note where this process accepts connections: alone (``own``), and at all."""
        self._url = own_address(own, tuple(bound))

    def statistics(self) -> JourneyStatistics:
        """Return the figures."""
        return self._record.statistics(self._reason_off())

    def _reason_off(self) -> str:
        return reason_off(self._settings.current, self._url, self._wall())

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        yield from self._record.readings()
        yield from self.boundary.readings()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Make a journey at each interval until cancelled; the first within one and a half."""
        task_status.started()
        begun = trio.current_time()
        wait = self._interval * (0.5 + self._draw())
        while True:
            await trio.sleep_until(max(begun + wait, trio.current_time()))
            begun, wait = trio.current_time(), self._interval
            with self.boundary.item():
                await self._make_one()

    @property
    def _interval(self) -> float:
        return self._settings.current.orchestration.monitoring.journey.interval

    async def _make_one(self) -> None:
        off = self._reason_off()
        if off != self._off:
            self._off = off
            _log.info("no synthetic journeys" if off else "synthetic journeys", reason=off)
        if off or self._url is None:
            self._record.forget_last()
            return
        journey = self._settings.current.orchestration.monitoring.journey
        verdict = await self._journey(self._url, language=journey.language, within=journey.timeout)
        event = self._record.add(verdict, self._wall())
        _log.info("synthetic journey", outcome=verdict.outcome, seconds=verdict.caption_seconds)
        if event is not None:
            self._events.record(event.severity, "captions", event.text)

    async def _journey(self, url: str, *, language: str, within: float) -> Verdict:
        """Make one journey, and judge it."""
        begun = trio.current_time()
        progress = _Progress()
        with trio.move_on_after(within):
            try:
                async with self._session(progress) as invitation:
                    await self._speak_as_user(url, invitation, language, progress)
            except* (ProblemError, ClientError, BadMessageError) as group:
                progress.reason = str(_first(group))
        walked = Walked(
            reached=progress.reached,
            spoken_at=progress.spoken_at,
            captioned_at=progress.captioned_at,
            is_lost=progress.is_lost,
            reason=progress.reason,
            is_disturbed=self._is_stopping() or self._was_suspended_since(begun) or bool(self._reason_off()),
        )
        return judge(walked, within=within)

    @asynccontextmanager
    async def _session(self, progress: _Progress) -> AsyncIterator[Invitation]:
        """Create a session for the block, and end it in any case."""
        invitation = await self._host.open_synthetic_session()
        progress.reached = "session"
        try:
            yield invitation
        finally:
            with trio.move_on_after(DISCARD_WITHIN, shield=True):
                try:
                    await self._host.discard_session(invitation.session_id)
                except ProblemError as error:
                    _log.warning("session not ended", session_id=invitation.session_id, reason=error.detail)

    async def _speak_as_user(
        self, url: str, invitation: Invitation, language: str, progress: _Progress
    ) -> None:
        """Join the session over a socket, speak, and return once the speech has its caption or is lost."""
        async with connect(url, dial=self._dialled(url)) as client:
            try:
                await client.live()
                progress.reached = "connection"
                await client.join(invitation.session_id, key=invitation.key, name=NAME)
                progress.reached = "join"
                async with trio.open_nursery() as nursery:
                    speaking = client.speak(invitation.session_id, sample_rate=RATE, source_language=language)
                    async with speaking as stream:
                        progress.reached = "speech"
                        nursery.start_soon(self._await_caption, client, progress, nursery.cancel_scope)
                        await self._speak(stream, progress)
            finally:
                progress.reason = progress.reason or client.state.reason

    async def _speak(self, stream: SpeechStream, progress: _Progress) -> Never:
        """Send the speech at its pace, then silence until cancelled."""
        self._speech = self._speech or read_speech()
        begun = trio.current_time()
        for number, block in enumerate(as_spoken(self._speech), 1):
            await trio.sleep_until(begun + number * BLOCK_SECONDS)
            await stream.send(block)
            if number == len(self._speech):
                progress.spoken_at = trio.current_time()
        raise AssertionError  # silence has no end

    async def _await_caption(self, client: Client, progress: _Progress, scope: trio.CancelScope) -> None:
        """Read until the final caption, and cancel ``scope`` then."""
        async for event in client:
            if not isinstance(event, Transcript):
                continue
            if event.error is not None:
                progress.reason = event.error.detail
                progress.is_lost = event.final
            elif event.final and event.text.strip():
                progress.captioned_at = trio.current_time()
            if progress.is_lost or progress.captioned_at is not None:
                scope.cancel()
                return


def _dial_of(url: str) -> Dial:
    """Return how this process connects to itself: without proxies."""
    if not url.startswith("https"):
        return partial(dial, agent=AGENT, is_direct=True)
    # Its certificate names other hosts than this machine's addresses, and nothing is sent but test speech.
    # Whether users can trust it is looked at elsewhere: its expiry is a metric.
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return partial(dial, tls=tls, agent=AGENT, is_direct=True)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

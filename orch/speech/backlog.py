"""Decides which request of a stream is sent next, and which utterances are given up. Pure.

A stream has one request in progress at a time, so that its finals arrive in the order of speech, and so that
a speaker never has two requests at an engine that is slower than speech. The order is:

1. the oldest utterance that has ended and is not transcribed yet (a *final*: never dropped for slowness);
2. in a pause, the utterance as it will be if the pause is its end (a *speculation*: it hides the hangover);
3. while someone speaks, the utterance so far (a *revision*).

A revision under way is cancelled for either of the others. A revision that is due but cannot be sent is
dropped, and counted.

The interval between revisions follows what they cost: 2.5 times what the last request took, within the limits
of the settings (0.5 s to 1 s). Revisions of an engine that is too slow for the upper limit take at most half
of its time: the next one waits at least as long as the last one took.

Some engines continue a cancelled request (engine_speed.py learns which). Such an engine may process one
cancelled request at a time: no other is cancelled until the expected time of that one has passed.

A final is given up when its speech is older than ``buffer_seconds``, or when more than ``buffer_seconds`` of
speech wait (the oldest first), unless its request is in progress. After a failed request, all wait: 0.5 s, 1
s, then 2 s. After :data:`POISONED` unusable responses in a row for an utterance, a younger one is tried. If
that succeeds and the older one fails once more, the utterance is the cause rather than the back end, and is
given up.

The stream carries a decision out and reports the outcome; then it gets the next.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal

from orch.backoff import Backoff
from orch.speech.engine_speed import EngineSpeed

Kind = Literal["final", "speculation", "revision"]
Speculation = Literal["none", "under way", "done"]

FIRST_RETRY: Final = 0.5  # s
LONGEST_RETRY: Final = 2.0  # s; the maximum delay after a back end has recovered
POISONED: Final = 3
LATE: Final = 0.1  # of the interval between revisions
SHARE: Final = 2.5  # seconds between two revisions for each second that the engine takes for one


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Send utterance ``number``: the whole (final), up to the pause (speculation), or so far (revision)."""

    kind: Kind
    number: int


@dataclass(frozen=True, slots=True)
class Publish:
    """Utterance ``number`` is transcribed, and all before it are published."""

    number: int


@dataclass(frozen=True, slots=True)
class MarkGap:
    """Publish that ``number`` is not transcribed yet; once an utterance."""

    number: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """``number`` will not be transcribed.

    ``late``: the buffer ran out. ``refused``: trying again would not help. ``poisoned``: others succeed,
    this one fails.
    """

    number: int
    reason: Literal["late", "refused", "poisoned"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until then (or for ever), or until something happens."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream has ended and nothing waits."""


Decision = Transcribe | Publish | MarkGap | GiveUp | Wait | Finished


@dataclass(slots=True)
class _Final:
    seconds: float
    spoken_at: float
    transcribed: bool = False
    refused: bool = False
    late: bool = False
    failed: bool = False
    marked: bool = False
    unusable: int = 0
    suspect: bool = False  # others succeeded meanwhile: after one more failure it is given up


class Backlog:
    """The utterances of one stream that are not transcribed yet. Times in seconds, of any one clock.

    Utterances have rising numbers. Bounded by ``buffer_seconds`` of speech. Two revisions are
    ``revision_interval`` seconds apart, or down to ``shortest_interval`` for a fast engine. ``revises``:
    False for a recording, which comes faster than it was spoken and needs neither revisions nor speculations.
    """

    def __init__(
        self,
        *,
        revision_interval: float,
        shortest_interval: float,
        buffer_seconds: float,
        revises: bool = True,
    ) -> None:
        self._longest = revision_interval
        self._shortest = min(shortest_interval, revision_interval)
        self._interval = self._shortest
        self._buffer = buffer_seconds
        self.revises = revises
        self.revisions = 0
        self.revisions_dropped = 0
        self._finals: OrderedDict[int, _Final] = OrderedDict()
        self._backoff = Backoff(first=FIRST_RETRY, longest=LONGEST_RETRY)
        self._ended = False
        self._under_way: Transcribe | None = None
        self._engine = EngineSpeed()
        # The current utterance, and whether it has paused without a request for that extent.
        self._speaking: int | None = None
        self._paused = False
        self._unrequested = False
        self._unwanted = False  # the back end refused a revision of this utterance: send no others
        self._stalled = False  # no audio since the last revision: another would be the same
        self._due = 0.0  # the next revision
        self._rested = 0.0  # when revisions have left the engine its half of the time

    def __repr__(self) -> str:
        return (
            f"<Backlog speaking={self._speaking} paused={self._paused} finals={list(self._finals)} "
            f"under_way={self._under_way} failures={self._backoff.failures}>"
        )

    @property
    def under_way(self) -> Transcribe | None:
        """The request in progress."""
        return self._under_way

    @property
    def waiting(self) -> int:
        """How many utterances have ended and are not transcribed yet."""
        return len(self._finals)

    @property
    def waiting_seconds(self) -> float:
        """How much speech has ended and may yet be transcribed."""
        return sum(final.seconds for final in self._finals.values() if not final.late)

    @property
    def oldest(self) -> int | None:
        """The first utterance that has ended and may yet be transcribed."""
        return next((number for number, final in self._finals.items() if not final.late), None)

    @property
    def is_failing(self) -> bool:
        """Whether the last request failed."""
        return self._backoff.failures > 0

    # Events of the sound. Where a request under way has become useless, they return when to cancel it.

    def started(self, number: int, now: float) -> None:
        """Note that an utterance begins."""
        self._speaking = number
        self._paused = self._unrequested = self._unwanted = False
        self._due = now + self._interval

    def paused(self, number: int, now: float) -> float | None:
        """Note that the utterance pauses; it may be over."""
        assert self._speaking == number, self  # noqa: S101 - the segmenter's promise
        self._count_missed(now, sent=0)
        self._paused = True
        self._unrequested = self.revises
        return self._useless_from(now)

    def resumed(self, now: float) -> None:
        """Note that the utterance goes on; a speculation under way is a revision now."""
        self._paused = self._unrequested = False
        if self._under_way is not None and self._under_way.kind == "speculation":
            self._under_way = Transcribe("revision", self._under_way.number)
        self._due = max(self._due, now)

    def ended(self, number: int, *, seconds: float, now: float, speculation: Speculation) -> float | None:
        """Note that the utterance is over.

        ``speculation``: of a speculation about exactly this extent, whether it is ``under way`` or ``done``.
        """
        assert self._speaking == number, self  # noqa: S101 - the segmenter's promise
        self._count_missed(now, sent=0)
        self._speaking = None
        self._paused = self._unrequested = False
        self._finals[number] = _Final(seconds=seconds, spoken_at=now, transcribed=speculation == "done")
        if speculation == "under way":
            self._under_way = Transcribe("final", number)
            return None
        return self._useless_from(now)

    def overflow(self, limit: float | None = None) -> list[int]:
        """Give up the oldest finals until no more than ``limit`` seconds (the buffer) wait; return them.

        Their audio can be freed. Spared are the one whose request is under way, and those transcribed.
        """
        requested = None if self._under_way is None else self._under_way.number
        lost = []
        waiting = self.waiting_seconds
        limit = self._buffer if limit is None else limit
        for number, final in self._finals.items():
            if waiting <= limit:
                break
            if number != requested and not (final.transcribed or final.late or final.refused):
                final.late = True
                waiting -= final.seconds
                lost.append(number)
        return lost

    def gone(self, number: int, now: float) -> None:
        """Add a gap for speech that was lost on its way; it is published after the earlier utterances."""
        self._finals[number] = _Final(seconds=0.0, spoken_at=now, refused=True, marked=True)

    def stalled(self) -> None:
        """Note that no sound has arrived since the last revision."""
        self._stalled = True

    def flows(self, now: float) -> None:
        """Note that sound arrives."""
        if self._stalled:
            self._stalled = False
            self._due = max(self._due, now)

    def stream_ended(self) -> None:
        """Note that nothing more will be spoken."""
        self._ended = True

    # Outcomes of requests and publications.

    def request_queued(self, request: Transcribe, now: float, *, seconds: float) -> None:
        """Note that the request waits for its turn at the back end; ``seconds``: how much speech it sends."""
        assert self._under_way is None, self  # noqa: S101 - one at a time
        self._under_way = request
        self._engine.queued(now, seconds=seconds)
        if request.kind == "speculation":
            self._unrequested = False
            self._due = now + self._interval
        elif request.kind == "revision":
            self.revisions += 1
            self._count_missed(now, sent=1)
            self._due = now + self._interval

    def request_sent(self, now: float) -> None:
        """Note that the request is sent: the time it waited for its turn was not the engine's."""
        self._engine.sent(now)

    def succeeded(self, now: float) -> None:
        """Note that the request under way succeeded."""
        request = self._done(now)
        self._backoff.succeeded()
        self._engine.succeeded(now)
        self._interval = max(self._shortest, min(self._longest, SHARE * self._engine.took(now)))
        if request.kind == "final":
            self._finals[request.number].transcribed = True
            for number, final in self._finals.items():
                if number < request.number and final.unusable >= POISONED:
                    final.suspect = True

    def failed(self, now: float, *, unanswered: bool) -> None:
        """Note a transient failure. ``unanswered``: the back end sent no response of its own."""
        request = self._done(now)
        self._backoff.failed(now)
        if request.kind == "final":
            final = self._finals[request.number]
            final.failed = True
            final.unusable = 0 if unanswered else final.unusable + 1
            final.refused = final.suspect and not unanswered

    def refused(self, now: float) -> None:
        """Note a durable failure: trying again would fail the same way."""
        request = self._done(now)
        self._backoff.succeeded()
        if request.kind == "final":
            self._finals[request.number].refused = True
        else:
            self._unwanted = True

    def cancelled(self, now: float) -> None:
        """Note that the request under way was cancelled."""
        self._engine.cancelled()
        if self._done(now).kind == "revision":
            self.revisions_dropped += 1

    def published(self, number: int) -> None:
        """Note that the final is published."""
        del self._finals[number]

    def given_up(self, number: int) -> None:
        """Note that the gap is published as final."""
        del self._finals[number]

    def marked(self, number: int) -> None:
        """Note that the gap is published."""
        self._finals[number].marked = True

    # Decisions.

    def next(self, now: float) -> Decision:
        """Return what to do now. No request may be under way."""
        assert self._under_way is None, self  # noqa: S101 - one at a time
        settled = self._settle(now)
        if settled is not None:
            return settled
        for number, final in self._finals.items():
            # One failure of something else may be a hiccup; of this utterance's own request it is a gap.
            if not (final.marked or final.transcribed or final.late) and (
                final.failed or self._backoff.failures > 1
            ):
                return MarkGap(number)
        if now < self._backoff.until:
            return Wait(min(self._backoff.until, self._next_loss()))
        if self._finals:
            return Transcribe("final", self._choose())
        return self._while_speaking(now)

    def _settle(self, now: float) -> Decision | None:
        """Return how the oldest final ends, if it does now. Younger ones wait for it."""
        if not self._finals:
            return Finished() if self._ended else None
        number, final = next(iter(self._finals.items()))
        if final.transcribed:
            return Publish(number)
        if final.refused:
            return GiveUp(number, "poisoned" if final.suspect else "refused")
        if final.late or now - final.spoken_at >= self._buffer:
            return GiveUp(number, "late")
        return None

    def _while_speaking(self, now: float) -> Decision:
        if self._speaking is None or self._unwanted or not self.revises:
            return Wait(None)
        if self._stalled:
            return Wait(None)
        if self._unrequested:
            return Transcribe("speculation", self._speaking)
        if self._paused:
            return Wait(None)
        at = max(self._due, self._rested)
        return Transcribe("revision", self._speaking) if now >= at else Wait(at)

    def _choose(self) -> int:
        """Return the oldest pending utterance among those with the fewest failed rounds."""
        open_finals = [
            (number, final)
            for number, final in self._finals.items()
            if not (final.transcribed or final.late or final.refused)
        ]
        return min(
            open_finals, key=lambda pair: (not pair[1].suspect and pair[1].unusable // POISONED, pair[0])
        )[0]

    def _next_loss(self) -> float:
        """Return when the oldest final will be given up."""
        if not self._finals:
            return float("inf")
        return next(iter(self._finals.values())).spoken_at + self._buffer

    def _done(self, now: float) -> Transcribe:
        request = self._under_way
        assert request is not None, self  # noqa: S101 - what is responded to was requested
        self._under_way = None
        if request.kind != "final":
            took = self._engine.took(now)
            self._rested = now + (took if SHARE * took > self._longest else (SHARE - 1) * took)
        return request

    def _useless_from(self, now: float) -> float | None:
        """Return when to cancel the request under way, now that a newer one is due; None: not at all."""
        if self._under_way is None or self._under_way.kind == "final":
            return None
        return self._engine.cancel_at(now)

    def _count_missed(self, now: float, *, sent: int) -> None:
        """Count the revisions that were due up to now and not sent, except the one that is ``sent`` now."""
        late = now - self._due
        # What is due just now would have been sent in a moment.
        if self.revises and not self._paused and late > LATE * self._interval:
            missed = 1 + int(late / self._interval)
            self.revisions_dropped += missed - sent
            self._due += missed * self._interval

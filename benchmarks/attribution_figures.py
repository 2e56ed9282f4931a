"""How many words have a name, and how many the right one: figures of a scripted meeting's record."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orch.bots.correlation.correlator import Correlator
from orch.bots.correlation.events import Caption, Segment
from orch.bots.correlation.naming import CONFIDENT
from orch.bots.correlation.record import Record
from tests.fakes.scripted_meetings import ScriptedMeeting

SEED_DELAY = 0.5
SEED_TOLERANCE = 2.0
SEED_LEAST = 0.7


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of words. ``sure_wrong``: with a wrong name said to be sure. ``revised``: after it was shown."""

    words: int = 0
    named: int = 0
    right: int = 0
    sure_wrong: int = 0
    revised: int = 0
    shown: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            words=self.words + other.words,
            named=self.named + other.named,
            right=self.right + other.right,
            sure_wrong=self.sure_wrong + other.sure_wrong,
            revised=self.revised + other.revised,
            shown=self.shown + other.shown,
        )

    @property
    def rightness(self) -> float:
        """Words under the right name, of those named."""
        return self.right / self.named if self.named else 0.0

    @property
    def coverage(self) -> float:
        """Words named, of all."""
        return self.named / self.words if self.words else 0.0

    @property
    def wrong_for_sure(self) -> float:
        """Words with a wrong name that is said to be sure, of all."""
        return self.sure_wrong / self.words if self.words else 0.0

    @property
    def revision(self) -> float:
        """Words whose name was replaced or withdrawn after it was shown, of those ever shown."""
        return self.revised / self.shown if self.shown else 0.0


def figures(meeting: ScriptedMeeting, record: Record) -> Figures:
    """Compare a record with the truth. A word whose name changed twice counts as revised once."""
    words = named = right = sure_wrong = 0
    for segment_id, speakers in meeting.speakers.items():
        for word, speaker in zip(record.segments[segment_id].words, speakers, strict=True):
            words += 1
            if word.name is None:
                continue
            named += 1
            is_right = word.name.name == meeting.name(speaker)
            right += is_right
            sure_wrong += not is_right and word.confidence >= CONFIDENT
    shown: set[tuple[str, int]] = set()
    revised: set[tuple[str, int]] = set()
    for change in record.changes:
        concerned = {(change.segment_id, index) for index in range(change.first, change.last + 1)}
        if change.new is not None:
            shown |= concerned
        if change.is_revision:
            revised |= concerned
    return Figures(words, named, right, sure_wrong, len(revised), len(shown))


BANDS = (0.0, 0.8, 0.9, 0.95, 0.98, 1.01)


def calibration(meeting: ScriptedMeeting, record: Record) -> list[tuple[int, int]]:
    """Return, for each band of confidence, how many words were named and how many of them rightly."""
    counts = [[0, 0] for _ in BANDS[1:]]
    for segment_id, speakers in meeting.speakers.items():
        for word, speaker in zip(record.segments[segment_id].words, speakers, strict=True):
            if word.name is not None:
                band = counts[bisect_right(BANDS, word.confidence) - 1]
                band[0] += 1
                band[1] += word.name.name == meeting.name(speaker)
    return [(named, right) for named, right in counts]


def waits(meeting: ScriptedMeeting, record: Record) -> list[float]:
    """Return the seconds from a transcript's arrival to the first name, of each word that was ever named."""
    arrived = {event.segment_id: event.at for event in meeting.events if isinstance(event, Segment)}
    named: dict[tuple[str, int], float] = {}
    for change in record.changes:
        if change.new is not None:
            for index in range(change.first, change.last + 1):
                named.setdefault((change.segment_id, index), change.at)
    return [max(0.0, at - arrived[segment_id]) for (segment_id, _), at in named.items()]


def seed_figures(meeting: ScriptedMeeting) -> Figures:
    """Return the figures of the former way, which looks at times only.

    A segment has the name of the caption that is nearest to it after a fixed delay, within a tolerance;
    confidence falls with the distance, and below a threshold there is no name.
    """
    versions = {event.caption_id: event for event in meeting.events if isinstance(event, Caption)}
    captions = sorted(
        ((each.at - SEED_DELAY, each.name) for each in versions.values()), key=lambda each: each[0]
    )
    times = [at for at, _ in captions]
    total = Figures()
    for event in meeting.events:
        if isinstance(event, Segment):
            total += _seed_segment(meeting, event, captions, times)
    return total


def _seed_segment(
    meeting: ScriptedMeeting, segment: Segment, captions: Sequence[tuple[float, str]], times: Sequence[float]
) -> Figures:
    speakers = meeting.speakers[segment.segment_id]
    end = segment.words[-1].end
    at = bisect_left(times, end)
    near = min(captions[max(0, at - 1) : at + 1], key=lambda each: abs(each[0] - end), default=None)
    confidence = 0.0 if near is None else 1 - abs(near[0] - end) / SEED_TOLERANCE
    if near is None or confidence < SEED_LEAST:
        return Figures(words=len(speakers))
    right = sum(meeting.name(speaker) == near[1] for speaker in speakers)
    is_sure = confidence >= CONFIDENT
    count = len(speakers)
    wrong = count - right
    return Figures(count, count, right, wrong if is_sure else 0, 0, count)


@dataclass(frozen=True, slots=True)
class Delays:
    """Errors of the estimates: of the offset after some seconds (s), of the drift later (s a second)."""

    offset: float
    drift: float | None


def delay_errors(meeting: ScriptedMeeting, *, offset_after: float, drift_after: float) -> Delays:
    """Feed a meeting up to two times, and compare the estimates with the script.

    The offset's truth is the median delay of all captions' words plus what the clocks differ by then.
    """
    correlator = Correlator()
    offset_error: float | None = None
    drift: float | None = None
    for event in meeting.events:
        if offset_error is None and event.at >= offset_after:
            truth = meeting.delay + meeting.scene.drift * offset_after
            estimate = correlator.statistics().captions
            estimated = estimate.offset + estimate.drift * (offset_after - estimate.time)
            offset_error = abs(estimated - truth)
        if event.at >= drift_after:
            drift = abs(correlator.statistics().captions.drift - meeting.scene.drift)
            break
        correlator.feed(event)
    if offset_error is None:
        raise ValueError("the meeting is too short")
    return Delays(offset_error, drift)


def total(each: Iterable[Figures]) -> Figures:
    """Return the sum of figures."""
    return sum(each, Figures())

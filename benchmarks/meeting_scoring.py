"""How well a bot has noted a scripted meeting: its words, names, captions, beside the meeting's truth. Pure.

Times of the truth are seconds from the meeting's start; those of the bot are from its session's start, and
are moved by the difference of the two, which the caller knows from the wall clocks.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from typing import Final

from orch.bots.caption_words import split_words
from orch.sandbox.meeting.truth import TrueUtterance, Truth

NEAR: Final = 0.35
"""Seconds by which an engine's times of words may be wrong, and sound late."""

TEXT_NEAR: Final = 1.2
"""Seconds within which a word is looked for by its text, where several people speak."""


@dataclass(frozen=True, slots=True)
class NotedWord:
    """A transcribed word. ``name``: shown for it at the end; ``is_sure``: the name was said to be sure."""

    text: str
    start: float
    end: float
    name: str | None = None
    is_sure: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of words. ``spoken``: in the truth; ``noted``: by the bot; ``made_up``: where nobody spoke.

    ``ambiguous``: where several spoke, and neither time nor text tells who; they are in no other count.
    ``revised``: names that were replaced or withdrawn after they were shown, of ``shown``.
    ``duplicates``, ``lost``: words of stored captions beyond those of the meeting, and missing ones.
    ``interface``: texts of the interface that were stored as speech.
    """

    spoken: int = 0
    noted: int = 0
    named: int = 0
    right: int = 0
    sure_wrong: int = 0
    ambiguous: int = 0
    made_up: int = 0
    revised: int = 0
    shown: int = 0
    captioned: int = 0
    duplicates: int = 0
    lost: int = 0
    interface: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def rightness(self) -> float:
        """Words under the right name, of those named; 0 without any."""
        return self.right / self.named if self.named else 0.0

    @property
    def coverage(self) -> float:
        """Words with a name, of those noted; 0 without any."""
        return self.named / self.noted if self.noted else 0.0

    @property
    def wrong_for_sure(self) -> float:
        """Words with a wrong name that is said to be sure, of those noted."""
        return self.sure_wrong / self.noted if self.noted else 0.0

    @property
    def revision(self) -> float:
        """Names that were revised, of those shown."""
        return self.revised / self.shown if self.shown else 0.0


def plain(text: str) -> str:
    """Return a word without case and punctuation."""
    return "".join(each for each in text.casefold() if each.isalnum())


def score_words(truth: Truth, words: Iterable[NotedWord]) -> Score:
    """Return how many words have the name of who spoke at their time."""
    heard = [each for each in truth.utterances if each.channel is not None]
    spoken = sum(len(each.words) for each in heard)
    noted = named = right = sure_wrong = ambiguous = made_up = 0
    for word in words:
        candidates = _sounding(heard, word)
        if not candidates:
            made_up += 1
            continue
        speakers = {each.name for each in candidates} if len(candidates) > 1 else {candidates[0].name}
        if len(speakers) > 1:
            speakers = {each.name for each in candidates if _says(each, word)}
        if len(speakers) != 1:
            ambiguous += 1
            continue
        noted += 1
        if word.name is None:
            continue
        named += 1
        if word.name in speakers:
            right += 1
        elif word.is_sure:
            sure_wrong += 1
    return Score(
        spoken=spoken,
        noted=noted,
        named=named,
        right=right,
        sure_wrong=sure_wrong,
        ambiguous=ambiguous,
        made_up=made_up,
    )


def _sounding(heard: Sequence[TrueUtterance], word: NotedWord) -> list[TrueUtterance]:
    middle = (word.start + word.end) / 2
    return [each for each in heard if each.begin - NEAR <= middle <= each.end + NEAR]


def _says(utterance: TrueUtterance, word: NotedWord) -> bool:
    middle = (word.start + word.end) / 2
    wanted = plain(word.text)
    return any(
        plain(each.word) == wanted and abs((each.begin + each.end) / 2 - middle) <= TEXT_NEAR
        for each in utterance.words
    )


def score_captions(truth: Truth, stored: Iterable[tuple[str, str]]) -> Score:
    """Compare stored captions, name and text of each in order, with those that the meeting has shown last.

    A word that is stored twice, or that stands in a copy of a growing caption, is a duplicate; another
    spelling of a word is none. Captions that never arrived are no loss.
    """
    texts: dict[str, list[str]] = {}
    interface_texts = {_joined(each) for each in truth.interface_texts}
    interface = 0
    for name, text in stored:
        interface += any(each and each in _joined(text) for each in interface_texts)
        texts.setdefault(name, []).extend(map(plain, split_words(text)))
    names = {each.id: each.name for each in truth.participants}
    shown: dict[str, list[str]] = {}
    for utterance in truth.utterances:
        name = names[utterance.captioned_as[0]] if utterance.captioned_as else utterance.name
        for text in utterance.captions:
            shown.setdefault(name, []).extend(map(plain, split_words(text)))
    extra = missing = captioned = 0
    for name in texts.keys() | shown.keys():
        ours, theirs = texts.get(name, []), shown.get(name, [])
        captioned += len(theirs)
        for _, begin, end, first, last in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
            surplus = (last - first) - (end - begin)  # in equal and replaced words: another spelling
            extra += max(0, surplus)
            missing += max(0, -surplus)
    return Score(captioned=captioned, duplicates=extra, lost=missing, interface=interface)


def _joined(text: str) -> str:
    return " ".join(map(plain, split_words(text)))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the values do not exceed; nan without any."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.999999) - 1))]


def delays(shown: Sequence[tuple[str, float]], received: Sequence[tuple[str, float]]) -> list[float]:
    """Return by how much each text was received later than it was shown: pairs of text and wall-clock time.

    A text is matched with its first arrival at or after the time at which it was shown; texts that were never
    received, since a later revision overtook them, have no delay.
    """
    arrivals: dict[str, list[float]] = {}
    for text, at in received:
        arrivals.setdefault(_joined(text), []).append(at)
    found = []
    for text, at in shown:
        times = sorted(arrivals.get(_joined(text), ()))
        place = bisect_left(times, at)
        if place < len(times):
            found.append(times[place] - at)
    return found


def next_changes(events: Sequence[float], changes: Sequence[float], *, within: float) -> list[float]:
    """Return the time from each event to the first change after it; infinite if there is none in time."""
    ordered = sorted(changes)
    found = []
    for at in events:
        place = bisect_left(ordered, at)
        wait = ordered[place] - at if place < len(ordered) else float("inf")
        found.append(wait if wait <= within else float("inf"))
    return found

"""When words of one stream were shown, when they stayed, and how many were taken back. Pure.

The words of the finals are the measure. A word is *shown* when a caption first has it in its place, and
*stays* from the last caption on after which it is always there. *Erased* are words that were shown and are
not in the next state of the text, over the words of the finals. Words are compared by their letters. Captions
within :data:`AT_ONCE` are one state: a page draws them in one frame, so words that move from one line to the
next are never away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final

from orch.protocol.messages import Transcript
from orch.protocol.words import word_spans
from orch.speech.hypotheses import letters_of

AT_ONCE: Final = 0.015  # s; a frame of a display


@dataclass(frozen=True)
class Figures:
    """Seconds after the end of each word until it was shown, and until it stayed; the share erased.

    ``finals``: seconds from the end of each utterance to its final, except those cut for their length.
    """

    shown: list[float] = field(default_factory=list)
    stays: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    erased: float = 0.0
    words: int = 0


def letters(text: str) -> list[str]:
    """Return the words of a text by their letters."""
    found = (letters_of(text[begin:end]) for begin, end in word_spans(text))
    return [word for word in found if word]


def figures(captions: Iterable[tuple[float, Transcript]]) -> Figures:
    """Return the figures of captions, each with the second of the stream in which it arrived.

    Of words whose times the engine did not give, only the number counts.
    """
    captions = list(captions)
    finals = {message.segment_id: message for _, message in captions if message.final}
    order = sorted(finals, key=lambda name: finals[name].start)
    wanted = [word for name in order for word in letters(finals[name].text)]
    ends = [end for name in order for end in word_ends(finals[name])]
    shown: dict[int, float] = {}
    stays: dict[int, float] = {}
    erased = 0
    texts: dict[str, list[str]] = {}
    before: list[str] = []
    for (at, message), following in zip(captions, [*captions[1:], None], strict=True):
        texts[message.segment_id] = letters(message.text)
        if following is not None and following[0] - at < AT_ONCE:
            continue
        state = _state(texts, order)
        erased += _missing(before, state)
        there = _places(wanted, state)
        for place in there:
            shown.setdefault(place, at)
            stays.setdefault(place, at)
        for place in stays.keys() - there:
            del stays[place]
        before = state
    starts = {final.start for final in finals.values()}
    timed = {place: end for place, end in enumerate(ends) if end is not None}
    return Figures(
        shown=[shown[place] - end for place, end in timed.items() if place in shown],
        stays=[stays[place] - end for place, end in timed.items() if place in stays],
        finals=[at - final.end for at, final in captions if final.final and final.end not in starts],
        erased=erased / max(1, len(wanted)),
        words=len(wanted),
    )


def _state(texts: Mapping[str, list[str]], order: Sequence[str]) -> list[str]:
    return [word for name in order for word in texts.get(name, ())]


def word_ends(final: Transcript) -> list[float | None]:
    """Return when each word of a final ended, in seconds of the stream."""
    found: list[float | None] = []
    timed = [(letters_of(word.text), word.end) for word in final.words]
    at = 0
    for word in letters(final.text):
        rest, end = word, None
        while rest and at < len(timed) and rest.startswith(timed[at][0]):
            rest, end = rest[len(timed[at][0]) :], timed[at][1]
            at += 1
        found.append(None if rest else end)
    return found


def _places(wanted: Sequence[str], state: Sequence[str]) -> set[int]:
    """Return which of the wanted words a state of the text has, in order."""
    blocks = SequenceMatcher(None, wanted, state, autojunk=False).get_matching_blocks()
    return {place for block in blocks for place in range(block.a, block.a + block.size)}


def _missing(before: Sequence[str], state: Sequence[str]) -> int:
    """Return how many words of one state are not in the next."""
    blocks = SequenceMatcher(None, before, state, autojunk=False).get_matching_blocks()
    return len(before) - sum(block.size for block in blocks)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of them do not exceed; NaN of none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")

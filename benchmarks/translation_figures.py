"""When the translation of what was said was shown, while lines grew and after their finals. Pure.

A word's translation is *shown* when a translation that readers see covers the word. Times are counted from the
end of the word, as the final has it. A *clause* ends at punctuation of the final's text, after
:data:`~orch.speech.clause_ends.SHORTEST` words, whatever the policy took for one; its figure is that of its
last word. *Corrected* are words whose translation readers had, in a line whose final says ``corrects``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import UNSET

from benchmarks.caption_figures import word_ends
from orch.protocol.messages import Transcript, Translation
from orch.protocol.words import word_spans
from orch.speech.clause_ends import SHORTEST, is_end
from orch.speech.hypotheses import letters_of


@dataclass(frozen=True)
class TranslationFigures:
    """Seconds from the end of each word and clause until its translation was shown.

    ``clauses_early``, ``words_early``: how many of them before their line was final. ``committed``: words
    whose translation readers had while the line grew; ``corrected``: those that were translated again.
    """

    clauses: list[float] = field(default_factory=list)
    words: list[float] = field(default_factory=list)
    clauses_early: int = 0
    words_early: int = 0
    committed: int = 0
    corrected: int = 0

    def plus(self, other: "TranslationFigures") -> "TranslationFigures":
        """Return the figures of both."""
        return TranslationFigures(
            clauses=self.clauses + other.clauses,
            words=self.words + other.words,
            clauses_early=self.clauses_early + other.clauses_early,
            words_early=self.words_early + other.words_early,
            committed=self.committed + other.committed,
            corrected=self.corrected + other.corrected,
        )


Message = tuple[float, Transcript | Translation]


def translation_figures(messages: Iterable[Message], target: str) -> TranslationFigures:
    """Return the figures of one language; messages have the second of the stream in which they arrived."""
    messages = list(messages)
    found = TranslationFigures()
    for final_at, final in messages:
        if isinstance(final, Transcript) and final.final and final.text:
            own = [(at, each) for at, each in messages if each.segment_id == final.segment_id]
            found = found.plus(_of_line(own, final_at, final, target))
    return found


def _of_line(messages: list[Message], final_at: float, final: Transcript, target: str) -> TranslationFigures:
    texts = {each.revision: each.text for _, each in messages if isinstance(each, Transcript)}
    ends = word_ends(final)
    spans = word_spans(final.text)
    letters = [letters_of(final.text[begin:end]) for begin, end in spans]
    # Punctuation alone has no end in ``ends``.
    spoken = [index for index, word in enumerate(letters) if word]
    shown: dict[int, float] = {}
    committed = 0
    corrects = False
    for at, message in messages:
        if not isinstance(message, Translation) or message.target_language != target or message.error:
            continue
        if message.growing is True and isinstance(message.words, int):
            text = texts[message.revision]
            covered = letters_of(text[: word_spans(text)[message.words - 1][1]])
            committed = message.words
            said = ""
            for index, word in enumerate(letters):
                said += word
                if not covered.startswith(said):
                    break
                shown.setdefault(index, at)
        elif message.growing is UNSET:
            corrects = message.corrects is True
            for index in range(len(letters)):
                shown.setdefault(index, at)
                if corrects:
                    shown[index] = max(shown[index], at)
    timed = {
        index: end for index, end in zip(spoken, ends, strict=True) if end is not None and index in shown
    }
    clause_ends = [index for index in _clause_ends(final.text) if index in timed]
    return TranslationFigures(
        clauses=[shown[index] - timed[index] for index in clause_ends],
        words=[shown[index] - end for index, end in timed.items()],
        clauses_early=sum(shown[index] < final_at for index in clause_ends),
        words_early=sum(shown[index] < final_at for index in timed),
        committed=committed,
        corrected=committed if corrects else 0,
    )


def _clause_ends(text: str) -> list[int]:
    """Return the last word of each clause."""
    words = [text[begin:end] for begin, end in word_spans(text)]
    found, begin = [], 0
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else None
        if following is None or (index + 1 - begin >= SHORTEST and is_end(word, following)):
            found.append(index)
            begin = index + 1
    return found

"""When the translation of what was said was shown, while lines grew and after their finals. Pure.

A word's translation is *shown* from when on a translation that readers see covers the word. Times are counted
from the end of the word, as the final has it. A *clause* ends at punctuation of the final's text, after
:data:`~orch.speech.clause_ends.SHORTEST` words, whatever the policy took for one; its figure is that of its
last word. *Corrected* are words whose translation readers had, in a line whose final says ``corrects``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.caption_figures import AT_ONCE, word_ends
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
    messages = [(at, each) for at, each in messages if _is_of(each, target)]
    finals = {
        each.segment_id: (at, each)
        for at, each in messages
        if isinstance(each, Transcript) and each.final and each.text
    }
    words: list[_SpokenWord] = []
    begins: dict[str, int] = {}
    for name, (at, final) in sorted(finals.items(), key=lambda item: item[1][1].start):
        begins[name] = len(words)
        words += _spoken_words(final, at)
    texts: dict[tuple[str, int], str] = {}
    # What each line shows: the words (of all) that its translation covers, and the translations so far.
    covered: dict[str, range] = {}
    sent: dict[str, list[tuple[int, str]]] = {}
    since: dict[int, float] = {}
    committed = corrected = 0
    for (at, message), following in zip(messages, [*messages[1:], None], strict=True):
        name = message.segment_id
        if isinstance(message, Transcript):
            texts[name, message.revision] = message.text
        elif name in begins and message.growing is True and isinstance(message.words, int):
            text = texts[name, message.revision]
            said = letters_of(text[: word_spans(text)[message.words - 1][1]])
            covered[name] = _covered(words, begins[name], said)
            sent.setdefault(name, []).append((message.words, message.text))
        elif name in begins:
            begin, final = begins[name], finals[name][1]
            covered[name] = range(begin, begin + len(_spoken_words(final, at)))
            had = sent.get(name, [])
            kept = max((count for count, text in had if message.text.startswith(text)), default=0)
            most = max((count for count, _ in had), default=0)
            own = min(most, len(covered[name]))
            committed += own
            if message.corrects is True:
                corrected += max(0, own - kept)
                for index in covered[name][kept:]:
                    since.pop(index, None)
        if following is not None and following[0] - at < AT_ONCE:
            continue
        shown = {index for each in covered.values() for index in each}
        since = {index: since.get(index, at) for index in shown}
    timed = {index: word for index, word in enumerate(words) if word.end is not None and index in since}
    seconds = {index: since[index] - word.end for index, word in timed.items() if word.end is not None}
    clauses = [index for index, word in timed.items() if word.ends_clause]
    return TranslationFigures(
        clauses=[seconds[index] for index in clauses],
        words=list(seconds.values()),
        clauses_early=sum(since[index] < words[index].final_at for index in clauses),
        words_early=sum(since[index] < words[index].final_at for index in timed),
        committed=committed,
        corrected=corrected,
    )


@dataclass(frozen=True)
class _SpokenWord:
    """A word of a final: its letters, its end in seconds, if known, and when the final came."""

    letters: str
    end: float | None
    ends_clause: bool
    final_at: float


def _is_of(message: Transcript | Translation, target: str) -> bool:
    return isinstance(message, Transcript) or (message.target_language == target and message.error is None)


def _spoken_words(final: Transcript, at: float) -> list[_SpokenWord]:
    ends = iter(word_ends(final))
    clause_ends = set(_clause_ends(final.text))
    found = []
    for index, (begin, end) in enumerate(word_spans(final.text)):
        letters = letters_of(final.text[begin:end])
        found.append(_SpokenWord(letters, next(ends) if letters else None, index in clause_ends, at))
    return found


def _covered(words: list[_SpokenWord], begin: int, said: str) -> range:
    """Return which words a translation of ``said`` covers, of those from ``begin`` on."""
    letters = ""
    for index in range(begin, len(words)):
        letters += words[index].letters
        if not said.startswith(letters):
            return range(begin, index)
    return range(begin, len(words))


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

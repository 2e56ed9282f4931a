"""Which part of an interim transcript is stable. Pure.

A revision ends at an arbitrary time, perhaps within a word: engines complete the beginning of a word to
another one, or mark the cut by "..." or a hyphen.
"""

from dataclasses import replace
from typing import Final

from orch.speech.results import TranscribedWord, Transcription

#: A word that ends this close to the end of the audio may be cut, in seconds.
CUT: Final = 0.3

_ELLIPSES: Final = ("...", "…")
_HYPHENS: Final = ("-", "\u2010", "\u2013", "\u2014")  # hyphens, en and em dash


def stable_part(transcription: Transcription, *, seconds: float) -> Transcription:
    """Return the transcription of ``seconds`` of audio without a word cut by its end.

    A word that ends within :data:`CUT` of the end is left out, and one that the engine has marked by a
    hyphen; an ellipsis is only a mark.
    """
    text = transcription.text.rstrip()
    words = transcription.words
    if words and seconds - words[-1].end < CUT:
        without = _without_last(text, words[-1])
        if without is not None:
            text, words = without, words[:-1]
    return replace(transcription, text=_without_marks(text), words=words)


def _without_last(text: str, word: TranscribedWord) -> str | None:
    """Return the text without its last word, or None if it does not end with it."""
    last = word.text.strip()
    ending = text.rstrip("".join((*_HYPHENS, ".", "…", ",", "!", "?", '"')))
    bare = last.rstrip("".join((*_HYPHENS, ".", "…", ",", "!", "?", '"')))
    if not bare or not ending.endswith(bare):
        return None
    return ending[: len(ending) - len(bare)].rstrip()


def _without_marks(text: str) -> str:
    """Return the text without an engine's marks of a cut at its end."""
    while True:
        if text.endswith(_ELLIPSES):
            text = text.rstrip(".…").rstrip()
        elif text.endswith(_HYPHENS):
            # "how-": the beginning of a word. A separate dash is only a mark.
            text = text.rstrip("".join(_HYPHENS))
            text = text.rstrip() if text != text.rstrip() or not text else text.rpartition(" ")[0].rstrip()
        else:
            return text

"""Withholds words that nobody said, after the engine has given them. Pure.

The problem: engines that were trained on subtitles write subtitles into silence ("Thank you for watching"),
describe noise ("[Music]"), and repeat a phrase for ever. The naive answer, a threshold for the confidence,
drops quiet speakers: an engine is sure of what it invents and unsure of accents.

Here a text must agree with its sound. The segmenter has already sent nothing without speech to the engine;
what comes back is judged by facts that do not depend on the engine's own opinion:

1. Descriptions in brackets and notes are never words.
2. Phrases that are known to be invented count only where the sound carries them: those that nobody says in a
   meeting never, others ("Thank you") if the sound is loud and long enough for them.
3. A word needs sound at its own time, above silence and above the track's background.
4. Nobody speaks faster than :data:`FASTEST` letters a second, nor says a phrase :data:`REPEATS` times.
5. Where the level is as steady as a fan's, the engine has to be sure.

Left out: words invented into noise that is as loud, as varied and as long as speech; there is nothing to
tell them by.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from orch.bots.pipeline.invented_phrases import (
    CLOSING,
    DESCRIPTIONS,
    NEVER_SAID,
    OPENING,
    SELDOM_SAID,
    plain_text,
)
from orch.bots.pipeline.levels import SILENT
from orch.protocol.messages import Word
from orch.speech.joined_text import joined_text

Reason = Literal["", "description", "invented", "no sound", "too fast", "repeated", "steady sound"]

QUIETEST: Final = -65.0
"""dBFS: below, no microphone gives words (the noise of a 16-bit path is at -98, of a headset at -70)."""
ABOVE_FLOOR: Final = 6.0
"""dB over the track's background that a word needs in its loudest frame."""
FASTEST: Final = 40.0
"""Letters a second; auctioneers reach 30."""
SHORTEST_JUDGED: Final = 0.4
"""Seconds: an utterance is taken to be no shorter, as engines' times are rough."""
REPEATS: Final = 5
MARGIN: Final = 0.25
"""Seconds by which an engine's word times may be wrong."""
STEADY: Final = 6.0
"""dB between the loudest and the median frame, below which nothing was pronounced."""
SURE: Final = 0.6
UNSURE: Final = 0.4
LOUD: Final = 12.0
"""dB over the background at which even a phrase that engines invent is taken to be said."""

Between = Callable[[float, float], Sequence[float] | None]


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a track. ``between``: levels in dBFS from one second to another; None: not known.

    ``floor``: the level of its background.
    """

    between: Between
    floor: float


@dataclass(frozen=True, slots=True)
class Judged:
    """What remains of a text, and why something of it was withheld."""

    text: str
    words: tuple[Word, ...]
    reason: Reason = ""


def judge(
    text: str,
    words: tuple[Word, ...],
    *,
    start: float,
    end: float,
    confidence: float | None,
    sound: Sound,
) -> Judged:
    """Return what was said of a text that an engine gave for seconds ``start`` to ``end`` of a track.

    ``words``: with their times, if the engine gives them. A text is kept as it is, or in parts of whole
    words.
    """
    spoken = DESCRIPTIONS.sub(" ", text)
    if not plain_text(spoken):
        return Judged("", (), "description" if text.strip() else "")
    reason = _refusal(plain_text(spoken), start=start, end=end, confidence=confidence, sound=sound)
    if reason:
        return Judged("", (), reason)
    described = len(spoken) != len(text) or spoken != text
    if described:
        words = _without_descriptions(words)
        text = " ".join(spoken.split())
    heard = tuple(each for each in words if _has_sound(each.start, each.end, sound))
    if len(heard) == len(words):
        return Judged(text, words, "description" if described else "")
    if not heard:
        return Judged("", (), "no sound")
    return Judged(joined_text(each.text.strip() for each in heard), heard, "no sound")


def _refusal(plain: str, *, start: float, end: float, confidence: float | None, sound: Sound) -> Reason:
    """Return why a whole text is withheld, "" if it is not."""
    if plain in NEVER_SAID:
        return "invented"
    levels = sound.between(start, end)
    if levels is None:
        return ""
    loudest = max(levels, default=SILENT)
    steady = loudest - sorted(levels)[len(levels) // 2] if levels else 0.0
    seconds = max(SHORTEST_JUDGED, end - start)
    is_unsure = confidence is None or confidence < SURE
    checks: tuple[tuple[bool, Reason], ...] = (
        (loudest < QUIETEST, "no sound"),
        (plain in SELDOM_SAID and is_unsure and loudest - sound.floor < LOUD, "invented"),
        (len(plain.replace(" ", "")) / seconds > FASTEST, "too fast"),
        (_is_repeated(plain), "repeated"),
        (steady < STEADY and confidence is not None and confidence < UNSURE, "steady sound"),
    )
    return next((reason for is_so, reason in checks if is_so), "")


def _has_sound(start: float, end: float, sound: Sound) -> bool:
    levels = sound.between(max(0.0, start - MARGIN), max(start, end) + MARGIN)
    if not levels:
        return True
    return max(levels) >= max(QUIETEST, min(sound.floor + ABOVE_FLOOR, -30.0))


def _without_descriptions(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the words outside of brackets, which may go over several of them."""
    found: list[Word] = []
    inside = False
    for word in words:
        text = word.text.strip()
        opens = text.startswith(OPENING)
        closes = text.endswith(CLOSING)
        if not inside and not opens:
            found.append(word)
        inside = (inside or opens) and not closes
    return tuple(found)


def _is_repeated(plain: str) -> bool:
    """Whether a phrase of one to eight words is nearly all of the text, :data:`REPEATS` times or more."""
    words = plain.split()
    for length in range(1, 9):
        if len(words) < length * REPEATS:
            break
        count = 1
        for at in range(length, len(words) - length + 1, length):
            if words[at : at + length] != words[:length]:
                break
            count += 1
        least = 2 * REPEATS if length == 1 else REPEATS
        if count >= least and count * length >= 0.8 * len(words):
            return True
    return False

"""What the camera shows: captions by speaker, for a while. Pure.

A :class:`Picture` is a value; :func:`show` and :func:`expire` return the next one, the same object where
nothing changes. Times are seconds of any clock that does not go backwards.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.bots.webcam.appearance import Appearance
from orch.bots.webcam.themes import SPEAKER_COLOURS
from orch.bots.webcam.wording import cleaned, cleaned_name

_LONGEST_TAG: Final = 35
"""What BCP 47 (RFC 5646, 4.4.1) advises to have room for."""
_REMEMBERED: Final = 64
"""Keys of captions that newer ones displaced: twelve times what is shown."""


class Caption(Struct, frozen=True, kw_only=True):
    """One utterance in the camera's language, as it is now.

    key: the same in each revision of the utterance.
    text: empty to take the caption away.
    speaker: the name that is shown; empty if it is withheld.
    speaker_key: what the colour goes by, if it is not the name (two participants with one name).
    language: BCP 47 tag of the text, which decides between Chinese, Japanese and Korean letter forms.
    is_final: growing text is muted until it is final.
    confidence: 0 to 1, shown as a percentage, or None.
    """

    key: str
    text: str
    speaker: str = ""
    speaker_key: str = ""
    language: str = ""
    is_final: bool = False
    confidence: float | None = None


class Line(Struct, frozen=True, kw_only=True):
    """A caption that is shown.

    text and speaker are fit to be drawn; colour: index into the theme's speakers, or None without a speaker.
    percent: the confidence. changed_at: since when it has been as it is.
    """

    key: str
    text: str
    speaker: str
    colour: int | None
    language: str
    is_final: bool
    percent: int | None
    changed_at: float


class Picture(Struct, frozen=True, kw_only=True):
    """What is shown now.

    lines: the oldest first, at most ``appearance.lines``.
    colours: the speaker who has each of the eight colours, and when they last spoke.
    displaced: keys of captions that newer ones displaced, the last 64; their revisions are not shown, as they
    would stand below what was said after them.
    """

    appearance: Appearance = Appearance()
    lines: tuple[Line, ...] = ()
    colours: tuple[tuple[str, float] | None, ...] = (None,) * SPEAKER_COLOURS
    displaced: tuple[str, ...] = ()


def show(picture: Picture, caption: Caption, now: float) -> Picture:
    """Return the picture with a caption, or a later revision of one that it has; lines past their time go.

    A final caption is not changed by a growing revision that arrives late. A revision that changes nothing
    does not prolong the time that the caption is shown.
    """
    picture = expire(picture, now)
    if caption.key in picture.displaced:
        return picture
    at = next((at for at, line in enumerate(picture.lines) if line.key == caption.key), None)
    shown = None if at is None else picture.lines[at]
    if shown is not None and shown.is_final and not caption.is_final:
        return picture
    text = cleaned(caption.text)
    if not text:
        return picture if shown is None else _without(picture, caption.key)
    speaker = cleaned_name(caption.speaker)
    colours, colour = _coloured(picture, caption.speaker_key or speaker, now)
    line = Line(
        key=caption.key,
        text=text,
        speaker=speaker,
        colour=colour,
        language=caption.language[:_LONGEST_TAG],
        is_final=caption.is_final,
        percent=_percent(caption.confidence),
        changed_at=now,
    )
    if shown is not None and replace(shown, changed_at=now) == line:
        return picture
    if at is None:
        return _capped(replace(picture, lines=(*picture.lines, line), colours=colours))
    lines = (*picture.lines[:at], line, *picture.lines[at + 1 :])
    return replace(picture, lines=lines, colours=colours)


def expire(picture: Picture, now: float) -> Picture:
    """Return the picture without the lines whose time is over."""
    lines = tuple(each for each in picture.lines if now - each.changed_at < picture.appearance.seconds)
    return picture if len(lines) == len(picture.lines) else replace(picture, lines=lines)


def next_expiry(picture: Picture) -> float | None:
    """Return when the next line's time is over, or None if there is no line."""
    first = min((line.changed_at for line in picture.lines), default=None)
    return None if first is None else first + picture.appearance.seconds


def restyle(picture: Picture, appearance: Appearance, now: float) -> Picture:
    """Return the picture with another appearance; what it shows stays, as far as there is room."""
    return _capped(expire(replace(picture, appearance=appearance), now))


def clear(picture: Picture) -> Picture:
    """Return the picture without lines, speakers and history, as after a change of the meeting's language."""
    return Picture(appearance=picture.appearance)


def _without(picture: Picture, key: str) -> Picture:
    return replace(picture, lines=tuple(line for line in picture.lines if line.key != key))


def _capped(picture: Picture) -> Picture:
    """Return the picture with the newest lines only, as many as its appearance allows."""
    excess = len(picture.lines) - picture.appearance.lines
    if excess <= 0:
        return picture
    gone = tuple(line.key for line in picture.lines[:excess])
    displaced = (*picture.displaced, *gone)[-_REMEMBERED:]
    return replace(picture, lines=picture.lines[excess:], displaced=displaced)


def _coloured(
    picture: Picture, speaker: str, now: float
) -> tuple[tuple[tuple[str, float] | None, ...], int | None]:
    """Return the colours with this speaker's, and its index.

    A ninth speaker gets the colour of the speaker who has been silent longest. That one has no line on the
    picture: at most five are shown.
    """
    if not speaker:
        return picture.colours, None
    taken = picture.colours
    own = next((at for at, each in enumerate(taken) if each is not None and each[0] == speaker), None)
    if own is None:
        own = next((at for at, each in enumerate(taken) if each is None), None)
    if own is None:
        used = {line.colour for line in picture.lines}
        unused = (at for at in range(SPEAKER_COLOURS) if at not in used)
        own = min(unused, key=lambda at: (taken[at] or ("", 0.0))[1])
    return (*taken[:own], (speaker, now), *taken[own + 1 :]), own


def _percent(confidence: float | None) -> int | None:
    if confidence is None or not 0 <= confidence <= 1:  # a NaN is neither
        return None
    # What is not certain is not shown as such.
    return min(round(100 * confidence), 99) if confidence < 1 else 100

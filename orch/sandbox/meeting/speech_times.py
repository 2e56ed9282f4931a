"""When each word of a script is spoken: utterances with exact times. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from orch.sandbox.meeting.script import Clip, Say, Script, ScriptError, Word
from orch.settings import Fault


class SpokenWord(Struct, frozen=True):
    """A word with its time: seconds from the start of the meeting."""

    word: str
    begin: float
    end: float


class Utterance(Struct, frozen=True, kw_only=True):
    """One clip played for one participant. Times in seconds from the start of the meeting.

    number: its place in the script's list. ``words`` is empty for noise.
    """

    number: int
    who: str
    clip: str
    begin: float
    end: float
    gain: float
    words: tuple[SpokenWord, ...]

    @property
    def text(self) -> str:
        """What is said."""
        return " ".join(word.word for word in self.words)


def utterances(script: Script, library: Mapping[str, Clip]) -> tuple[Utterance, ...]:
    """Return the utterances in the order of their beginnings.

    ``library``: the clips that every script can use; the script's own take precedence. All must have their
    ``seconds``. Raises :class:`ScriptError` for clips that do not exist or have no length, words outside of
    a clip, who speaks while absent, twice at the same time, or after the meeting's end.
    """
    faults: list[Fault] = []
    found: list[Utterance] = []
    before = 0.0
    for number, said in enumerate(script.says):
        path = f"says[{number}]"
        clip = script.clips.get(said.clip) or library.get(said.clip)
        if clip is None:
            names = ", ".join(sorted({*script.clips, *library}))
            faults.append(Fault(f"{path}.clip", f"expected the name of a clip ({names}), got {said.clip!r}"))
            continue
        if clip.seconds is None:
            faults.append(Fault(f"clips.{said.clip}.seconds", "expected how long the clip lasts"))
            continue
        begin = said.at if said.at is not None else max(0.0, before + said.gap)
        before = round(begin + clip.seconds, 6)
        words = _words(said, clip, clip.seconds)
        if words and words[-1].end > clip.seconds:
            faults.append(Fault(f"{path}.words", f"expected times within the clip's {clip.seconds:g} s"))
        found.append(
            Utterance(
                number=number,
                who=said.who,
                clip=said.clip,
                begin=round(begin, 6),
                end=before,
                gain=said.gain,
                words=tuple(
                    SpokenWord(each.word, round(begin + each.begin, 6), round(begin + each.end, 6))
                    for each in words
                ),
            )
        )
    ordered = tuple(sorted(found, key=lambda each: (each.begin, each.number)))
    faults += _presence_faults(script, ordered)
    if faults:
        raise ScriptError(faults)
    return ordered


def _words(said: Say, clip: Clip, seconds: float) -> tuple[Word, ...]:
    words = clip.words if said.words is None else said.words
    if not isinstance(words, str):
        return words
    return spread(words, clip.speech or (0.0, seconds))


def spread(text: str, speech: tuple[float, float]) -> tuple[Word, ...]:
    """Return the words of a text, spread over ``speech`` (seconds) by their numbers of letters.

    A word takes as long as its letters and two more, which is close to how long it takes to say.
    """
    words = text.split()
    begin, end = speech
    lengths = [len(word) + 2 for word in words]
    unit = (end - begin) / sum(lengths) if lengths else 0.0
    found: list[Word] = []
    letters = 0
    for word, length in zip(words, lengths, strict=True):
        found.append(
            Word(
                word=word,
                begin=round(begin + letters * unit, 6),
                end=round(begin + (letters + length) * unit, 6),
            )
        )
        letters += length
    return tuple(found)


def _presence_faults(script: Script, ordered: tuple[Utterance, ...]) -> list[Fault]:
    faults: list[Fault] = []
    spoken_until: dict[str, float] = {}
    for each in ordered:
        path = f"says[{each.number}]"
        stays = script.participant(each.who).present
        if not any(
            stay.joins <= each.begin and (stay.leaves is None or each.end <= stay.leaves) for stay in stays
        ):
            faults.append(
                Fault(
                    path,
                    f"expected a time at which {each.who} is present; it is {each.begin:g} to {each.end:g} s",
                )
            )
        if each.begin < spoken_until.get(each.who, 0.0):
            faults.append(
                Fault(path, f"expected a time after {spoken_until[each.who]:g}: {each.who} still speaks")
            )
        spoken_until[each.who] = max(each.end, spoken_until.get(each.who, 0.0))
        if script.ends is not None and each.end > script.ends:
            faults.append(Fault(path, f"expected an end before the meeting's at {script.ends:g}"))
    return sorted(faults, key=lambda fault: int(fault.path[5:].partition("]")[0]))

"""Decodes the script of a meeting from YAML, or finds all its faults. Pure.

A fault names the path of a value and what was expected there.
"""

import math
import re
import typing
from typing import Any, Final

import msgspec

from orch.sandbox.meeting.script import Script, ScriptError, Word
from orch.settings import Fault
from orch.settings.yaml_parser import UNUSABLE_TEXT, NotYamlError, is_unusable, read_yaml

_MOST_NODES: Final = 500_000
_DEEPEST: Final = 64
"""Levels of a document; a script has five."""


def decode_script(text: str, *, name: str = "script") -> Script:
    """Return the script in a YAML text. Raises :class:`ScriptError`; ``name`` is the file's, for faults."""
    try:
        document = read_yaml(text)
    except NotYamlError as error:
        where = name if error.line is None else f"{name}:{error.line}:{error.column}"
        raise ScriptError([Fault(where, f"expected YAML: {error}")]) from None
    if not isinstance(document, dict):
        raise ScriptError([Fault(name, "expected sections such as «participants:»")])
    faults = _text_faults(document)
    if faults:
        raise ScriptError(faults)
    try:
        script = msgspec.convert(document, Script)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `")
        path = at.rstrip("`").removeprefix("$.") or "$"
        raise ScriptError([Fault(path, _expected(message, path))]) from None
    faults = script_faults(script)
    if faults:
        raise ScriptError(faults)
    return script


def _expected(message: str, path: str) -> str:
    """Return msgspec's message as what was expected, as all faults are worded."""
    unknown = message.removeprefix("Object contains unknown field ")
    if unknown != message:
        return f"expected no field {unknown.strip('`')!r}"
    missing = message.removeprefix("Object missing required field ")
    if missing != message:
        return f"expected a field {missing.strip('`')!r}"
    wrong = message.removeprefix("Invalid enum value ")
    if wrong != message:
        return f"expected one of {', '.join(_choices(path))}, got {wrong}"
    return message[:1].lower() + message[1:]


def _choices(path: str) -> tuple[str, ...]:
    """Return the values that the field at ``path`` can have."""
    kind: Any = Script
    for name in re.sub(r"\[[^]]*\]", "", path).split("."):
        kind = typing.get_type_hints(kind)[name]
        while typing.get_origin(kind) is tuple:
            kind = typing.get_args(kind)[0]
    return typing.get_args(kind)


def _text_faults(document: Any) -> list[Fault]:
    """Return the faults of texts that JSON cannot have, of numbers without value, and of endless anchors."""
    waiting: list[tuple[str, int, Any]] = [("", 0, document)]
    seen = 0
    faults: list[Fault] = []
    while waiting:
        path, depth, node = waiting.pop()
        seen += 1
        if seen > _MOST_NODES or depth > _DEEPEST:
            return [Fault("$", f"expected at most {_MOST_NODES:,} values, without recursive anchors")]
        if isinstance(node, dict):
            waiting += [(f"{path}.{key}" if path else key, depth + 1, value) for key, value in node.items()]
        elif isinstance(node, list):
            waiting += [(f"{path}[{index}]", depth + 1, value) for index, value in enumerate(node)]
        elif isinstance(node, str) and is_unusable(node):
            faults.append(Fault(path, f"expected {UNUSABLE_TEXT}"))
        elif isinstance(node, float) and not math.isfinite(node):
            faults.append(Fault(path, "expected a finite number"))
    return faults


def script_faults(script: Script) -> list[Fault]:
    """Return the faults that involve several fields. A script made in Python can be checked with it, too."""
    return [
        *_participant_faults(script),
        *_clip_faults(script),
        *_reference_faults(script),
        *_time_faults(script),
    ]


def _participant_faults(script: Script) -> list[Fault]:
    faults: list[Fault] = []
    seen: set[str] = set()
    for number, each in enumerate(script.participants):
        path = f"participants[{number}]"
        if each.id in seen:
            faults.append(Fault(f"{path}.id", f"expected an id of its own; {each.id!r} is given twice"))
        seen.add(each.id)
        left: float | None = 0.0
        for place, stay in enumerate(each.present):
            here = f"{path}.present[{place}]"
            if left is None or stay.joins < left:
                faults.append(Fault(f"{here}.joins", "expected a time after the stay before it"))
            if stay.leaves is not None and stay.leaves <= stay.joins:
                faults.append(Fault(f"{here}.leaves", f"expected a time after {stay.joins:g}"))
            left = stay.leaves
    if sum(each.is_host for each in script.participants) > 1:
        faults.append(Fault("participants", "expected one host at most"))
    return faults


def _word_faults(words: str | tuple[Word, ...] | None, path: str, seconds: float | None) -> list[Fault]:
    if words is None or isinstance(words, str):
        return []
    faults: list[Fault] = []
    before = 0.0
    for number, word in enumerate(words):
        here = f"{path}[{number}]"
        if word.begin < before or word.end <= word.begin:
            faults.append(Fault(here, "expected begin < end, after the word before it"))
        if seconds is not None and word.end > seconds:
            faults.append(Fault(f"{here}.end", f"expected at most the clip's {seconds:g} s"))
        if any(character.isspace() for character in word.word):
            faults.append(Fault(f"{here}.word", "expected one word, without spaces"))
        before = word.end
    return faults


def _clip_faults(script: Script) -> list[Fault]:
    faults: list[Fault] = []
    for name, clip in script.clips.items():
        path = f"clips.{name}"
        parts = clip.file.replace("\\", "/").split("/")
        if clip.file and (clip.file.startswith(("/", "\\")) or ".." in parts or ":" in clip.file):
            faults.append(Fault(f"{path}.file", "expected a path below the folder of clips"))
        if bool(clip.file) == (clip.noise > 0):
            faults.append(Fault(path, "expected either file or noise"))
        if clip.noise and clip.seconds is None:
            faults.append(Fault(f"{path}.seconds", "expected how long the noise lasts"))
        if clip.noise and clip.words:
            faults.append(Fault(f"{path}.words", "expected no words: it is noise"))
        if clip.speech is not None and clip.speech[1] <= clip.speech[0]:
            faults.append(Fault(f"{path}.speech", "expected begin < end"))
        faults += _word_faults(clip.words, f"{path}.words", clip.seconds)
    for number, said in enumerate(script.says):
        faults += _word_faults(said.words, f"says[{number}].words", None)
    return faults


def _reference_faults(script: Script) -> list[Fault]:
    known = {each.id for each in script.participants}
    named = [
        *((f"says[{number}].who", each.who) for number, each in enumerate(script.says)),
        *((f"chat[{number}].who", each.who) for number, each in enumerate(script.chat)),
        *((f"presenting[{number}].who", each.who) for number, each in enumerate(script.presenting)),
    ]
    return [
        Fault(path, f"expected a participant's id ({', '.join(sorted(known))}), got {who!r}")
        for path, who in named
        if who not in known
    ]


def _time_faults(script: Script) -> list[Fault]:
    faults: list[Fault] = []
    faults += [
        Fault(f"presenting[{number}].until", f"expected a time after {each.at:g}")
        for number, each in enumerate(script.presenting)
        if each.until <= each.at
    ]
    back: float | None = 0.0
    for number, outage in enumerate(script.network):
        if back is None or outage.drops < back:
            faults.append(Fault(f"network[{number}].drops", "expected a time after the outage before it"))
        if outage.returns is not None and outage.returns <= outage.drops:
            faults.append(Fault(f"network[{number}].returns", f"expected a time after {outage.drops:g}"))
        back = outage.returns
    if script.says and script.says[0].at is None and script.says[0].gap < 0:
        faults.append(Fault("says[0].gap", "expected at least 0: nothing is before it"))
    return faults

"""Rules that involve two parameters of the pipeline, or one and the sample rate. Pure.

:data:`RULES` is data, so that a page checks the same rules as the service. Each broken rule is a fault at the
parameter to change, as JSON path of the parameters: ``voiceFilter.formant1Min``. A band's upper edge may lie
above half the sample rate: then nothing ends it.
"""

import operator
from collections.abc import Callable, Collection
from typing import Any, Final, Literal

from msgspec import Struct, convert, structs, to_builtins

from orch.audio.parameters import GROUPS, STAGE_IDS, Parameters, StageId

HALF_RATE: Final = "sampleRate / 2"
"""The other side of a rule about frequencies: the highest frequency that audio of a sample rate has."""

Relation = Literal["<", ">=", ">"]

_GROUPS: Final = {field.name: field.encode_name for field in structs.fields(Parameters)}
_STAGES: Final = {_GROUPS[group]: stage for stage, group in GROUPS.items()}
_HOLDS: Final[dict[Relation, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_WORDS: Final[dict[Relation, str]] = {"<": "less than", ">=": "at least", ">": "more than"}


class Condition(Struct, frozen=True):
    """When a rule applies: the parameter at ``path`` is on, or more than ``above``."""

    path: str
    above: float | None = None


class Rule(Struct, frozen=True, omit_defaults=True):
    """The parameter at ``path`` is in ``relation`` to ``other``: a path, or :data:`HALF_RATE`.

    ``unit``: of both. ``when``: None: always.
    """

    path: str
    relation: Relation
    other: str
    unit: str = ""
    when: Condition | None = None


class Fault(Struct, frozen=True):
    """What is wrong at a path: ``expected`` completes "expected …"."""

    path: str
    expected: str


RULES: Final = (
    *(
        Rule(f"{group}.{name}Min", "<", f"{group}.{name}Max", "Hz")
        for group, name in (
            ("voiceFilter", "fundamental"),
            ("voiceFilter", "formant1"),
            ("voiceFilter", "formant2"),
            ("voiceFilter", "formant3"),
            ("voiceFilter", "sibilance"),
            ("vad", "voiceFreq"),
        )
    ),
    Rule("silence.minDuration", ">=", "vad.frameDuration", "ms"),
    Rule("silence.breathThreshold", ">", "silence.threshold", "dBFS"),
    Rule("voiceFilter.formant3Min", "<", HALF_RATE, "Hz"),
    Rule("voiceFilter.sibilanceMin", "<", HALF_RATE, "Hz", Condition("voiceFilter.sibilanceBoost", 1)),
    Rule(
        "voiceEnhancement.clarity.focusFreq",
        "<",
        HALF_RATE,
        "Hz",
        Condition("voiceEnhancement.clarity.enabled"),
    ),
    Rule(
        "voiceEnhancement.deEsser.frequency",
        "<",
        HALF_RATE,
        "Hz",
        Condition("voiceEnhancement.deEsser.enabled"),
    ),
)


def faults(
    parameters: Parameters, *, sample_rate: int | None = None, enabled: Collection[StageId] = STAGE_IDS
) -> tuple[Fault, ...]:
    """Return the broken rules.

    Those about frequencies count where the ``sample_rate`` (Hz) is known, and the stage is ``enabled``.
    """
    values = to_builtins(parameters)
    return tuple(
        Fault(rule.path, _expected(rule, other))
        for rule in RULES
        if (other := _other(rule, values, sample_rate)) is not None
        and (rule.other != HALF_RATE or _STAGES[rule.path.partition(".")[0]] in enabled)
        and _applies(rule, values)
        and not _HOLDS[rule.relation](_at(values, rule.path), other)
    )


def suited(parameters: Parameters, sample_rate: int) -> Parameters:
    """Return the parameters without what lies above half of ``sample_rate`` (Hz), as presets are applied.

    At 8 kHz there are no sibilants to raise and none to reduce.
    """
    values = to_builtins(parameters)
    for rule in RULES:
        if rule.other == HALF_RATE and rule.when is not None and _at(values, rule.path) >= sample_rate / 2:
            path, _, name = rule.when.path.rpartition(".")
            _at(values, path)[name] = False if rule.when.above is None else rule.when.above
    return convert(values, Parameters)


def _other(rule: Rule, values: dict[str, Any], sample_rate: int | None) -> float | None:
    if rule.other != HALF_RATE:
        return float(_at(values, rule.other))
    return None if sample_rate is None else sample_rate / 2


def _applies(rule: Rule, values: dict[str, Any]) -> bool:
    if rule.when is None:
        return True
    value = _at(values, rule.when.path)
    return bool(value if rule.when.above is None else value > rule.when.above)


def _expected(rule: Rule, other: float) -> str:
    group, _, _ = rule.path.partition(".")
    name = "half the sample rate" if rule.other == HALF_RATE else rule.other.removeprefix(f"{group}.")
    return f"{_WORDS[rule.relation]} {name}, which is {other:g} {rule.unit}"


def _at(values: dict[str, Any], path: str) -> Any:
    value: Any = values
    for key in path.split("."):
        value = value[key]
    return value

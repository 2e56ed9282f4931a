"""A short notation for values over time, and its translation into promtool's. Pure.

A series is described by phases, each with a number of samples after ``x``:

- ``5x10``: ten samples of 5. ``5+2x10``: 5, 7, 9, ... ``_x10``: none.
- ``+3x10``: a counter that grows by 3 before each of ten samples, from where it was.
- ``0.2@4x10``: a histogram that counts 4 observations of 0.2 before each of ten samples.

What follows the last phase repeats its last value (a counter does not grow).
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

_NUMBER: Final = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_PHASE: Final = re.compile(
    rf"(?:(?P<missing>_)|\+(?P<growth>{_NUMBER})|(?P<seen>{_NUMBER})@(?P<count>{_NUMBER})"
    rf"|(?P<start>{_NUMBER})(?:(?P<step>[+-]{_NUMBER.removeprefix('-?')}))?)x(?P<samples>\d+)"
)

Values = list[float | None]


def _phases(text: str) -> Iterator[re.Match[str]]:
    for word in text.split():
        match = _PHASE.fullmatch(word)
        if match is None:
            raise ValueError(f"{word!r} in {text!r} is no phase")
        yield match


def is_histogram(text: str) -> bool:
    """Return whether the phases are observations."""
    return "@" in text


def values(text: str, first: float, samples: int) -> Values:
    """Return so many samples; a counter begins at ``first``."""
    found: Values = []
    now = first
    for phase in _phases(text):
        for number in range(int(phase["samples"])):
            if phase["missing"]:
                found.append(None)
                continue
            if phase["growth"]:
                now += float(phase["growth"])
            else:
                now = float(phase["start"]) + number * float(phase["step"] or 0)
            found.append(now)
    return _extended(found, samples)


def bucket_values(text: str, bound: float, first: float, samples: int) -> Values:
    """Return the samples of the bucket up to ``bound`` (infinity: the count) of a histogram."""
    found: Values = []
    now = first
    for phase in _phases(text):
        for _ in range(int(phase["samples"])):
            if float(phase["seen"]) <= bound:
                now += float(phase["count"])
            found.append(now)
    return _extended(found, samples)


def sum_values(text: str, first: float, samples: int) -> Values:
    """Return the samples of a histogram's sum."""
    found: Values = []
    now = first
    for phase in _phases(text):
        for _ in range(int(phase["samples"])):
            now += float(phase["seen"]) * float(phase["count"])
            found.append(now)
    return _extended(found, samples)


def _extended(found: Values, samples: int) -> Values:
    return [*found, *itertools.repeat(found[-1], samples - len(found))][:samples]


def notation(series: Sequence[float | None]) -> str:
    """Return samples in promtool's notation, equal steps as one word."""
    words: list[str] = []
    at = 0
    while at < len(series):
        start = series[at]
        end = at + 1
        if start is None:
            while end < len(series) and series[end] is None:
                end += 1
            words.append(f"_x{end - at}")
        else:
            step = _step(start, series[end] if end < len(series) else None)
            while (
                end < len(series)
                and (value := series[end]) is not None
                and value == start + step * (end - at)
            ):
                end += 1
            words.append(_number(start) if end - at == 1 else f"{_number(start)}{step:+.10g}x{end - at - 1}")
        at = end
    return " ".join(words)


def _step(start: float, following: float | None) -> float:
    return 0.0 if following is None else following - start


def _number(value: float) -> str:
    return f"{value:.10g}"

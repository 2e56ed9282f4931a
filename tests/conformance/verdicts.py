"""Compares the results of a conformance run with the expected ones. Pure."""

import fnmatch
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

PASSING: Final = frozenset(("OK", "NON-STRICT", "INFORMATIONAL"))
"""The test suite's words for a case that conforms."""

DEVIATIONS: Final = {
    "2.10": (
        "ten pings in a row get one pong, for the newest. RFC 6455 §5.5.3: an endpoint "
        '"MAY elect to send a Pong frame for only the most recently processed Ping frame"'
    ),
    "2.11": "as 2.10, with the pings cut into single bytes",
}
"""Cases that are expected not to pass, by number or pattern, each with the reason."""


class Result(Struct, frozen=True):
    """The verdict of one case: ``behavior`` of the exchange, ``close`` of the closing handshake."""

    behavior: str
    close: str

    @property
    def is_passed(self) -> bool:
        """Whether both conform."""
        return self.behavior in PASSING and self.close in PASSING


Results = Mapping[str, Result]
"""Results by the number of the case, as ``9.4.2``."""


def deviation(case: str) -> str | None:
    """Return why ``case`` is expected not to pass, or None."""
    return next((why for pattern, why in DEVIATIONS.items() if fnmatch.fnmatchcase(case, pattern)), None)


def faults(expected: Results, found: Results) -> list[str]:
    """Return a line for everything that must not be: a case lost, a case that no longer passes.

    ``expected`` are the results of the table. A case that passes although it has a deviation is a fault as
    well, so that the list of deviations stays true.
    """
    lines = [f"{case}: did not run" for case in _ordered(expected.keys() - found.keys())]
    for case in _ordered(found):
        result, why = found[case], deviation(case)
        if result.is_passed and why is not None:
            lines.append(f"{case}: passes, but is listed as a deviation ({why})")
        elif not result.is_passed and why is None:
            before = "passed before" if case in expected and expected[case].is_passed else "unexplained"
            lines.append(f"{case}: {result.behavior}, close {result.close}, {before}")
    return lines


def summary(found: Results) -> list[tuple[str, str, str]]:
    """Return rows (chapter, cases, passed), the last of them the sum."""
    cases = Counter(case.partition(".")[0] for case in found)
    passed = Counter(case.partition(".")[0] for case, result in found.items() if result.is_passed)
    rows = [(chapter, str(cases[chapter]), str(passed[chapter])) for chapter in _ordered(cases)]
    return [*rows, ("all", str(cases.total()), str(passed.total()))]


def write_table(found: Results) -> str:
    """Return the table as tab-separated lines: case, behavior, close."""
    lines = ["case\tbehavior\tclose"]
    lines += [f"{case}\t{found[case].behavior}\t{found[case].close}" for case in _ordered(found)]
    return "\n".join(lines) + "\n"


def read_table(text: str) -> dict[str, Result]:
    """Return what :func:`write_table` has written."""
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return {case: Result(behavior, close) for case, behavior, close in rows}


def _ordered(cases: Iterable[str]) -> list[str]:
    return sorted(cases, key=lambda case: [int(part) for part in case.split(".")])

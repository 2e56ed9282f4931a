"""A conformance run fails where a case is lost or no longer passes, and only there."""

from pathlib import Path

from tests.conformance.verdicts import (
    DEVIATIONS,
    Result,
    deviation,
    faults,
    read_table,
    summary,
    write_table,
)

OK = Result("OK", "OK")
FAILED = Result("FAILED", "OK")
TABLE = Path(__file__).with_name("websocket.tsv")


def test_a_case_that_passed_and_does_not_is_a_fault() -> None:
    """As one that did not run, and a new one that fails without a reason; each is named."""
    expected = {"1.1.1": OK, "1.1.2": OK, "9.1.1": OK}
    assert faults(expected, expected | {"9.1.2": OK}) == []
    lines = faults(expected, {"9.1.1": Result("OK", "UNCLEAN"), "1.1.2": OK, "10.1.1": FAILED})
    assert lines == [
        "1.1.1: did not run",
        "9.1.1: OK, close UNCLEAN, passed before",
        "10.1.1: FAILED, close OK, unexplained",
    ]


def test_a_deviation_is_no_fault_until_it_passes() -> None:
    """The list of what is not implemented stays true."""
    assert faults({"2.10": FAILED}, {"2.10": FAILED}) == []
    [line] = faults({"2.10": FAILED}, {"2.10": OK})
    assert line.startswith("2.10: passes, but is listed")


def test_the_table_is_read_as_it_was_written() -> None:
    """Ordered by the numbers of the cases."""
    found = {"10.1.1": OK, "9.2.10": FAILED, "9.2.9": Result("NON-STRICT", "INFORMATIONAL")}
    assert read_table(write_table(found)) == found
    assert [line.partition("\t")[0] for line in write_table(found).splitlines()] == [
        *("case", "9.2.9", "9.2.10", "10.1.1")
    ]
    assert summary(found) == [("9", "2", "1"), ("10", "1", "1"), ("all", "3", "2")]


def test_every_case_of_the_table_passes_or_has_a_reason() -> None:
    """And every reason stands for a case."""
    table = read_table(TABLE.read_text())
    assert [case for case, result in table.items() if result.is_passed != (deviation(case) is None)] == []
    assert DEVIATIONS.keys() <= table.keys()

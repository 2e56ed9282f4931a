import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.telemetry.traces.context import Context, new_span_id, new_trace_id, read

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_traceparent_is_read_and_written() -> None:
    """What is written is what was read."""
    text = f"00-{TRACE}-{SPAN}-01"
    assert read(text) == Context(TRACE, SPAN, is_recorded=True)
    assert str(read(text)) == text
    assert read(f"00-{TRACE}-{SPAN}-00") == Context(TRACE, SPAN, is_recorded=False)


def test_of_the_flags_only_the_known_one_counts() -> None:
    """Others may be set, and must not be passed on (§3.2.2.5)."""
    assert str(read(f"00-{TRACE}-{SPAN}-ff")) == f"00-{TRACE}-{SPAN}-01"
    assert str(read(f"00-{TRACE}-{SPAN}-fe")) == f"00-{TRACE}-{SPAN}-00"


def test_a_later_version_is_read_as_the_known_one() -> None:
    """It may have more after the flags (§4.3)."""
    assert read(f"01-{TRACE}-{SPAN}-01-more") == Context(TRACE, SPAN, is_recorded=True)
    assert read(f"01-{TRACE}-{SPAN}-01") == Context(TRACE, SPAN, is_recorded=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}\N{ARABIC-INDIC DIGIT ONE}-{SPAN}-01",
    ],
)
def test_what_is_invalid_is_no_place_in_a_trace(text: str) -> None:
    """It is not guessed what was meant."""
    assert read(text) is None


@given(st.text())
def test_no_text_makes_reading_fail(text: str) -> None:
    """It comes from strangers."""
    found = read(text)
    assert found is None or read(str(found)) == found


def test_new_ids_are_valid_whatever_is_drawn() -> None:
    """Zeros are no id."""
    assert read(f"00-{new_trace_id(lambda _: 0)}-{new_span_id(lambda _: 0)}-01") is not None
    assert new_trace_id() != new_trace_id()
    assert len(new_trace_id(lambda _: 1)) == 32
    assert len(new_span_id(lambda _: 1)) == 16

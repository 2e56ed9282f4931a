"""Which traces are passed on, and when one begins."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.trace_context import new_parent, trace_headers
from tests.fakes.gateway import UNHURRIED

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
VALID = b"00-" + TRACE + b"-" + SPAN + b"-01"
NEW = b"00-" + b"0" * 15 + b"1" + b"0" * 16 + b"-" + b"0" * 15 + b"1-00"
SHAPE = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def continued(*parents: bytes, states: tuple[bytes, ...] = ()) -> dict[bytes, bytes]:
    headers = [(b"traceparent", value) for value in parents] + [(b"tracestate", value) for value in states]
    sent = trace_headers(headers, lambda _bits: 0)
    assert len(dict(sent)) == len(sent)
    return dict(sent)


def test_a_new_trace_has_ids_that_are_not_zero() -> None:
    """Even if the generator draws nothing but zeros (§3.2.2.3, §3.2.2.4); it is not recorded."""
    parent = new_parent(lambda _bits: 0)
    assert SHAPE.fullmatch(parent)
    _, trace, span, flags = parent.split(b"-")
    assert int(trace, 16)
    assert int(span, 16)
    assert flags == b"00"
    assert new_parent() != new_parent()


@pytest.mark.parametrize("flags", [b"00", b"01", b"ff"])
def test_a_valid_trace_goes_on_unchanged(flags: bytes) -> None:
    """With its state: the caller's span is the parent of the back end's."""
    parent = VALID[:-2] + flags
    assert continued(parent, states=(b"a=1, b=2",)) == {b"traceparent": parent, b"tracestate": b"a=1,b=2"}


@pytest.mark.parametrize(
    "parent",
    [
        b"",
        b"00",
        VALID.upper(),
        VALID + b"-x",
        VALID + b"0",
        b" " + VALID,
        VALID + b"\n",
        VALID.replace(b"-", b"_"),
        b"ff" + VALID[2:],
        b"ff" + VALID[2:] + b"-more",
        b"0g" + VALID[2:],
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
        b"00-" + TRACE[:-1] + b"g-" + SPAN + b"-01",
        b"00-" + TRACE + b"-" + SPAN + b"-1",
        b"01-" + TRACE + b"-" + SPAN + b"-01more",
        b"01-" + TRACE + b"-" + SPAN + b"-01-" + b"x" * 300,
        b"01-" + TRACE + b"-" + SPAN + b"-01-\r\nx: y",
        VALID + b", " + VALID,
    ],
)
def test_a_trace_that_cannot_be_read_begins_anew_without_its_state(parent: bytes) -> None:
    """A state belongs to the trace that was lost."""
    sent = continued(parent, states=(b"a=1",))
    assert SHAPE.fullmatch(sent[b"traceparent"])
    assert TRACE not in sent[b"traceparent"]
    assert b"tracestate" not in sent


def test_several_parents_are_none() -> None:
    """§3.2: which one is meant cannot be known, not even if they are alike."""
    assert TRACE not in continued(VALID, VALID)[b"traceparent"]


@pytest.mark.parametrize(("flags", "kept"), [(b"01", b"01"), (b"03", b"01"), (b"fe", b"00")])
@pytest.mark.parametrize("more", [b"", b"-", b"-what-will-be"])
def test_a_later_version_is_passed_on_as_the_one_we_know(flags: bytes, kept: bytes, more: bytes) -> None:
    """§4.3: its ids and the flag that version 00 has."""
    later = b"cc-" + TRACE + b"-" + SPAN + b"-" + flags + more
    assert continued(later)[b"traceparent"] == b"00-" + TRACE + b"-" + SPAN + b"-" + kept


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        ((b"a=1", b"b=2"), b"a=1,b=2"),
        ((b"a=1,,\t,b=2 ",), b"a=1,b=2"),
        ((b",".join(b"k%d=v" % n for n in range(32)),), b",".join(b"k%d=v" % n for n in range(32))),
        ((b",".join(b"k%d=v" % n for n in range(33)),), None),
        ((b"a=" + b"x" * 512,), b"a=" + b"x" * 512),
        ((b"a=" + b"x" * 4_095,), None),
        ((b"a=\xff",), None),
        ((b"a=1\r\nx: y",), None),
        ((b"no-value",), None),
        ((b"",), None),
    ],
)
def test_the_state_is_kept_as_long_as_it_is_one(states: tuple[bytes, ...], kept: bytes | None) -> None:
    """In its order, in one header; what is no list of members is dropped, and the trace goes on."""
    sent = continued(VALID, states=states)
    assert sent[b"traceparent"] == VALID
    assert sent.get(b"tracestate") == kept


@UNHURRIED
@given(st.lists(st.tuples(st.sampled_from([b"traceparent", b"tracestate"]), st.binary(max_size=80))))
def test_whatever_is_sent_one_trace_leaves(headers: list[tuple[bytes, bytes]]) -> None:
    """Of the right form, with at most one state, and no byte that would end a line."""
    sent = trace_headers(headers)
    assert [name for name, _ in sent] in ([b"traceparent"], [b"traceparent", b"tracestate"])
    assert SHAPE.fullmatch(sent[0][1])
    assert not any(byte in value for _, value in sent for byte in b"\r\n\0")

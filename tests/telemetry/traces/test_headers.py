"""The traceparent of a request: one, of bounded length, or none."""

import pytest

from orch.telemetry.traces.headers import LONGEST, traceparent_in

PARENT = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], ""),
        ([PARENT], PARENT.decode()),
        ([PARENT, PARENT], ""),
        ([b"x" * LONGEST], "x" * LONGEST),
        ([b"x" * (LONGEST + 1)], ""),
        ([b"\xff\x00"], "ÿ\x00"),
        ([b""], ""),
    ],
)
def test_a_traceparent_is_read_if_there_is_exactly_one(values: list[bytes], found: str) -> None:
    """Ten thousand idle connections store one each, so that it may not be as long as headers may be."""
    headers = [(b"host", b"a"), *((b"traceparent", value) for value in values), (b"tracestate", b"b=c")]
    assert traceparent_in(headers) == found

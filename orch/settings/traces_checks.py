"""Checks the settings of traces beyond the kinds of their values. Pure."""

import re
from typing import Final

from orch.settings.addresses import is_http_url, unusable_in_header
from orch.settings.restrictions import given
from orch.settings.structs import Fault
from orch.settings.traces import Traces

_AT: Final = "orchestration.traces"
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_OURS: Final = frozenset({"content-type", "content-length", "content-encoding", "host", "connection"})
"""Headers that the exporter sets itself."""


def find_traces_faults(traces: Traces) -> list[Fault]:
    """Return the faults in the settings of traces; none quotes a secret."""
    faults = []
    if traces.endpoint and not is_http_url(traces.endpoint, allows_password=True):
        where = f"{_AT}.endpoint"
        expected = "expected http://HOST:PORT or https://… of a collector, without a query"
        faults.append(Fault(where, f"{expected}, got {given(where, traces.endpoint)}"))
    for number, (name, value) in enumerate(traces.headers.items()):
        if not _NAME.fullmatch(name) or name.lower() in _NOT_OURS:
            # Not quoted: a header that was pasted as a whole has its secret in its name.
            expected = "expected the name of a header that the exporter does not set itself"
            faults.append(Fault(f"{_AT}.headers", f"{expected} (number {number + 1})"))
        elif not value or unusable_in_header(value) or value != value.strip():
            expected = "expected printable ASCII characters without blanks around"
            faults.append(Fault(f"{_AT}.headers.{name}", expected))
    return faults

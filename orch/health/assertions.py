"""What the settings require of a response to a check. Pure."""

from collections.abc import Sequence

from orch.health.check_response import LARGEST, in_words
from orch.masking import mask_text
from orch.settings.probe_structs import Probe
from orch.untrusted_json import UnreadableError, unpacked


def is_accepted(status: int, ranges: Sequence[str]) -> bool:
    """Return whether ``status`` is one of ``ranges``: ``200``, ``200-299``."""
    for each in ranges:
        first, _, last = each.partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


def failed_assertions(probe: Probe, status: int, body: bytes) -> tuple[str, ...]:
    """Return, in words, what the response lacks. ``body``: its first 64 KiB."""
    lacks: list[str] = []
    if probe.status and not is_accepted(status, probe.status):
        lacks.append(f"responds {status}, expected {', '.join(probe.status)}")
    if probe.body and probe.body.encode() not in _plain(body):
        lacks.append(f"its response does not contain {mask_text(probe.body)!r}")
    return tuple(lacks)


def too_late(probe: Probe, elapsed: float | None) -> str:
    """Return that a check took too long, in words, or ""."""
    if elapsed is None or not probe.max_latency or elapsed <= probe.max_latency:
        return ""
    return f"responds in {in_words(elapsed)}, at most {in_words(probe.max_latency)} are accepted"


def _plain(body: bytes) -> bytes:
    try:
        return unpacked(body, limit=LARGEST)
    except UnreadableError:
        return body

"""Decides where a stream continues after a lost connection, and how much is lost. Pure.

The client stores unacknowledged speech. It names its stream, and the position from which it still has the
speech. The service knows what it has received; the client's claims are checked for plausibility: speech
cannot be longer than the time passed, nor older than the session.
"""

from typing import Final

from msgspec import Struct

from orch.problems import ProblemError
from orch.protocol.messages import AudioStart

#: Tolerance in seconds: clocks of sound cards and machines differ, and messages take time.
SLACK: Final = 5.0

#: Shorter gaps are ignored: the length of a block.
NOTABLE: Final = 0.05

GAP: Final = "The speaker's connection was away for longer than speech is stored."


class Progress(Struct, frozen=True):
    """How much of a stream the service has received, in seconds from its first sample."""

    received_seconds: float


class StreamStart(Struct, frozen=True):
    """Where a stream begins or continues.

    ``position``: where the client should start sending, in the stream it named. ``lost_seconds``: the gap
    before it. ``age``: of the first sample, or of the gap if there is one.
    """

    position: float
    lost_seconds: float
    age: float


def resumed(message: AudioStart, progress: Progress, *, silent_for: float) -> StreamStart:
    """Return where a stream continues. ``silent_for``: seconds since it was last fed.

    Raises ``invalid_message`` if the claimed position is later than possible.
    """
    lost = message.position - progress.received_seconds
    if lost > silent_for + SLACK:
        raise ProblemError(
            "invalid_message",
            f"$.position: {message.position:g} s is {lost:.1f} s after the last received audio, which "
            f"was received {silent_for:.1f} s ago. A position cannot advance faster than time.",
            path="$.position",
        )
    lost = lost if lost > NOTABLE else 0.0
    # Rounding errors stay in the stream's count, so nothing is sent twice.
    position = message.position if lost else progress.received_seconds
    return StreamStart(position=position, lost_seconds=lost, age=0.0)


def started(
    message: AudioStart, progress: Progress | None, *, session_age: float, spoken_until: float | None
) -> StreamStart:
    """Return where a new stream begins.

    ``progress``: of the stream that it replaces, if known. ``session_age``: seconds. ``spoken_until``:
    seconds since the same speaker's last stream ended, if known. Raises ``invalid_message`` if the speech
    would be older than the session.
    """
    age = message.age or 0.0
    if progress is None:
        position, lost = message.position, message.lost_seconds
    else:
        position = max(message.position, progress.received_seconds)
        lost = message.position - progress.received_seconds
        age -= position - message.position
    lost = lost if lost > NOTABLE else 0.0
    if age + lost > session_age + SLACK:
        raise ProblemError(
            "invalid_message",
            f"$.age: Speech of {age + lost:.0f} s ago is older than the session.",
            path="$.age",
        )
    age = max(0.0, age + lost)
    if spoken_until is not None and message.age is not None and age > spoken_until:
        # A speaker's streams do not overlap: an earlier start is moved to the end of the previous stream.
        age = max(0.0, spoken_until)
        lost = min(lost, age)
    return StreamStart(position=position, lost_seconds=lost, age=age)

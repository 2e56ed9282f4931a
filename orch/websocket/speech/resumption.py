"""Where a speaker goes on after a lost connection, and what is lost. Pure.

The speaker stores what was not acknowledged. It asks for the stream it spoke in, and says from which position
on it still has the speech. What the service has received is certain; what the speaker claims is checked
against what can be: nobody has spoken longer than time has passed, nor before the session was there.
"""

from typing import Final

from msgspec import Struct

from orch.problems import ProblemError
from orch.protocol.messages import AudioStart

#: Seconds: clocks of sound cards and of machines differ, and messages take time.
SLACK: Final = 5.0

#: Less than that is no gap: a block's length.
NOTABLE: Final = 0.05

GAP: Final = "The speaker's connection was away for longer than speech is stored."


class Progress(Struct, frozen=True):
    """How much of a stream the service has: from its first sample on, in seconds."""

    received_seconds: float


class StreamStart(Struct, frozen=True):
    """Where a stream begins or goes on.

    ``position``: what the speaker is to send from on, in the stream it asked for. ``lost_seconds``: the gap
    before it. ``age``: of the first sample, the gap's where there is one.
    """

    position: float
    lost_seconds: float
    age: float


def resumed(message: AudioStart, progress: Progress, *, silent_for: float) -> StreamStart:
    """Return where a stream goes on. ``silent_for``: seconds since it was last fed.

    Raises ``invalid_message`` where the speaker claims to be further than time allows.
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
    # What is a rounding off stays in the stream's count: nothing is sent twice.
    position = message.position if lost else progress.received_seconds
    return StreamStart(position=position, lost_seconds=lost, age=0.0)


def started(
    message: AudioStart, progress: Progress | None, *, session_age: float, spoken_until: float | None
) -> StreamStart:
    """Return where a new stream begins.

    ``progress``: of the stream that it takes the place of, where that is known. ``session_age``: seconds.
    ``spoken_until``: how many seconds ago the same speaker's last stream ended, where that is known.

    Raises ``invalid_message`` where the speech would be older than the session.
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
        # One person's streams do not overlap: what is said to be older follows what came before.
        age = max(0.0, spoken_until)
        lost = min(lost, age)
    return StreamStart(position=position, lost_seconds=lost, age=age)

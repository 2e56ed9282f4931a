"""The Redis commands about token buckets that workers share. Pure."""

from collections.abc import Sequence
from typing import Final

from orch.stores.redis.calls import Call, ServerCommands
from orch.stores.redis.keys import PROBE

#: In a cluster one script needs all of its keys in one slot.
_RATE: Final = b"orch:rate:{1}:"
_MICROSECONDS: Final = 1_000_000


class RateCommands(ServerCommands):
    """Builds the calls about token buckets; see :class:`orch.stores.redis.calls.ServerCommands`."""

    def command_probe(self) -> Call[None]:
        """Probe the operation on a bucket that no limit has."""
        return Call(self.take([(PROBE, 1, 1)]).commands, lambda _: None)

    def take(self, buckets: Sequence[tuple[str, int, int]]) -> Call[tuple[float, ...]]:
        """Take a token of each bucket, or of none; the seconds in which each was full before.

        Each: its name, how many tokens it holds, and in how many seconds an empty one is full.
        """
        sizes = [
            part
            for _, tokens, seconds in buckets
            for part in (seconds * _MICROSECONDS // tokens, seconds * _MICROSECONDS)
        ]
        return Call(
            (self._script("take", [_RATE + name.encode() for name, _, _ in buckets], *sizes),),
            lambda replies: tuple(int(level) / _MICROSECONDS for level in replies[0]),
        )

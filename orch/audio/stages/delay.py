"""Delays samples by a whole number of samples. Pure."""

from collections import deque

import numpy as np

from orch.audio.stages.stage import Activity, Block


def delayed(block: Block, held: Block) -> tuple[Block, Block]:
    """Return the block as late as ``held`` is long, and what is held after it."""
    if not len(held):
        return block, held
    both = np.concatenate((held, block))
    return both[: len(block)], both[len(block) :]


def delayed_activity(activity: Activity, held: Activity) -> tuple[Activity, Activity]:
    """Return the activity as late as ``held`` is long, and what is held after it."""
    count = len(activity.speech)
    both = joined(held, activity)
    return (
        Activity(both.confidence[:count], both.speech[:count]),
        Activity(both.confidence[count:], both.speech[count:]),
    )


def no_activity(count: int) -> Activity:
    """Return the activity of ``count`` samples without speech."""
    return Activity(np.zeros(count, np.float32), np.zeros(count, np.bool_))


def joined(first: Activity, second: Activity) -> Activity:
    """Return one activity after the other."""
    return Activity(
        np.concatenate((first.confidence, second.confidence)), np.concatenate((first.speech, second.speech))
    )


class Recent:
    """The last ``count`` samples of a stream, in the blocks that they came in: to note one takes no copy.

    The mutable state: the blocks, and how many samples they have. Before the first sample are zeros.
    """

    __slots__ = ("_blocks", "_count", "_samples")

    def __init__(self, count: int) -> None:
        self._count = count
        self._blocks = deque([np.zeros(count, np.float32)])
        self._samples = count

    def add(self, block: Block) -> None:
        """Note what follows; the block must not be modified later."""
        if not self._count:
            return
        self._blocks.append(block)
        self._samples += len(block)
        while self._samples - len(self._blocks[0]) >= self._count and len(self._blocks) > 1:
            self._samples -= len(self._blocks.popleft())

    def delayed(self, block: Block) -> Block:
        """Return the block as late as ``count`` samples, and note it."""
        if not self._count:
            return block
        both = np.concatenate((*self._blocks, block))
        begin = self._samples - self._count
        self._blocks = deque([both[len(both) - self._count :]])
        self._samples = self._count
        return both[begin : begin + len(block)]

    def copy(self) -> "Recent":
        """Return another one that continues from here on its own."""
        other = Recent(0)
        other._count, other._samples = self._count, self._samples
        other._blocks = self._blocks.copy()
        return other

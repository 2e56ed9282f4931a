"""Delays samples by a whole number of samples. Pure."""

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

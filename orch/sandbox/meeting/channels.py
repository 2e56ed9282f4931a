"""Which audio channel carries each utterance, and when channels are open. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from orch.sandbox.meeting.script import Channels, Participant
from orch.sandbox.meeting.speech_times import Utterance


class Channel(Struct, frozen=True):
    """A remote audio track. ``who``: its only speaker, if it has one. ``closes`` None: with the meeting."""

    number: int
    who: str | None
    opens: float
    closes: float | None


class Assignment(Struct, frozen=True):
    """All channels, and the channel of each utterance by its number; None: not transmitted."""

    channels: tuple[Channel, ...]
    carried_by: dict[int, int | None]


def assign(spoken: Sequence[Utterance], participants: Sequence[Participant], how: Channels) -> Assignment:
    """Return the channels of a meeting. ``spoken``: in the order of their beginnings.

    none: there are none. per_speaker: one for each stay of a participant. mixed: one for all. rotating: a
    pool in which a speaker keeps the channel of the last utterance while nobody else took it, and else has
    the free one that is silent for longest. With every channel in use, an utterance is not transmitted, as
    in a meeting that forwards its loudest speakers.
    """
    if how.mode == "none":
        return Assignment((), {each.number: None for each in spoken})
    if how.mode == "mixed":
        return Assignment((Channel(0, None, 0.0, None),), {each.number: 0 for each in spoken})
    if how.mode == "rotating":
        pool = tuple(Channel(number, None, 0.0, None) for number in range(how.size))
        return Assignment(pool, _rotated(spoken, how.size))
    stays = sorted(
        (
            (stay.joins, place, each.id, stay.leaves)
            for place, each in enumerate(participants)
            for stay in each.present
        ),
        key=lambda stay: (stay[0], stay[1]),
    )
    channels = tuple(
        Channel(number, who, opens, closes) for number, (opens, _, who, closes) in enumerate(stays)
    )
    carried: dict[int, int | None] = {
        each.number: next(
            channel.number
            for channel in channels
            if channel.who == each.who
            and channel.opens <= each.begin
            and (channel.closes is None or each.end <= channel.closes)
        )
        for each in spoken
    }
    return Assignment(channels, carried)


def _rotated(spoken: Sequence[Utterance], size: int) -> dict[int, int | None]:
    busy_until = [0.0] * size
    last_used = [-1.0] * size
    last_speaker: list[str | None] = [None] * size
    carried: dict[int, int | None] = {}
    for each in spoken:
        free = [number for number in range(size) if busy_until[number] <= each.begin]
        own = [number for number in free if last_speaker[number] == each.who]
        if not free:
            carried[each.number] = None
            continue
        chosen = own[0] if own else min(free, key=lambda number: (last_used[number], number))
        busy_until[chosen] = last_used[chosen] = each.end
        last_speaker[chosen] = each.who
        carried[each.number] = chosen
    return carried

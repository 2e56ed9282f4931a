"""All that happens in a meeting, with exact times, from its script. Pure.

The same script and clips give the same schedule. A server plays it to the guests; :mod:`truth` has what a bot
is judged against.
"""

import random
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from orch.sandbox.meeting.captioning import Revision, revisions
from orch.sandbox.meeting.channels import Assignment, assign
from orch.sandbox.meeting.script import Clip, Script
from orch.sandbox.meeting.speech_times import Utterance, utterances

MOST_BLOCKS: Final = 4
"""Caption blocks that are visible at the same time; an older one is removed."""


class Happening(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Something that happens ``at`` seconds after the meeting has started."""

    at: float


class Joined(Happening, frozen=True, kw_only=True, tag="joined"):
    """A participant joins."""

    who: str


class Left(Happening, frozen=True, kw_only=True, tag="left"):
    """A participant leaves."""

    who: str


class ChannelOpened(Happening, frozen=True, kw_only=True, tag="channel_opened"):
    """A remote audio track begins. ``who`` None: it is nobody's alone."""

    channel: int
    who: str | None


class ChannelClosed(Happening, frozen=True, kw_only=True, tag="channel_closed"):
    """A remote audio track ends."""

    channel: int


class Spoken(Happening, frozen=True, kw_only=True, tag="spoken"):
    """A clip is played. ``channel`` None: it is not transmitted. ``seconds``: its length."""

    utterance: int
    who: str
    channel: int | None
    clip: str
    seconds: float
    gain: float


class MarkOn(Happening, frozen=True, kw_only=True, tag="mark_on"):
    """The speaking mark of a tile appears. ``is_leak``: its participant is silent."""

    who: str
    is_leak: bool = False


class MarkOff(Happening, frozen=True, kw_only=True, tag="mark_off"):
    """The speaking mark of a tile disappears."""

    who: str


class Captioned(Happening, frozen=True, kw_only=True, tag="captioned"):
    """A caption block has a new text, shown under the name of ``who``."""

    block: int
    revision: int
    who: str
    text: str
    is_final: bool


class CaptionRemoved(Happening, frozen=True, kw_only=True, tag="caption_removed"):
    """A caption block disappears."""

    block: int


class InterfaceShown(Happening, frozen=True, kw_only=True, tag="interface_shown"):
    """A text of the interface appears among the captions, for ``seconds``."""

    text: str
    seconds: float


class ChatPosted(Happening, frozen=True, kw_only=True, tag="chat_posted"):
    """A chat message."""

    who: str
    text: str


class PresentingStarted(Happening, frozen=True, kw_only=True, tag="presenting_started"):
    """A participant shares a screen."""

    who: str


class PresentingStopped(Happening, frozen=True, kw_only=True, tag="presenting_stopped"):
    """A shared screen is no longer shown."""

    who: str


class NetworkDropped(Happening, frozen=True, kw_only=True, tag="network_dropped"):
    """The guests lose their network. ``is_final``: it does not return."""

    is_final: bool


class NetworkReturned(Happening, frozen=True, kw_only=True, tag="network_returned"):
    """The guests' network is back."""


class GuestsRemoved(Happening, frozen=True, kw_only=True, tag="guests_removed"):
    """The host removes all guests."""


class Ended(Happening, frozen=True, kw_only=True, tag="ended"):
    """The meeting ends for everybody."""


_ORDER: Final[tuple[type[Happening], ...]] = (
    NetworkReturned,
    Joined,
    ChannelOpened,
    MarkOff,
    MarkOn,
    Spoken,
    CaptionRemoved,
    Captioned,
    InterfaceShown,
    ChatPosted,
    PresentingStopped,
    PresentingStarted,
    ChannelClosed,
    Left,
    NetworkDropped,
    GuestsRemoved,
    Ended,
)
"""The order of what happens at the same time."""


class Schedule(Struct, frozen=True, kw_only=True):
    """A whole meeting. ``happenings`` in the order of their times; ``seconds``: when the last one is."""

    script: Script
    happenings: tuple[Happening, ...]
    utterances: tuple[Utterance, ...]
    revisions: tuple[Revision, ...]
    channels: Assignment
    seconds: float


def schedule(script: Script, library: Mapping[str, Clip]) -> Schedule:
    """Return what happens in a meeting. ``library``: the clips that all scripts share, with their lengths.

    Nothing follows the meeting's end. Raises :class:`orch.sandbox.meeting.script.ScriptError`.
    """
    spoken = utterances(script, library)
    captions = revisions(
        spoken,
        script.captions,
        seed=script.seed,
        language=script.speech_language,
        participants=[each.id for each in script.participants],
    )
    channels = assign(spoken, script.participants, script.channels)
    found: list[Happening] = [
        *_presences(script),
        *_channels(channels),
        *_sounds(spoken, channels),
        *_marks(script, spoken),
        *_captions(script, captions),
        *(
            InterfaceShown(at=each.at, text=each.text, seconds=each.seconds)
            for each in script.captions.interface
        ),
        *(ChatPosted(at=each.at, who=each.who, text=each.text) for each in script.chat),
        *(PresentingStarted(at=each.at, who=each.who) for each in script.presenting),
        *(PresentingStopped(at=each.until, who=each.who) for each in script.presenting),
        *_interruptions(script),
    ]
    if script.ends is not None:
        found = [each for each in found if each.at <= script.ends]
        found.append(Ended(at=script.ends))
    rank = {kind: place for place, kind in enumerate(_ORDER)}
    found.sort(key=lambda each: (each.at, rank[type(each)]))
    return Schedule(
        script=script,
        happenings=tuple(found),
        utterances=spoken,
        revisions=captions,
        channels=channels,
        seconds=found[-1].at,
    )


def _presences(script: Script) -> list[Happening]:
    found: list[Happening] = []
    for each in script.participants:
        for stay in each.present:
            found.append(Joined(at=stay.joins, who=each.id))
            if stay.leaves is not None:
                found.append(Left(at=stay.leaves, who=each.id))
    return found


def _channels(channels: Assignment) -> list[Happening]:
    found: list[Happening] = []
    for each in channels.channels:
        found.append(ChannelOpened(at=each.opens, channel=each.number, who=each.who))
        if each.closes is not None:
            found.append(ChannelClosed(at=each.closes, channel=each.number))
    return found


def _sounds(spoken: tuple[Utterance, ...], channels: Assignment) -> list[Happening]:
    return [
        Spoken(
            at=each.begin,
            utterance=each.number,
            who=each.who,
            channel=channels.carried_by[each.number],
            clip=each.clip,
            seconds=round(each.end - each.begin, 6),
            gain=each.gain,
        )
        for each in spoken
    ]


def _marks(script: Script, spoken: tuple[Utterance, ...]) -> list[Happening]:
    """Return when marks appear and disappear; overlapping times of one participant are one mark."""
    how = script.marks
    lit: dict[str, list[tuple[float, float, bool]]] = {}
    for each in spoken:
        draw = random.Random(f"{script.seed}/marks/{each.number}")
        begin, end = each.begin + how.delay, each.end + how.hang
        if end <= begin:
            continue
        if draw.random() >= how.missing:
            lit.setdefault(each.who, []).append((begin, end, False))
        others = [
            other.id
            for other in script.participants
            if other.id != each.who and _is_present(script, other.id, begin, end)
        ]
        if draw.random() < how.leak and others:
            lit.setdefault(draw.choice(others), []).append((begin, end, True))
    found: list[Happening] = []
    for who, spans in lit.items():
        merged = _merged(spans)
        found += [MarkOn(at=round(begin, 6), who=who, is_leak=is_leak) for begin, _, is_leak in merged]
        found += [MarkOff(at=round(end, 6), who=who) for _, end, _ in merged]
    return found


def _is_present(script: Script, who: str, begin: float, end: float) -> bool:
    return any(
        stay.joins <= begin and (stay.leaves is None or end <= stay.leaves)
        for stay in script.participant(who).present
    )


def _merged(spans: list[tuple[float, float, bool]]) -> list[tuple[float, float, bool]]:
    """Join spans that overlap; a joined one is a leak only if all of it is."""
    found: list[tuple[float, float, bool]] = []
    for begin, end, is_leak in sorted(spans):
        if found and begin <= found[-1][1]:
            earlier = found[-1]
            found[-1] = (earlier[0], max(earlier[1], end), earlier[2] and is_leak)
        else:
            found.append((begin, end, is_leak))
    return found


def _captions(script: Script, captions: tuple[Revision, ...]) -> list[Happening]:
    """Return the revisions that arrive, and when blocks disappear: after a time, or for a newer one."""
    found: list[Happening] = []
    visible: dict[int, float] = {}
    for each in captions:
        expired = [block for block, until in visible.items() if until <= each.at]
        found += [CaptionRemoved(at=round(visible.pop(block), 6), block=block) for block in expired]
        if each.is_lost:
            continue
        if each.block not in visible and len(visible) == MOST_BLOCKS:
            oldest = min(visible)
            del visible[oldest]
            found.append(CaptionRemoved(at=each.at, block=oldest))
        visible[each.block] = each.at + script.captions.removed_after
        found.append(
            Captioned(
                at=each.at,
                block=each.block,
                revision=each.revision,
                who=each.who,
                text=each.text,
                is_final=each.is_final,
            )
        )
    found += [CaptionRemoved(at=round(until, 6), block=block) for block, until in visible.items()]
    return found


def _interruptions(script: Script) -> list[Happening]:
    found: list[Happening] = [
        NetworkDropped(at=each.drops, is_final=each.returns is None) for each in script.network
    ]
    found += [NetworkReturned(at=each.returns) for each in script.network if each.returns is not None]
    if script.removal is not None:
        found.append(GuestsRemoved(at=script.removal))
    return found

"""The truth about a meeting: who said which word when, as JSON for judging a bot. Pure."""

from typing import Final

import msgspec
from msgspec import Struct

from orch.sandbox.meeting.schedule import MarkOn, Schedule
from orch.sandbox.meeting.speech_times import SpokenWord

FORMAT: Final = 1
"""The version of the JSON; it rises when a field changes its meaning or disappears."""


class TrueParticipant(Struct, frozen=True):
    """A participant, and when present: pairs of seconds, the second null until the end."""

    id: str
    name: str
    present: tuple[tuple[float, float | None], ...]


class TrueUtterance(Struct, frozen=True, kw_only=True):
    """An utterance. ``channel`` null: it was not transmitted. Times in seconds from the meeting's start.

    captions: the texts of its caption blocks as they were last shown; empty if none arrived.
    captioned_as: the ids under whose names they were shown.
    """

    number: int
    who: str
    name: str
    clip: str
    begin: float
    end: float
    channel: int | None
    words: tuple[SpokenWord, ...]
    captions: tuple[str, ...]
    captioned_as: tuple[str, ...]


class Truth(Struct, frozen=True, kw_only=True):
    """All of it. ``leaked_marks``: speaking marks on tiles of silent participants."""

    format: int = FORMAT
    meeting: str
    seed: int
    language: str
    participants: tuple[TrueParticipant, ...]
    utterances: tuple[TrueUtterance, ...]
    interface_texts: tuple[str, ...]
    leaked_marks: int
    seconds: float


def truth(planned: Schedule) -> Truth:
    """Return the truth about a meeting."""
    script = planned.script
    names = {each.id: each.name for each in script.participants}
    last_shown = {each.block: each for each in planned.revisions if not each.is_lost}
    return Truth(
        meeting=script.name,
        seed=script.seed,
        language=script.speech_language,
        participants=tuple(
            TrueParticipant(each.id, each.name, tuple((stay.joins, stay.leaves) for stay in each.present))
            for each in script.participants
        ),
        utterances=tuple(
            TrueUtterance(
                number=each.number,
                who=each.who,
                name=names[each.who],
                clip=each.clip,
                begin=each.begin,
                end=each.end,
                channel=planned.channels.carried_by[each.number],
                words=each.words,
                captions=tuple(
                    shown.text for shown in last_shown.values() if each.number in shown.utterances
                ),
                captioned_as=tuple(
                    sorted({shown.who for shown in last_shown.values() if each.number in shown.utterances})
                ),
            )
            for each in planned.utterances
        ),
        interface_texts=tuple(each.text for each in script.captions.interface),
        leaked_marks=sum(isinstance(each, MarkOn) and each.is_leak for each in planned.happenings),
        seconds=planned.seconds,
    )


def as_json(known: Truth) -> bytes:
    """Return the truth as JSON: the same bytes for the same script and clips."""
    return msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n"

"""What a bot knows of its meeting that decides whether it stays: people, speech and sound. Pure."""

from collections.abc import Collection
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from orch.bots import leave_rules
from orch.bots.ends import EndReason
from orch.bots.leave_rules import Company, Departure, LeaveRules
from orch.bots.observations import (
    CaptionReceived,
    CaptionsSeen,
    MarksSeen,
    Observation,
    PeopleSeen,
    Sound,
)

SEEN_SPEAKING: Final = 3
"""Times that participants were seen speaking, at different moments, before a lack of sound means anything."""


AUDIBLE: Final = 32
"""Samples further from 0 (16 bits, -60 dBFS) are sound: Chromium makes ±1 of a silent participant's track."""


class Watch(Struct, frozen=True, kw_only=True):
    """What is known. Times are seconds of the caller's clock.

    ``company``: None before the bot was in the call. ``people``: others in the list; None: it cannot be read.
    ``has_sound``: sound that is not silence has arrived from this browser. ``spoken_at``: when participants
    were first seen speaking without; ``spoken``: how often.
    """

    company: Company | None = None
    people: tuple[str, ...] | None = None
    has_sound: bool = False
    spoken_at: float | None = None
    spoken: int = 0


def admitted(watch: Watch, at: float) -> Watch:
    """Return what is known once the bot is in the call; the first admission counts."""
    return watch if watch.company is not None else replace(watch, company=Company(admitted=at))


def rejoined(watch: Watch) -> Watch:
    """Return what is known when another browser joins: nothing that the page has shown is true any more."""
    company = watch.company
    if company is not None:
        company = replace(company, alone_since=None, bots_since=None)
    return Watch(company=company)


def observed(
    watch: Watch, observation: Observation, rules: LeaveRules, now: float, own: Collection[str] = ()
) -> Watch:
    """Return what is known after an observation. ``own``: display names of our other bots in this meeting."""
    match observation:
        case PeopleSeen(people=people):
            others = None if people is None else tuple(each.name for each in people if not each.is_self)
            watch = replace(watch, people=others)
            if watch.company is None:
                return watch
            return replace(
                watch, company=leave_rules.with_participants(watch.company, others, rules, now, own)
            )
        case MarksSeen(speaking=(_, *_)) | CaptionsSeen(blocks=(_, *_)) | CaptionReceived():
            return _spoken(watch, now)
        case Sound(pcm=pcm) if not watch.has_sound and is_audible(pcm):
            return replace(watch, has_sound=True, spoken_at=None, spoken=0)
        case _:
            return watch


def is_audible(pcm: bytes) -> bool:
    """Return whether sound (16-bit little-endian) is more than what a browser makes of silence."""
    samples = np.frombuffer(pcm, "<i2")
    return samples.size > 0 and (int(samples.max()) > AUDIBLE or int(samples.min()) < -AUDIBLE)


def captures(watch: Watch, now: float, *, is_on: bool) -> Watch:
    """Return what is known after capturing began or ended."""
    if watch.company is None:
        return watch
    return replace(watch, company=leave_rules.with_capture(watch.company, now, captures=is_on))


def refused(watch: Watch, now: float, *, is_refused: bool) -> Watch:
    """Return what is known after the bot was refused to capture, or allowed."""
    if watch.company is None:
        return watch
    return replace(watch, company=leave_rules.with_refusal(watch.company, now, is_refused=is_refused))


def departure(watch: Watch, rules: LeaveRules) -> Departure | None:
    """Return when the bot leaves by itself, and why, if nothing changes."""
    return None if watch.company is None else leave_rules.departure(watch.company, rules)


def deafness(watch: Watch, patience: float) -> Departure | None:
    """Return when a bot gives up that receives no sound although participants speak; None: it does not."""
    if watch.spoken_at is None or watch.spoken < SEEN_SPEAKING:
        return None
    return Departure(watch.spoken_at + patience, EndReason.NO_AUDIO)


def _spoken(watch: Watch, now: float) -> Watch:
    company = watch.company
    if company is None:
        return watch
    watch = replace(watch, company=leave_rules.with_speech(company, now))
    if watch.has_sound:
        return watch
    return replace(
        watch, spoken_at=now if watch.spoken_at is None else watch.spoken_at, spoken=watch.spoken + 1
    )

"""When a bot leaves its meeting by itself: nobody came, everyone left, only bots are left, silence. Pure.

The defaults are Recall.ai's (November 2026): 1,200 s for the first participant, 2 s once everyone has left,
3,600 s of silence after the first 1,200 s. Two bots that wait for each other would stay for ever, so a
meeting in which only bots are left counts as one that everyone has left, after a time of its own: people who
reconnect are away for some seconds.

What the bot cannot see is no reason to leave: while the list of participants cannot be read, the rules about
participants wait, and a bot that is paused, or not allowed to capture, does not count silence.
"""

import re
from collections.abc import Collection
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.bots.ends import EndReason

BOT_NAMES: Final = (
    r"\b(note ?taker|meeting ?bot|ai assistant|recorder|transcriber)\b",
    r"\b(otter\.ai|otterpilot|fireflies\.ai|read\.ai|gong\.io|tl;dv|tldv)\b",
)
"""Patterns of the display names under which vendors' bots join, matched anywhere and in any case.

Names that people have (Gong, Grain) are not among them: a meeting with a person in it is not left.
"""


class LeaveRules(Struct, frozen=True, kw_only=True):
    """Seconds; ``silence_after`` counts from the admission. ``bot_names``: patterns of bots' names."""

    nobody_came: float = 1200
    everyone_left: float = 2
    only_bots: float = 60
    silence: float = 3600
    silence_after: float = 1200
    recording_refused: float = 30
    bot_names: tuple[str, ...] = BOT_NAMES


class Company(Struct, frozen=True, kw_only=True):
    """What the rules know of a meeting: times in seconds of the caller's clock, None where it is not so.

    ``admitted``: when the bot was first in the call; ``met``: whether a person was ever there;
    ``alone_since``, ``bots_since``: since when nobody else, or only other bots, were there;
    ``quiet_since``: since when nobody has spoken while the bot captured; ``refused_since``: since when it is
    refused to record.
    """

    admitted: float
    met: bool = False
    alone_since: float | None = None
    bots_since: float | None = None
    quiet_since: float | None = None
    refused_since: float | None = None


class Departure(Struct, frozen=True, order=True):
    """Leave at time ``at`` for ``reason``, unless something changes before."""

    at: float
    reason: EndReason


def is_bot(name: str, rules: LeaveRules, own: Collection[str] = ()) -> bool:
    """Whether a participant of this display name is a bot: one of our ``own``, or one by its name."""
    return name in own or any(re.search(pattern, name, re.IGNORECASE) for pattern in rules.bot_names)


def with_participants(
    company: Company, others: Collection[str] | None, rules: LeaveRules, now: float, own: Collection[str] = ()
) -> Company:
    """Return what is known after the list was read: the display names of all ``others``, None if unreadable.

    ``own``: display names of this service's other bots.
    """
    if others is None:
        return replace(company, alone_since=None, bots_since=None)
    has_people = any(not is_bot(name, rules, own) for name in others)
    return replace(
        company,
        met=company.met or has_people,
        alone_since=None if others else _since(company.alone_since, now),
        bots_since=None if has_people or not others else _since(company.bots_since, now),
    )


def with_capture(company: Company, now: float, *, captures: bool) -> Company:
    """Return what is known after capturing began or ended: silence is counted only while it goes on."""
    return replace(company, quiet_since=now if captures else None)


def with_speech(company: Company, now: float) -> Company:
    """Return what is known after someone has spoken."""
    return company if company.quiet_since is None else replace(company, quiet_since=now)


def with_refusal(company: Company, now: float, *, is_refused: bool) -> Company:
    """Return what is known after the participants refused, or allowed, that the bot records."""
    return replace(company, refused_since=_since(company.refused_since, now) if is_refused else None)


def _since(before: float | None, now: float) -> float:
    return now if before is None else before


def departure(company: Company, rules: LeaveRules) -> Departure | None:
    """Return when the bot leaves, and why, if nothing changes; None if it stays.

    Before anyone was there, a bot that is alone, or with bots alone, waits for the first person: the rules
    about a meeting that is over do not apply to one that has not begun.
    """
    found: list[Departure] = []
    if company.alone_since is not None and company.met:
        found.append(Departure(company.alone_since + rules.everyone_left, EndReason.ALONE))
    if company.bots_since is not None and company.met:
        found.append(Departure(company.bots_since + rules.only_bots, EndReason.ONLY_BOTS))
    if not company.met and (company.alone_since is not None or company.bots_since is not None):
        found.append(Departure(company.admitted + rules.nobody_came, EndReason.NOBODY_CAME))
    if company.quiet_since is not None:
        counted_from = max(company.quiet_since, company.admitted + rules.silence_after)
        found.append(Departure(counted_from + rules.silence, EndReason.SILENCE))
    if company.refused_since is not None:
        found.append(Departure(company.refused_since + rules.recording_refused, EndReason.RECORDING_REFUSED))
    return min(found, default=None)

"""What must happen before a bot captures anything, and how a participant opts out. Pure.

In the call, a bot first announces in the chat what it does and by which word a participant opts out (unless
asked not to), then it asks the host if it has to; only then does it capture. An announcement that
cannot be written is tried again; a bot that is to announce itself captures nothing without it.

Who opts out opts out for the meeting: whose words a sound has is an estimate, and an estimate is not good
enough to decide what is stored. So capturing stops at once, for everybody, and the bot leaves soon after,
with the reason ``recording_refused``.
"""

import re
import unicodedata
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from orch.bots.announcements import ANNOUNCEMENTS, DEFAULT, Announcement
from orch.bots.requests import Consent, Languages

RETRIES: Final = (2.0, 5.0, 10.0, 15.0, 30.0)
"""Seconds between attempts to write the announcement; after the last one, the bot gives up."""


class Progress(Struct, frozen=True, kw_only=True):
    """What has been done, since the bot is in the call.

    ``failures``: attempts to announce that failed. ``answer``: the host's last one. ``has_opt_out``: a
    participant does not want it.
    """

    is_announced: bool = False
    failures: int = 0
    is_asked: bool = False
    answer: bool | None = None
    has_opt_out: bool = False


class Step(Enum):
    """What a bot in the call does next about consent."""

    ANNOUNCE = auto()
    GIVE_UP = auto()
    ASK = auto()
    WAIT = auto()
    CAPTURE = auto()
    STOP = auto()


def next_step(consent: Consent, progress: Progress) -> Step:
    """Return what a bot does next."""
    if progress.has_opt_out or progress.answer is False:
        return Step.STOP
    if consent.announce and not progress.is_announced:
        return Step.GIVE_UP if progress.failures > len(RETRIES) else Step.ANNOUNCE
    if consent.require == "none" or progress.answer is True:
        return Step.CAPTURE
    return Step.WAIT if progress.is_asked else Step.ASK


def announcement(languages: Languages, *, is_recorded: bool) -> tuple[str, Announcement]:
    """Return what is announced, in the language of the meeting as far as it is known: its text, and its row.

    ``is_recorded``: sound is stored, not only text.
    """
    row = announced_in(languages)
    return row.recorded if is_recorded else row.captioned, row


def announced_in(languages: Languages) -> Announcement:
    """Return the row of the language that is spoken, of the captions, or of the page."""
    spoken = languages.spoken if languages.spoken != "auto" else None
    for code in (spoken, languages.captions, languages.interface):
        row = ANNOUNCEMENTS.get((code or "").replace("_", "-").partition("-")[0].lower())
        if row is not None:
            return row
    return ANNOUNCEMENTS[DEFAULT]


def is_opt_out(text: str, row: Announcement) -> bool:
    """Whether a chat message is the announced word, or that of the default language, and nothing else.

    Case, accents, punctuation and quotation marks do not matter. A message that only contains the word, as
    the announcement does, is none.
    """
    return _bare(text) in {_bare(row.word), _bare(ANNOUNCEMENTS[DEFAULT].word)}


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(each for each in folded if not unicodedata.combining(each))
    return re.sub(r"[\W_]+", "", letters)

"""When a name is shown, replaced or withdrawn: thresholds with a margin, and a wait for evidence. Pure.

A name is shown from :data:`SHOW` on. Marks arrive with the speech, captions some seconds later, and captions
prove more: while captions are arriving, a name from marks alone waits for them. A shown name is replaced only
by one that is far likelier, so that readers rarely see a name change.
"""

from collections.abc import Sequence
from typing import Final

from orch.bots.correlation.events import Kind, Name, Source
from orch.bots.correlation.roster import Roster, plain
from orch.bots.correlation.words import LiveWord, Run

SHOW: Final = 0.8
REPLACE: Final = 0.95
WITHDRAW: Final = 0.2
CONFIDENT: Final = 0.95
"""From this confidence on a name is said to be sure."""
AT_ONCE: Final = 0.97
SAME_PERSON: Final = 0.8
"""Share of a name's probability that one of several participants with it needs to be meant."""
NEAR: Final = 12.0
"""Seconds within which a caption's word makes a name one from captions."""

#: Probability that a source is wrong as a whole, as when a mark is missing and another one is lit. A name is
#: never surer than that.
DOUBTS: Final[dict[Source, float]] = {
    "captions": 0.004,
    "track": 0.006,
    "owner": 0.002,
    "marks": 0.06,
    "person": 0.0,
    "none": 0.0,
}
MIXED: Final = 0.08
"""The same of a word on a mixed channel that no caption has: the words beside it may be another speaker's."""
REASONS: Final[dict[Source, str]] = {
    "captions": "captions have the same words",
    "marks": "marked as speaking at that time",
    "track": "the channel's usual speaker",
    "owner": "the page shows whose channel it is",
    "person": "corrected by a person",
    "none": "not enough evidence",
}


def propose(run: Run, roster: Roster, *, usual: dict[str, float], owner: str | None, is_mixed: bool) -> None:
    """Set the likeliest name, its confidence, source and kind of each word of a scored run."""
    captioned: dict[str, list[float]] = {}
    for word in run.words:
        for support in word.supports.values():
            for key in roster.keys(support.name, support.participant_id, word.start):
                captioned.setdefault(roster.plain_name(key), []).append(word.middle)
    names = [roster.plain_name(key) for key in run.keys]
    for word, row in zip(run.words, run.rows, strict=True):
        if word.is_pinned:
            continue
        _propose(word, row, run.keys, names, captioned, roster, usual, owner, is_mixed=is_mixed)


def _propose(
    word: LiveWord,
    row: Sequence[float],
    keys: Sequence[str],
    names: Sequence[str],
    captioned: dict[str, list[float]],
    roster: Roster,
    usual: dict[str, float],
    owner: str | None,
    *,
    is_mixed: bool,
) -> None:
    shares: dict[str, float] = {}
    for name, share in zip(names, row, strict=False):
        shares[name] = shares.get(name, 0.0) + share
    if not shares:
        word.name, word.confidence, word.source, word.kind = None, 0.0, "none", "none"
        return
    best = max(shares, key=lambda each: (shares[each], each))
    of_name = [(share, key) for key, name, share in zip(keys, names, row, strict=False) if name == best]
    share, key = max(of_name)
    found = roster.name(key)
    if found is not None and share < SAME_PERSON * shares[best]:
        found = Name(name=found.name)
    source, kind = _source(word, best, captioned, usual.get(key, 0.0), is_owner=key == owner)
    word.name = found
    doubt = MIXED if is_mixed and source == "captions" and kind == "interpolated" else DOUBTS[source]
    word.confidence = (1 - doubt) * shares[best]
    word.source, word.kind = source, kind


def _source(
    word: LiveWord, name: str, captioned: dict[str, list[float]], usual: float, *, is_owner: bool
) -> tuple[Source, Kind]:
    if any(plain(support.name) == name for support in word.supports.values()):
        return "captions", "exact"
    if any(abs(middle - word.middle) <= NEAR for middle in captioned.get(name, ())):
        return "captions", "interpolated"
    if is_owner:
        return "owner", "inferred"
    return ("track" if usual >= CONFIDENT else "marks"), "inferred"


def decision(word: LiveWord, *, is_ripe: bool) -> Name | None:
    """Return the name that should be shown now: the shown one, another one, or None."""
    shown, name = word.shown, word.name
    if shown is None:
        if name is None or word.confidence < SHOW:
            return None
        at_once = word.kind == "exact" and word.confidence >= AT_ONCE
        return name if is_ripe or at_once else None
    if name is None:
        return None
    if name.name == shown.name:
        # An id that is no longer sure is kept; one that became known is added.
        return name if name.participant_id is not None else shown
    if word.confidence >= REPLACE:
        return name
    return None if 1 - word.confidence < WITHDRAW else shown

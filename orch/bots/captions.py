"""From the captions that a meeting shows to utterances: each stored once, with revisions. Pure.

Captions arrive from two sources: the page's blocks, a picture of the last minutes that is drawn again and
again (:mod:`orch.bots.caption_page`), and the messages of the meeting's data channel, which have an id and a
version. Both show the same words, in pieces of different lengths and at slightly different times.

While the channel delivers, it counts: its ids leave nothing to guess. The page then only fills what the
channel lost: when an utterance of the page is final, the words of it that no message had become an utterance.
Without the channel (it has been silent for :data:`ALIVE` seconds, or never spoke) the page's utterances count
at once. An utterance that the page began is continued by the first message that fits it. Both must give a
speaker the same name.

Captions have no time of their own; ``now`` is that of their arrival (seconds, the caller's clock). They
arrive late: ``orch.bots.correlation`` estimates by how much.

    state = Captions()
    state, changed = observe(state, blocks, now, own)      # at each change of the page
    state, changed = receive(state, message, now, own)     # at each message of the channel
    state, changed = settle(state, now)                    # at next_settled_at(state)

``changed`` are new or revised utterances, whole; a number's revisions count up from 1. All that is stored is
bounded, whatever the page shows.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.bots import caption_page
from orch.bots.caption_blocks import (
    LONGEST,
    LONGEST_NAME,
    Block,
    Message,
    Source,
    Utterance,
    spoken_blocks,
)
from orch.bots.caption_matching import SETTLED, Spoken
from orch.bots.caption_page import Page
from orch.bots.caption_texts import Text, compare, join_texts, new_text, retimed
from orch.bots.caption_words import clean, weight
from orch.bots.interface_texts import is_own, spoken_text

__all__ = [
    "ALIVE",
    "SETTLED",
    "Block",
    "Captions",
    "Message",
    "Utterance",
    "next_settled_at",
    "observe",
    "receive",
    "settle",
]

ALIVE: Final = 30.0
"""Seconds since its last message after which the channel counts as silent."""

REMEMBERED: Final = 128
"""Utterances that may still be revised."""

ENDED: Final = 1024
"""Earlier messages whose ids are known: a late version of one is not an utterance again."""

_NEAR: Final = 10.0
"""Seconds by which the two sources may differ in when they show the same words."""

_LOST: Final = 3.0
"""Words by which the page has more than the channel in one place, from which those were lost."""

_CHANCE: Final = 2
"""Words in a row that both have, from which they are the same utterance's."""


class _Record(Struct, frozen=True, kw_only=True):
    """An utterance with the times of its words, and the source that revises it.

    ``page``: the number of the page's utterance, 0 if a message revises it. ``message``: its device and id;
    ``base``: words that the page had before the message's; ``is_ahead``: the page had more of the message's
    words than the message.
    """

    utterance: Utterance
    text: Text
    page: int = 0
    message: tuple[str, str] | None = None
    version: int = 0
    base: Text = Text()
    is_ahead: bool = False


class Captions(Struct, frozen=True, kw_only=True):
    """The captions of one meeting so far. A bot's mutable state is which of these it holds.

    ``page``: the page's own utterances; ``records``: the last of all; ``waiting``: numbers of the page's
    utterances that wait for what the channel has of them; ``ended``: earlier messages; ``spoke_at``: when the
    channel's last one arrived.
    """

    page: Page = Page()
    records: tuple[_Record, ...] = ()
    waiting: frozenset[int] = frozenset()
    ended: tuple[tuple[str, str], ...] = ()
    spoke_at: float | None = None
    count: int = 0


def observe(
    captions: Captions, blocks: Sequence[Block], now: float, own: Collection[str] = ()
) -> tuple[Captions, list[Utterance]]:
    """Return the captions after the page showed ``blocks`` (all of them, in its order), and what changed.

    ``own``: the bot's names, whose captions are what it said itself; among them what the page calls it in the
    interface's language (:data:`orch.bots.interface_texts.SELF_NAMES`).
    """
    page, changed = caption_page.observe(captions.page, spoken_blocks(blocks, own), now)
    return _with_page(captions, page, changed, now)


def settle(captions: Captions, now: float) -> tuple[Captions, list[Utterance]]:
    """Return the captions with those utterances final that have not changed for :data:`SETTLED` seconds."""
    page, changed = caption_page.settle(captions.page, now)
    captions, revised = _with_page(captions, page, changed, now)
    final = [
        replace(each, utterance=replace(each.utterance, revision=each.utterance.revision + 1, is_final=True))
        for each in captions.records
        if each.message and not each.utterance.is_final and now - each.utterance.updated >= SETTLED
    ]
    return _stored(captions, final), [*revised, *(each.utterance for each in final)]


def next_settled_at(captions: Captions) -> float | None:
    """Return when :func:`settle` has something to do, unless captions arrive before; None for never."""
    waits = [
        each.utterance.updated + SETTLED
        for each in captions.records
        if each.message and not each.utterance.is_final
    ]
    page = caption_page.next_settled_at(captions.page)
    return min([*waits, *([] if page is None else [page])], default=None)


def receive(
    captions: Captions, message: Message, now: float, own: Collection[str] = ()
) -> tuple[Captions, list[Utterance]]:
    """Return the captions after a message of the data channel, and the utterance that it made or revised.

    An older version than the last, and one of a message that ended long ago, change nothing. The newest
    version counts even if it is shorter: the meeting took words back.
    """
    speaker = clean(message.speaker[:LONGEST_NAME])
    is_own_device = bool(speaker) and is_own(speaker, own)
    spoken = "" if is_own_device else spoken_text(message.text[-LONGEST:])
    key = (message.device[:LONGEST_NAME], message.id[:LONGEST_NAME])
    before = next((each for each in captions.records if each.message == key), None)
    if (
        key in captions.ended
        or (before is None and not spoken)
        or (before and message.version < before.version)
    ):
        return captions, []
    captions = replace(captions, spoke_at=now)
    text = new_text(spoken, now)
    if before is None:
        before = _begun(captions, speaker, text, now)
    if before is None:
        count = captions.count + 1
        captions = replace(captions, count=count)
        after = _new(count, speaker, text, "channel", now)
    else:
        after = before if not spoken and not is_own_device else _revised(before, text, speaker, now)
    after = replace(
        after,
        message=key,
        page=0,
        version=message.version,
        utterance=_in_language(after.utterance, message.language),
    )
    changed = before is None or after.utterance != before.utterance
    return _stored(captions, [after]), [after.utterance] if changed else []


def _in_language(utterance: Utterance, language: str | None) -> Utterance:
    if language is None or language == utterance.language:
        return utterance
    return replace(utterance, language=language)


def _new(number: int, speaker: str, text: Text, source: Source, now: float) -> _Record:
    utterance = Utterance(
        number=number,
        revision=1,
        speaker=speaker,
        text=str(text),
        started=text.times[0],
        updated=now,
        words_at=text.times,
        source=source,
    )
    return _Record(utterance=utterance, text=text)


def _with_text(
    record: _Record,
    text: Text,
    now: float,
    *,
    speaker: str,
    is_final: bool = False,
    source: Source | None = None,
) -> _Record:
    """Return a record with another text, speaker or finality; the next revision if that changes anything."""
    before = record.utterance
    after = replace(
        before,
        speaker=speaker or before.speaker,
        text=str(text),
        words_at=text.times,
        is_final=is_final,
        source=source or before.source,
    )
    if after == before:
        return record
    updated = before.updated if text.keys == record.text.keys else now
    return replace(record, text=text, utterance=replace(after, revision=before.revision + 1, updated=updated))


def _begun(captions: Captions, speaker: str, text: Text, now: float) -> _Record | None:
    """Return the page's utterance that a first message continues, with the words before it as its base."""
    for record in reversed(captions.records):
        if not record.page or record.utterance.speaker != speaker or now - record.utterance.updated > _NEAR:
            continue
        found = compare(record.text.keys, text.keys)
        if found and found.is_exact and not found.lead and (found.start == 0 or found.common > 1):
            return replace(record, base=record.text.part(0, found.start), is_ahead=found.is_shorter)
    return None


def _revised(record: _Record, text: Text, speaker: str, now: float) -> _Record:
    """Return a message's record after its next version."""
    before = record.text.part(len(record.base))
    found = compare(before.keys, text.keys)
    is_ahead = record.is_ahead and found is not None and found.is_exact and found.is_shorter
    part = before if is_ahead else retimed(before, text, found) if found else text
    after = _with_text(record, join_texts([record.base, part]), now, speaker=speaker, source="channel")
    return replace(after, is_ahead=is_ahead)


def _with_page(
    captions: Captions, page: Page, changed: Sequence[Spoken], now: float
) -> tuple[Captions, list[Utterance]]:
    """Return the captions after the page's own utterances changed, and what changed of all."""
    captions = replace(captions, page=page)
    is_live = captions.spoke_at is not None and now - captions.spoke_at <= ALIVE
    numbers = {each.number for each in changed}
    waited = [
        each
        for each in page.recent
        if each.number in captions.waiting and each.number not in numbers and (each.is_final or not is_live)
    ]
    waiting = set(captions.waiting)
    revised: list[Utterance] = []
    for spoken in sorted([*changed, *waited], key=lambda each: each.number):
        record = next((each for each in captions.records if each.page == spoken.number), None)
        waiting.add(spoken.number)
        if record is None and is_live and not spoken.is_final:
            continue
        text = _without(spoken, captions.records)
        if record is None and not text:
            continue
        waiting.discard(spoken.number)
        if record is None:
            captions = replace(captions, count=captions.count + 1)
            after = replace(_new(captions.count, spoken.speaker, text, "page", now), page=spoken.number)
            after = replace(after, utterance=replace(after.utterance, is_final=spoken.is_final))
        else:
            after = _with_text(record, text, now, speaker=spoken.speaker, is_final=spoken.is_final)
        if record is None or after.utterance != record.utterance:
            revised.append(after.utterance)
        captions = _stored(captions, [after])
    known = {each.number for each in page.recent}
    return replace(captions, waiting=frozenset(waiting & known)), revised


def _without(spoken: Spoken, records: Sequence[_Record]) -> Text:
    """Return an utterance of the page without the words that messages had at about its time."""
    text = spoken.text.part(spoken.hidden)
    near = [
        each.text.keys
        for each in records
        if each.message
        and each.utterance.speaker in {spoken.speaker, ""}
        and each.utterance.started <= spoken.updated + _NEAR
        and each.utterance.updated >= spoken.started - _NEAR
    ]
    had = [key for keys in near for key in keys]
    ends = list(accumulate(map(len, near)))
    if not had or not text:
        return text
    rows = SequenceMatcher(None, text.keys, had, autojunk=False).get_matching_blocks()
    if max(row.size for row in rows) < min(_CHANCE, len(text)):
        return text
    runs: list[Text] = []
    end = end_had = 0
    for row in rows:
        run, faced = text.part(end, row.a), _faced(ends, end_had, row.b)
        if not faced or weight(run.keys) >= _LOST + faced:
            runs.append(run)
        end, end_had = row.a + row.size, row.b + row.size
    return join_texts(runs)


def _faced(ends: Sequence[int], start: int, stop: int) -> int:
    """Return how many words between two places are of the messages at these places.

    ``ends``: where each message ends. Words of messages between, before and after do not count.
    """
    first = bisect_left(ends, start) if start else -1
    last = bisect_right(ends, stop) if stop < ends[-1] else len(ends)
    if first == last:
        return stop - start
    left = ends[first] - start if first >= 0 else 0
    right = stop - (ends[last - 1] if last else 0) if last < len(ends) else 0
    return left + right


def _stored(captions: Captions, changed: Sequence[_Record]) -> Captions:
    """Return the captions with these records new or instead of their former states, the oldest forgotten."""
    if not changed:
        return captions
    records = {each.utterance.number: each for each in captions.records}
    records.update({each.utterance.number: each for each in changed})
    shown = {each.number for each in captions.page.recent}
    others = [each for each in records.values() if each.page not in shown]
    old = others[: max(0, len(others) - REMEMBERED)]
    for each in old:
        del records[each.utterance.number]
    ended = [each.message for each in old if each.message]
    return replace(captions, records=tuple(records.values()), ended=(*captions.ended, *ended)[-ENDED:])

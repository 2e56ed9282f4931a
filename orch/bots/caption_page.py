"""From the blocks that a page shows to utterances, each once. Pure.

The last block of a speaker is written again and again while words arrive: "I think", "I think we",
"I think we should". A list of these texts is no transcript. What may happen to a block, and what it means:

- its text grows, or words of it are corrected: a revision of the same utterance;
- its beginning scrolls away: the words stay in the utterance;
- it is split, its text ends earlier, and a new block of the speaker begins with the rest: each word is in
  one of two utterances;
- the page is drawn again, with new keys or with an older state: nothing new;
- the meeting corrects the speaker: the same utterance under another name;
- it ends earlier for :data:`SETTLED` seconds: the page took its last words back;
- it vanishes, and returns: the same utterance.

A block that shows the beginning of what was said before may be an older state of it, or the same words said
again: it is decided when it has gone on.

What a page does not show cannot be known: where one block takes another's place on a page that shows only
one, and both begin alike, or where a block is split, corrected and given another key between two looks at
it, words may be stored twice or taken for a correction.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.bots.caption_blocks import Block
from orch.bots.caption_matching import ENOUGH, RETURNS, SETTLED, Match, Spoken, has_counted_keys, match
from orch.bots.caption_texts import Comparison, Text, compare, merge, new_text
from orch.bots.caption_words import weight

REMEMBERED: Final = 96
"""Utterances that a block is compared with; more than the blocks of a page that are looked at."""

FORGOTTEN: Final = 4096
"""Utterances of which only a digest is stored, to know them when the page shows its history again."""

SHOWN: Final = 1200
"""Words of one block that are looked at: the last ones."""

COMPLETE: Final = 2000
"""Words after which an utterance is complete, and its block goes on in a new one."""

OPEN: Final = 200
"""Words at the end of a complete utterance that go to the new one, because they may still change."""

CONTEXT: Final = 40
"""Words that the new one remembers of the complete one, to find the place in its block."""

MOST: Final = 100_000
"""Utterances of one meeting: ten hours of three a second. Those of a page that shows more are not stored."""


class Page(Struct, frozen=True, kw_only=True):
    """What is known of a page's captions.

    ``recent``: the last utterances, in the page's order; ``blocks``: what it showed last; ``forgotten``:
    digests of earlier utterances; ``number``: of the last one; ``empty_since``: since when it shows nothing;
    ``has_keys``: its keys are those of elements, as far as is known.
    """

    recent: tuple[Spoken, ...] = ()
    blocks: tuple[Block, ...] = ()
    forgotten: tuple[bytes, ...] = ()
    number: int = 0
    empty_since: float | None = None
    has_keys: bool = True


def observe(page: Page, blocks: tuple[Block, ...], now: float) -> tuple[Page, list[Spoken]]:
    """Return what is known after the page showed ``blocks`` (all of them, in order), and what changed of it.

    ``blocks``: from :func:`orch.bots.caption_blocks.spoken_blocks`.
    """
    if blocks == page.blocks:
        return page, []
    if not blocks:
        return replace(page, blocks=(), empty_since=now), []
    if page.empty_since is not None and now - page.empty_since > RETURNS:
        recent = (
            replace(each, is_visible=False, seen=page.empty_since) if each.is_visible else each
            for each in page.recent
        )
        page = replace(page, recent=tuple(recent))
    shown = blocks
    texts = [new_text(block.text, now) for block in blocks]
    texts = [text if len(text) <= SHOWN else text.part(len(text) - SHOWN) for text in texts]
    page = _with_keys_checked(page, blocks, texts)
    if not page.has_keys:
        blocks = tuple(replace(block, key="") for block in blocks)
    blocks, texts = _without_history(page, blocks, texts)
    matches = match(page.recent, blocks, texts, now)
    drawing = _Drawing(page, blocks, texts, now)
    drawing.follow(matches)
    page, changed = drawing.result()
    return replace(page, blocks=shown), changed


def _with_keys_checked(page: Page, blocks: Sequence[Block], texts: Sequence[Text]) -> Page:
    if not page.has_keys or not has_counted_keys(page.recent, blocks, texts):
        return page
    return replace(page, has_keys=False, recent=tuple(replace(each, key="") for each in page.recent))


def _without_history(
    page: Page, blocks: Sequence[Block], texts: Sequence[Text]
) -> tuple[tuple[Block, ...], list[Text]]:
    """Return the blocks without those of utterances that were forgotten.

    A block that says what was said before is one of the history if another of it, or a known one, follows, or
    if one of the history is before it.
    """
    forgotten = set(page.forgotten)
    known = {(each.speaker, each.text.keys) for each in page.recent}
    keys = {each.key for each in page.recent if each.key}
    is_known = [
        block.key in keys or (block.speaker, text.keys) in known
        for block, text in zip(blocks, texts, strict=True)
    ]
    is_old = [
        not is_known[j] and _digest(block.speaker, text) in forgotten
        for j, (block, text) in enumerate(zip(blocks, texts, strict=True))
    ]
    stays: list[int] = []
    was_old = False
    for j in range(len(blocks)):
        was_old = is_old[j] and (was_old or any(is_old[j + 1 :]) or any(is_known[j + 1 :]))
        if not was_old:
            stays.append(j)
    return tuple(blocks[j] for j in stays), [texts[j] for j in stays]


def settle(page: Page, now: float) -> tuple[Page, list[Spoken]]:
    """Return the page with those utterances final that have not changed for :data:`SETTLED` seconds."""
    changed = []
    recent = []
    for spoken in page.recent:
        each = spoken
        if _is_cut(each) and now - each.shown_since >= SETTLED:
            each = replace(each, text=each.text.part(0, each.shown), is_final=False)
        if not each.is_final and now - max(each.updated, each.shown_since) >= SETTLED:
            each = replace(each, is_final=True)
        recent.append(each)
        if each is not spoken:
            changed.append(each)
    return replace(page, recent=tuple(recent)), changed


def next_settled_at(page: Page) -> float | None:
    """Return when :func:`settle` has something to do, unless the page changes before; None for never."""
    waits = [
        max(each.updated, each.shown_since) + SETTLED
        for each in page.recent
        if not each.is_final or _is_cut(each)
    ]
    return min(waits, default=None)


def _is_cut(spoken: Spoken) -> bool:
    """Whether the page shows less of the end than it has shown."""
    return spoken.is_visible and spoken.is_sure and spoken.shown < len(spoken.text)


class _Drawing:
    """One look at the page: collects what becomes of each utterance. It lives for one :func:`observe`."""

    def __init__(self, page: Page, blocks: Sequence[Block], texts: Sequence[Text], now: float) -> None:
        self._page, self._blocks, self._texts, self._now = page, blocks, texts, now
        self._recent: list[Spoken | None] = list(page.recent)
        self._placed: dict[int, list[Spoken]] = {}
        self._of_block: dict[int, tuple[int, int]] = {}
        self._number = page.number
        self._before = {each.number: each for each in page.recent}

    def follow(self, matches: Sequence[Match]) -> None:
        """Continue the utterances of the blocks that have one, and begin those of the others."""
        by_block = {each.block: each for each in matches}
        seen = {each.utterance for each in matches}
        keys = {block.key for block in self._blocks}
        for i, spoken in enumerate(self._page.recent):
            if i not in seen:
                key = "" if spoken.key in keys else spoken.key
                until = self._now if spoken.is_visible else spoken.seen
                self._recent[i] = replace(spoken, is_visible=False, seen=until, key=key)
        last = -1
        for j, block in enumerate(self._blocks):
            found = by_block.get(j)
            if found is None:
                continue
            spoken = self._continued(self._page.recent[found.utterance], found, block, self._texts[j])
            if found.utterance > last:
                last = found.utterance
                self._recent[last] = spoken
                self._of_block[j] = (last, -1)
            else:
                self._recent[found.utterance] = None
                self._place(j, spoken, by_block)
        for j in range(len(self._blocks)):
            if j not in by_block:
                self._begin(j, by_block)

    def _continued(self, spoken: Spoken, matched: Match, block: Block, text: Text) -> Spoken:
        """Return an utterance after its block showed ``text``."""
        found = matched.found
        if spoken.hidden and found.lead:
            text = text.part(found.lead)
            found = compare(spoken.text.keys, text.keys) or found
        is_sure = matched.is_sure or not found.is_shorter
        text = self._without_rest(matched.utterance, text, found)
        merged = merge(spoken.text, text, found) if is_sure else spoken.text
        last_old, _, length = found.pairs[-1]
        shown = len(merged) - (len(spoken.text) - last_old - length if found.is_shorter else 0)
        is_same = merged.keys == spoken.text.keys
        return replace(
            spoken,
            key=block.key,
            speaker=block.speaker,
            text=merged,
            hidden=_hidden(spoken.hidden, found, len(merged)),
            updated=spoken.updated if is_same else self._now,
            seen=self._now,
            shown=shown,
            shown_since=spoken.shown_since if shown in {spoken.shown, len(merged)} else self._now,
            is_visible=True,
            is_sure=is_sure,
            is_final=spoken.is_final and is_same,
        )

    def _without_rest(self, utterance: int, text: Text, found: Comparison) -> Text:
        """Return a block's text without the words that were split off it: the page shows an older state."""
        spoken = self._page.recent[utterance]
        _, last_new, length = found.pairs[-1]
        tail = text.keys[last_new + length :]
        after = next(
            (each for each in self._page.recent[utterance + 1 :] if each.speaker == spoken.speaker), None
        )
        if not tail or after is None or not after.is_rest:
            return text
        rest = compare(after.text.keys, tail)
        return text.part(0, last_new + length) if rest and rest.is_exact and rest.is_aligned else text

    def _begin(self, j: int, by_block: dict[int, Match]) -> None:
        """Store a new utterance: what a block shows, or what was split off the speaker's block before it."""
        if self._number >= MOST:
            return
        self._number += 1
        block, text = self._blocks[j], self._texts[j]
        rest = self._split(j, text)
        spoken = Spoken(
            number=self._number,
            speaker=block.speaker,
            text=rest or text,
            started=rest.times[0] if rest else self._now,
            updated=self._now,
            seen=self._now,
            shown=len(text),
            shown_since=self._now,
            key=block.key,
            is_rest=rest is not None,
        )
        self._place(j, spoken, by_block)

    def _split(self, j: int, text: Text) -> Text | None:
        """Take the words that a new block begins with from the utterance of the speaker's block before it.

        Few words that the block before lacks, and that differ from those, were corrected when it was split.
        """
        speaker = self._blocks[j].speaker
        before = next((k for k in range(j - 1, -1, -1) if self._blocks[k].speaker == speaker), None)
        if before is None or before not in self._of_block:
            return None
        spoken = self._at(before)
        if spoken.shown >= len(spoken.text):
            return None
        rest = spoken.text.part(spoken.shown)
        found = compare(rest.keys, text.keys)
        is_rest = found is not None and found.is_aligned and (found.is_exact or found.common >= ENOUGH)
        if is_rest or (_is_cut(spoken) and len(rest) < ENOUGH):
            kept = spoken.text.part(0, spoken.shown)
            self._set(before, replace(spoken, text=kept, updated=self._now, is_sure=True))
        return merge(rest, text, found) if found and is_rest else None

    def _place(self, j: int, spoken: Spoken, by_block: dict[int, Match]) -> None:
        """Put an utterance before that of the next block which has one in its old place, or at the end."""
        place = len(self._recent)
        for later in range(j + 1, len(self._blocks)):
            if later in by_block and self._recent[by_block[later].utterance] is not None:
                place = by_block[later].utterance
                break
        row = self._placed.setdefault(place, [])
        self._of_block[j] = (place, len(row))
        row.append(spoken)

    def _at(self, j: int) -> Spoken:
        place, position = self._of_block[j]
        spoken = self._recent[place] if position < 0 else self._placed[place][position]
        if spoken is None:
            raise AssertionError("the utterance of a block is in its place")
        return spoken

    def _set(self, j: int, spoken: Spoken) -> None:
        place, position = self._of_block[j]
        if position < 0:
            self._recent[place] = spoken
        else:
            self._placed[place][position] = spoken

    def result(self) -> tuple[Page, list[Spoken]]:
        """Return the page and the utterances that are new or differ, in the page's order."""
        ordered: list[Spoken] = []
        for place, spoken in enumerate([*self._recent, None]):
            ordered += self._placed.get(place, [])
            ordered += [spoken] if spoken else []
        whole = [part for each in ordered for part in self._complete(each)]
        changed = [each for each in whole if _differs(self._before.get(each.number), each)]
        gone = [each for each in whole if not each.is_visible][: max(0, len(whole) - REMEMBERED)]
        numbers = {each.number for each in gone}
        digests = [digest for each in gone if (digest := _digest(each.speaker, each.text))]
        page = Page(
            recent=tuple(each for each in whole if each.number not in numbers),
            blocks=tuple(self._blocks),
            forgotten=(*self._page.forgotten, *digests)[-FORGOTTEN:],
            number=self._number,
            has_keys=self._page.has_keys,
        )
        return page, changed

    def _complete(self, spoken: Spoken) -> list[Spoken]:
        """Return an utterance, or the two that one becomes which is too long."""
        if len(spoken.text) <= COMPLETE:
            return [spoken]
        self._number += 1
        cut = len(spoken.text) - OPEN
        rest = spoken.text.part(cut - CONTEXT)
        return [
            replace(
                spoken,
                text=spoken.text.part(0, cut),
                shown=cut,
                key="",
                is_visible=False,
                is_closed=True,
                is_final=True,
            ),
            replace(
                spoken,
                number=self._number,
                text=rest,
                hidden=CONTEXT,
                shown=max(1, spoken.shown - cut + CONTEXT),
                started=rest.times[CONTEXT],
                is_rest=False,
            ),
        ]


def _hidden(hidden: int, found: Comparison, length: int) -> int:
    """Return how many words at the beginning belong to the utterance before, once some were corrected."""
    if hidden <= found.start:
        return hidden
    for i, j, count in found.pairs:
        if hidden < i + count:
            return found.start + j + max(0, hidden - i)
    return min(hidden, length - 1)


def _differs(before: Spoken | None, after: Spoken) -> bool:
    return before is None or (before.speaker, before.text.words, before.is_final) != (
        after.speaker,
        after.text.words,
        after.is_final,
    )


def _digest(speaker: str, text: Text) -> bytes:
    """Return a digest of an utterance that is long enough to be known again, else nothing."""
    if weight(text.keys) < ENOUGH:
        return b""
    return blake2b("\0".join([speaker, *text.keys]).encode(), digest_size=8).digest()

"""Whatever way a page shows what was spoken, each word becomes part of one utterance, once."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.bots.caption_words import split_words, word_keys
from orch.bots.captions import Captions, Utterance, observe, settle
from tests.bots.shown_captions import ShownCaptions, Ways

OWN = ("You", "Bot")


def watch(page: ShownCaptions) -> tuple[Captions, dict[int, Utterance]]:
    """Observe a page to its end; each revision must be the next one, and the last must be final."""
    captions = Captions()
    last: dict[int, Utterance] = {}

    def note(changed: list[Utterance]) -> None:
        for each in changed:
            before = last.get(each.number)
            assert each.revision == (before.revision + 1 if before else 1)
            assert len(each.words_at) == len(split_words(each.text))
            last[each.number] = each

    for now, blocks in page.observations():
        captions, changed = observe(captions, blocks, now, OWN)
        note(changed)
        if changed and int(now * 7) % 3 == 0:
            captions, changed = settle(captions, now)
            note(changed)
    captions, changed = settle(captions, page.now + 100)
    note(changed)
    assert all(each.is_final for each in last.values())
    return captions, last


@st.composite
def meetings(draw: st.DrawFn) -> tuple[list[tuple[str, list[str]]], Ways, int]:
    names = draw(st.sampled_from([("Ann",), ("Ann", "Ben"), ("Ann", "Ben", "陈静", "ليلى")]))
    count = 0
    turns = []
    for _ in range(draw(st.integers(1, 12))):
        length = draw(st.integers(1, 30))
        turns.append((draw(st.sampled_from(names)), [f"w{count + i}" for i in range(length)]))
        count += length
    ways = Ways(window=draw(st.integers(3, 8)), visible=draw(st.sampled_from([12, 20, 500])))
    return turns, ways, draw(st.integers(0, 2**32))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(meetings())
def test_each_spoken_word_is_in_one_utterance_of_its_speaker(
    meeting: tuple[list[tuple[str, list[str]]], Ways, int],
) -> None:
    """Growth, corrections, splits, redraws, loss, other keys, interface texts: no word twice, none lost."""
    turns, ways, seed = meeting
    _, utterances = watch(ShownCaptions(turns, ways, Random(seed)))
    stored = Counter(
        (each.speaker, key) for each in utterances.values() for key in word_keys(split_words(each.text))
    )
    spoken = Counter((speaker, word) for speaker, words in turns for word in words)
    assert stored == spoken, (spoken - stored, stored - spoken)


COMMON = (
    "the a I you we and so that it is was to of in on yes no think know really just like do have can go this "
    "what but for with not be are at one about time people good see say work make now maybe right okay"
)
ENGLISH = tuple(COMMON.split())
CHINESE = tuple(chr(0x4E00 + n) for n in range(200))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("words", "joint"), [(ENGLISH, " "), (CHINESE, "")])
def test_words_that_everybody_repeats_are_each_in_one_utterance(
    seed: int, words: tuple[str, ...], joint: str
) -> None:
    """The same few words again and again, as in real speech, with and without blanks between them."""
    random = Random(seed)
    turns = [
        (random.choice(("Ann", "Ben", "陈静")), [random.choice(words) for _ in range(random.randint(1, 30))])
        for _ in range(6)
    ]
    ways = Ways(window=random.randint(3, 8), visible=random.choice([12, 500]), joint=joint)
    _, utterances = watch(ShownCaptions(turns, ways, random))
    stored = Counter(
        (each.speaker, key) for each in utterances.values() for key in word_keys(split_words(each.text))
    )
    assert stored == Counter((speaker, word.casefold()) for speaker, said in turns for word in said)

from random import Random

import pytest

from orch.bots.caption_page import FORGOTTEN, REMEMBERED
from orch.bots.captions import Block, Captions, Utterance, next_settled_at, observe, settle
from tests.bots.shown_captions import INTERFACE, ShownCaptions, Ways
from tests.bots.test_captions_shown import watch


class Meeting:
    """A meeting's captions as a test shows them; the utterances as their last revision."""

    def __init__(self) -> None:
        self.state = Captions()
        self.utterances: dict[int, Utterance] = {}
        self.revisions = 0

    def show(self, now: float, *blocks: tuple[str, str, str]) -> None:
        self._note(observe(self.state, [Block(*block) for block in blocks], now, ("Bot", "You")))

    def settle(self, now: float) -> None:
        self._note(settle(self.state, now))

    def _note(self, result: tuple[Captions, list[Utterance]]) -> None:
        self.state, changed = result
        self.revisions += len(changed)
        self.utterances.update({each.number: each for each in changed})

    def said(self) -> list[tuple[str, str]]:
        """Speaker and text of each utterance, in the order of their numbers."""
        return [(each.speaker, each.text) for each in self.utterances.values()]


def test_a_text_that_grows_is_one_utterance_and_each_word_has_its_time() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "I think"))
    meeting.show(2, ("a", "Ann", "I think we"))
    meeting.show(3, ("a", "Ann", "I think, we should."))
    assert meeting.said() == [("Ann", "I think, we should.")]
    assert list(meeting.utterances[1].words_at) == [1, 1, 2, 3]
    assert [meeting.utterances[1].started, meeting.utterances[1].updated] == [1, 3]
    assert meeting.utterances[1].revision == 3


def test_an_unchanged_page_changes_nothing() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "I think"))
    meeting.show(2, ("a", "Ann", "I think"))
    assert meeting.revisions == 1


def test_words_corrected_at_the_end_and_in_the_middle_have_the_time_of_what_they_replace() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "wreck a nice"))
    meeting.show(2, ("a", "Ann", "wreck a nice beach"))
    meeting.show(3, ("a", "Ann", "wreck a nicer beach now"))
    assert meeting.said() == [("Ann", "wreck a nicer beach now")]
    assert list(meeting.utterances[1].words_at) == [1, 1, 1, 2, 3]


def test_a_beginning_that_scrolls_away_stays() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "one two three four five six"))
    meeting.show(2, ("a", "Ann", "four five six seven"))
    meeting.show(3, ("b", "Ann", "five six seven eight"))
    assert meeting.said() == [("Ann", "one two three four five six seven eight")]


def test_a_beginning_that_scrolls_away_to_a_word_it_began_with_stays() -> None:
    """The window could be the text without its middle: what scrolled away is not taken for words removed."""
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "are we the people who are to go now or"))
    meeting.show(2, ("a", "Ann", "are to go now or then"))
    assert meeting.said() == [("Ann", "are we the people who are to go now or then")]
    meeting.show(3, ("b", "Ben", "are you the one that we are to ask you see"))
    meeting.show(4, ("b", "Ben", "are to ask, don't you see"))
    assert meeting.said()[1] == ("Ben", "are you the one that we are to ask, don't you see")


def test_a_beginning_that_was_not_seen_is_added() -> None:
    """A page that is drawn again may show more of a block than before."""
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "three four five"))
    meeting.show(2, ("b", "Ann", "one two three four five six"))
    assert meeting.said() == [("Ann", "one two three four five six")]


def test_a_split_leaves_each_word_in_one_utterance() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "one two three four five"))
    meeting.show(2, ("a", "Ann", "one two three"), ("b", "Ann", "four five six"))
    assert meeting.said() == [("Ann", "one two three"), ("Ann", "four five six")]
    assert list(meeting.utterances[2].words_at) == [1, 1, 2]
    meeting.show(3, ("a", "Ann", "one two three four five"))
    meeting.show(4, ("a", "Ann", "one two three"), ("b", "Ann", "four five six seven"))
    assert meeting.said() == [("Ann", "one two three"), ("Ann", "four five six seven")]


def test_the_second_half_of_a_split_may_come_later() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "one two three four five"))
    meeting.show(2, ("a", "Ann", "one two three"))
    assert meeting.said() == [("Ann", "one two three four five")]
    meeting.show(3, ("a", "Ann", "one two three"), ("b", "Ann", "four five six"))
    assert meeting.said() == [("Ann", "one two three"), ("Ann", "four five six")]


def test_words_that_the_page_takes_back_go_after_a_while() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "I think we we"))
    meeting.show(2, ("a", "Ann", "I think we"))
    assert meeting.said() == [("Ann", "I think we we")]
    assert next_settled_at(meeting.state) == 6
    meeting.settle(6)
    assert meeting.said() == [("Ann", "I think we")]
    assert meeting.utterances[1].is_final


def test_a_page_drawn_again_with_other_keys_or_an_older_state_says_nothing_new() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "good morning all"), ("b", "Ben", "hello Ann how"))
    meeting.show(2, ("a", "Ann", "good morning all"), ("b", "Ben", "hello Ann how are you"))
    revisions = meeting.revisions
    meeting.show(2.1, ("c", "Ann", "good morning all"), ("d", "Ben", "hello Ann how"))
    meeting.show(2.2)
    meeting.show(2.3, ("e", "Ann", "good morning all"), ("f", "Ben", "hello Ann how are you"))
    assert meeting.revisions == revisions
    meeting.show(2.4, ("e", "Ann", "good morning all"), ("f", "Ben", "hello Ann how are you today"))
    assert meeting.said() == [("Ann", "good morning all"), ("Ben", "hello Ann how are you today")]


def test_a_speaker_corrected_later_is_a_revision() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "I have a question"))
    meeting.show(2, ("a", "Ben", "I have a question about it"))
    assert meeting.said() == [("Ben", "I have a question about it")]
    assert meeting.utterances[1].revision == 2


def test_the_same_words_again_after_someone_else_are_new() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "Yes."))
    meeting.show(2, ("a", "Ann", "Yes."), ("b", "Ben", "Sure?"))
    meeting.show(3, ("b", "Ben", "Sure?"), ("c", "Ann", "Yes."))
    assert meeting.said() == [("Ann", "Yes."), ("Ben", "Sure?"), ("Ann", "Yes.")]


def test_the_same_words_again_on_one_page_are_new() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "Can you hear me?"))
    meeting.show(9, ("a", "Ann", "Can you hear me?"), ("b", "Ann", "Can you"))
    meeting.show(10, ("a", "Ann", "Can you hear me?"), ("b", "Ann", "Can you hear me?"))
    assert meeting.said() == [("Ann", "Can you hear me?")] * 2


def test_an_utterance_that_begins_like_one_that_vanished_is_decided_when_it_goes_on() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "So we did it"))
    meeting.show(2, ("b", "Ann", "So"))
    assert meeting.said() == [("Ann", "So we did it")]
    meeting.show(3, ("b", "Ann", "So what is next"))
    assert meeting.said() == [("Ann", "So we did it"), ("Ann", "So what is next")]


def test_an_utterance_that_says_more_than_a_word_spoken_long_ago_is_new() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "Yes"))
    meeting.show(20, ("b", "Ann", "Yes we can"))
    assert meeting.said() == [("Ann", "Yes"), ("Ann", "Yes we can")]


def test_blocks_that_vanish_and_return_are_the_same() -> None:
    meeting = Meeting()
    page = [
        ("a", "Ann", "the budget is approved"),
        ("b", "Ben", "ok"),
        ("c", "Ann", "next we look at hiring"),
    ]
    meeting.show(1, *page)
    meeting.show(2)
    meeting.show(60, *[(f"{key}2", speaker, text) for key, speaker, text in page])
    assert meeting.said() == [(speaker, text) for _, speaker, text in page]
    meeting.show(61, ("c2", "Ann", "next we look at hiring"), ("x", "Ben", "ok"))
    assert meeting.said()[3:] == [("Ben", "ok")]


def test_two_speak_at_once() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "I would"), ("b", "Ben", "No"))
    meeting.show(2, ("a", "Ann", "I would like"), ("b", "Ben", "No I"))
    meeting.show(3, ("b", "Ben", "No I do not"), ("a", "Ann", "I would like to go on"))
    assert meeting.said() == [("Ann", "I would like to go on"), ("Ben", "No I do not")]


@pytest.mark.parametrize(
    ("states", "last"),
    [
        (["我想我们", "我想我们应该", "我们应该、现在开始"], "我想我们应该、现在开始"),
        (["会議を", "会議を始めましょう", "始めましょうか。"], "会議を始めましょうか。"),
        (["ผมคิดว่า", "ผมคิดว่าเราควร", "ผมคิดว่าเราควรเริ่มเลย"], "ผมคิดว่าเราควรเริ่มเลย"),
        (["أعتقد أننا", "أعتقد أننا يجب", "\u200fأعتقد أننا يجب أن نبدأ"], "أعتقد أننا يجب أن نبدأ"),
        (["मुझे लगता", "मुझे लगता है", "मुझे लगता है कि हम"], "मुझे लगता है कि हम"),
        (["저는 우리가", "저는 우리가 지금", "저는 우리가 지금 시작해야"], "저는 우리가 지금 시작해야"),
    ],
)
def test_every_script(states: list[str], last: str) -> None:
    """Growth, and beginnings that scroll away, without blanks between words and from right to left."""
    meeting = Meeting()
    for now, text in enumerate(states):
        meeting.show(now, ("a", "陈静", text))
    assert meeting.said() == [("陈静", last)]


def test_interface_texts_and_the_bots_own_captions_are_no_speech() -> None:
    meeting = Meeting()
    meeting.show(1, *[(block.key, block.speaker, block.text) for block in INTERFACE], ("z", "Bot", "Hello"))
    meeting.show(2, ("a", "Ann", "Please turn on captions, thanks. arrow_downwardJump to bottom"))
    assert meeting.said() == [("Ann", "Please turn on captions, thanks.")]


def test_keys_that_count_the_blocks_are_recognised() -> None:
    """They would give each word of a block to the one before it as soon as the first scrolls away."""
    turns = [(name, [f"{name}{n}{i}" for i in range(9)]) for n in range(10) for name in ("Ann", "Ben")]
    ways = Ways(window=4, redraws=0, wrong=0, renames=0, counts_keys=True)
    _, utterances = watch(ShownCaptions(turns, ways, Random(3)))
    stored = sorted(word for each in utterances.values() for word in each.text.split())
    assert stored == sorted(word for _, words in turns for word in words)


def test_a_long_monologue_is_stored_whole_in_parts() -> None:
    """A block may go on for an hour; what is compared stays small, and no word is lost or stored twice."""
    words = [f"w{n}" for n in range(2600)]
    meeting = Meeting()
    for end in range(200, len(words) + 1, 200):
        meeting.show(end, ("a", "Ann", " ".join(words[:end])))
    assert " ".join(text for _, text in meeting.said()).split() == words
    assert len(meeting.said()) == 2


def test_whatever_a_page_shows_what_is_stored_is_bounded() -> None:
    meeting = Meeting()
    for n in range(8):
        blocks = [(f"{n}{i}", f"Name {i}", " ".join(f"w{n}x{i}x{k}" for k in range(6))) for i in range(100)]
        meeting.show(n, *blocks)
    assert len(meeting.state.page.recent) == REMEMBERED
    assert len(meeting.state.page.forgotten) <= FORGOTTEN
    assert len(meeting.state.records) <= 2 * REMEMBERED + 32
    meeting.show(100, ("k", "n" * 10**6, "a" * 10**6))
    assert len(meeting.said()[-1][0]) == 200
    assert len(meeting.said()[-1][1]) <= 20_000


def test_a_history_that_was_forgotten_is_no_speech_when_it_is_shown_again() -> None:
    meeting = Meeting()
    blocks = [(f"k{n}", "Ann", f"this is sentence number {n} of it") for n in range(120)]
    for n in range(120):
        meeting.show(n, *blocks[max(0, n - 5) : n + 1])
    assert len(meeting.said()) == 120
    before = meeting.said()
    meeting.show(121, *[(f"r{key}", speaker, text) for key, speaker, text in blocks[:20]])
    assert meeting.said() == before
    meeting.show(122, *[(f"s{key}", speaker, text) for key, speaker, text in blocks[90:]])
    assert meeting.said() == before

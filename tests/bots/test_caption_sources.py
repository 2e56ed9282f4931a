"""The data channel and the page show the same words: each is stored once."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from orch.bots.captions import (
    ALIVE,
    Block,
    Captions,
    Message,
    Utterance,
    next_settled_at,
    observe,
    receive,
    settle,
)


class Meeting:
    """Both sources; the utterances as their last revision."""

    def __init__(self) -> None:
        self.state = Captions()
        self.utterances: dict[int, Utterance] = {}

    def show(self, now: float, *blocks: tuple[str, str, str]) -> None:
        self._note(observe(self.state, [Block(*block) for block in blocks], now))

    def send(self, now: float, id_: str, version: int, text: str, speaker: str = "Ann") -> None:
        message = Message(device=f"d/{speaker}", id=id_, version=version, text=text, speaker=speaker)
        self._note(receive(self.state, message, now, ("Bot",)))

    def settle(self, now: float) -> None:
        self._note(settle(self.state, now))

    def _note(self, result: tuple[Captions, list[Utterance]]) -> None:
        self.state, changed = result
        for each in changed:
            before = self.utterances.get(each.number)
            assert each.revision == (before.revision + 1 if before else 1)
            self.utterances[each.number] = each

    def said(self) -> list[str]:
        return [each.text for each in self.utterances.values() if each.text]


def test_versions_of_a_message_are_revisions_and_late_ones_change_nothing() -> None:
    meeting = Meeting()
    meeting.send(1, "1", 1, "I think")
    meeting.send(2, "1", 3, "I think we should go")
    meeting.send(3, "1", 2, "I think we")
    assert meeting.said() == ["I think we should go"]
    assert list(meeting.utterances[1].words_at) == [1, 1, 2, 2, 2]
    meeting.send(4, "1", 4, "I think we should")
    assert meeting.said() == ["I think we should"]
    assert next_settled_at(meeting.state) == 8
    meeting.settle(8)
    assert meeting.utterances[1].is_final
    assert meeting.utterances[1].source == "channel"


def test_while_the_channel_delivers_the_page_says_nothing_new() -> None:
    """A block of the page may hold several messages, and be ahead of the channel or behind it."""
    meeting = Meeting()
    meeting.send(1, "1", 1, "good morning everyone")
    meeting.show(1.2, ("a", "Ann", "good morning everyone"))
    meeting.show(2, ("a", "Ann", "good morning everyone let us"))
    meeting.send(2.2, "2", 1, "let us begin")
    meeting.show(3, ("a", "Ann", "good morning everyone let us begin"))
    meeting.settle(20)
    assert meeting.said() == ["good morning everyone", "let us begin"]


def test_what_the_channel_lost_is_taken_from_the_page() -> None:
    meeting = Meeting()
    meeting.send(1, "1", 1, "good morning everyone")
    meeting.show(2, ("a", "Ann", "good morning everyone this was lost on the way"))
    meeting.show(2, ("a", "Ann", "good morning everyone this was lost on the way"), ("b", "Ben", "yes"))
    meeting.settle(20)
    assert meeting.said() == ["good morning everyone", "this was lost on the way", "yes"]
    assert [each.source for each in meeting.utterances.values()] == ["channel", "page", "page"]
    assert all(each.is_final for each in meeting.utterances.values())


def test_what_the_page_began_is_continued_by_the_channel() -> None:
    meeting = Meeting()
    meeting.show(1, ("a", "Ann", "good morning everyone I think we"))
    meeting.send(1.5, "7", 1, "I think")
    meeting.send(2, "7", 2, "I think we should begin")
    meeting.show(2.5, ("a", "Ann", "good morning everyone I think we should begin"))
    meeting.settle(20)
    assert meeting.said() == ["good morning everyone I think we should begin"]
    assert meeting.utterances[1].source == "channel"


def test_a_channel_that_falls_silent_leaves_the_page_to_go_on() -> None:
    meeting = Meeting()
    meeting.send(1, "1", 1, "good morning everyone")
    meeting.show(2, ("a", "Ann", "good morning everyone"))
    meeting.settle(10)
    meeting.show(2 + ALIVE, ("a", "Ann", "good morning everyone"), ("b", "Ann", "is anybody there"))
    assert meeting.said() == ["good morning everyone", "is anybody there"]


def test_a_name_that_is_known_later_is_a_revision_and_the_bots_own_words_go() -> None:
    meeting = Meeting()
    anonymous = Message(device="d", id="1", version=1, text="hello there")
    for now, message in (
        (1.0, anonymous),
        (2.0, Message(device="d", id="1", version=2, text="hello there", speaker="Ann")),
        (3.0, Message(device="e", id="1", version=1, text="I am the bot")),
        (4.0, Message(device="e", id="1", version=2, text="I am the bot", speaker="Bot")),
    ):
        meeting._note(receive(meeting.state, message, now, ("Bot",)))
    assert [(each.speaker, each.text) for each in meeting.utterances.values()] == [
        ("Ann", "hello there"),
        ("Bot", ""),
    ]


def test_interface_texts_and_late_versions_of_ended_messages_make_no_utterance() -> None:
    meeting = Meeting()
    meeting.send(1, "0", 1, "You left the meeting")
    for n in range(1, 400):
        meeting.send(n, str(n), 1, f"sentence number {n}")
    count = len(meeting.said())
    meeting.send(500, "1", 2, "sentence number 1 once more")
    assert len(meeting.said()) == count == 399
    assert len(meeting.state.records) <= 256


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_each_word_is_stored_once_whatever_either_source_loses(seed: int, turns: int) -> None:
    """Messages lose 10 %, blocks hold several of them, and both are late: no word twice, and none lost."""
    random = Random(seed)
    meeting = Meeting()
    now, count = 1.0, 0
    shown: list[tuple[str, str, str]] = []
    spoken: Counter[str] = Counter()
    for turn in range(turns):
        speaker = random.choice(("Ann", "Ben"))
        block: list[str] = []
        shown.append(("", speaker, ""))
        for part in range(random.randint(1, 3)):
            words = [f"w{count + n}" for n in range(random.randint(4, 9))]
            count += len(words)
            spoken.update(words)
            for end in range(1, len(words) + 1):
                now += 0.4
                sources = ["page", "channel"]
                random.shuffle(sources)
                for source in sources:
                    if source == "page":
                        shown[-1] = (f"k{turn}", speaker, " ".join([*block, *words[:end]]))
                        meeting.show(now, *shown[-3:])
                    elif random.random() > 0.1:
                        meeting.send(now, f"{turn}.{part}", end, " ".join(words[:end]), speaker)
            block += words
        now += random.choice((1, 6))
        meeting.settle(now)
    meeting.settle(now + 100)
    assert Counter(word for text in meeting.said() for word in text.split()) == spoken

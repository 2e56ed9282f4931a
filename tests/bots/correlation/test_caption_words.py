import pytest

from orch.bots.correlation.caption_words import CHUNK, OPEN, GrowingCaption
from orch.bots.correlation.events import Caption


def version(text: str, at: float, *, name: str = "Ana", began: float | None = None) -> Caption:
    return Caption(at=at, caption_id="k1", name=name, text=text, began=began)


def words(caption: GrowingCaption) -> list[tuple[str, float]]:
    return [(word.unit, word.at) for chunk in caption.chunks for word in chunk.words]


def test_a_word_arrives_with_the_first_version_that_has_it() -> None:
    """Later versions repeat it."""
    caption = GrowingCaption("k1")
    caption.revise(version("Good", 1.0))
    caption.revise(version("Good morning", 1.5))
    caption.revise(version("Good morning, everyone.", 2.0))
    assert words(caption) == [("good", 1.0), ("morning", 1.5), ("everyone", 2.0)]


def test_a_corrected_word_keeps_its_arrival() -> None:
    """The speech was as early, whatever it was first taken for."""
    caption = GrowingCaption("k1")
    caption.revise(version("I see the sea", 1.0))
    caption.revise(version("I see the C major", 2.0))
    caption.revise(version("I saw the C major chord", 3.0))
    assert words(caption) == [
        ("i", 1.0),
        ("saw", 1.0),
        ("the", 1.0),
        ("c", 1.0),
        ("major", 2.0),
        ("chord", 3.0),
    ]


def test_a_version_may_be_shorter() -> None:
    """Pages remove words again, or all of them."""
    caption = GrowingCaption("k1")
    caption.revise(version("one two three", 1.0))
    caption.revise(version("one", 2.0))
    assert words(caption) == [("one", 1.0)]
    caption.revise(version("", 3.0))
    assert words(caption) == []
    caption.revise(version("four", 4.0))
    assert words(caption) == [("four", 4.0)]


def test_a_stored_caption_has_its_words_spread_over_its_time() -> None:
    """Only its last version is stored, with when the first one arrived."""
    caption = GrowingCaption("k1")
    caption.revise(version("a b c d", 5.0, began=1.0))
    assert words(caption) == [("a", 2.0), ("b", 3.0), ("c", 4.0), ("d", 5.0)]


def test_old_chunks_are_closed_and_only_new_words_follow() -> None:
    """A caption that grows for long has no more open words than a short one."""
    caption = GrowingCaption("k1")
    text = " ".join(f"w{index}" for index in range(CHUNK + 3))
    caption.revise(version(text, 1.0))
    assert [len(chunk.words) for chunk in caption.chunks] == [CHUNK, 3]
    keys = [chunk.key for chunk in caption.close(2.0 + OPEN)]
    assert keys == [("k1", 0), ("k1", 1)]
    caption.revise(version(text + " new", 40.0))
    assert words(caption) == [("new", 40.0)]
    assert caption.chunks[0].key not in keys


def test_chunks_that_did_not_change_are_not_aligned_again() -> None:
    """Only the last one of a growing caption is."""
    caption = GrowingCaption("k1")
    text = " ".join(f"w{index}" for index in range(CHUNK))
    caption.revise(version(text, 1.0))
    caption.chunks[0].is_dirty = False
    caption.revise(version(text + " more", 2.0))
    assert [chunk.is_dirty for chunk in caption.chunks] == [False, True]


def test_another_name_is_that_of_the_whole_caption() -> None:
    """The page corrects the speaker of a caption that it shows already."""
    caption = GrowingCaption("k1")
    caption.revise(version("hello there", 1.0))
    caption.chunks[0].is_dirty = False
    caption.revise(version("hello there", 2.0, name="Ben"))
    assert [(chunk.name, chunk.is_dirty) for chunk in caption.chunks] == [("Ben", True)]


def test_of_an_endless_caption_the_end_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its oldest words were aligned long ago; the arrivals of the newest stay."""
    longest = 1_200
    monkeypatch.setattr("orch.bots.correlation.caption_words.LONGEST", longest)
    caption = GrowingCaption("k1")
    said: list[str] = []
    for index in range(320):
        said.append(f"word{index}")
        caption.revise(version(" ".join(said), float(index)))
        caption.close(float(index))
    assert len(" ".join(said)) > 2 * longest
    found = words(caption)
    assert found[-1] == ("word319", 319.0)
    assert all(unit == f"word{int(at)}" for unit, at in found)
    assert len(found) <= OPEN + 2 * CHUNK

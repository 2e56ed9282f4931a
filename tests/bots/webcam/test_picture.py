import math

import msgspec
import pytest

from orch.bots.webcam.appearance import Appearance, Mode, ThemeName
from orch.bots.webcam.picture import Caption, Picture, clear, expire, next_expiry, restyle, show


def caption(key: str, text: str = "Hello", speaker: str = "Anna", *, is_final: bool = False) -> Caption:
    return Caption(key=key, text=text, speaker=speaker, is_final=is_final)


def of(count: int, now: float = 0.0, appearance: Appearance | None = None) -> Picture:
    picture = Picture(appearance=appearance or Appearance())
    for number in range(count):
        picture = show(picture, caption(str(number), f"text {number}", f"speaker {number}"), now + number)
    return picture


def keys(picture: Picture) -> list[str]:
    return [line.key for line in picture.lines]


def test_a_growing_caption_stays_one_line_at_its_place() -> None:
    picture = show(of(3), caption("1", "text 1 grows"), 5)
    assert keys(picture) == ["0", "1", "2"]
    assert picture.lines[1].text == "text 1 grows"
    assert not picture.lines[1].is_final
    assert show(picture, caption("1", "Text one.", is_final=True), 6).lines[1].is_final


def test_a_late_growing_revision_does_not_undo_the_final_one() -> None:
    picture = show(Picture(), caption("a", "Final.", is_final=True), 0)
    assert show(picture, caption("a", "Fin"), 1) is picture
    assert show(picture, caption("a", "Corrected.", is_final=True), 1).lines[0].text == "Corrected."


def test_there_are_never_more_lines_than_allowed() -> None:
    assert keys(of(8)) == ["3", "4", "5", "6", "7"]
    two = of(8, appearance=Appearance(lines=2))
    assert keys(two) == ["6", "7"]


def test_expiry_keeps_the_limit_and_order() -> None:
    """Lines go when their own time is over, wherever they are; the others stay as they were."""
    picture = show(of(7), caption("3", "text 3 again"), 12)
    assert keys(picture) == ["3", "4", "5", "6"]  # 2 went at 12
    picture = expire(picture, 14.5)
    assert keys(picture) == ["3", "5", "6"]
    for number in range(7, 20):
        picture = expire(show(picture, caption(str(number)), 14.5), 14.5)
        assert len(picture.lines) <= 5
    assert expire(picture, 24.4) is picture
    assert expire(picture, 24.5).lines == ()


def test_the_next_expiry_is_known() -> None:
    assert next_expiry(Picture()) is None
    picture = of(3, now=100)
    assert next_expiry(picture) == 110
    assert len(expire(picture, 110).lines) == 2
    assert next_expiry(of(1, appearance=Appearance(seconds=3))) == 3


def test_a_revision_that_changes_nothing_is_no_change() -> None:
    """It does not prolong the time of the line either."""
    picture = of(2)
    assert show(picture, caption("1", "text 1", "speaker 1"), 5) is picture
    assert show(picture, caption("1", "  text \n 1 ", "speaker 1"), 5) is picture


def test_an_empty_text_takes_the_caption_away() -> None:
    assert keys(show(of(2), caption("0", " "), 2)) == ["1"]
    picture = of(2)
    assert show(picture, caption("unknown", ""), 2) is picture


def test_a_displaced_caption_does_not_return_below_newer_ones() -> None:
    picture = of(6)
    assert show(picture, caption("0", "text 0, final", is_final=True), 6) is picture
    expired = expire(of(1), 10)
    assert keys(show(expired, caption("0", "now final", is_final=True), 11)) == ["0"]


def test_what_is_remembered_is_bounded() -> None:
    picture = of(1000)
    assert len(picture.displaced) == 64
    assert len(picture.colours) == 8


def test_a_speaker_keeps_a_colour_and_no_two_that_are_seen_share_one() -> None:
    """Also with many more speakers than colours."""
    picture = Picture()
    for number in range(60):
        name = f"speaker {number * 7 % 13}"
        picture = show(picture, caption(str(number), speaker=name), number)
        colours = {line.speaker: line.colour for line in picture.lines}
        assert len(set(colours.values())) == len(colours)
    first = show(Picture(), caption("a", speaker="Anna"), 0)
    first = show(first, caption("b", speaker="Ben"), 0)
    first = show(first, caption("c", speaker="Anna"), 0)
    assert [line.colour for line in first.lines] == [0, 1, 0]


def test_two_participants_with_one_name_have_two_colours() -> None:
    picture = show(Picture(), Caption(key="a", text="x", speaker="Anna", speaker_key="p1"), 0)
    picture = show(picture, Caption(key="b", text="x", speaker="Anna", speaker_key="p2"), 0)
    assert [line.colour for line in picture.lines] == [0, 1]


def test_a_withheld_name_has_no_colour_and_can_be_given_later() -> None:
    picture = show(Picture(), caption("a", speaker=""), 0)
    assert picture.lines[0].colour is None
    assert show(picture, caption("a", speaker="Anna"), 1).lines[0].colour == 0


@pytest.mark.parametrize(
    ("confidence", "percent"),
    [(None, None), (0.0, 0), (0.876, 88), (0.999, 99), (1.0, 100), (1.1, None), (-1, None), (math.nan, None)],
)
def test_confidence_is_a_percentage_and_100_only_if_certain(
    confidence: float | None, percent: int | None
) -> None:
    picture = show(Picture(), Caption(key="a", text="x", confidence=confidence), 0)
    assert picture.lines[0].percent == percent


def test_another_appearance_leaves_what_is_shown() -> None:
    picture = of(5)
    other = restyle(picture, Appearance(mode=Mode.SIDEBAR, lines=3), 5)
    assert keys(other) == ["2", "3", "4"]
    assert other.colours == picture.colours
    assert clear(other) == Picture(appearance=other.appearance)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 640, "height": 480},
        {"width": 1920},
        {"lines": 0},
        {"lines": 6},
        {"seconds": 0.5},
        {"seconds": 61},
    ],
)
def test_an_appearance_that_cannot_be_drawn_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="can be"):
        Appearance(**wrong)  # type: ignore[arg-type]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Appearance)


def test_an_appearance_is_read_from_json() -> None:
    read = msgspec.json.decode(
        b'{"mode": "floating", "theme": "high_contrast", "seconds": 5}', type=Appearance
    )
    assert read == Appearance(mode=Mode.FLOATING, theme=ThemeName.HIGH_CONTRAST, seconds=5)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"mode": "corner"}', type=Appearance)


def test_not_a_number_is_no_duration() -> None:
    with pytest.raises(ValueError, match="seconds"):
        Appearance(seconds=math.nan)

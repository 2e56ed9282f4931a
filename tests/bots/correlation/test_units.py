import pytest

from orch.bots.correlation.units import stem_of, units_of, weight_of


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", []),
        (" … — ", []),
        ("It's 5 o'clock, Anna!", ["its", "5", "oclock", "anna"]),
        ("東京へ行く。", ["東", "京", "へ", "行", "く"]),
        ("iPhoneを買う", ["iphone", "を", "買", "う"]),
        ("\uff21\uff22\uff23 straße STRASSE", ["abc", "strasse", "strasse"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
    ],
)
def test_texts_are_compared_by_units_without_case_and_punctuation(text: str, units: list[str]) -> None:
    """Scripts without spaces are compared letter by letter, since engines divide them differently."""
    assert units_of(text) == units


def test_longer_words_are_also_compared_by_their_beginning() -> None:
    """Engines disagree about endings; short words have no stem."""
    assert stem_of("meeting") == stem_of("meetings") == "meet"
    assert stem_of("meet") is None


def test_short_words_prove_less() -> None:
    """They occur in everyone's speech."""
    assert weight_of("a") == weight_of("of") < weight_of("and") < weight_of("meeting")
    assert weight_of("東") < 1

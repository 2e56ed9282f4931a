import pytest

from orch.bots.webcam.appearance import ThemeName
from orch.bots.webcam.contrast import AA, BLACK, WHITE, Colour, blended, contrast, lowest_contrast, luminance
from orch.bots.webcam.themes import SPEAKER_COLOURS, THEMES


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        (BLACK, WHITE, 21.0),
        (WHITE, WHITE, 1.0),
        ((0x77, 0x77, 0x77), WHITE, 4.48),  # the grey that WCAG's own documents name as just failing
        ((0x76, 0x76, 0x76), WHITE, 4.54),
        ((255, 0, 0), WHITE, 4.0),
        ((0, 0, 255), WHITE, 8.59),
    ],
)
def test_contrast_is_that_of_wcag(one: Colour, other: Colour, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)
    assert contrast(other, one) == contrast(one, other)


def test_no_picture_under_a_panel_gives_less_than_the_lowest_contrast() -> None:
    """Tried with a grid of all colours, for each theme's panel and each of its text colours."""
    steps = range(0, 256, 51)
    under = [(red, green, blue) for red in steps for green in steps for blue in steps]
    for theme in THEMES.values():
        seen = {blended(theme.surface, theme.opacity, each) for each in under}
        for text in (theme.text, theme.muted, *theme.speakers):
            lowest = min(contrast(text, each) for each in seen)
            assert lowest == pytest.approx(lowest_contrast(text, theme.surface, theme.opacity))


def test_a_panel_that_some_picture_makes_as_light_as_its_text_is_found() -> None:
    """A search that finds nothing proves nothing."""
    assert lowest_contrast((128, 128, 128), BLACK, 0.3) == 1.0
    assert lowest_contrast(WHITE, BLACK, 1.0) == pytest.approx(21)
    assert lowest_contrast(BLACK, WHITE, 1.0) == pytest.approx(21)


@pytest.mark.parametrize("name", list(ThemeName))
def test_every_text_colour_of_a_theme_has_enough_contrast_over_any_picture(name: ThemeName) -> None:
    """Also where the camera's picture is white, black, or anything between."""
    theme = THEMES[name]
    assert len(theme.speakers) == SPEAKER_COLOURS
    for text in (theme.text, theme.muted, *theme.speakers):
        assert lowest_contrast(text, theme.surface, theme.opacity) >= AA, text
        assert contrast(text, theme.surface) >= AA, text


@pytest.mark.parametrize("name", list(ThemeName))
def test_speakers_colours_can_be_told_apart(name: ThemeName) -> None:
    """No two are close; and growing text is visibly less strong than final text."""
    theme = THEMES[name]
    for at, one in enumerate(theme.speakers):
        for other in theme.speakers[at + 1 :]:
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 45, (one, other)
    assert contrast(theme.text, theme.muted) > 1.5
    assert 0 <= luminance(theme.backdrop) <= 1

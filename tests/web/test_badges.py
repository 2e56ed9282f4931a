"""Badges are images that no text can break out of."""

from xml.etree import ElementTree as ET

import pytest

from orch.health.incidents.public import PublicState
from orch.health.incidents.uptime import Uptime, Window
from orch.web.badges import badge, percent, state_badge, uptime_badge

SVG = "{http://www.w3.org/2000/svg}"


def texts(image: bytes) -> list[str | None]:
    """Return the texts of an image; ParseError if it is not XML."""
    return [each.text for each in ET.fromstring(image).iter(f"{SVG}text")]  # noqa: S314 - our own


@pytest.mark.parametrize(
    "name",
    [
        "</text><script>alert(1)</script>",
        '" onload="alert(1)',
        "a & b",
        "]]>",
        "\x00\x08\ufffe\ud800",
        "ترجمة",
        "x" * 5_000,
        "",
    ],
)
def test_a_name_of_any_kind_is_text_in_a_valid_image(name: str) -> None:
    """It adds no element and no attribute, and the image has a bounded size."""
    image = state_badge(name, PublicState.OPERATIONAL)
    root = ET.fromstring(image)  # noqa: S314 - our own
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == {
        "svg",
        "title",
        "rect",
        "path",
        "g",
        "text",
    }
    assert set(root.attrib) == {"width", "height", "role", "aria-label"}
    assert len(image) < 2_500
    assert texts(image)[1] == "operational"


def test_an_uptime_badge_names_the_window_and_claims_no_more_than_is_known() -> None:
    """Nothing known is no percentage."""

    def shown(share: float | None, known: float = 1) -> list[str | None]:
        return texts(
            uptime_badge("Speech", Uptime(window=Window.MONTH, share=share, known=known, down=0, bars=()))
        )

    assert shown(0.99951) == ["Speech, 30 d", "99.95 % up"]
    assert shown(None) == ["Speech, 30 d", "unknown"]
    assert shown(0.576, 0.033)[1] == "57.60 % up, 3 % known"
    assert shown(0.576, 0.000_15)[1] == "57.60 % up, 0.01 % known"
    assert shown(0.576, 0.000_001)[1] == "57.60 % up, < 0.01 % known"
    assert shown(0.576, 0.996)[1] == "57.60 % up"


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.999_999, "99.99 %"), (0.5, "50.00 %"), (0.0, "0.00 %")],
)
def test_a_percentage_is_never_rounded_up(share: float, text: str) -> None:
    """A second down is not 100 %."""
    assert percent(share) == text


def test_a_badge_says_in_words_what_it_shows() -> None:
    """For readers who cannot see it."""
    root = ET.fromstring(badge("a", "b", "#000000"))  # noqa: S314 - our own
    assert root.attrib["aria-label"] == "a: b"

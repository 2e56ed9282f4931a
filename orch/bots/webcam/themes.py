"""The five themes' colours. Pure.

Each colour of text has a contrast of 4.5 or more on each surface of its theme, whatever the camera shows
beneath a surface that it shines through; tests compute it.
"""

from typing import Final

from msgspec import Struct

from orch.bots.webcam.appearance import ThemeName
from orch.bots.webcam.contrast import Colour

SPEAKER_COLOURS: Final = 8


class Theme(Struct, frozen=True, kw_only=True):
    """Colours of a theme.

    backdrop: what is seen where the camera has no picture of its own.
    surface: what all text stands on. ``opacity``: how much of it covers the picture under it, 0 to 1, where
    a mode lets the picture shine through; other surfaces are opaque.
    text, muted: final text; growing text, confidence and title.
    border: of surfaces; ``border_width`` at a height of 720, 0 for none.
    speakers: of names and marks, for 8 speakers.
    """

    backdrop: Colour
    surface: Colour
    opacity: float
    text: Colour
    muted: Colour
    border: Colour
    border_width: int
    radius: int
    speakers: tuple[Colour, ...]


# Blue, orange, green, pink, yellow, violet, teal, red: the first, which most meetings need, differ most.
_ON_DARK: Final[tuple[Colour, ...]] = (
    (0x7C, 0xC4, 0xFF),
    (0xFF, 0xB4, 0x5C),
    (0x86, 0xE0, 0x86),
    (0xFF, 0x9C, 0xD2),
    (0xFF, 0xE8, 0x66),
    (0xC8, 0xAE, 0xFF),
    (0x62, 0xE2, 0xD6),
    (0xFF, 0xA0, 0x94),
)
_ON_LIGHT: Final[tuple[Colour, ...]] = (
    (0x0B, 0x57, 0xA4),
    (0x9C, 0x3F, 0x00),
    (0x1B, 0x66, 0x1B),
    (0xA3, 0x12, 0x5F),
    (0x5E, 0x58, 0x00),
    (0x5B, 0x2B, 0xA8),
    (0x00, 0x5F, 0x5C),
    (0xB0, 0x15, 0x20),
)
_BRIGHT: Final[tuple[Colour, ...]] = (
    (0x66, 0xCC, 0xFF),
    (0xFF, 0xA5, 0x00),
    (0x5C, 0xFF, 0x5C),
    (0xFF, 0x80, 0xFF),
    (0xFF, 0xFF, 0x33),
    (0xB3, 0xA0, 0xFF),
    (0x00, 0xFF, 0xE5),
    (0xFF, 0x8A, 0x80),
)

THEMES: Final = {
    ThemeName.DARK: Theme(
        backdrop=(0x12, 0x15, 0x1A),
        surface=(0x1D, 0x22, 0x2A),
        opacity=0.86,
        text=(0xF5, 0xF7, 0xFA),
        muted=(0xB9, 0xC0, 0xCA),
        border=(0x39, 0x42, 0x4E),
        border_width=1,
        radius=14,
        speakers=_ON_DARK,
    ),
    ThemeName.LIGHT: Theme(
        backdrop=(0xDD, 0xE3, 0xEA),
        surface=(0xFF, 0xFF, 0xFF),
        opacity=0.92,
        text=(0x14, 0x18, 0x1F),
        muted=(0x4D, 0x56, 0x63),
        border=(0xC3, 0xCB, 0xD5),
        border_width=1,
        radius=14,
        speakers=_ON_LIGHT,
    ),
    ThemeName.HIGH_CONTRAST: Theme(
        backdrop=(0x00, 0x00, 0x00),
        surface=(0x00, 0x00, 0x00),
        opacity=1.0,
        text=(0xFF, 0xFF, 0xFF),
        muted=(0xC8, 0xC8, 0xC8),
        border=(0xFF, 0xFF, 0xFF),
        border_width=3,
        radius=4,
        speakers=_BRIGHT,
    ),
    ThemeName.MINIMAL: Theme(
        backdrop=(0x20, 0x20, 0x20),
        surface=(0x0C, 0x0C, 0x0C),
        opacity=0.80,
        text=(0xF2, 0xF2, 0xF2),
        muted=(0xC2, 0xC2, 0xC2),
        border=(0x0C, 0x0C, 0x0C),
        border_width=0,
        radius=0,
        speakers=_ON_DARK,
    ),
    ThemeName.CORPORATE: Theme(
        backdrop=(0x0B, 0x1D, 0x38),
        surface=(0x13, 0x2E, 0x55),
        opacity=0.90,
        text=(0xFF, 0xFF, 0xFF),
        muted=(0xC3, 0xCF, 0xE0),
        border=(0x4D, 0x8F, 0xE0),
        border_width=2,
        radius=6,
        speakers=_ON_DARK,
    ),
}

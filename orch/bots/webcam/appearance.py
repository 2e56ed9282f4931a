"""How the picture looks: modes, sizes and what is shown. Pure."""

from enum import StrEnum
from typing import Final

from msgspec import Struct


class Mode(StrEnum):
    """Where the captions are.

    overlay: at the bottom over the camera picture, on a panel that it shines through.
    sidebar: a column at the right.
    bottom_banner: a strip along the bottom.
    floating: a card in the middle.
    fullscreen: the whole picture, in large letters.
    """

    OVERLAY = "overlay"
    SIDEBAR = "sidebar"
    BOTTOM_BANNER = "bottom_banner"
    FLOATING = "floating"
    FULLSCREEN = "fullscreen"


class ThemeName(StrEnum):
    """The colours; :data:`orch.bots.webcam.themes.THEMES` has them."""

    DARK = "dark"
    LIGHT = "light"
    HIGH_CONTRAST = "high_contrast"
    MINIMAL = "minimal"
    CORPORATE = "corporate"


SIZES: Final = ((1280, 720), (1920, 1080))
"""Width and height, in pixels, that are allowed."""
MOST_LINES: Final = 5
LONGEST: Final = 60.0
"""Seconds that a caption can be shown at most."""


class Appearance(Struct, frozen=True, kw_only=True):
    """What a camera's picture looks like.

    width, height: pixels, one of :data:`SIZES`.
    lines: captions at once, 1 to 5.
    seconds: how long a caption is shown after its last change, 1 to 60.
    names, confidence: whether the speaker's name, and how certain the caption is, are shown with it.
    title: a short text that is always shown, as "Live captions: English"; may be empty.

    Raises ValueError if a value is out of its range.
    """

    width: int = 1280
    height: int = 720
    mode: Mode = Mode.OVERLAY
    theme: ThemeName = ThemeName.DARK
    lines: int = MOST_LINES
    seconds: float = 10.0
    names: bool = True
    confidence: bool = True
    title: str = ""

    def __post_init__(self) -> None:
        if (self.width, self.height) not in SIZES:
            allowed = " or ".join(f"{width}x{height}" for width, height in SIZES)
            raise ValueError(f"The picture can be {allowed}, not {self.width}x{self.height}.")
        if not 1 <= self.lines <= MOST_LINES:
            raise ValueError(f"Between 1 and {MOST_LINES} lines can be shown, not {self.lines}.")
        if not 1 <= self.seconds <= LONGEST:
            raise ValueError(f"A line can be shown for 1 to {LONGEST:g} seconds, not {self.seconds:g}.")

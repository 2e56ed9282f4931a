"""Contrast of colours by WCAG 2.2. Pure.

A colour is (red, green, blue), each 0 to 255, in sRGB.
"""

from typing import Final

Colour = tuple[int, int, int]

AA: Final = 4.5
"""What WCAG's success criterion 1.4.3 asks of text: at least this contrast to what is under it."""

BLACK: Final[Colour] = (0, 0, 0)
WHITE: Final[Colour] = (255, 255, 255)


def luminance(colour: Colour) -> float:
    """Return the relative luminance, 0 (black) to 1 (white)."""
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 (sRGB)
        for share in (part / 255 for part in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast ratio of two colours, 1 (equal) to 21 (black and white)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def blended(colour: Colour, opacity: float, under: Colour) -> Colour:
    """Return what is seen of a colour of an opacity (0 to 1) over another."""
    red, green, blue = (
        round(opacity * part + (1 - opacity) * below) for part, below in zip(colour, under, strict=True)
    )
    return red, green, blue


def lowest_contrast(text: Colour, panel: Colour, opacity: float) -> float:
    """Return the contrast of text on a panel over the picture that makes it lowest.

    Each channel of what shows through lies between the channel over black and that over white, and luminance
    grows with each channel: so no picture is darker than black or lighter than white. Where the text's
    luminance lies between the two, some picture equals it, and the contrast is 1.
    """
    darkest, lightest = (luminance(blended(panel, opacity, under)) for under in (BLACK, WHITE))
    own = luminance(text)
    if own > lightest:
        return (own + 0.05) / (lightest + 0.05)
    if own < darkest:
        return (darkest + 0.05) / (own + 0.05)
    return 1.0

"""Badges: small SVG images with the state or the uptime of a service. Pure.

They have no script, no style and no reference to anything else, and every text in them is escaped.
"""

from html import escape
from typing import Final

from orch.health.incidents.public import PublicState
from orch.health.incidents.uptime import Uptime, Window

_COLOURS: Final = {
    PublicState.OPERATIONAL: "#137a4b",
    PublicState.DEGRADED: "#8f5b00",
    PublicState.OUTAGE: "#c0282d",
    PublicState.MAINTENANCE: "#1f5fd0",
    PublicState.UNKNOWN: "#4d5967",
}
"""White text on each of them has a contrast of 4.5:1 at least."""

_LABEL_COLOUR: Final = "#3a424c"
_CHARACTER: Final = 6.8
_PADDING: Final = 7.0
_LONGEST: Final = 60

#: Shares of a window: from which on it counts as known, and the least that is shown, in percent.
_ALL: Final = 0.995
_LEAST: Final = 0.01

_GOOD: Final = 0.999
_FAIR: Final = 0.99


def state_badge(name: str, state: PublicState) -> bytes:
    """Return the badge of how a service stands."""
    return badge(name, str(state), _COLOURS[state])


def uptime_badge(name: str, uptime: Uptime) -> bytes:
    """Return the badge of the uptime in a window; of what is not known nothing is claimed."""
    window = {Window.DAY: "24 h", Window.WEEK: "7 d", Window.MONTH: "30 d", Window.QUARTER: "90 d"}[
        uptime.window
    ]
    if uptime.share is None:
        return badge(f"{name}, {window}", "unknown", _COLOURS[PublicState.UNKNOWN])
    share = uptime.share
    state = (
        PublicState.OPERATIONAL
        if share >= _GOOD
        else PublicState.DEGRADED
        if share >= _FAIR
        else PublicState.OUTAGE
    )
    known = part_known(uptime)
    value = f"{percent(share)} up" if known is None else f"{percent(share)} up, {known} known"
    return badge(f"{name}, {window}", value, _COLOURS[state])


def part_known(uptime: Uptime) -> str | None:
    """Return how much of a window is known: "3 %", "0.02 %"; None where it is all, or nothing."""
    if uptime.share is None or uptime.known >= _ALL:
        return None
    known = uptime.known * 100
    return f"{int(known)} %" if known >= 1 else f"{known:.2f} %" if known >= _LEAST else f"< {_LEAST} %"


def percent(share: float) -> str:
    """Return "99.95 %": rounded down, so that 100 % is said only of what had no second down."""
    return "100 %" if share >= 1 else f"{int(share * 10_000) / 100:.2f} %"


def badge(label: str, value: str, colour: str) -> bytes:
    """Return an SVG image of a label and a value. Texts of any length and kind."""
    label, value = _plain(label), _plain(value)
    left, right = (round(len(text) * _CHARACTER + 2 * _PADDING) for text in (label, value))
    said = escape(f"{label}: {value}", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img"'
        f' aria-label="{said}"><title>{said}</title>'
        f'<rect width="{left + right}" height="20" rx="3" fill="{_LABEL_COLOUR}"/>'
        f'<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f"{_text(label, left / 2, left)}{_text(value, left + right / 2, right)}</g></svg>"
    ).encode()


def _text(text: str, middle: float, width: int) -> str:
    length = width - 2 * _PADDING
    return f'<text x="{middle:g}" y="14" textLength="{length:g}">{escape(text, quote=True)}</text>'


def _plain(text: str) -> str:
    """Return a text without characters that XML forbids, of a length that fits."""
    plain = "".join(character for character in text if character.isprintable())
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"

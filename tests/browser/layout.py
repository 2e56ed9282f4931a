"""Finds faults of a page's layout: truncated text, overlapping controls, sideways scrolling."""

from pathlib import Path
from typing import Final

from playwright.sync_api import Page

_FAULTS: Final = Path(__file__).with_name("layout_faults.js").read_text(encoding="utf-8")

_SHARE: Final = """(selector) => {
  const box = document.querySelector(selector).getBoundingClientRect();
  const above = [...document.querySelectorAll(".side-bar")].map((bar) => bar.getBoundingClientRect());
  let bottom = Math.min(innerHeight, box.bottom);
  for (const bar of above) if (bar.height > 0 && bar.top > 0 && bar.top < bottom) bottom = bar.top;
  return Math.max(0, bottom - Math.max(0, box.top)) / innerHeight;
}"""

_SHIFTS: Final = """
window.shifted = 0;
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    window.shifted += entry.value;
    const place = ({ left, top, width, height }) => `${left},${top} ${width}x${height}`;
    const moved = entry.sources.map(({ node, previousRect, currentRect }) => {
      const { id, className, localName } = (node?.nodeType === 1 ? node : node?.parentElement) ?? {};
      return `${localName}#${id}.${className} ${place(previousRect)} -> ${place(currentRect)}`;
    });
    window.shifts.push(`${entry.value.toFixed(3)}: ${moved.join("; ")}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


_CANVAS: Final = """
window.cutOnCanvas = [];
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
  const { a, e } = this.getTransform();
  const width = a * this.measureText(text).width;
  const left = a * x + e - width * ({ center: 0.5, right: 1, end: 1 }[this.textAlign] ?? 0);
  if (left < -0.5 || left + width > this.canvas.width + 0.5) {
    window.cutOnCanvas.push(`${text}: ${left} to ${left + width} of ${this.canvas.width}`);
  }
  return fillText.call(this, text, x, y, ...more);
};
"""


def layout_faults(page: Page, within: str | None = None) -> list[str]:
    """Return what is wrong with the layout, a line each; ``within``: a selector of what is looked at."""
    found: list[str] = page.evaluate(_FAULTS, within)
    return found


def share_of_height(page: Page, selector: str) -> float:
    """Return how much of the window's height an element has, as far as it can be seen: 0 to 1."""
    share: float = page.evaluate(_SHARE, selector)
    return share


def watch_shifts(page: Page) -> None:
    """Add up from the next load on how far the page moves by itself (cumulative layout shift)."""
    page.add_init_script(_SHIFTS)


def watch_canvases(page: Page) -> None:
    """Note from the next load on what is written past a picture's edge, into ``window.cutOnCanvas``."""
    page.add_init_script(_CANVAS)


def shifted(page: Page) -> tuple[float, list[str]]:
    """Return the cumulative layout shift so far and what moved; ``watch_shifts`` came before the page."""
    total: float = page.evaluate("window.shifted")
    moved: list[str] = page.evaluate("window.shifts")
    return total, moved

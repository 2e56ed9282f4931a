"""JavaScript that a bot calls in a page's isolated world. Pure.

The functions read the DOM; scrolling and selecting text are all that they do to it.
"""

from typing import Final

LOADED: Final = """() => document.readyState !== "loading" || new Promise((done) => {
  document.addEventListener("DOMContentLoaded", () => done(true), { once: true });
})"""
"""Waits until the document is parsed."""

POSITION: Final = """(...given) => {
  const element = (%s)(...given);
  if (!element) return { state: "missing" };
  element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  const box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  if (!box.width || !box.height || style.visibility !== "visible") return { state: "hidden" };
  if (element.disabled || element.getAttribute("aria-disabled") === "true") return { state: "disabled" };
  const x = box.x + box.width / 2;
  const y = box.y + box.height / 2;
  if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) return { state: "hidden" };
  let hit = document.elementFromPoint(x, y);
  while (hit?.shadowRoot) {
    const inner = hit.shadowRoot.elementFromPoint(x, y);
    if (!inner || inner === hit) break;
    hit = inner;
  }
  for (let each = hit; each; each = each.parentNode ?? each.host) {
    if (each === element) return { state: "ready", x, y };
  }
  return { state: "covered", by: hit ? hit.localName : "nothing" };
}"""
"""Where the element that the function in the gap returns can be clicked, in CSS pixels; or why it cannot."""

MARKED: Final = """() => {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  if (typeof active?.select === "function") active.select();
  else if (active?.isContentEditable) getSelection().selectAllChildren(active);
}"""
"""Selects the text of the field with the focus, so that typing replaces it."""

SOURCE: Final = """(most) => document.documentElement.outerHTML.slice(0, most)"""
"""The document's HTML, at most so many characters."""

/** A pill: a state's name with its colour. */

import { h, setAttribute, setText } from "./dom.js";

export function pill(word = "", tone = "quiet") {
  return h("span", { class: "pill", "data-tone": tone }, h("span", { class: "pill-dot", "aria-hidden": "true" }), h("span", {}, word));
}

export function setPill(element, word, tone) {
  setAttribute(element, "data-tone", tone);
  setText(element.lastElementChild, word);
}

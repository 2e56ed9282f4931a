/** The text in place of an empty list: what it means, and what to do next. */

import { h } from "./dom.js";

/** `next`: a sentence or nodes. The same title twice is the same state (components/placeholder.js leaves it alone). */
export function emptyState(title, ...next) {
  return h("div", { class: "empty", "data-empty": title }, h("strong", { dir: "auto" }, title), next.length > 0 && h("p", { dir: "auto" }, next));
}

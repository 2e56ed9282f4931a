/** What is used of a few limits: a line each with its numbers and a bar. */

import { percent } from "../models/number-format.js";
import { h, keyed, setAttribute, setText } from "./dom.js";

/** `rows`: [{name, text, share, tone?}]; `share` null: there is no limit, and so no bar. */
export function showFills(element, rows) {
  keyed(element, rows, {
    key: (row) => row.name,
    create: (row) => h("div", { class: "queue" }, h("span", { class: "queue-name", dir: "auto" }, row.name), h("span", { class: "muted" }), h("progress", { max: 1, "aria-label": `${row.name}, how full` })),
    update: (line, { text, share, tone = "" }) => {
      const bar = line.lastElementChild;
      setText(line.children[1], text);
      bar.hidden = share === null;
      if (share === null) return;
      setAttribute(bar, "value", Math.min(1, share));
      setAttribute(bar, "data-tone", tone || null);
      setAttribute(bar, "aria-valuetext", percent(share));
    },
  });
}

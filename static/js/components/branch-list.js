/** The tree as a short list: one line a branch, indented, with its state where it is not running. */

import { branchTone, word } from "../models/state-tones.js";
import { h, keyed, setAttribute, setText } from "./dom.js";

export function showBranchList(list, branches) {
  keyed(list, branches, {
    key: (branch) => branch.name,
    create: (branch) =>
      h(
        "li",
        { class: "branch-item" },
        h("span", { class: "branch-rule", "aria-hidden": "true" }, branchRule(branch.depth)),
        h("a", { href: `/tree?branch=${encodeURIComponent(branch.name)}` }, branch.name),
        h("span", { class: "branch-item-detail", dir: "auto" }),
        h("span", { class: "branch-item-state" }),
      ),
    update: (element, branch) => {
      setText(element.querySelector(".branch-item-detail"), branch.detail);
      const state = element.querySelector(".branch-item-state");
      setAttribute(state, "data-tone", branchTone(branch.state));
      setText(state, branch.state === "running" ? "" : `● ${word(branch.state)}`);
    },
  });
}

/** The line drawn before a branch's name. */
export const branchRule = (depth) => (depth === 0 ? "" : `${"  ".repeat(depth - 1)}└`);

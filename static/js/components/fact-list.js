/** A list of names and values: made once, changed in place. */

import { h, keyed, setText } from "./dom.js";

export const facts = () => h("dl", { class: "facts" });

/** `pairs`: [[name, text | node]]; a null value leaves the pair out. A node is put in as it is. */
export function showFacts(list, pairs) {
  const entries = pairs.filter(([, value]) => value !== null).flatMap(([name, value]) => [
    { tag: "dt", key: `t ${name}`, value: name },
    { tag: "dd", key: `d ${name}`, value },
  ]);
  keyed(list, entries, {
    key: (entry) => entry.key,
    create: (entry) => h(entry.tag, entry.tag === "dd" ? { dir: "auto" } : {}),
    update: (element, { value }) => {
      if (value instanceof Node) {
        if (element.firstChild !== value) element.replaceChildren(value);
      } else setText(element, value);
    },
  });
}

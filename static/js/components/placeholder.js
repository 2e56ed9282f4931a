/** The place a macro `slot` keeps: grey shapes first, then one element that stays, or a sentence. */

import { h, settle } from "./dom.js";

/**
 * Put `element` into the slot, or (with null) a `tag` of class `classes` that is made once. Returns what stands
 * there now.
 */
export function ready(slot, element, tag = "div", classes = "") {
  settle(slot);
  const now = slot.firstElementChild;
  if (element === null) {
    if (now?.dataset.slot === classes) return now;
    const made = h(tag, { class: classes, "data-slot": classes });
    slot.replaceChildren(made);
    return made;
  }
  if (now !== element && !(now?.dataset.empty && now.dataset.empty === element.dataset.empty)) slot.replaceChildren(element);
  return element;
}

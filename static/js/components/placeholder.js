/** The place a macro `slot` keeps: grey shapes first, then one element that stays, or a sentence. */

import { h, endLoading } from "./dom.js";

/**
 * Put `element` into the slot, or (with null) a `tag` of class `classes` that is made once. Returns what stands
 * there now.
 */
export function fillPlaceholder(slot, element, tag = "div", classes = "") {
  endLoading(slot);
  const now = slot.firstElementChild;
  if (element === null) {
    if (now?.dataset.placeholder === classes) return now;
    const made = h(tag, { class: classes, "data-placeholder": classes });
    slot.replaceChildren(made);
    return made;
  }
  if (now !== element && !(now?.dataset.empty && now.dataset.empty === element.dataset.empty)) slot.replaceChildren(element);
  return element;
}

/** The macro `placeholder`: grey shapes first, then one element that stays, or a sentence. */

import { h, endLoading } from "./dom.js";

/**
 * Replace the grey shapes by `element`, or (with null) by a `tag` of class `classes` that is made once. Returns the
 * element that is shown.
 */
export function fillPlaceholder(placeholder, element, tag = "div", classes = "") {
  endLoading(placeholder);
  const now = placeholder.firstElementChild;
  if (element === null) {
    if (now?.dataset.placeholder === classes) return now;
    const made = h(tag, { class: classes, "data-placeholder": classes });
    placeholder.replaceChildren(made);
    return made;
  }
  if (now !== element && !(now?.dataset.empty && now.dataset.empty === element.dataset.empty)) placeholder.replaceChildren(element);
  return element;
}

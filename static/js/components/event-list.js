/** Recent events, newest first. */

import { h, keyed, setAttribute } from "./dom.js";
import { fillPlaceholder } from "./placeholder.js";
import { setTime, timeElement } from "./time-element.js";

const SEVERITIES = { info: "Note", ok: "Good", warn: "Warning", bad: "Fault" };

/** A screen reader reads new events; not the first ones, and not the times. */
export function showEvents(slot, events) {
  if (slot.querySelector(".events") !== null) setAttribute(slot, "aria-live", "polite");
  setAttribute(slot, "aria-relevant", "additions");
  keyed(fillPlaceholder(slot, null, "ol", "events"), events, {
    key: (event) => event.number,
    create: (event) =>
      h(
        "li",
        { class: "event", "data-severity": event.severity },
        timeElement(event.at),
        h("span", { class: "event-mark", title: SEVERITIES[event.severity], "aria-hidden": "true" }),
        h("span", { class: "event-text" }, h("span", { class: "visually-hidden" }, `${SEVERITIES[event.severity]}: `), h("strong", { dir: "auto" }, event.subject), " ", h("bdi", { dir: "auto" }, event.text)),
      ),
    update: (element, event) => setTime(element.firstElementChild, event.at),
  });
}

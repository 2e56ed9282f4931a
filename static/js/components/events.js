/** Recent events, newest first. */

import { h, keyed } from "./dom.js";
import { setTime, timeElement } from "./time.js";

const SEVERITIES = { info: "Note", ok: "Good", warn: "Warning", bad: "Fault" };

export function showEvents(list, events) {
  keyed(list, events, {
    key: (event) => event.number,
    create: (event) =>
      h(
        "li",
        { class: "event", "data-severity": event.severity },
        timeElement(event.at),
        h("span", { class: "event-mark", title: SEVERITIES[event.severity], "aria-hidden": "true" }),
        h("span", { class: "event-text" }, h("span", { class: "visually-hidden" }, `${SEVERITIES[event.severity]}: `), h("strong", {}, event.subject), ` ${event.text}`),
      ),
    update: (element, event) => setTime(element.firstElementChild, event.at),
  });
}

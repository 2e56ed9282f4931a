/** The last checks as bars, oldest first; as text for screen readers, each with a tooltip. */

import { joined, latency } from "../models/number-format.js";
import { checksText } from "../models/overview.js";
import { word } from "../models/state-tones.js";
import { clockTime } from "../models/time-format.js";
import { h, setAttribute } from "./dom.js";

const BARS = 45;

export function heartbeats() {
  const bars = Array.from({ length: BARS }, () => h("span", { class: "beat" }));
  return h("span", { class: "beats", role: "img", "aria-label": "No checks yet" }, bars);
}

/** `checks`: [{at, state, latency_ms}], oldest first. Fewer checks than bars fill the right. */
export function setHeartbeats(element, checks) {
  setAttribute(element, "aria-label", checksText(checks));
  const shown = checks.slice(-BARS);
  const empty = BARS - shown.length;
  [...element.children].forEach((bar, index) => {
    const check = shown[index - empty];
    setAttribute(bar, "data-state", check?.state ?? null);
    setAttribute(bar, "title", check ? `${clockTime(check.at)} · ${word(check.state)}${check.latency_ms === null ? "" : ` · ${joined(latency(check.latency_ms))}`}` : null);
  });
}

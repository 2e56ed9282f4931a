/** The meters of one side: RMS, true peak and loudness, with their targets. Text changes four times a second. */

import { level } from "../../models/audio-text.js";
import { TARGET_LUFS, TARGET_PEAK_DB } from "../../models/audio-recommendations.js";
import { h, setAttribute, setText } from "../dom.js";

const LOWEST = -60;
const TEXT_EVERY = 250;
/** [field, label, unit, target or null, higher is too high]. */
const METERS = [
  ["rmsDb", "RMS", "dBFS", null],
  ["truePeakDb", "True peak", "dBTP", TARGET_PEAK_DB],
  ["momentary", "Momentary", "LUFS", TARGET_LUFS],
  ["shortTerm", "Short-term", "LUFS", TARGET_LUFS],
  ["integrated", "Integrated", "LUFS", TARGET_LUFS],
];

const place = (value) => Math.max(0, Math.min(1, 1 - value / LOWEST));

export class Meters {
  #rows;
  #textAt = -Infinity;

  constructor(element, title) {
    this.#rows = METERS.map(([field, label, unit, target]) => {
      const fill = h("span", { class: "meter-fill" });
      const value = h("span", { class: "meter-value" }, "–");
      const bar = h("span", { class: "meter-bar", role: "meter", "aria-label": `${title}: ${label}`, "aria-valuemin": LOWEST, "aria-valuemax": 0, "aria-valuenow": LOWEST, "aria-valuetext": "nothing measured yet" }, fill);
      if (target !== null) {
        const mark = h("span", { class: "meter-target", title: `target ${level(target, unit)}` });
        mark.style.setProperty("--place", `${100 * place(target)}%`);
        bar.append(mark);
      }
      element.append(h("div", { class: "meter", "data-field": field }, h("span", { class: "meter-label" }, label), bar, value));
      return { field, unit, target, fill, bar, value };
    });
  }

  /** `values` of a tap, or null. */
  draw(now, values) {
    const isTextDue = now - this.#textAt >= TEXT_EVERY;
    if (isTextDue) this.#textAt = now;
    for (const { field, unit, target, fill, bar, value } of this.#rows) {
      const known = values?.[field] ?? null;
      fill.style.setProperty("--level", String(known === null ? 0 : place(known)));
      if (!isTextDue) continue;
      const text = level(known, unit);
      setText(value, text);
      setAttribute(bar, "aria-valuetext", known === null ? "not known" : target === null ? text : `${text}, target ${level(target, unit)}`);
      setAttribute(bar, "aria-valuenow", known === null ? LOWEST : Math.round(Math.max(LOWEST, Math.min(0, known))));
      setAttribute(bar, "data-tone", field === "truePeakDb" && known !== null && known > target ? "bad" : null);
    }
  }
}

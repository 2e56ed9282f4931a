/** The confidence of speech over the last seconds, with the decision under it. */

import { h, setText } from "../dom.js";

const WIDTH = 360;
const HEIGHT = 140;
/** Points of six seconds. */
const POINTS = 180;
const EVERY = 1 / 30;

export class ConfidenceTrack {
  #line = h("svg:path", { class: "curve-line" });
  #speech = h("svg:path", { class: "track-speech" });
  #summary = h("p", { class: "curve-summary small muted" }, "Nothing runs.");
  /** {confidence, speech}, oldest first. */
  #points = [];
  #at = -Infinity;
  #saidAt = -Infinity;

  constructor() {
    const grid = h("svg:path", { class: "track-grid", d: `M0 20H${WIDTH}M0 65H${WIDTH}M0 110H${WIDTH}` });
    const picture = h("svg:svg", { class: "curve-picture", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" }, grid, this.#speech, this.#line);
    this.element = h("figure", { class: "curve" }, h("h4", { class: "curve-title" }, "Confidence over six seconds"), picture, h("figcaption", {}, this.#summary));
  }

  /** `now` in seconds. `report` null: nothing runs. */
  add(report, now) {
    if (report === null || report.confidence === null) {
      setText(this.#summary, report === null ? "Nothing runs." : "Voice activity is off.");
      return;
    }
    if (now - this.#at < EVERY) return;
    this.#at = now;
    this.#points.push({ confidence: report.confidence, speech: report.speech });
    if (this.#points.length > POINTS) this.#points.shift();
    const step = WIDTH / POINTS;
    const first = WIDTH - this.#points.length * step;
    this.#line.setAttribute("d", this.#points.map(({ confidence }, index) => `${index === 0 ? "M" : "L"}${(first + index * step).toFixed(1)} ${(110 - 90 * confidence).toFixed(1)}`).join(""));
    this.#speech.setAttribute("d", this.#points.map(({ speech }, index) => (speech ? `M${(first + index * step).toFixed(1)} 122h${(step + 0.2).toFixed(1)}v10h-${(step + 0.2).toFixed(1)}z` : "")).join(""));
    if (now - this.#saidAt < 1) return;
    this.#saidAt = now;
    const share = this.#points.filter(({ speech }) => speech).length / this.#points.length;
    setText(this.#summary, `Now ${Math.round(100 * report.confidence)} %, ${report.speech ? "speech" : "no speech"}; speech in ${Math.round(100 * share)} % of the time shown (bar).`);
  }
}

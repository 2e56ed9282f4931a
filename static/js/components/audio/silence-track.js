/** The level at the stage Silence over the last seconds, its thresholds, and when nothing left it. */

import { decibels } from "../../models/levels.js";
import { figure } from "../../models/audio-curves.js";
import { h, setAttribute, setText } from "../dom.js";

const WIDTH = 360;
const HEIGHT = 140;
/** dBFS at the bottom; the top is 0. */
const LOW = -90;
const BOTTOM = 112;
/** Points of six seconds. */
const POINTS = 180;
const EVERY = 1 / 30;

const y = (level) => (4 + ((BOTTOM - 4) * Math.min(0, Math.max(LOW, level))) / LOW).toFixed(1);

export class SilenceTrack {
  #line = h("svg:path", { class: "curve-line" });
  #threshold = h("svg:path", { class: "curve-line", "data-reference": true });
  #breath = h("svg:path", { class: "curve-line", "data-reference": true, "data-fine": true });
  #cut = h("svg:path", { class: "track-cut" });
  #summary = h("p", { class: "curve-summary small muted" }, "Nothing runs.");
  /** {level, isCut}, oldest first. */
  #points = [];
  #at = -Infinity;
  #saidAt = -Infinity;
  #limits = null;

  constructor() {
    const label = (level) => h("svg:text", { class: "curve-label", x: 4, y: y(level) - 3 }, `${figure(level)} dB`);
    const grid = h("svg:path", { class: "track-grid", d: [-30, -60].map((level) => `M0 ${y(level)}H${WIDTH}`).join("") });
    const picture = h("svg:svg", { class: "curve-picture", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" }, grid, label(-30), label(-60), this.#threshold, this.#breath, this.#cut, this.#line);
    this.element = h("figure", { class: "curve" }, h("h4", { class: "curve-title" }, "Level over six seconds"), picture, h("figcaption", {}, this.#summary));
  }

  /** The parameters of the stage. */
  show({ threshold, breathThreshold }) {
    this.#limits = { threshold, breathThreshold };
    setAttribute(this.#threshold, "d", `M0 ${y(threshold)}H${WIDTH}`);
    setAttribute(this.#breath, "d", `M0 ${y(breathThreshold)}H${WIDTH}`);
  }

  /** `now` in seconds. `report` null: nothing runs. */
  add(report, now) {
    if (report === null) {
      setText(this.#summary, `Nothing runs. Dashed: silence is below ${figure(this.#limits.threshold)} dBFS; dotted: breaths are below ${figure(this.#limits.breathThreshold)} dBFS.`);
      return;
    }
    if (now - this.#at < EVERY) return;
    this.#at = now;
    this.#points.push({ level: decibels(report.levels.voiceProcess.rms), isCut: report.levels.silence.count === 0 });
    if (this.#points.length > POINTS) this.#points.shift();
    const step = WIDTH / POINTS;
    const first = WIDTH - this.#points.length * step;
    const x = (index) => (first + index * step).toFixed(1);
    this.#line.setAttribute("d", this.#points.map(({ level }, index) => `${index === 0 ? "M" : "L"}${x(index)} ${y(level)}`).join(""));
    this.#cut.setAttribute("d", this.#points.map(({ isCut }, index) => (isCut ? `M${x(index)} 122h${(step + 0.2).toFixed(1)}v10h-${(step + 0.2).toFixed(1)}z` : "")).join(""));
    if (now - this.#saidAt < 1) return;
    this.#saidAt = now;
    const share = this.#points.filter(({ isCut }) => isCut).length / this.#points.length;
    const { level } = this.#points.at(-1);
    const { threshold, breathThreshold } = this.#limits;
    const kind = level < threshold ? "silence" : level < breathThreshold ? "a breath, or a faint voice" : "sound";
    setText(this.#summary, `Now ${figure(Math.round(level))} dBFS: ${kind}. In ${Math.round(100 * share)} % of the time shown nothing left the stage (bar): silence, held or cut.`);
  }
}

/** Draws one curve of models/audio-curves.js, with its summary as text; a dot follows the present level. */

import { h, setAttribute, setText } from "../dom.js";

const WIDTH = 360;
const HEIGHT = 220;
/** The dot falls by this many dB a second, as meters do. */
const FALL = 40;
const INSET = { left: 44, right: 16, top: 10, bottom: 36 };

export class Curve {
  #title;
  #summary;
  #grid;
  #lines;
  #dot;
  #curve = null;
  #level = -Infinity;
  #at = null;

  constructor() {
    this.#title = h("h4", { class: "curve-title" });
    this.#summary = h("p", { class: "curve-summary small muted" });
    this.#grid = h("svg:g", { class: "curve-grid" });
    this.#lines = h("svg:g", {});
    this.#dot = h("svg:circle", { class: "curve-dot", r: 4, visibility: "hidden" });
    // The summary below says the same in words.
    const picture = h("svg:svg", { class: "curve-picture", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" }, this.#grid, this.#lines, this.#dot);
    this.element = h("figure", { class: "curve" }, this.#title, picture, h("figcaption", {}, this.#summary));
  }

  show(curve) {
    const isOther = this.#curve?.id !== curve.id || this.#curve.x.to !== curve.x.to;
    this.#curve = curve;
    setText(this.#title, curve.title);
    setText(this.#summary, curve.summary);
    if (isOther) this.#grid.replaceChildren(...this.#axes());
    this.#lines.replaceChildren(...curve.lines.map(({ points, isReference = false }) => h("svg:path", { class: "curve-line", "data-reference": isReference, d: this.#path(points) })));
  }

  /** Show where the present level is: `levels` {before, after} of {rms, peak} in dB, null: nowhere; `now` in seconds. */
  follow(levels, now) {
    if (!this.#curve) return;
    const { follows, x, y } = this.#curve;
    const level = follows === null || levels === null ? -Infinity : Math.max(follows.level(levels), this.#level - FALL * Math.max(0, now - (this.#at ?? now)));
    this.#level = level;
    this.#at = now;
    const isShown = level >= x.from;
    setAttribute(this.#dot, "visibility", isShown ? "visible" : "hidden");
    if (!isShown) return;
    setAttribute(this.#dot, "cx", this.#x(Math.min(level, x.to)).toFixed(1));
    setAttribute(this.#dot, "cy", this.#y(Math.min(y.to, Math.max(y.from, follows.output(level)))).toFixed(1));
  }

  #x(value) {
    const { from, to, isLog } = this.#curve.x;
    const share = isLog ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
    return INSET.left + share * (WIDTH - INSET.left - INSET.right);
  }

  #y(value) {
    const { from, to } = this.#curve.y;
    return INSET.top + ((to - value) / (to - from)) * (HEIGHT - INSET.top - INSET.bottom);
  }

  #path(points) {
    const { from, to } = this.#curve.y;
    return points.map(([x, y], index) => `${index === 0 ? "M" : "L"}${this.#x(x).toFixed(1)} ${this.#y(Math.min(to, Math.max(from, y))).toFixed(1)}`).join("");
  }

  #axes() {
    const { x, y } = this.#curve;
    const right = WIDTH - INSET.right;
    const bottom = HEIGHT - INSET.bottom;
    const text = (at, words, more) => h("svg:text", { class: "curve-label", x: at[0], y: at[1], ...more }, words);
    const short = (value) => (x.isLog && value >= 1000 ? `${value / 1000}k` : String(value).replace("-", "−"));
    return [
      ...y.ticks.flatMap((tick) => [h("svg:path", { d: `M${INSET.left} ${this.#y(tick)}H${right}` }), text([INSET.left - 6, this.#y(tick) + 4], String(tick).replace("-", "−"), { "text-anchor": "end" })]),
      ...x.ticks.flatMap((tick) => [h("svg:path", { d: `M${this.#x(tick)} ${INSET.top}V${bottom}` }), text([this.#x(tick), bottom + 14], short(tick), { "text-anchor": "middle" })]),
      text([(INSET.left + right) / 2, HEIGHT - 4], `${x.label}, ${x.unit}`, { "text-anchor": "middle" }),
      text([10, (INSET.top + bottom) / 2], `${y.label}, ${y.unit}`, { "text-anchor": "middle", transform: `rotate(-90 10 ${(INSET.top + bottom) / 2})` }),
    ];
  }
}

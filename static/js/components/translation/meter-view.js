/** The microphone's level as a row of bars, and the last seconds as a waveform. */

import { FLOOR_DB, LevelMeter, levelText, share } from "../../models/levels.js";
import { setAttribute, setText } from "../dom.js";

/** The meter is drawn this often at most (ms); its text for screen readers far less often. */
const DRAW_EVERY = 50;
/** The same with reduced motion: often enough to see whether the microphone works. */
const DRAW_CALMLY = 500;
const TEXT_EVERY = 1000;
/** Blocks of 40 ms in the waveform: eleven seconds. */
const COLUMNS = 280;

export class MeterView {
  #texts;
  #meter = new LevelMeter();
  #bars;
  #element;
  #figures;
  #canvas;
  #peaks = [];
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #drawnAt = -Infinity;
  #textAt = -Infinity;

  /** `texts`: those of the page's language. */
  constructor({ texts, element, figures, canvas }) {
    this.#texts = texts;
    this.#element = element;
    this.#bars = [...element.querySelectorAll(".meter-bar")];
    this.#figures = figures;
    this.#canvas = canvas;
  }

  open() {
    this.#meter = new LevelMeter();
    this.#peaks = [];
    setAttribute(this.#element, "data-off", false);
    this.#canvas.hidden = false;
    this.#draw({ level: FLOOR_DB, peak: FLOOR_DB }, performance.now());
  }

  close() {
    setAttribute(this.#element, "data-off", true);
    this.#canvas.hidden = true;
  }

  /** A block of PCM was captured. */
  add(block) {
    const samples = new Int16Array(block);
    const now = performance.now();
    const values = this.#meter.add(samples, now / 1000);
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    this.#peaks.push(peak / 32_768);
    if (this.#peaks.length > COLUMNS) this.#peaks.shift();
    if (now - this.#drawnAt >= (this.#calm.matches ? DRAW_CALMLY : DRAW_EVERY)) this.#draw(values, now);
  }

  #draw({ level, peak }, now) {
    this.#drawnAt = now;
    const lit = Math.round(share(level) * this.#bars.length);
    const top = Math.ceil(share(peak) * this.#bars.length) - 1;
    for (const [index, bar] of this.#bars.entries()) {
      setAttribute(bar, "data-on", index < lit || index === top);
    }
    if (now - this.#textAt >= TEXT_EVERY) {
      this.#textAt = now;
      setAttribute(this.#element, "aria-valuenow", Math.max(-60, Math.round(level)));
      setAttribute(this.#element, "aria-valuetext", levelText(level, this.#texts));
    }
    setText(this.#figures, peak <= FLOOR_DB ? levelText(peak, this.#texts) : `${levelText(level, this.#texts).replace(" dB", "")} / ${levelText(peak, this.#texts)}`);
    setAttribute(this.#figures, "class", peak > -0.5 ? "is-warn" : null);
    this.#paint();
  }

  #paint() {
    const canvas = this.#canvas;
    const { clientWidth, clientHeight } = canvas;
    const ratio = globalThis.devicePixelRatio || 1;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(canvas).color;
    const step = width / COLUMNS;
    const left = width - this.#peaks.length * step;
    for (const [index, peak] of this.#peaks.entries()) {
      // Speech is mostly far below full scale: a square root makes it visible.
      const tall = Math.max(ratio, Math.sqrt(peak) * height);
      context.fillRect(left + index * step, (height - tall) / 2, Math.max(1, step * 0.6), tall);
    }
  }
}

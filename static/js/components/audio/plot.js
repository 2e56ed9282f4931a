/**
 * A canvas with a cursor. The frame is the macro `plot`: a box that has the canvas and takes the focus, a read-out for
 * eyes, a summary for screen readers, and a region that announces what the keyboard moves the cursor to.
 *
 * The cursor is {x, y}: shares of the plot, y from the top; null while there is none. Arrow keys move it, Escape ends
 * it.
 */

import { setText } from "../dom.js";
import { Scope } from "../scope.js";

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** A key moves the cursor by this share; with Shift by ten times as much. */
const STEP = 0.005;
/** A read-out without a cursor changes at most so often (ms). */
const READOUT_EVERY = 200;
/** A summary changes at most so often (ms). */
const SUMMARY_EVERY = 1_000;
const FONT = "11px system-ui, sans-serif";

export class Plot {
  #scope = new Scope();
  #element;
  #box;
  #canvas;
  #observer;
  #colours = new Map();
  #summarisedAt = -Infinity;
  #readAt = -Infinity;
  #onCursor = null;

  /** `margin` {left, bottom}: pixels for labels. */
  constructor(element, { margin = { left: 40, bottom: 18 } } = {}) {
    const part = (name) => element.querySelector(`[data-part="${name}"]`);
    this.#element = element;
    this.#box = part("box");
    this.#canvas = part("canvas");
    this.readout = part("readout");
    this.summary = part("summary");
    this.announcement = part("announcement");
    this.margin = margin;
    this.cursor = null;
    this.width = 0;
    this.height = 0;
    this.#observer = new ResizeObserver(() => this.#resize());
  }

  /** `onCursor(cursor, byKeyboard)` is called when it moves. */
  set onCursor(listener) {
    this.#onCursor = listener;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#observer.observe(this.#box);
    this.#scope.defer(() => this.#observer.disconnect());
    this.#scope.listen(document, "themechange", () => this.#forgetColours());
    this.#scope.listen(matchMedia("(prefers-color-scheme: light)"), "change", () => this.#forgetColours());
    this.#scope.listen(this.#box, "pointermove", (event) => this.#point(event));
    this.#scope.listen(this.#box, "pointerdown", (event) => this.#point(event));
    this.#scope.listen(this.#box, "pointerleave", ({ pointerType }) => pointerType === "mouse" && this.#move(null, false));
    this.#scope.listen(this.#box, "keydown", (event) => this.#key(event));
    this.#scope.listen(this.#box, "blur", () => this.#move(null, false));
    this.#resize();
  }

  stop() {
    this.#scope.close();
  }

  /** The pixels between the margins. */
  get innerWidth() {
    return Math.max(1, this.width - this.margin.left);
  }

  get innerHeight() {
    return Math.max(1, this.height - this.margin.bottom);
  }

  /** The value of a token. */
  colour(name) {
    let value = this.#colours.get(name);
    if (value === undefined) {
      value = getComputedStyle(this.#element).getPropertyValue(`--${name}`).trim();
      this.#colours.set(name, value);
    }
    return value;
  }

  /** A number that changes when the colours do. */
  revision = 0;

  /** Clear the canvas. Returns its context in CSS pixels with the origin inside the margins; null while it has no size. */
  begin() {
    const context = this.#canvas.getContext?.("2d");
    if (!context || this.width === 0) return null;
    const ratio = this.#canvas.width / this.width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.translate(this.margin.left, 0);
    context.font = FONT;
    context.lineWidth = 1;
    context.globalAlpha = 1;
    return context;
  }

  /** Lines and labels at [place 0–1 from the bottom, text]. */
  drawRows(context, rows) {
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [place, text] of rows) {
      const y = (1 - place) * this.innerHeight;
      this.#line(context, 0, y, this.innerWidth, y);
      context.fillStyle = this.colour("muted");
      context.fillText(text, -5, Math.max(6, Math.min(this.innerHeight - 5, y)));
    }
  }

  /** Lines and labels at [place 0–1 from the left, text]. */
  drawColumns(context, columns) {
    context.textBaseline = "bottom";
    let free = -Infinity;
    for (const [place, text] of columns) {
      const x = place * this.innerWidth;
      this.#line(context, x, 0, x, this.innerHeight);
      const half = context.measureText(text).width / 2;
      const centre = Math.max(half, Math.min(this.innerWidth - half, x));
      if (centre - half < free + 6) continue;
      free = centre + half;
      context.textAlign = "center";
      context.fillStyle = this.colour("muted");
      context.fillText(text, centre, this.height);
    }
  }

  drawCursor(context) {
    if (this.cursor === null) return;
    context.fillStyle = this.colour("text");
    context.globalAlpha = 0.7;
    context.fillRect(Math.round(this.cursor.x * this.innerWidth), 0, 1, this.innerHeight);
    context.fillRect(0, Math.round(this.cursor.y * this.innerHeight), this.innerWidth, 1);
    context.globalAlpha = 1;
  }

  /** Whether the read-out must be written: in each frame for a cursor, without one as often as it can be read. */
  isReadoutDue(now) {
    if (this.cursor === null && now - this.#readAt < READOUT_EVERY) return false;
    this.#readAt = this.cursor === null ? now : -Infinity;
    return true;
  }

  /** Replace the summary, at most once a second. `text()` returns it. */
  summarise(now, text) {
    if (now - this.#summarisedAt < SUMMARY_EVERY) return;
    this.#summarisedAt = now;
    setText(this.summary, text());
  }

  #line(context, x0, y0, x1, y1) {
    context.fillStyle = this.colour("line");
    context.fillRect(Math.round(x0), Math.round(Math.min(y0, this.innerHeight - 1)), Math.max(1, x1 - x0), Math.max(1, y1 - y0));
  }

  #forgetColours() {
    this.#colours.clear();
    this.revision += 1;
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#box;
    const ratio = globalThis.devicePixelRatio || 1;
    this.width = clientWidth || 0;
    this.height = clientHeight || 0;
    this.#canvas.width = Math.round(this.width * ratio);
    this.#canvas.height = Math.round(this.height * ratio);
  }

  #point(event) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    this.#move({ x: (event.clientX - left - this.margin.left) / this.innerWidth, y: (event.clientY - top) / this.innerHeight }, false);
  }

  #key(event) {
    if (event.key === "Escape" && this.cursor !== null) {
      this.#move(null, true);
      return;
    }
    const direction = KEYS[event.key];
    if (direction === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const step = event.shiftKey ? 10 * STEP : STEP;
    const from = this.cursor ?? { x: 0.5, y: 0.5 };
    this.#move({ x: from.x + direction[0] * step, y: from.y + direction[1] * step }, true);
  }

  #move(cursor, byKeyboard) {
    this.cursor = cursor === null ? null : { x: Math.max(0, Math.min(1, cursor.x)), y: Math.max(0, Math.min(1, cursor.y)) };
    this.#onCursor?.(this.cursor, byKeyboard);
  }
}

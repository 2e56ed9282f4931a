/**
 * A chart that answers one question. All charts of a page share the time axis and the cursor; a gap is drawn as a
 * gap; y starts at zero; the legend shows the value under the cursor, or else the current one; a button shows the
 * same numbers as a table. The frame is the macro `chart`.
 */

import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { extent, remarksIn, withGaps } from "../models/series.js";
import { axisTime, clockTime, dayTime } from "../models/time-format.js";
import { h, setAttribute, setText } from "./dom.js";
import { Scope } from "./scope.js";

const HEIGHT = 190;
const ROWS = 60;
/** Remarks that the summary has at most. */
const REMARKS = 3;

/** Seconds of a time axis from which on its labels have a date. */
const DAYS = 129_600;

/** The theme's colours. They are read when a plot is made; it is made again when the theme changes. */
function colours(element) {
  const style = getComputedStyle(element);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** The key of remarks, hidden until there are some. */
const key = (kind, label) => h("span", { class: "chart-key", "data-dash": kind, hidden: true }, label);

export class Chart {
  #scope = new Scope();
  #plot = null;
  #data = [[]];
  #box;
  #table;
  #summary;
  #series;
  #format;
  #keys;
  #toggle;
  #observer;
  #title;
  #isTable = false;
  /** Spans of time that are marked, and moments: see show(). */
  #marks = [];
  #moments = [];
  #interval = 0;
  #remarkKeys = { marks: key("mark", "unusual"), moments: key("moment", "level changed") };

  /**
   * series: [{name, label, colour, dash?, fill?}] `colour` is a token's name, `dash` the lengths of strokes and gaps:
   * lines differ by more than colour; `fill` is the first one's unless false; `band`: the space between this series and
   * the next one is filled instead of lines. `format(value)` returns a value as text.
   */
  constructor(element, { series, format }) {
    const part = (name) => element.querySelector(`[data-part="${name}"]`);
    this.#series = series;
    this.#format = format;
    this.#box = part("plot");
    this.#table = part("table");
    this.#summary = part("summary");
    this.#toggle = part("toggle");
    this.#title = element.querySelector("h2").textContent;
    this.#keys = series.map(({ label, colour, dash, band }, index) => {
      const isBand = band || series[index - 1]?.band;
      return h("span", { class: "chart-key", "data-series": colour, "data-dash": isBand ? "band" : dash ? (dash[0] < 3 ? "dots" : "strokes") : null }, `${label} `, h("strong", {}, "–"));
    });
    part("legend").replaceChildren(...this.#keys, ...Object.values(this.#remarkKeys));
    this.#observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (this.#plot !== null && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
    });
  }

  start() {
    if (!this.#scope.open()) return;
    this.#observer.observe(this.#box);
    this.#scope.defer(() => this.#observer.disconnect());
    this.#scope.listen(this.#toggle, "click", () => this.#switch());
    this.#scope.listen(document, "themechange", () => this.#remake());
    this.#scope.listen(matchMedia("(prefers-color-scheme: light)"), "change", () => this.#remake());
  }

  stop() {
    this.#scope.close();
    this.#plot?.destroy();
    this.#plot = null;
  }

  /**
   * `at` in seconds since the epoch; `columns` one a series, null for a gap; `interval` between samples; `marks`:
   * spans of time to mark as unusual, [{from, to, text}]; `moments` at which the level changed, [{at, text}].
   */
  show(at, columns, interval, marks = [], moments = []) {
    this.#marks = marks;
    this.#moments = moments;
    this.#interval = interval;
    this.#remarkKeys.marks.hidden = marks.length === 0;
    this.#remarkKeys.moments.hidden = moments.length === 0;
    this.#data = withGaps(at, columns, interval);
    const isEmpty = columns.every((column) => extent(column).known === 0);
    if (isEmpty) this.#clear();
    else if (this.#plot === null) this.#make();
    else this.#plot.setData(this.#data);
    this.#write();
    this.#summarise();
    if (this.#isTable) this.#fill();
  }

  #remake() {
    if (this.#plot === null) return;
    this.#plot.destroy();
    this.#make();
  }

  /** Show a sentence in place of axes without a line. */
  #clear() {
    this.#plot?.destroy();
    this.#plot = null;
    if (!this.#box.firstElementChild?.matches(".chart-empty")) this.#box.replaceChildren(h("p", { class: "chart-empty" }, "Nothing measured yet. The first points appear within seconds of the first request."));
  }

  #make() {
    this.#box.replaceChildren();
    const colour = colours(this.#box);
    const axis = { stroke: colour("muted"), font: `12px ${colour("font")}`, grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const options = {
      width: Math.max(80, Math.floor(this.#box.clientWidth)),
      height: HEIGHT,
      // On the right there is room for half of a time with its seconds.
      padding: [8, 32, 0, 0],
      legend: { show: false },
      cursor: { y: false, sync: { key: "page", setSeries: false }, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.12 : 1] } },
      axes: [
        { ...axis, size: 28, space: 70, values: (_plot, ticks) => ticks.map((tick) => axisTime(tick, this.#isLong)) },
        { ...axis, size: 52, space: 34, values: (_plot, ticks) => ticks.map((tick) => this.#format(tick)) },
      ],
      series: [
        {},
        ...this.#series.map((series, index) => ({
          stroke: series.band || this.#series[index - 1]?.band ? "transparent" : colour(series.colour),
          width: 1.6,
          dash: series.dash,
          fill: (series.fill ?? index === 0) ? `color-mix(in srgb, ${colour(series.colour)} 14%, transparent)` : undefined,
          points: { show: false },
          spanGaps: false,
        })),
      ],
      bands: this.#series.flatMap((series, index) => (series.band ? [{ series: [index + 2, index + 1], fill: `color-mix(in srgb, ${colour(series.colour)} 22%, transparent)` }] : [])),
      hooks: { setCursor: [() => this.#write()], drawClear: [(plot) => this.#mark(plot, colour("warn"), colour("text"))] },
    };
    this.#plot = new uPlot(options, this.#data, this.#box);
    // A screen reader reads the summary and the table instead of the plot.
    setAttribute(this.#plot.root, "aria-hidden", "true");
  }

  get #isLong() {
    const at = this.#data[0];
    return at.length > 1 && at.at(-1) - at[0] > DAYS;
  }

  #mark(plot, colour, line) {
    const { ctx, bbox: { left, top, width, height } } = plot;
    const place = (at) => Math.min(left + width, Math.max(left, plot.valToPos(at, "x", true)));
    ctx.fillStyle = `color-mix(in srgb, ${colour} 22%, transparent)`;
    for (const { from, to } of this.#marks) ctx.fillRect(place(from), top, Math.max(2, place(to) - place(from)), height);
    ctx.fillStyle = line;
    const dash = 4 * devicePixelRatio;
    for (const { at } of this.#moments) {
      for (let y = top; y < top + height; y += 2 * dash) ctx.fillRect(place(at), y, Math.max(1, devicePixelRatio), Math.min(dash, top + height - y));
    }
  }

  /** What is remarked on the sample of a moment, as text. */
  #remarks(at) {
    return remarksIn({ marks: this.#marks, moments: this.#moments }, at, at + this.#interval);
  }

  /** Show the values under the cursor, or the last known ones, in the legend. */
  #write() {
    const index = this.#plot?.cursor.idx ?? null;
    this.#series.forEach((_series, which) => {
      const column = this.#data[which + 1] ?? [];
      const value = index === null ? (column.at(-1) ?? null) : column[index];
      setText(this.#keys[which].lastElementChild, this.#format(value ?? null));
    });
  }

  #summarise() {
    const words = this.#series.map(({ label }, which) => {
      const column = this.#data[which + 1] ?? [];
      const { low, high, known } = extent(column);
      const now = column.at(-1) ?? null;
      return known === 0 ? `${label}: nothing measured yet` : `${label}: ${now === null ? "nothing measured now" : `now ${this.#format(now)}`}, between ${this.#format(low)} and ${this.#format(high)}`;
    });
    const remarks = [...this.#moments.map(({ at, text }) => `${this.#time(at)}: ${text}`), ...this.#marks.map(({ from, text }) => `unusual from ${this.#time(from)}: ${text}`)];
    const more = remarks.length > REMARKS ? [`${remarks.length - REMARKS} more remarks are in the table`] : [];
    setText(this.#summary, `${[...words, ...remarks.slice(0, REMARKS), ...more].join(". ")}.`);
  }

  #time(at) {
    return this.#isLong ? dayTime(at) : clockTime(at);
  }

  #switch() {
    this.#isTable = !this.#isTable;
    this.#box.hidden = this.#isTable;
    this.#table.hidden = !this.#isTable;
    setText(this.#toggle, this.#isTable ? "Show as chart" : "Show as table");
    setAttribute(this.#toggle, "aria-pressed", String(this.#isTable));
    if (this.#isTable) this.#fill();
  }

  #fill() {
    const [at = [], ...columns] = this.#data;
    const newest = at.map((_, index) => at.length - 1 - index).slice(0, ROWS);
    const hasRemarks = this.#marks.length + this.#moments.length > 0;
    this.#table.replaceChildren(
      h(
        "table",
        { class: "table" },
        h("caption", { class: "visually-hidden" }, `${this.#title}, newest first`),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), this.#series.map(({ label }) => h("th", { scope: "col", class: "number" }, label)), hasRemarks ? h("th", { scope: "col" }, "Remarks") : null)),
        h(
          "tbody",
          {},
          newest.map((index) =>
            h("tr", {}, h("th", { scope: "row" }, this.#time(at[index])), columns.map((column) => h("td", { class: "number" }, this.#format(column[index] ?? null))), hasRemarks ? h("td", { dir: "auto" }, this.#remarks(at[index])) : null),
          ),
        ),
      ),
    );
  }
}

/** The numbers of a plot as a table, behind its button; brought up to date once a second while it is shown. */

import { noteText } from "../../audio/analysis/notes.js";
import { h, setAttribute, setText } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";
import { hertz, level, seconds } from "../../models/audio-text.js";

const EVERY = 1_000;
const ROWS = 30;

class PlotTable {
  #scope = new Scope();
  #box;
  #table;
  #toggle;
  #title;
  #drawnAt = -Infinity;

  constructor(element) {
    const part = (name) => element.querySelector(`[data-part="${name}"]`);
    this.#box = part("box");
    this.#table = part("table");
    this.#toggle = part("toggle");
    this.#title = element.querySelector("h2, h3")?.textContent ?? "";
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#toggle, "click", () => this.#switch());
  }

  stop() {
    this.#scope.close();
  }

  draw(now, material) {
    if (this.#table.hidden || now - this.#drawnAt < EVERY) return;
    this.#drawnAt = now;
    const rows = this.rows(material);
    this.#table.replaceChildren(
      h(
        "table",
        { class: "table" },
        h("caption", { class: "visually-hidden" }, this.#title),
        h("thead", {}, h("tr", {}, this.columns.map((column) => h("th", { scope: "col" }, column)))),
        h("tbody", {}, rows.map(([first, ...others]) => h("tr", {}, h("th", { scope: "row" }, first), others.map((text) => h("td", { class: "number" }, text))))),
      ),
    );
  }

  #switch() {
    const isTable = this.#table.hidden;
    this.#table.hidden = !isTable;
    this.#box.hidden = isTable;
    this.#drawnAt = -Infinity;
    setText(this.#toggle, isTable ? "Show as picture" : "Show as table");
    setAttribute(this.#toggle, "aria-pressed", String(isTable));
  }
}

/** Thirds of an octave, the highest level in each. */
export class SpectrumTable extends PlotTable {
  #plot;
  columns = ["Third of an octave around", "Note", "Before, dBFS", "After, dBFS"];

  constructor(element, plot) {
    super(element);
    this.#plot = plot;
  }

  rows({ sides, axis, weighting }) {
    const centres = [];
    for (let index = 0; 50 * 2 ** (index / 3) < axis.high; index += 1) centres.push(50 * 2 ** (index / 3));
    return centres.map((centre) => [hertz(centre), noteText(centre), ...["before", "after"].map((side) => level(this.#highest(sides[side], centre, weighting), "").trim())]);
  }

  #highest({ levels, values }, centre, weighting) {
    if (levels === null) return null;
    const weighted = this.#plot.weighted(levels, values.sampleRate, weighting);
    const width = values.sampleRate / (2 * (levels.length - 1));
    const first = Math.round((centre * 2 ** (-1 / 6)) / width);
    const last = Math.round((centre * 2 ** (1 / 6)) / width);
    let most = -Infinity;
    for (let bin = first; bin <= Math.min(last, levels.length - 1); bin += 1) most = Math.max(most, weighted[bin]);
    return Number.isFinite(most) ? most : null;
  }
}

/** The newest points, newest first, one a second. */
export class NoiseTable extends PlotTable {
  columns = ["Time", "SNR, dB", "Noise floor, dBFS", "Confidence", "Why there is no SNR"];

  rows({ points }) {
    return points
      .filter((_, index) => (points.length - 1 - index) % 4 === 0)
      .reverse()
      .slice(0, ROWS)
      .map((point) => [seconds(point.seconds), level(point.snrDb, "").trim(), level(point.floorDb, "").trim(), point.confidence.toFixed(2), point.reason]);
  }
}

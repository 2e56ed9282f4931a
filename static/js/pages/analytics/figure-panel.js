/** The side panel of one figure: its value and limit, its course, and its forecast with the 90 % interval. */

import { Chart } from "../../components/chart.js";
import { byId, h, setText } from "../../components/dom.js";
import { facts, showFacts } from "../../components/fact-list.js";
import { Polling } from "../../components/polling.js";
import { RowPanel } from "../../components/row-panel.js";
import { fillingText, figureName, forecastColumns, forecastPath, formatOf, readSeries, seriesPath, valueOf } from "../../models/analytics.js";

const EVERY = 60_000;
const LOADING = "The forecast is being computed.";
const HOURS = 24;
/** Seconds of the past that are shown before the forecast. */
const PAST = 3 * 86_400;

export class FigurePanel extends RowPanel {
  #figures = null;
  #more = byId("figure-more");
  #chart = null;
  #unit = null;
  #polling;
  #get;
  #worker;
  #fault = LOADING;
  #answer = null;

  /** `get(path)`: the control API; `worker()`: the name of the worker, or null. */
  constructor(dialog, { get, worker }) {
    super(dialog, "figure");
    this.#get = get;
    this.#worker = worker;
    this.#polling = new Polling({ fetch: (path) => this.#load(path), interval: EVERY });
  }

  stop() {
    super.stop();
    this.#polling.stop();
    this.#chart?.stop();
    this.#chart = null;
  }

  show(figures) {
    this.#figures = figures;
    this.refresh();
  }

  row(key) {
    if (this.#figures === null) return undefined;
    return this.#figures.find((each) => each.key === key) ?? null;
  }

  missing(key) {
    this.#polling.stop();
    this.#more.hidden = true;
    return { text: `No figure is called ${key}.`, next: "It may not be measured any more. Close this panel and choose one from the list." };
  }

  changed() {
    this.#polling.stop();
    this.#more.hidden = true;
    this.#fault = LOADING;
    this.#answer = null;
    super.changed();
  }

  build() {
    const list = facts();
    const note = h("p", { class: "muted small", "aria-live": "polite", dir: "auto" });
    return { list, note, nodes: [list, note] };
  }

  update({ list, note }, row) {
    const format = formatOf(row.figure.unit);
    const forecast = this.#answer?.forecast ?? null;
    const exhaustion = this.#answer?.exhaustion ?? null;
    this.title(figureName(row.figure));
    showFacts(list, [
      ["Now", valueOf(row)],
      ["In 24 hours", forecast === null ? null : `${format(forecast.values.at(-1))}, probably between ${format(forecast.low.at(-1))} and ${format(forecast.high.at(-1))}`],
      ["Limit is reached", exhaustion === null ? null : fillingText({ exhaustion })],
      ["Forecast by", forecast === null ? null : Object.entries(forecast.methods).sort((a, b) => b[1] - a[1]).map(([name]) => name).slice(0, 3).join(", ")],
      ["Mean error so far", forecast === null ? null : `${format(forecast.error)}, in ${forecast.tests} tests on the past`],
      ["Name", row.key],
    ]);
    note.hidden = this.#fault === "";
    setText(note, this.#fault);
    this.#polling.poll(forecastPath({ key: row.key, hours: HOURS, worker: this.#worker() }), (outcome) => this.#receive(row, outcome));
  }

  /** Resolves to the forecast, with the past in the same steps. */
  async #load(path) {
    const answer = await this.#get(path);
    const past = await this.#get(seriesPath({ keys: [answer.key], seconds: PAST, points: PAST / 3_600, worker: this.#worker() }));
    return { answer, past: readSeries(past) };
  }

  #receive({ key, figure }, { data, error }) {
    if (error !== null) this.#fault = `The forecast cannot be loaded right now. ${error.message}`;
    else {
      this.#answer = data.answer;
      this.#fault = data.answer.reason;
      const values = data.past?.byKey.get(key)?.values ?? [];
      const forecast = data.answer.forecast ?? { start: Infinity, step: data.past?.step ?? 1, values: [], low: [], high: [] };
      const { at, columns, interval } = forecastColumns({ at: data.past?.at ?? [], values }, forecast);
      this.#more.hidden = at.length === 0;
      this.#show(figure.unit, at, columns, interval);
    }
    this.refresh();
  }

  #show(unit, at, columns, interval) {
    if (this.#unit !== unit) {
      this.#chart?.stop();
      this.#chart = null;
    }
    if (this.#chart === null) {
      this.#unit = unit;
      const series = [
        { label: "measured", colour: "accent" },
        { label: "forecast", colour: "text", dash: [6, 4], fill: false },
        { label: "low", colour: "muted", fill: false, band: true },
        { label: "high", colour: "muted", fill: false },
      ];
      this.#chart = new Chart(byId("figure-course"), { series, format: formatOf(unit) });
      this.#chart.start();
    }
    this.#chart.show(at, columns, interval);
  }
}

/** The charts of the Analytics page: one request for all of them, and the newest values each second. */

import { Chart } from "../../components/chart.js";
import { byId, setAttribute } from "../../components/dom.js";
import { Polling } from "../../components/polling.js";
import { Scope } from "../../components/scope.js";
import { BAND, CHARTS, EARLIER, KEYS, columnsOf, formatOf, hasBand, marksOf, momentsOf, readSeries, seriesPath, withLatest } from "../../models/analytics.js";

const EVERY = 5_000;
const POINTS = 360;

export class Charts {
  #scope = new Scope();
  #polling;
  #onFault;
  #now;
  #worker;
  #charts = {};
  /** The names of charts that show what is usual. */
  #banded = new Set();
  /** The last response, or null; and the values that were measured after it, or null. */
  #answer = null;
  #live = null;
  #anomalies = [];
  #compare = 0;

  /** `get(path)`: the control API; `onFault(error)`: called after each response, with null where there was none. `worker()`: the name of the worker, or null. */
  constructor({ get, onFault, now, worker }) {
    this.#polling = new Polling({ fetch: get, interval: EVERY });
    this.#onFault = onFault;
    this.#now = now;
    this.#worker = worker;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#make();
    for (const id of ["range", "compare"]) this.#scope.listen(byId(id), "change", () => this.#choose());
    this.#scope.defer(() => this.#polling.stop());
    this.#scope.defer(() => this.#unmake());
    this.#choose();
  }

  stop() {
    this.#scope.close();
  }

  /** The seconds that the charts cover. */
  get seconds() {
    return Number(byId("range").value);
  }

  /** Another worker's series are shown now. */
  reload() {
    this.#choose();
  }

  /** The topic `analytics` as it is now. */
  measured(live) {
    this.#live = live;
    this.#draw();
  }

  /** What was unusual, as GET /api/analytics/anomalies has it. */
  mark(anomalies) {
    this.#anomalies = anomalies;
    this.#draw();
  }

  #choose() {
    const compare = Number(byId("compare").value);
    if (compare !== this.#compare) {
      this.#compare = compare;
      this.#unmake();
      this.#make();
    }
    const wanted = { keys: KEYS, seconds: this.seconds, compare, points: POINTS, usual: true, worker: this.#worker() };
    for (const [id, format] of [["export-csv", "csv"], ["export-json", null]]) setAttribute(byId(id), "href", seriesPath({ ...wanted, points: 4_000, format }));
    this.#answer = null;
    this.#polling.poll(seriesPath(wanted), (outcome) => this.#receive(outcome));
  }

  #make() {
    for (const name of Object.keys(CHARTS)) this.#makeOne(name, false);
  }

  #makeOne(name, isBanded) {
    const { series, unit } = CHARTS[name];
    const earlier = this.#compare > 0 ? [{ label: EARLIER[this.#compare], colour: "muted", dash: [6, 4], fill: false }] : [];
    this.#charts[name]?.stop();
    this.#charts[name] = new Chart(byId(`chart-${name}`), { series: [...series, ...earlier, ...(isBanded ? BAND : [])], format: formatOf(unit) });
    this.#charts[name].start();
    if (isBanded) this.#banded.add(name);
    else this.#banded.delete(name);
  }

  #unmake() {
    for (const chart of Object.values(this.#charts)) chart.stop();
    this.#charts = {};
  }

  #receive({ data, error }) {
    this.#onFault(error);
    if (error !== null) return;
    this.#answer = readSeries(data);
    this.#draw();
  }

  #draw() {
    if (this.#answer === null || this.#answer.compare !== this.#compare) return;
    const answer = withLatest(this.#answer, this.#live);
    for (const [name, chart] of Object.entries(CHARTS)) {
      if (this.#charts[name] === undefined) continue;
      if (hasBand(chart, answer) !== this.#banded.has(name)) this.#makeOne(name, hasBand(chart, answer));
      this.#charts[name].show(answer.at, columnsOf(chart, answer), answer.step, marksOf(chart, this.#anomalies, this.#now()), momentsOf(chart, answer));
    }
  }
}

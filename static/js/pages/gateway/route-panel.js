/** The side panel of one route: its figures, and the course of its requests and latencies. */

import { byId, h, setText } from "../../components/dom.js";
import { facts, showFacts } from "../../components/fact-list.js";
import { Polling } from "../../components/polling.js";
import { latencyChart, ratesChart } from "../../components/route-charts.js";
import { RowPanel } from "../../components/row-panel.js";
import { count, joined, latency, number, percent } from "../../models/number-format.js";
import { historyPath, readHistory } from "../../models/route-history.js";
import { clockTime } from "../../models/time-format.js";

const EVERY = 5_000;
const LOADING = "The course is being loaded.";

export class RoutePanel extends RowPanel {
  #find;
  #worker;
  #now;
  #more = byId("route-more");
  #rates = ratesChart("route-rates");
  #latencies = latencyChart("route-latency");
  #history;
  /** When the course that is shown was received (seconds since the epoch), or null: none is shown. */
  #receivedAt = null;
  /** The sentence in place of the course, or about it; "" once it is shown and current. */
  #fault = LOADING;

  /**
   * `row(key)`: as in components/row-panel.js; `get(path)`: the control API; `worker()`: the name of the worker whose
   * figures the page shows, or null where there is one; `now()`: the service's time in seconds since the epoch.
   */
  constructor(dialog, { row, get, worker, now }) {
    super(dialog, "route");
    this.#find = row;
    this.#worker = worker;
    this.#now = now;
    this.#history = new Polling({ fetch: get, interval: EVERY });
  }

  start() {
    this.#rates.start();
    this.#latencies.start();
    super.start();
  }

  stop() {
    super.stop();
    this.#history.stop();
    this.#rates.stop();
    this.#latencies.stop();
  }

  row(key) {
    return this.#find(key);
  }

  missing(key) {
    this.#history.stop();
    this.#more.hidden = true;
    return { text: `There is no route ${key}.`, next: "It may have been removed from the settings. Close this panel and choose one from the list." };
  }

  /** Another route is open now, or none: its course is another one. */
  changed() {
    this.#history.stop();
    this.#more.hidden = true;
    this.#receivedAt = null;
    this.#fault = LOADING;
    super.changed();
  }

  build() {
    const list = facts();
    const note = h("p", { class: "muted small", "aria-live": "polite", dir: "auto" });
    return { list, note, nodes: [list, note] };
  }

  update({ list, note }, row) {
    this.title(row.name);
    showFacts(list, [
      ["Goes to", row.target],
      ["Requests, last minute", `${count(row.requests_last_minute)}, ${number(row.requests_last_minute / 60)}/s`],
      ["Errors, last minute", row.requests_last_minute === 0 ? "no requests" : `${count(row.errors_last_minute)}, ${percent(row.errors_last_minute / row.requests_last_minute)}`],
      ["p50, last minute", joined(latency(row.p50_ms))],
      ["p95, last minute", joined(latency(row.p95_ms))],
      ["p99, last minute", joined(latency(row.p99_ms))],
      ["Since the start", `${count(row.requests)} requests, ${count(row.errors)} errors`],
      ...(row.extras ?? []),
    ]);
    const path = historyPath(row, this.#worker());
    const text = path === null ? "What is no longer in the settings has no course." : this.#fault;
    note.hidden = text === "";
    setText(note, text);
    if (path !== null) this.#history.poll(path, (outcome) => this.#received(outcome));
  }

  #received({ data, error }) {
    const history = error === null ? readHistory(data) : null;
    if (history === null) {
      const reason = error?.message ?? "The response could not be read.";
      const shown = this.#receivedAt === null ? "" : ` The charts are as of ${clockTime(this.#receivedAt)}.`;
      this.#fault = `The course of this route cannot be loaded right now. ${reason}${shown}`;
    } else {
      this.#fault = "";
      this.#receivedAt = this.#now();
      this.#more.hidden = false;
      this.#rates.show(history.at, history.rates, history.interval);
      this.#latencies.show(history.at, history.latencies, history.interval);
    }
    this.refresh();
  }
}

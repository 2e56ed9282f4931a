/**
 * The card of connections: filters, counts by activity, and a table that grows by fifty rows.
 *
 * The topic lists the newest connections only. Where the reader filters or sorts and more are open, the service is
 * queried for those that match (GET /api/connections).
 */

import { byId, h, keyed, setAttribute, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { pill, setPill } from "../../components/pill.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Polling } from "../../components/polling.js";
import { Scope } from "../../components/scope.js";
import { Table } from "../../components/table.js";
import { setTime, timeElement } from "../../components/time-element.js";
import { activityCounts, activityPill, agentText, countText, matchingConnections, moreSessions, remoteQuery } from "../../models/connections.js";
import { bytes, count, number } from "../../models/number-format.js";
import { Rates } from "../../models/rates.js";
import { labelOf, workerLabel } from "../../models/workers.js";

/** Rows shown at first, and added by each press of the button. */
const PAGE = 50;
/** Milliseconds after a key was pressed until the service is queried. */
const TYPING = 250;

export class ConnectionList {
  #scope = new Scope();
  #search;
  #table;
  /** The topic `connections`, or null until known. */
  #state = null;
  /** The service's response to the query, or null while the topic's list is enough. */
  #response = null;
  /** Activity and worker that are shown; "" is any. */
  #filter = { doing: "", worker: "" };
  /** Message rates of the topic's connections, and of those in the response: each list is sampled by itself. */
  #topicRates = new Rates();
  #responseRates = new Rates();
  /** Whether the reader changed the filter, so that the number of matches is read out once it is known. */
  #isAnnouncing = false;
  #isQuerying = false;

  /** `get(path)`: the control API; `href(key)`, `onOpen(key)`: a connection's panel. */
  constructor({ get, href, onOpen }) {
    this.#search = new Polling({ fetch: get });
    this.#table = new Table({
      caption: "Connections, newest first",
      key: (row) => row.connection_id,
      href: (row) => href(row.connection_id),
      onOpen,
      onSort: () => this.#changed(),
      words: (row) => [row.connection_id, row.address, row.name ?? "", row.agent ?? "", ...row.sessions],
      columns: this.#columns(href),
    });
    this.#table.limit = PAGE;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(byId("find"), "input", () => this.#filterChanged({ within: TYPING }));
    this.#scope.listen(byId("worker"), "change", ({ target }) => this.#choose({ worker: target.value }));
    this.#scope.listen(byId("connections-more"), "click", this.#more);
    this.#scope.defer(() => this.#search.stop());
  }

  stop() {
    this.#scope.close();
  }

  /** The connections that are listed: from the topic, or from the service's response. */
  get rows() {
    return this.#response?.connections ?? this.#state?.connections ?? [];
  }

  /** The row of a connection, or undefined where it is in neither list. */
  row(id) {
    return [...this.rows, ...(this.#state?.connections ?? [])].find((row) => row.connection_id === id);
  }

  select(id) {
    this.#table.select(id);
  }

  /** Messages per second of a connection: `name` is "received" or "sent"; null until known. */
  rate(row, name) {
    const rates = this.#response === null ? this.#topicRates : this.#responseRates;
    return rates.of(row.connection_id, name) ?? this.#topicRates.of(row.connection_id, name);
  }

  /** Apply the topic `connections`; `show()` draws it. */
  update(state) {
    this.#state = state;
    sample(this.#topicRates, state.connections);
    this.#query();
    this.#showWorkers();
  }

  show() {
    this.#showActivities();
    this.#showTable();
  }

  #more = () => {
    this.#table.limit += PAGE;
    this.#showTable();
  };

  #choose(filter) {
    this.#filter = { ...this.#filter, ...filter };
    this.#showActivities();
    this.#filterChanged();
  }

  #filterChanged(options) {
    if (this.#state === null) return;
    this.#isAnnouncing = true;
    this.#changed(options);
  }

  #changed(options) {
    this.#query(options);
    this.#showTable();
  }

  /** Query the service where connections may match that the topic does not list. */
  #query({ within = 0 } = {}) {
    const query = remoteQuery(this.#state, { ...this.#filter, find: byId("find").value, sort: this.#table.sort });
    if (query === null) {
      this.#search.stop();
      this.#response = null;
      this.#isQuerying = false;
      return;
    }
    const path = `/api/connections?${query}`;
    if (this.#search.path !== path) this.#isQuerying = true;
    this.#search.poll(path, (outcome) => this.#received(outcome), { within });
  }

  #received({ data, error }) {
    if (error !== null) {
      setText(byId("connections-note"), error.message);
      return;
    }
    this.#response = data;
    this.#isQuerying = false;
    sample(this.#responseRates, data.connections);
    this.#showTable();
  }

  #showTable() {
    const placeholder = byId("connections-placeholder");
    if (this.#state.connections.length === 0) {
      fillPlaceholder(placeholder, emptyState("Nobody is connected.", "This page counts as one connection as soon as it is live."));
      setText(byId("connections-count"), "");
      return;
    }
    fillPlaceholder(placeholder, this.#table.element);
    this.#table.filter(this.#response === null ? byId("find").value : "");
    this.#table.show(matchingConnections(this.rows, this.#filter));
    this.#showCount();
    const beyond = this.#table.matching - this.#table.shown;
    byId("connections-more").hidden = beyond === 0;
    setText(byId("connections-more"), `Show ${count(Math.min(beyond, PAGE))} more`);
  }

  #showCount() {
    const { connections, active } = this.#state;
    const isComplete = connections.length >= active;
    const matching = this.#response?.matching ?? (isComplete ? this.#table.matching : active);
    const text = countText({ matching, listed: this.#table.matching, active, isSorted: this.#response !== null });
    if (this.#isAnnouncing && !this.#isQuerying) {
      this.#isAnnouncing = false;
      setText(byId("connections-count"), text);
    }
    setText(byId("connections-note"), text);
  }

  #showWorkers() {
    const workers = this.#state.workers.map(({ worker }) => worker);
    byId("worker-field").hidden = workers.length < 2;
    const options = [{ value: "", label: "any" }, ...workers.map((worker) => ({ value: worker.name, label: workerLabel(worker, workers) }))];
    keyed(byId("worker"), options, {
      key: ({ value }) => `is ${value}`,
      create: ({ value }) => h("option", { value }),
      update: (element, { label }) => setText(element, label),
    });
    if (!options.some(({ value }) => value === this.#filter.worker)) this.#filter = { ...this.#filter, worker: "" };
    byId("worker").value = this.#filter.worker;
  }

  #showActivities() {
    keyed(byId("choices"), activityCounts(this.#state), {
      key: ({ key }) => `is ${key}`,
      create: ({ key, word }) => h("button", { type: "button", class: "choice", onclick: () => this.#choose({ doing: key }) }, `${word} `, h("strong", {})),
      update: (element, { key, count: connections }) => {
        setAttribute(element, "aria-pressed", String(key === this.#filter.doing));
        setText(element.lastElementChild, count(connections));
      },
    });
  }

  #columns(href) {
    const rate = (label, name) => ({ label, number: true, sort: (row) => this.rate(row, name), text: (row) => number(this.rate(row, name)) });
    return [
      {
        label: "Who",
        sort: (row) => row.name ?? row.address,
        create: (row) => h("span", {}, h("a", { class: "row-link", dir: "auto", href: href(row.connection_id) }), h("span", { class: "cell-sub", dir: "auto" })),
        update: (cell, row) => {
          setText(cell.firstElementChild, row.name ?? row.address);
          const { workers } = this.#state;
          const parts = [row.name ? row.address : null, agentText(row.agent), workers.length > 1 ? labelOf(row.worker, workers) : null];
          setText(cell.lastElementChild, parts.filter((part) => part !== null).join(" · "));
        },
      },
      {
        label: "State",
        keep: true,
        sort: (row) => activityPill(row).word,
        create: () => pill(),
        update: (cell, row) => {
          const { word, tone } = activityPill(row);
          setPill(cell, word, tone);
        },
      },
      { label: "Sessions", sort: (row) => row.sessions[0] ?? null, text: (row) => row.sessions.join(", ") + moreSessions(row) || "–" },
      { label: "Opened", sort: (row) => row.since, create: () => timeElement(), update: (cell, row) => setTime(cell, row.since) },
      rate("In /s", "received"),
      rate("Out /s", "sent"),
      { label: "Waiting", number: true, keep: true, sort: (row) => row.queued_bytes, text: (row) => bytes(row.queued_bytes) },
    ];
  }
}

function sample(rates, connections) {
  rates.add(performance.now() / 1000, connections.map(({ connection_id: key, received, sent }) => ({ key, values: { received, sent } })));
}

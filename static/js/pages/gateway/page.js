/** The Gateway: routes, instances, breakers, and the latency of the back ends. */

import { Chart } from "../../components/chart.js";
import { controlServiceBreaker, InstanceControls } from "../../components/gateway-controls.js";
import { byId, h, setAttribute, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { InstancePanel } from "../../components/instance-panel.js";
import { InstanceTable } from "../../components/instance-table.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Scope } from "../../components/scope.js";
import { Table } from "../../components/table.js";
import { tilesById } from "../../components/tile.js";
import { showWorkerNote } from "../../components/worker-note.js";
import { attemptsNote, routed, sentence } from "../../models/gateway.js";
import { serviceBreaker, services } from "../../models/gateway-controls.js";
import { count, joined, latency, number } from "../../models/number-format.js";
import { instances } from "../../models/overview.js";
import { clientsTile, errorsTile, flightTile, requestsTile } from "../../models/tiles.js";
import { Shell } from "../../shell.js";

export class GatewayPage {
  #socket;
  #scope = new Scope();
  #shell;
  #tiles = tilesById(["rate", "errors", "p95", "flight"]);
  #chart = new Chart(byId("latency"), {
    series: [
      { label: "clients' requests", colour: "accent" },
      { label: "captions' requests", colour: "muted", dash: [4, 3] },
    ],
    format: (value) => joined(latency(value)),
  });
  #panel = new InstancePanel(byId("instance"), {
    row: (key) => (this.#isKnown ? (this.#rows.find((row) => row.key === key) ?? null) : undefined),
    controls: new InstanceControls(() => this.#rows),
  });
  #table = new InstanceTable({
    caption: "Instances",
    href: (key) => this.#panel.href(key),
    onOpen: (key) => this.#panel.open(key),
    columns: ["name", "state", "use", "keptBreaker", "weight", "flight", "firstByte", "share", "requests", "errors"],
  });
  #routes = new Table({
    caption: "Routes",
    key: (row) => row.key,
    columns: [
      {
        label: "Prefix",
        sort: (row) => row.name,
        update: (cell, row) => {
          setText(cell, row.name);
          cell.classList.toggle("muted", row.isOwn);
        },
      },
      { label: "Goes to", keep: true, sort: (row) => row.target, text: (row) => row.target },
      { label: "Requests, 1 min", number: true, keep: true, sort: (row) => row.requests_last_minute, text: (row) => count(row.requests_last_minute) },
      { label: "Errors, 1 min", number: true, keep: true, sort: (row) => row.errors_last_minute, text: (row) => count(row.errors_last_minute) },
      { label: "Per second, 1 min", number: true, sort: (row) => row.requests_last_minute, text: (row) => number(row.requests_last_minute / 60) },
      { label: "Requests, all", number: true, sort: (row) => row.requests, text: (row) => count(row.requests) },
      { label: "Errors, all", number: true, sort: (row) => row.errors, text: (row) => count(row.errors) },
      { label: "p50, 1 min", number: true, sort: (row) => row.p50_ms, text: (row) => joined(latency(row.p50_ms)) },
      { label: "p95, 1 min", number: true, sort: (row) => row.p95_ms, text: (row) => joined(latency(row.p95_ms)) },
    ],
  });
  #backEnds = new Table({
    caption: "Services",
    key: (row) => row.key,
    columns: [
      { label: "Service", sort: (row) => row.service, text: (row) => row.service },
      { label: "Chosen by", text: (row) => row.balancer },
      { label: "Breaker of the service", keep: true, tagged: true, text: (row) => row.breaker },
      { label: "Ejected", keep: true, tagged: true, text: (row) => row.ejected },
      { label: "Retries left", text: (row) => row.retries },
      { label: "Retries refused, all", number: true, sort: (row) => row.refused, text: (row) => count(row.refused) },
      {
        label: "",
        name: "Open or close the breaker",
        keep: true,
        create: (row) => h("button", { type: "button", class: "button button-small", onclick: (event) => controlServiceBreaker(event.currentTarget, this.#backEndRows.find((each) => each.key === row.key)) }),
        update: (cell, row) => {
          cell.hidden = !row.hasBreaker;
          const { label } = serviceBreaker(row);
          setText(cell, label);
          setAttribute(cell, "aria-label", `${label} of ${row.service}`);
        },
      },
    ],
  });
  /** The last states of the topics `services` and `gateway`, null until known. */
  #services = null;
  #gateway = null;

  constructor(socket) {
    this.#socket = socket;
    this.#shell = new Shell(socket, { beat: { topic: "metrics", interval: 3 } });
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.start(this.#chart);
    this.#scope.defer(this.#socket.onTopic("services", (services) => this.#showServices(services)));
    this.#scope.defer(this.#socket.onTopic("gateway", (gateway) => this.#showGateway(gateway)));
    this.#scope.defer(this.#socket.onTopic("metrics", (metrics) => this.#showFigures(metrics)));
    this.#scope.defer(showWorkerNote(this.#socket, (worker, workers) => `Each of the ${workers} workers has its own breakers and figures; these are those of ${worker}.`));
    this.#scope.start(this.#panel);
    this.#scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  get #backEndRows() {
    return services(this.#gateway);
  }

  /** Whether both topics with the instances have arrived. */
  get #isKnown() {
    return this.#services !== null && this.#gateway !== null;
  }

  get #rows() {
    return instances(this.#services, this.#gateway);
  }

  #showServices(services) {
    this.#services = services;
    this.#showInstances();
  }

  #showGateway(gateway) {
    this.#gateway = gateway;
    setText(byId("page-status"), sentence(gateway));
    setText(byId("instances-note"), attemptsNote(gateway));
    this.#showInstances();
    if (this.#backEndRows.length > 0) {
      fillPlaceholder(byId("services-placeholder"), this.#backEnds.element);
      this.#backEnds.show(this.#backEndRows);
    }
    const placeholder = byId("routes-placeholder");
    if (gateway.routes.length === 0) {
      fillPlaceholder(placeholder, emptyState("There are no routes.", "Add some under orchestration.gateway.routes in the settings file."));
      return;
    }
    fillPlaceholder(placeholder, this.#routes.element);
    this.#routes.show(routed(gateway));
  }

  #showFigures({ series, gateway, interval }) {
    this.#tiles.rate.show(requestsTile(gateway, series));
    this.#tiles.errors.show(errorsTile(gateway, series));
    this.#tiles.p95.show(clientsTile(gateway.clients, series));
    this.#tiles.flight.show(flightTile(gateway.in_flight, this.#gateway));
    this.#chart.show(series.at, [series.gateway_p95_ms, series.caption_requests_p95_ms], interval);
  }

  #showInstances() {
    if (!this.#isKnown) return;
    const placeholder = byId("instances-placeholder");
    const rows = this.#rows;
    if (rows.length === 0) {
      fillPlaceholder(placeholder, emptyState("No back end is configured.", "Name one under services in the settings file."));
      return;
    }
    fillPlaceholder(placeholder, this.#table.element);
    this.#table.show(rows);
    this.#panel.refresh();
  }
}

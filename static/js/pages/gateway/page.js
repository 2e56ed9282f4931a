/** The Gateway: what is wrong, instances, traffic, routes, queues, limits, where instances come from, and this process. */

import { showBanners } from "../../components/banners.js";
import { byId, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { showEvents } from "../../components/event-list.js";
import { showFills } from "../../components/fill-list.js";
import { InstanceControls } from "../../components/gateway-controls.js";
import { InstancePanel } from "../../components/instance-panel.js";
import { InstanceTable } from "../../components/instance-table.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { latencyChart, ratesChart } from "../../components/route-charts.js";
import { Scope } from "../../components/scope.js";
import { TableCard } from "../../components/table-card.js";
import { tilesById } from "../../components/tile.js";
import { showWorkerNote } from "../../components/worker-note.js";
import { control } from "../../control-api.js";
import { attemptsNote, routed, sentence } from "../../models/gateway.js";
import { services } from "../../models/gateway-controls.js";
import { firstOf, gatewayEvents, gatewayProblems, isTroubled } from "../../models/gateway-problems.js";
import { discoveryRows, drainingRows, leaseRows, limitRows, limitsNote, overloadNote, queueRows, routeExtras, socketsNote, usageRows } from "../../models/gateway-tables.js";
import { instances } from "../../models/overview.js";
import { clientsTile, errorsTile, flightTile, requestsTile } from "../../models/tiles.js";
import { Shell } from "../../shell.js";
import { RoutePanel } from "./route-panel.js";
import { discoveryTable, drainingTable, leasesTable, limitsTable, queuesTable, routesTable, servicesTable } from "./tables.js";

/** Rows of instances and routes from which those with problems come first. */
const MANY = 15;
/** Events that are listed. */
const EVENTS = 10;

export class GatewayPage {
  #socket;
  #scope = new Scope();
  #shell;
  #tiles = tilesById(["rate", "errors", "p95", "flight"]);
  #rates = ratesChart("throughput");
  #latencies = latencyChart("latency");
  #panel = new InstancePanel(byId("instance"), {
    row: (key) => (this.#isKnown ? (this.#rows.find((row) => row.key === key) ?? null) : undefined),
    controls: new InstanceControls(() => this.#rows),
  });
  #route;
  #cards;
  /** The last states of the topics `services`, `gateway` and `metrics`, null until known. */
  #services = null;
  #gateway = null;
  #metrics = null;
  /** The last state of the topic `alerts`, null until known: what of a maintenance is silenced. */
  #alerts = null;
  /** The name of the worker that this page is connected to, null while it is the only one. */
  #worker = null;

  /** `get(path)` resolves to a response of the control API, or rejects. */
  constructor(socket, { get = (path) => control("GET", path) } = {}) {
    this.#socket = socket;
    this.#shell = new Shell(socket, { beat: { topic: "metrics", interval: 3 } });
    this.#route = new RoutePanel(byId("route"), {
      row: (key) => (this.#gateway === null ? undefined : this.#routeRow(key)),
      get,
      worker: () => this.#worker,
      now: () => this.#socket.serverNow / 1000,
    });
    this.#cards = this.#makeCards();
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.start(this.#rates);
    this.#scope.start(this.#latencies);
    this.#scope.defer(this.#socket.onTopic("services", (state) => this.#apply(() => (this.#services = state))));
    this.#scope.defer(this.#socket.onTopic("alerts", (alerts) => this.#apply(() => (this.#alerts = alerts))));
    this.#scope.defer(this.#socket.onTopic("gateway", (state) => this.#showGateway(state)));
    this.#scope.defer(this.#socket.onTopic("metrics", (metrics) => this.#showFigures(metrics)));
    this.#scope.defer(this.#socket.onTopic("workers", ({ workers }) => (this.#worker = workers.length < 2 ? null : (workers.find(({ here }) => here)?.worker.name ?? null))));
    this.#scope.defer(showWorkerNote(this.#socket, (worker, workers) => `Each of the ${workers} workers has its own breakers and figures; these are those of ${worker}.`));
    this.#scope.start(this.#panel);
    this.#scope.start(this.#route);
    this.#scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  /** Whether both topics with the instances have arrived. */
  get #isKnown() {
    return this.#services !== null && this.#gateway !== null;
  }

  #routeRow(key) {
    const row = routed(this.#gateway).find((each) => each.key === key);
    return row === undefined ? null : { ...row, extras: routeExtras(this.#gateway, row.prefix) };
  }

  get #rows() {
    return instances(this.#services, this.#gateway);
  }

  #makeCards() {
    const instanceTable = new InstanceTable({
      caption: "Instances",
      href: (key) => this.#panel.href(key),
      onOpen: (key) => this.#panel.open(key),
      columns: ["name", "state", "use", "keptBreaker", "weight", "flight", "firstByte", "share", "requests", "errors"],
    });
    const routes = routesTable({ href: (key) => this.#route.href(key), onOpen: (key) => this.#route.open(key) });
    const settings = "in the settings file; the service reads it when it is saved.";
    return {
      instances: new TableCard("instances", instanceTable, { noun: "instance", few: MANY, empty: ["No back end is configured.", `Name one under services ${settings}`] }),
      services: new TableCard("services", servicesTable(() => services(this.#gateway)), { noun: "service", empty: ["No back end is configured.", `Name one under services ${settings}`] }),
      routes: new TableCard("routes", routes, { noun: "route", few: MANY, empty: ["There are no routes.", `Add some under orchestration.gateway.routes ${settings}`] }),
      queues: new TableCard("queues", queuesTable(), { noun: "queue", empty: ["No instance has a limit, so no request waits for a place.", `Set services.NAME.max_concurrency, or concurrency: "found", ${settings}`] }),
      limits: new TableCard("limits", limitsTable(), { noun: "limit", empty: ["Clients' requests have no rate limit.", `Add some under orchestration.gateway.rate_limits ${settings}`] }),
      discovery: new TableCard("discovery", discoveryTable(), { noun: "source", empty: ["All instances are those of the settings.", `To have DNS list them, or have them register themselves, set services.NAME.discovery ${settings}`] }),
      leases: new TableCard("leases", leasesTable(), { noun: "lease", empty: ["No instance is registered.", "With discovery.registry they register themselves at PUT /api/registry/SERVICE/INSTANCE."] }),
      draining: new TableCard("draining", drainingTable(), { noun: "instance", empty: ["No instance that has left works on requests.", "Those that leave the settings, DNS or the registry end theirs here."] }),
    };
  }

  /** Apply a change to what the instances and problems are made of, and show them. */
  #apply(change) {
    change();
    if (this.#gateway !== null) setText(byId("page-status"), sentence(this.#gateway, this.#rows));
    if (!this.#isKnown) return;
    const rows = this.#rows;
    showBanners(byId("problems"), gatewayProblems({ services: this.#services, gateway: this.#gateway, rows, alerts: this.#alerts }));
    this.#cards.instances.show(rows.length > MANY ? firstOf(rows, isTroubled) : rows);
    this.#panel.refresh();
  }

  #showGateway(gateway) {
    setText(byId("instances-note"), attemptsNote(gateway));
    this.#apply(() => (this.#gateway = gateway));
    const routes = gateway.routes.length === 0 ? [] : routed(gateway);
    this.#cards.routes.show(routes.length > MANY ? firstOf(routes, (row) => row.errors_last_minute > 0) : routes);
    this.#cards.services.show(services(gateway));
    this.#cards.queues.show(queueRows(gateway));
    this.#cards.limits.show(limitRows(gateway));
    setText(byId("limits-note"), limitsNote(gateway));
    this.#showDiscovery(gateway);
    this.#showUsage();
    this.#showEvents();
    this.#route.refresh();
  }

  #showDiscovery(gateway) {
    const [leases, draining] = [leaseRows(gateway), drainingRows(gateway)];
    byId("leases").hidden = !(gateway.discovery ?? []).some(({ source }) => source === "registry");
    byId("draining").hidden = draining.length === 0;
    this.#cards.discovery.show(discoveryRows(gateway));
    this.#cards.leases.show(leases);
    this.#cards.draining.show(draining);
  }

  #showFigures(metrics) {
    this.#metrics = metrics;
    const { series, gateway, interval } = metrics;
    this.#tiles.rate.show(requestsTile(gateway, series));
    this.#tiles.errors.show(errorsTile(gateway, series));
    this.#tiles.p95.show(clientsTile(gateway.clients, series));
    this.#tiles.flight.show(flightTile(gateway.in_flight, this.#gateway));
    this.#rates.show(series.at, [series.requests_per_second, series.errors_per_second], interval);
    this.#latencies.show(series.at, [series.gateway_p50_ms, series.gateway_p95_ms, series.gateway_p99_ms ?? series.at.map(() => null)], interval);
    this.#showUsage();
    this.#showEvents();
  }

  /** What happened to back ends and routes, so that one who comes later sees it too. */
  #showEvents() {
    if (this.#gateway === null || this.#metrics === null) return;
    const events = gatewayEvents(this.#metrics.events ?? [], this.#gateway);
    const slot = byId("events-placeholder");
    if (events.length === 0) fillPlaceholder(slot, emptyState("Nothing happened yet.", "Instances that fail, leave the rotation, are restarted and return appear here."));
    else showEvents(slot, events.slice(0, EVENTS));
  }

  #showUsage() {
    if (this.#gateway === null || this.#metrics === null) return;
    const overload = this.#metrics.overload ?? null;
    showFills(fillPlaceholder(byId("usage-placeholder"), null, "div", "fills"), usageRows(this.#gateway, overload));
    setText(byId("usage-note"), overloadNote(overload));
    setText(byId("sockets"), socketsNote(this.#gateway));
  }
}

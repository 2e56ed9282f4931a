/** The Overview: the service's state in one sentence, problems, four figures, the back ends, and recent events. */

import { restartService } from "../../components/actions.js";
import { showBanners } from "../../components/banners.js";
import { showBranchList } from "../../components/branch-list.js";
import { Chart } from "../../components/chart.js";
import { byId, setAttribute, setText } from "../../components/dom.js";
import { emptyState } from "../../components/empty-state.js";
import { showEvents } from "../../components/event-list.js";
import { InstancePanel } from "../../components/instance-panel.js";
import { InstanceTable } from "../../components/instance-table.js";
import { fillPlaceholder } from "../../components/placeholder.js";
import { Polling } from "../../components/polling.js";
import { Scope } from "../../components/scope.js";
import { showSessions } from "../../components/session-list.js";
import { tilesById } from "../../components/tile.js";
import { showWorkerNote } from "../../components/worker-note.js";
import { control } from "../../control-api.js";
import { count, counted, duration, joined, latency, number } from "../../models/number-format.js";
import { instances, problems, sentence } from "../../models/overview.js";
import { captionTile, clientsTile, connectionsTile, requestsTile } from "../../models/tiles.js";
import { clockTime } from "../../models/time-format.js";
import { Shell } from "../../shell.js";
import { BotsCard } from "./bots-card.js";
import { IncidentsCard } from "./incidents-card.js";

/** Events and sessions that are listed. */
const EVENTS = 12;
const SESSIONS = 5;
/** Only the newest sessions are shown here: the connections themselves are not requested. */
const SESSIONS_PATH = "/api/connections?limit=0";
const SESSIONS_EVERY = 5_000;

export class OverviewPage {
  #socket;
  #scope = new Scope();
  #shell;
  #title = document.title;
  #tiles = tilesById(["connections", "requests", "gateway", "caption"]);
  #throughput = new Chart(byId("throughput"), {
    series: [
      { name: "requests_per_second", label: "requests", colour: "accent" },
      { name: "errors_per_second", label: "errors", colour: "bad", dash: [4, 3] },
    ],
    format: (value) => joined({ value: number(value), unit: value === null ? "" : "/s" }),
  });
  #latency = new Chart(byId("latency"), {
    series: [
      { name: "gateway_p95_ms", label: "clients' requests", colour: "accent" },
      { name: "caption_requests_p95_ms", label: "captions' requests", colour: "muted", dash: [4, 3] },
    ],
    format: (value) => joined(latency(value)),
  });
  #panel = new InstancePanel(byId("instance"), { row: (key) => (this.#state.services === null ? undefined : (this.#rows.find((row) => row.key === key) ?? null)) });
  #table = new InstanceTable({ href: (key) => this.#panel.href(key), onOpen: (key) => this.#panel.open(key) });
  #sessions;
  #incidents;
  #bots;
  /** The card of alerts, once there was something to show. */
  #alerts = null;
  /** The banner of insights, once there was one, and what it shows. */
  #insights = null;
  #insight = null;
  /** When the sessions were last received, in seconds since the epoch, or null. */
  #sessionsAt = null;
  /** The last states of topics, null until known; `workers`: how many there are. */
  #state = { services: null, store: null, gateway: null, tree: null, metrics: null, config: null, alerts: null, insights: null, workers: 1 };

  /** `get(path)` resolves to a response of the control API, or rejects. */
  constructor(socket, { get = (path) => control("GET", path) } = {}) {
    this.#socket = socket;
    this.#shell = new Shell(socket, { beat: { topic: "metrics", interval: 3 } });
    this.#sessions = new Polling({ fetch: get, interval: SESSIONS_EVERY });
    this.#incidents = new IncidentsCard({ get });
    this.#bots = new BotsCard({ get });
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.start(this.#shell);
    this.#scope.start(this.#throughput);
    this.#scope.start(this.#latency);
    for (const [topic, apply] of Object.entries(this.#topics)) this.#scope.defer(this.#socket.onTopic(topic, apply));
    this.#scope.defer(
      showWorkerNote(this.#socket, (worker, workers) => `Connections and sessions are those of all ${workers} workers; everything else is that of ${worker}, which this page is connected to.`),
    );
    this.#sessions.poll(SESSIONS_PATH, (outcome) => this.#showSessions(outcome));
    this.#scope.defer(() => this.#sessions.stop());
    this.#scope.start(this.#incidents);
    this.#scope.start(this.#bots);
    this.#scope.start(this.#panel);
    this.#scope.start(this.#socket);
  }

  stop() {
    this.#scope.close();
  }

  /** What each topic changes on the page. */
  #topics = {
    store: (store) => this.#apply({ store }),
    services: (services) => {
      this.#apply({ services });
      this.#showInstances();
    },
    gateway: (gateway) => {
      this.#state.gateway = gateway;
      this.#showInstances();
    },
    metrics: (metrics) => {
      this.#apply({ metrics });
      this.#showFigures(metrics);
      this.#showEvents(metrics);
    },
    tree: (tree) => {
      this.#apply({ tree });
      this.#showBranches(tree);
    },
    workers: ({ workers }) => this.#apply({ workers: workers.length }),
    config: (config) => this.#apply({ config }),
    alerts: (alerts) => {
      this.#apply({ alerts });
      this.#showAlerts();
    },
    insights: (insights) => this.#apply({ insights }),
  };

  /** Apply a change of state to the sentence and the problems. */
  #apply(change) {
    Object.assign(this.#state, change);
    const { services, store, tree, workers, metrics, alerts, insights } = this.#state;
    const found = problems({ ...this.#state, speech: metrics?.speech });
    this.#insight = this.#insights?.banner?.show(insights, found) ?? null;
    const text = sentence({ services, store, tree, speech: metrics?.speech, workers, alerts, insight: this.#insight });
    if (text) setText(byId("page-status"), text);
    showBanners(byId("problems"), found, { onRestart: restartService });
    if (this.#insights === null && insights?.total > 0) this.#loadInsights();
    // A tab in the background shows the number of problems, and of alerts that nobody has acknowledged.
    const wrong = found.filter(({ tone }) => tone !== "quiet").length + (alerts?.firing.critical ?? 0) + (alerts?.firing.warning ?? 0);
    document.title = wrong > 0 ? `(${count(wrong)}) ${this.#title}` : this.#title;
  }

  get #rows() {
    return instances(this.#state.services, this.#state.gateway);
  }

  #showInstances() {
    if (this.#state.services === null) return;
    const placeholder = byId("services-placeholder");
    const rows = this.#rows;
    if (rows.length === 0) {
      fillPlaceholder(placeholder, emptyState("No back end is configured.", "Name one under services in the settings file; the service reads it when it is saved."));
      return;
    }
    fillPlaceholder(placeholder, this.#table.element);
    this.#table.show(rows);
    this.#panel.refresh();
  }

  /**
   * Show the card of alerts. It is loaded when the first one arrives: most visits never need it. The page appears once it
   * is known what the card shows, since it would move what is below.
   */
  async #showAlerts() {
    try {
      if (this.#alerts === null && this.#isAlertsCardNeeded) this.#alerts = import("./alerts-card.js").then(({ AlertsCard }) => new AlertsCard());
      (await this.#alerts)?.show(this.#state.alerts);
    } catch (error) {
      this.#alerts = null; // the next state tries again
      throw error;
    } finally {
      setAttribute(byId("alerts"), "aria-busy", null);
    }
  }

  /** Load the banner of insights when the first one arrives: most visits never need it. */
  async #loadInsights() {
    this.#insights = { banner: null };
    try {
      const { InsightBanner } = await import("./insight-banner.js");
      this.#insights.banner = new InsightBanner();
      this.#insights.banner.onChange = () => this.#apply({});
      this.#apply({});
    } catch (error) {
      this.#insights = null; // the next state tries again
      throw error;
    }
  }

  get #isAlertsCardNeeded() {
    const { alerts, source } = this.#state.alerts;
    return alerts.length > 0 || source.state === "away" || source.is_quiet;
  }

  #showFigures({ series, gateway, speech, connections, interval }) {
    this.#tiles.connections.show(connectionsTile(connections, series));
    this.#tiles.requests.show(requestsTile(gateway, series));
    this.#tiles.gateway.show(clientsTile(gateway.clients, series));
    this.#tiles.caption.show(captionTile(speech, series));
    this.#throughput.show(series.at, [series.requests_per_second, series.errors_per_second], interval);
    this.#latency.show(series.at, [series.gateway_p95_ms, series.caption_requests_p95_ms], interval);
  }

  #showEvents({ events, uptime }) {
    const placeholder = byId("events-placeholder");
    if (events.length === 0) fillPlaceholder(placeholder, emptyState("No events yet.", "Restarts, faults and recoveries appear here."));
    else showEvents(placeholder, events.slice(0, EVENTS));
    setText(byId("events-note"), `up for ${duration(uptime)}`);
  }

  #showBranches({ branches }) {
    showBranchList(fillPlaceholder(byId("branches-placeholder"), null, "ol", "branch-list"), branches);
    const restarts = branches.reduce((sum, branch) => sum + branch.restarts, 0);
    setText(byId("branches-note"), `${restarts === 0 ? "no restarts" : counted(restarts, "restart")} since the start`);
  }

  #showSessions({ data, error }) {
    if (error !== null) {
      // The socket may live all the same: then nothing else shows that these are old.
      if (this.#sessionsAt !== null) setText(byId("sessions-note"), `as of ${clockTime(this.#sessionsAt)}`);
      return;
    }
    this.#sessionsAt = this.#socket.serverNow / 1000;
    showSessions(byId("sessions-placeholder"), data.session_list.slice(0, SESSIONS), data.sessions);
    setText(byId("sessions-note"), data.sessions > SESSIONS ? `${SESSIONS} of ${count(data.sessions)}` : "");
  }
}

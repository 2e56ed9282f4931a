/** The Overview: how things are in one sentence, what is wrong, four figures, the back ends, and what happened. */

import { showBanners } from "../components/banners.js";
import { Chart } from "../components/chart.js";
import { byId, h, setText } from "../components/dom.js";
import { emptyState } from "../components/empty-state.js";
import { showEvents } from "../components/event-list.js";
import { InstancePanel } from "../components/instance-panel.js";
import { InstanceTable } from "../components/instance-table.js";
import { Polling } from "../components/polling.js";
import { restartService } from "../components/actions.js";
import { showSessions } from "../components/session-list.js";
import { Tile } from "../components/tile.js";
import { showBranchList } from "../components/branch-list.js";
import { fillPlaceholder } from "../components/placeholder.js";
import { showWorkerNote } from "../components/worker-note.js";
import { control } from "../control-api.js";
import { count, counted, duration, joined, latency, number } from "../models/number-format.js";
import { instances, problems, sentence } from "../models/overview.js";
import { captionTile, clientsTile, connectionsTile, requestsTile } from "../models/tiles.js";
import { clockTime } from "../models/time-format.js";
import { serverNow, socket } from "../page-socket.js";
import { Shell } from "../shell.js";

/** A tab in the background shows how many problems there are. */
const TITLE = document.title;

const state = { services: null, store: null, gateway: null, tree: null, metrics: null, config: null, workers: 1 };

const tiles = Object.fromEntries(["connections", "requests", "gateway", "caption"].map((name) => [name, new Tile(byId(`tile-${name}`))]));
const throughput = new Chart(byId("throughput"), {
  series: [
    { name: "requests_per_second", label: "requests", colour: "accent" },
    { name: "errors_per_second", label: "errors", colour: "bad", dash: [4, 3] },
  ],
  format: (value) => joined({ value: number(value), unit: value === null ? "" : "/s" }),
});
const latencies = new Chart(byId("latency"), {
  series: [
    { name: "gateway_p95_ms", label: "clients' requests", colour: "accent" },
    { name: "caption_requests_p95_ms", label: "captions' requests", colour: "muted", dash: [4, 3] },
  ],
  format: (value) => joined(latency(value)),
});

const panel = new InstancePanel(byId("instance"), { row: (key) => rows().find((each) => each.key === key) ?? null });
const table = new InstanceTable({ href: (key) => panel.href(key), onOpen: (key) => panel.open(key) });

const rows = () => instances(state.services, state.gateway);

function showFigures(data) {
  const { series, gateway, speech, connections } = data;
  tiles.connections.show(connectionsTile(connections, series));
  tiles.requests.show(requestsTile(gateway, series));
  tiles.gateway.show(clientsTile(gateway.clients, series));
  tiles.caption.show(captionTile(speech, series));
  throughput.show(series.at, [series.requests_per_second, series.errors_per_second], data.interval);
  latencies.show(series.at, [series.gateway_p95_ms, series.caption_requests_p95_ms], data.interval);
}

function showStatus() {
  const words = sentence({ services: state.services, store: state.store, tree: state.tree, speech: state.metrics?.speech, workers: state.workers });
  if (words) setText(byId("page-status"), words);
  const found = problems({ ...state, speech: state.metrics?.speech });
  showBanners(byId("problems"), found, { onRestart: restartService });
  document.title = found.length > 0 ? `(${count(found.length)}) ${TITLE}` : TITLE;
}

function showServices() {
  if (state.services === null) return;
  const slot = byId("services-placeholder");
  if (rows().length === 0) {
    fillPlaceholder(slot, emptyState("No back end is configured.", "Name one under services in the settings file; the service reads it when it is saved."));
    return;
  }
  fillPlaceholder(slot, table.element);
  table.show(rows());
  panel.refresh();
}

const topics = {
  store(data) {
    state.store = data;
    showStatus();
  },
  services(data) {
    state.services = data;
    showServices();
    showStatus();
  },
  gateway(data) {
    state.gateway = data;
    showServices();
  },
  metrics(data) {
    state.metrics = data;
    showFigures(data);
    const slot = byId("events-placeholder");
    if (data.events.length === 0) fillPlaceholder(slot, emptyState("Nothing has happened yet.", "Restarts, faults and recoveries are told here."));
    else showEvents(slot, data.events.slice(0, 12));
    setText(byId("events-note"), `up for ${duration(data.uptime)}`);
    showStatus();
  },
  tree(data) {
    state.tree = data;
    showBranchList(fillPlaceholder(byId("branches-placeholder"), null, "ol", "branch-list"), data.branches);
    const restarts = data.branches.reduce((sum, branch) => sum + branch.restarts, 0);
    setText(byId("branches-note"), `${restarts === 0 ? "no restarts" : counted(restarts, "restart")} since the start`);
    showStatus();
  },
  workers({ workers }) {
    state.workers = workers.length;
    showStatus();
  },
  config(data) {
    state.config = data;
    showStatus();
  },
};

const shell = new Shell(socket, { beat: { topic: "metrics", interval: 3 } });
shell.start();
throughput.start();
latencies.start();
for (const [topic, show] of Object.entries(topics)) socket.onTopic(topic, show);
showWorkerNote(socket, (who, many) => `Connections and sessions are those of all ${many} workers; everything else is that of ${who}, which this page talks to.`);
/** When the sessions were last known, in seconds since the epoch. */
let sessionsAt = null;
// Only the newest sessions are shown here: the connections themselves are not asked for.
new Polling({ fetch: (path) => control("GET", path), interval: 5_000 }).ask("/api/connections?limit=0", ({ answer, error }) => {
  if (error !== null) {
    // The socket may live all the same: then nothing else says that these are old.
    if (sessionsAt !== null) setText(byId("sessions-note"), `as of ${clockTime(sessionsAt)}`);
    return;
  }
  sessionsAt = serverNow();
  showSessions(byId("sessions-placeholder"), answer.session_list.slice(0, 5), answer.sessions);
  setText(byId("sessions-note"), answer.sessions > 5 ? `5 of ${count(answer.sessions)}` : "");
});
panel.start();
socket.start();

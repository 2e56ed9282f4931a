/** The Gateway: routes, instances, breakers, and how fast the back ends answer. */

import { Chart } from "../components/chart.js";
import { byId, setText } from "../components/dom.js";
import { emptyState } from "../components/empty-state.js";
import { InstancePanel } from "../components/instance-panel.js";
import { InstanceTable } from "../components/instance-table.js";
import { fillPlaceholder } from "../components/placeholder.js";
import { Table } from "../components/table.js";
import { Tile } from "../components/tile.js";
import { showWorkerNote } from "../components/worker-note.js";
import { count, joined, latency } from "../models/number-format.js";
import { attemptsNote, routed, sentence } from "../models/gateway.js";
import { instances } from "../models/overview.js";
import { clientsTile, errorsTile, flightTile, requestsTile } from "../models/tiles.js";
import { socket } from "../page-socket.js";
import { Shell } from "../shell.js";

const state = { services: null, gateway: null };

const tiles = Object.fromEntries(["rate", "errors", "p95", "flight"].map((name) => [name, new Tile(byId(`tile-${name}`))]));
const chart = new Chart(byId("latency"), {
  series: [
    { label: "clients' requests", colour: "accent" },
    { label: "captions' requests", colour: "muted", dash: [4, 3] },
  ],
  format: (value) => joined(latency(value)),
});

const rows = () => instances(state.services, state.gateway);
const panel = new InstancePanel(byId("instance"), { row: (key) => rows().find((each) => each.key === key) ?? null });
const table = new InstanceTable({
  caption: "Instances",
  href: (key) => panel.href(key),
  onOpen: (key) => panel.open(key),
  columns: ["name", "state", "keptBreaker", "requestsP95", "captionsP95", "share", "requests", "errors"],
});
const routes = new Table({
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
    { label: "Requests, all", number: true, sort: (row) => row.requests, text: (row) => count(row.requests) },
    { label: "Errors, all", number: true, sort: (row) => row.errors, text: (row) => count(row.errors) },
    { label: "p95, 1 min", number: true, sort: (row) => row.p95_ms, text: (row) => joined(latency(row.p95_ms)) },
  ],
});

function showInstances() {
  if (state.services === null || state.gateway === null) return;
  const slot = byId("instances-placeholder");
  if (rows().length === 0) {
    fillPlaceholder(slot, emptyState("No back end is configured.", "Name one under services in the settings file."));
    return;
  }
  fillPlaceholder(slot, table.element);
  table.show(rows());
  panel.refresh();
}

const topics = {
  services(data) {
    state.services = data;
    showInstances();
  },
  gateway(data) {
    state.gateway = data;
    setText(byId("page-status"), sentence(data));
    setText(byId("instances-note"), attemptsNote(data));
    showInstances();
    const slot = byId("routes-placeholder");
    if (data.routes.length === 0) fillPlaceholder(slot, emptyState("There are no routes.", "Add some under orchestration.gateway.routes in the settings file."));
    else {
      fillPlaceholder(slot, routes.element);
      routes.show(routed(data));
    }
  },
  metrics({ series, gateway, interval }) {
    tiles.rate.show(requestsTile(gateway, series));
    tiles.errors.show(errorsTile(gateway, series));
    tiles.p95.show(clientsTile(gateway.clients, series));
    tiles.flight.show(flightTile(gateway.in_flight, state.gateway));
    chart.show(series.at, [series.gateway_p95_ms, series.caption_requests_p95_ms], interval);
  },
};

const shell = new Shell(socket, { beat: { topic: "metrics", interval: 3 } });
shell.start();
chart.start();
for (const [topic, show] of Object.entries(topics)) socket.onTopic(topic, show);
showWorkerNote(socket, (who, many) => `Each of the ${many} workers has breakers and figures of its own; these are those of ${who}.`);
panel.start();
socket.start();

/** The Gateway: routes, instances, breakers, and how fast the back ends answer. */

import { Chart } from "../components/chart.js";
import { byId, setText } from "../components/dom.js";
import { emptyState } from "../components/empty.js";
import { InstancePanel } from "../components/instance-panel.js";
import { InstanceTable } from "../components/instance-table.js";
import { ready } from "../components/slot.js";
import { Table } from "../components/table.js";
import { Tile } from "../components/tile.js";
import { showWhose } from "../components/whose.js";
import { bytes, count, counted, joined, latency, milliseconds, number, percent } from "../models/figures.js";
import { routed, sentence } from "../models/gateway.js";
import { instances } from "../models/overview.js";
import { socket } from "../page-socket.js";
import { Shell } from "../shell.js";

/** How full the room for clients' requests is; nothing where it is not known yet. */
function flightNote(gateway) {
  if (gateway === null) return "waiting for a back end right now";
  const disk = gateway.spooled_bytes > 0 ? `, ${bytes(gateway.spooled_bytes)} of uploads on disk` : "";
  return `${count(gateway.places)} of ${counted(gateway.places_limit, "place")} for clients' requests taken${disk}`;
}

const state = { services: null, gateway: null };

const tiles = Object.fromEntries(["rate", "errors", "p95", "flight"].map((name) => [name, new Tile(byId(`tile-${name}`))]));
const chart = new Chart(byId("latency"), {
  series: [
    { label: "p95", colour: "accent" },
    { label: "p50", colour: "muted", dash: [4, 3] },
  ],
  format: (value) => joined(latency(value)),
});

const rows = () => instances(state.services, state.gateway);
const panel = new InstancePanel(byId("instance"), { row: (key) => rows().find((each) => each.key === key) ?? null });
const table = new InstanceTable({
  caption: "Instances",
  href: (key) => panel.href(key),
  onOpen: (key) => panel.open(key),
  columns: ["name", "state", "keptBreaker", "p95", "share", "requests", "errors"],
});
const routes = new Table({
  caption: "Routes",
  key: (row) => row.key,
  columns: [
    { label: "Prefix", sort: (row) => row.prefix, text: (row) => row.prefix },
    { label: "Goes to", keep: true, sort: (row) => row.target, text: (row) => row.target },
    { label: "Requests", number: true, keep: true, sort: (row) => row.requests, text: (row) => count(row.requests) },
    { label: "Errors", number: true, keep: true, sort: (row) => row.errors, text: (row) => count(row.errors) },
    { label: "p95", number: true, sort: (row) => row.p95_ms, text: (row) => joined(latency(row.p95_ms)) },
  ],
});

function showInstances() {
  if (state.services === null || state.gateway === null) return;
  const slot = byId("instances-slot");
  if (rows().length === 0) {
    ready(slot, emptyState("No back end is configured.", "Name one under services in the settings file."));
    return;
  }
  ready(slot, table.element);
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
    showInstances();
    const slot = byId("routes-slot");
    if (data.routes.length === 0) ready(slot, emptyState("There are no routes.", "Add some under orchestration.gateway.routes in the settings file."));
    else {
      ready(slot, routes.element);
      routes.show(routed(data));
    }
  },
  metrics({ series, gateway, interval }) {
    tiles.rate.show({ value: number(gateway.requests_per_second), unit: "/s", series: series.requests_per_second, note: `${count(gateway.requests)} since the start` });
    tiles.errors.show({
      value: percent(gateway.error_rate),
      series: series.errors_per_second,
      tone: gateway.error_rate > 0.05 ? "bad" : "",
      note: `${counted(gateway.errors, "error")} · ${counted(gateway.retries, "retry", "retries")} since the start`,
    });
    tiles.p95.show({ ...latency(gateway.p95_ms), series: series.gateway_p95_ms, note: gateway.p50_ms === null ? "no requests in the last minute" : `p50 ${joined(milliseconds(gateway.p50_ms))}` });
    tiles.flight.show({ value: count(gateway.in_flight), unit: gateway.in_flight === 1 ? "request" : "requests", note: flightNote(state.gateway) });
    chart.show(series.at, [series.gateway_p95_ms, series.gateway_p50_ms], interval);
  },
};

const shell = new Shell(socket, { beat: { topic: "metrics", interval: 3 } });
shell.start();
chart.start();
for (const [topic, show] of Object.entries(topics)) socket.onTopic(topic, show);
showWhose(socket, (who, many) => `Each of the ${many} workers has breakers and figures of its own; these are those of ${who}.`);
panel.start();
socket.start();

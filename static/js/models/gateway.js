/** The text of the Gateway page. Pure. */

import { rotation, useText } from "./gateway-controls.js";
import { count, counted, percent } from "./number-format.js";
import { listed } from "./overview.js";

/** One sentence on requests. `rows`: the instances (models/overview.js `instances`), once their health is known. A screen reader reads it whenever it changes, so it has no live figure. */
export function sentence(gateway, rows = [], threshold = 0.05) {
  const open = gateway.instances.filter((instance) => instance.breaker !== "closed");
  if (gateway.instances.length === 0) return "No back end is configured, so every request is refused.";
  const usable = gateway.instances.filter((instance) => instance.usable);
  const resorts = [...new Set(gateway.instances.filter((each) => each.is_last_resort && !usable.some(({ service }) => service === each.service)).map(({ service }) => service))];
  if (resorts.length > 0) return `No instance of ${listed(resorts)} is in rotation; requests are sent to those that may work all the same.`;
  if (usable.length === 0) return "No instance accepts requests right now; clients get 503 with the service's name.";
  const shut = new Set(gateway.instances.map((instance) => instance.service));
  for (const instance of usable) shut.delete(instance.service);
  if (shut.size > 0) return `Requests to ${listed([...shut])} get 503; other requests go through.`;
  const [captions, requests] = ["captions", "requests"].map((flow) => heldBack(gateway, flow));
  if (captions.length > 0) return `Captions are not sent to ${listed(captions)} for now: its last requests failed. It is tried again in a moment.`;
  if (requests.length > 0) return `Clients' requests to ${listed(requests)} get 503 for now; captions go on.`;
  const alone = open.filter(({ service }) => !gateway.instances.some((other) => other.service === service && other.breaker === "closed"));
  const tried = new Set(alone.filter((instance) => instance.breaker === "half_open").map((instance) => instance.service));
  if (tried.size > 0) return `A few requests try ${listed([...tried])} again; until one succeeds, the others get 503.`;
  const turns = rotation(rows);
  if (rows.some((row) => useText(row).isOut) && turns !== null) return turns;
  if (open.length > 0) return `${open.length === 1 ? "One breaker is" : `${count(open.length)} breakers are`} not closed; ${open.every((each) => each.breaker === "half_open") ? "a few requests try what failed, the rest go" : "requests go"} to the other instances.`;
  if (gateway.error_rate > threshold) return `More than ${percent(threshold)} of requests failed in the last minute.`;
  if (turns !== null) return turns;
  if (gateway.requests_per_second === 0) return "Ready. No requests in the last minute.";
  return "Requests are going through.";
}

/** The services of which no usable instance lets a flow ("captions", "requests") through. */
function heldBack(gateway, flow) {
  const open = new Set();
  const shut = new Set();
  for (const { service, usable, lanes = [] } of gateway.instances) {
    const lane = lanes.find((each) => each.flow === flow);
    if (usable && lane !== undefined) (lane.is_admitting ? open : shut).add(service);
  }
  return [...shut].filter((service) => !open.has(service));
}

/** The names of the rows for requests that no route sent. */
const OWN = {
  captions: { "audio-service": "speech, for captions", "translation-service": "text, for captions" },
  requests: {},
};

/**
 * A row for each route, for the service's own requests, and for what was sent over routes and to services that are
 * no longer in the settings: together they are all requests.
 */
export function routed(gateway) {
  const rows = [
    ...gateway.routes.map((route) => ({ ...route, key: route.prefix, name: route.prefix, target: `${route.service} ${route.path}`, isOwn: false })),
    ...gateway.own.map((own) => ({
      ...own,
      key: `${own.flow} ${own.service}`,
      name: OWN[own.flow][own.service] ?? (own.flow === "captions" ? "for captions" : "service messages"),
      target: own.service,
      isOwn: true,
    })),
  ];
  const beyond = (field) => gateway[field] - rows.reduce((sum, row) => sum + row[field], 0);
  const gone = Object.fromEntries(["requests", "errors", "requests_last_minute", "errors_last_minute"].map((field) => [field, beyond(field)]));
  if (gone.requests <= 0) return rows;
  return [...rows, { ...gone, key: "gone", name: "removed routes", target: "no longer in the settings", isOwn: true, p50_ms: null, p95_ms: null }];
}

/** How the attempts in the table of instances relate to the requests in the tiles. */
export function attemptsNote({ requests_last_minute: requests, unasked_last_minute: unasked, instances }) {
  const attempts = instances.reduce((sum, instance) => sum + instance.requests_last_minute, 0);
  const words = `attempts of the last minute: ${count(attempts)} for ${counted(requests, "request")}`;
  return unasked > 0 ? `${words}, ${count(unasked)} of which reached no instance` : words;
}

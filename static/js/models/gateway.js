/** What the Gateway page says. Pure. */

import { count, percent } from "./figures.js";
import { listed } from "./overview.js";

/** One sentence on how requests are faring; read out when it changes, so no figure that ticks is in it. */
export function sentence(gateway, threshold = 0.05) {
  const open = gateway.instances.filter((instance) => instance.breaker !== "closed");
  if (gateway.instances.length === 0) return "No back end is configured, so every request is refused.";
  const usable = gateway.instances.filter((instance) => instance.usable);
  if (usable.length === 0) return "No instance takes requests now; they are answered 503 with the service's name.";
  const shut = new Set(gateway.instances.map((instance) => instance.service));
  for (const instance of usable) shut.delete(instance.service);
  if (shut.size > 0) return `Requests to ${listed([...shut])} are answered 503; the rest goes through.`;
  const [captions, requests] = ["captions", "requests"].map((flow) => heldBack(gateway, flow));
  if (captions.length > 0) return `Captions get no answer from ${listed(captions)} for now: its last requests failed. It is tried again in a moment.`;
  if (requests.length > 0) return `Clients' requests to ${listed(requests)} are answered 503 for now; captions go on.`;
  const alone = open.filter(({ service }) => !gateway.instances.some((other) => other.service === service && other.breaker === "closed"));
  const tried = new Set(alone.filter((instance) => instance.breaker === "half_open").map((instance) => instance.service));
  if (tried.size > 0) return `A few requests try whether ${listed([...tried])} works again; until one does, the rest are answered 503.`;
  if (open.length > 0) return `${open.length === 1 ? "One breaker is" : `${count(open.length)} breakers are`} not closed; requests go to the other instances.`;
  if (gateway.error_rate > threshold) return `More than ${percent(threshold)} of requests failed in the last minute.`;
  if (gateway.requests_per_second === 0) return "Ready. No requests in the last moments.";
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

/** Instances of the gateway alone, for when health has not been heard of yet. */
export function routed(gateway) {
  return gateway.routes.map((route) => ({ ...route, key: route.prefix, target: `${route.service} ${route.path}` }));
}

/** What the Gateway page lists besides routes and instances: queues, rate limits, discovery, and this process's use. Pure. */

import { isolated } from "./bidi.js";
import { bytes, count, counted, duration, joined, latency, percent, UNKNOWN } from "./number-format.js";
import { word } from "./state-tones.js";
import { ago } from "./time-format.js";
import { fullness } from "./tree.js";

/** "0.3 s", "12 s": a time that runs out, in whole seconds from one second on. */
export const timeLeft = (seconds) => duration(seconds >= 1 ? Math.round(seconds) : seconds);

/** A row for each class of each service whose instances have a limit. */
export function queueRows({ queues = [] }) {
  return queues.map((queue) => ({
    ...queue,
    key: `${queue.service} ${queue.priority}`,
    ...fullness({ fill: queue.waiting, limit: queue.waiting_limit }),
    isFull: queue.waiting >= queue.waiting_limit,
    waitingText: `${count(queue.waiting)} of ${count(queue.waiting_limit)}`,
    // While a class is overloaded one waits for a tenth (docs/gateway.md, "Places and classes").
    deadlineText: queue.is_overloaded ? `${duration(queue.deadline / 10)}, overloaded` : duration(queue.deadline),
  }));
}

const PER = { address: "each address", key: "each key", route: "all clients together" };

export function limitRows({ rate_limits: limits = [] }) {
  return limits.map((limit) => ({
    ...limit,
    key: limit.name,
    perText: PER[limit.per] ?? limit.per,
    limitText: `${counted(limit.requests, "request")} in ${duration(limit.window)}`,
    routeText: limit.route === "" ? "all routes" : limit.route,
    share: limit.allowed + limit.refused === 0 ? null : limit.refused / (limit.allowed + limit.refused),
  }));
}

/** The note of the rate limits' card: buckets, and requests whose limits could not be read. */
export function limitsNote({ rate_limits: limits = [], rate_buckets: buckets = null, rates_unchecked: unchecked = 0 }) {
  if (limits.length === 0) return "";
  const used = buckets === null ? "" : `${counted(buckets, "bucket")} not full`;
  return unchecked > 0 ? `${used} · ${counted(unchecked, "request")} let through unchecked since the start, as the shared store did not reply` : used;
}

/** A row for each source of instances. */
export function discoveryRows({ discovery = [] }) {
  return discovery.map((source) => ({
    ...source,
    key: `${source.service} ${source.source}`,
    sourceText: source.source === "dns" ? `DNS, ${isolated(source.name)}` : "registered by themselves",
    foundText: source.left_out > 0 ? `${count(source.instances.length)}, ${count(source.left_out)} left out` : count(source.instances.length),
    ageText: source.age === null ? "none yet" : ago(source.age),
    nextText: source.next_in === null ? UNKNOWN : source.next_in < 1 ? "within 1\u00a0s" : `in ${timeLeft(source.next_in)}`,
    isFailing: source.failures > 0,
    stateWord: source.failures > 0 ? "failing" : source.age === null ? "waiting" : "answers",
    tone: source.failures > 0 ? "warn" : source.age === null ? "quiet" : "ok",
    stateText: source.failures > 0 ? `${counted(source.failures, "failure")} in a row: ${source.problem}` : "",
  }));
}

/** Registered instances with what is left of their leases, the shortest first. */
export function leaseRows({ discovery = [] }) {
  return discovery
    .flatMap(({ service, leases = [] }) => leases.map((lease) => ({ ...lease, service, key: `${service} ${lease.instance}`, leftText: lease.seconds_left > 0 ? timeLeft(lease.seconds_left) : "has ended" })))
    .sort((a, b) => a.seconds_left - b.seconds_left);
}

/** Instances that have left and end what they work on. */
export function drainingRows({ draining = [] }) {
  return draining.map((each) => ({ ...each, key: `${each.service} ${each.url}`, leftText: timeLeft(each.seconds_left) }));
}

/** What a route does beside its requests, for components/fact-list.js: [[name, text or null]]. */
export function routeExtras({ fallbacks = [], hedging = [] }, prefix) {
  const fallback = fallbacks.find(({ route }) => route === prefix);
  const hedge = hedging.find((each) => each.prefix === prefix);
  return [...(fallback === undefined ? [] : fallbackFacts(fallback)), ...(hedge === undefined ? [] : hedgingFacts(hedge))];
}

function fallbackFacts({ service, cached, static: fixed, none, active_for: seconds, stored, stored_bytes: size }) {
  return [
    ["Fallbacks", seconds === null ? "not in use: its requests do not fail" : `in use for ${timeLeft(seconds)}`],
    ["Given since the start", `${count(service)} by another service, ${count(cached)} stored, ${count(fixed)} static; ${count(none)} without one`],
    ["Stored responses", `${count(stored)}, ${bytes(size)}`],
  ];
}

const DECLINED = {
  budget: "as the budget was used up",
  retry_budget: "as the service's retry budget was used up",
  no_instance: "as no other instance was free",
  too_late: "as too little time was left",
  suspended: "as this process had been suspended",
};

function hedgingFacts({ extra, delay_ms: delay, samples, samples_needed: needed, budget, budget_left: left, sent, won, declined = {} }) {
  const refused = Object.entries(declined).filter(([, times]) => times > 0);
  return [
    ["Extra requests", delay === null ? `none yet: ${count(samples)} of ${count(needed)} times to the first byte are known` : `up to ${count(extra)}, after ${joined(latency(delay))} without a response`],
    ["Their budget", budget === 0 ? "the retry budget of the service" : `${percent(budget)} of the requests${left === null ? "" : `, ${count(left)} left now`}`],
    ["Sent since the start", `${count(sent)}, of which ${count(won)} were faster`],
    ["Declined since the start", refused.length === 0 ? "none" : refused.map(([why, times]) => `${count(times)} ${DECLINED[why] ?? word(why)}`).join(", ")],
  ];
}

const SIDES = { client: "client", back_end: "back end", gateway: "gateway" };
/** How a WebSocket ended and by whom, from the API's "lost_back_end". */
function ending(name) {
  const side = Object.keys(SIDES).find((each) => name.endsWith(`_${each}`));
  if (side === undefined) return word(name);
  const how = word(name.slice(0, -side.length - 1));
  return `${how} (${SIDES[side]})`;
}

/** "12 opened, 2 refused": WebSockets since the start, and how they ended; "" where there was none. */
export function socketsNote({ sockets = null }) {
  if (sockets === null || sockets.opened + sockets.refused === 0) return "";
  const endings = Object.entries(sockets.endings ?? {}).map(([how, times]) => `${count(times)} ${ending(how)}`);
  return `WebSockets since the start: ${count(sockets.opened)} opened, ${count(sockets.refused)} refused${endings.length === 0 ? "" : `; ended: ${endings.join(", ")}`}.`;
}

/** What is used of the limits of this process, for components/fill-list.js. `overload` null: not known. */
export function usageRows(gateway, overload) {
  const rows = [
    of("Places for clients' requests", gateway.places, gateway.places_limit, count),
    of("Uploads on the disk", gateway.spooled_bytes, gateway.spool_limit, bytes),
  ];
  const { sockets = null, fallback_cache: cache = null } = gateway;
  if (sockets !== null && sockets.limit > 0) rows.push(of("WebSockets to back ends", sockets.open, sockets.limit, count));
  if (cache !== null && cache.max_bytes > 0) rows.push(of("Stored responses for fallbacks", cache.bytes, cache.max_bytes, bytes));
  for (const { resource, used, limit, step } of overload?.uses ?? []) {
    const done = step === 2 ? ": new work is refused" : step === 1 ? ": connections are closed after each response" : "";
    rows.push({ ...of(named(resource), used, limit, resource === "memory" ? bytes : count, done), tone: step > 0 ? "warn" : "" });
  }
  if (overload !== null && !(overload?.uses ?? []).some(({ resource }) => resource === "memory")) rows.push({ name: "Memory", text: "no limit is set, so its use is not watched", share: null });
  return rows;
}

const named = (resource) => `${resource[0].toUpperCase()}${resource.slice(1)}`;

function of(name, used, limit, format, more = "") {
  const { share, tone } = fullness({ fill: used, limit });
  return { name, text: `${format(used)} of ${format(limit)}, ${percent(share)}${more}`, share, tone };
}

/** From which shares the process does without something, and how much it refused. */
export function overloadNote(overload) {
  if (!overload) return "";
  const { no_keep_alive: close, refuse, refused } = overload;
  return `from ${percent(close)} of memory or open files connections are closed after each response, from ${percent(refuse)} new work is refused; ${refused === 0 ? "none was" : `${counted(refused, "request")} ${refused === 1 ? "was" : "were"}`} since the start`;
}

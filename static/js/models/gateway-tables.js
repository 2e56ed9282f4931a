/** What the Gateway page lists besides routes and instances: queues, rate limits, discovery, and this process's use. Pure. */

import { isolated } from "./bidi.js";
import { bytes, count, counted, duration, percent, UNKNOWN } from "./number-format.js";
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

/** What is used of the limits of this process, for components/fill-list.js. `overload` null: not known. */
export function usageRows(gateway, overload) {
  const rows = [
    of("Places for clients' requests", gateway.places, gateway.places_limit, count),
    of("Uploads on the disk", gateway.spooled_bytes, gateway.spool_limit, bytes),
  ];
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

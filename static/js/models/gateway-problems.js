/**
 * What is wrong with the gateway, as components/banners.js shows it, worst first. Pure.
 *
 * Screen readers read a problem's text whenever it changes, so figures that change by themselves are in `more`.
 */

import { isolated } from "./bidi.js";
import { ejections } from "./gateway-controls.js";
import { timeLeft } from "./gateway-tables.js";
import { count, counted, duration } from "./number-format.js";
import { maintenanceBanners } from "./maintenance.js";
import { listed, shortageProblems } from "./overview.js";

/** Problems that are shown at most; the tables have the others. */
const MOST = 6;
/** Instances that are named in one problem. */
const NAMED = 3;

/**
 * `services`, `gateway`: the topics' states; `rows`: the instances (models/overview.js `instances`); `alerts`:
 * the topic's state, or null. Returns
 * [{key, tone, word, subject, text, more, since, action}].
 */
export function gatewayProblems({ services, gateway, rows, alerts = null }) {
  const { queues = [] } = gateway;
  const found = [
    ...shortageProblems(services),
    ...full(gateway),
    ...[...new Set(rows.map((row) => row.service))].flatMap((service) => ofService(service, rows.filter((row) => row.service === service))),
    ...[...new Set(queues.map((queue) => queue.service))].flatMap((service) => waiting(service, queues.filter((queue) => queue.service === service))),
    ...(gateway.services ?? []).flatMap(retries),
    ...(gateway.discovery ?? []).flatMap(looking),
    ...(gateway.fallbacks ?? []).flatMap(fallingBack),
    ...maintenanceBanners(services, alerts),
  ];
  const rank = { bad: 0, warn: 1, quiet: 2 };
  found.sort((a, b) => rank[a.tone] - rank[b.tone]);
  if (found.length <= MOST) return found;
  const more = found.length - MOST + 1;
  return [...found.slice(0, MOST - 1), problem(`more ${more}`, "warn", "more", counted(more, "further problem"), "The tables below show them.")];
}

const problem = (key, tone, word, subject, text, more = "") => ({ key, tone, word, subject, text, more, since: null, action: null });

function full({ places, places_limit: limit }) {
  if (limit === 0 || places < limit) return [];
  return [problem("places", "bad", "full", "This process", `All ${count(limit)} places for clients' requests are used; further ones get 503`, "Captions go on. Each request that ends frees a place; orchestration.gateway.max_requests is the limit.")];
}

/** Why an instance gets no requests, or only a few that try it, without times; null if it gets its share. */
function trouble(row) {
  if (row.is_drained) return "drained by an operator";
  const ejected = ejections(row);
  if (ejected.length > 0) return `ejected, ${ejected[0].cause}`;
  const isOpen = row.breaker === "open" || row.breaker === "half_open";
  if (row.usable && !isOpen) return null;
  const reasons = [isOpen ? `breaker ${row.breaker === "open" ? "open" : "half\u2011open"}` : null, ...(row.state === "healthy" ? [] : row.reasons)].filter((each) => each !== null);
  return reasons.length > 0 ? reasons.join(", ") : "gets no requests";
}

/** Whether some requests try an instance again, which is then not out of use. */
const isOnTrial = (row) => row.usable && row.breaker === "half_open" && !row.is_drained && ejections(row).length === 0;

/** When an instance may get requests again by itself; null if it is not known. */
function returning(row) {
  if (row.is_drained) return null;
  const ejected = ejections(row);
  if (ejected.length > 0) return `returns in ${timeLeft(Math.max(1, ...ejected.map(({ left }) => left)))}`;
  return row.breaker === "open" && row.breaker_retry_in !== null ? `is tried in ${timeLeft(Math.max(1, row.breaker_retry_in))}` : null;
}

function ofService(service, rows) {
  const out = rows.filter((row) => trouble(row) !== null);
  // What an operator has drained is meant; it is only wrong where nothing is left.
  const isAllOut = rows.every((row) => !row.usable);
  const unmeant = out.filter((row) => !row.is_drained);
  if (!isAllOut && unmeant.length === 0) return [];
  const all = isAllOut ? out : unmeant;
  const shown = all.slice(0, NAMED);
  const others = all.length > NAMED ? [`${count(all.length - NAMED)} more`] : [];
  const text = [...shown.map((row) => (row.name === service ? isolated(trouble(row)) : `${row.name}: ${isolated(trouble(row))}`)), ...others].join("; ");
  const times = shown.flatMap((row) => (returning(row) === null ? [] : [`${row.name === service ? "It" : row.name} ${returning(row)}.`]));
  times.unshift(...new Set(shown.flatMap((row) => (row.recovery ? [isolated(row.recovery.text)] : []))));
  const left = rows.length - out.length;
  const resorts = rows.filter((row) => row.is_last_resort).map(({ name }) => name);
  if (isAllOut && resorts.length > 0) return [problem(`service ${service}`, "bad", "no instance", service, text, [...times, `Until one is back, requests are sent to ${listed(resorts)} all the same, as there is no better one.`].join(" "))];
  if (isAllOut) return [problem(`service ${service}`, "bad", "no instance", service, text, [...times, "Until one works again, clients' requests get 503. An instance's controls, in the table below, return it or close its breaker."].join(" "))];
  if (all.every(isOnTrial)) return [problem(`service ${service}`, "warn", "on trial", service, text, [...times, `A few requests try ${all.length === 1 ? "it" : "them"}, the rest ${left === 1 ? "goes to the other instance" : `go to ${counted(left, "other instance")}`}.`].join(" "))];
  return [problem(`service ${service}`, "warn", "out of use", service, text, [...times, `${counted(left, "other instance")} of ${count(rows.length)} ${left === 1 ? "gets" : "get"} its requests.`].join(" "))];
}

/** The queues of one service that are full or overloaded, as one problem. */
function waiting(service, queues) {
  const late = queues.filter((queue) => queue.is_overloaded || queue.waiting >= queue.waiting_limit);
  if (late.length === 0) return [];
  const isFull = late.some((queue) => queue.waiting >= queue.waiting_limit);
  const names = late.map((queue) => (queue.waiting >= queue.waiting_limit ? `${queue.priority} (full)` : queue.priority));
  const more = [
    `Now: ${listed(late.map((queue) => `${count(queue.waiting)} of at most ${count(queue.waiting_limit)} ${queue.priority}`))}.`,
    isFull ? "A full queue refuses further requests at once (503)." : null,
    late.some((queue) => queue.is_overloaded) ? "Where a class is overloaded the newest is served first, and one waits for a tenth of the usual time at most." : null,
    "Its instances have more to do than they can: add one, or raise services.NAME.max_concurrency if they can do more at a time.",
  ];
  return [problem(`queue ${service}`, "warn", isFull ? "queue full" : "overloaded", service, `Too many requests wait for a place: ${listed(names)}`, more.filter(Boolean).join(" "))];
}

function retries({ service, flows = [] }) {
  const spent = flows.filter((flow) => flow.retries_left === 0);
  if (spent.length === 0) return [];
  return [problem(`retries ${service}`, "warn", "no retries left", service, `The retry budget of the last ${duration(spent[0].retry_window)} is used up, so requests are repeated only if their instance was lost`, `${counted(spent.reduce((sum, flow) => sum + flow.retries_refused, 0), "retry", "retries")} refused since the start. It fills again as requests succeed.`)];
}

function looking({ service, source, name, failures, problem: reason, age, instances }) {
  if (failures === 0) return [];
  const what = source === "dns" ? `DNS fails for ${isolated(name)}` : "The registered instances cannot be read";
  const used = age === null ? "There was no answer yet; the url of the settings is used." : `The last answer, ${timeLeft(age)} old, is used: ${counted(instances.length, "instance")}.`;
  return [problem(`discovery ${service} ${source}`, "warn", "not found", service, `${what}: ${isolated(reason)}`, `${used} Instances that are gone are found dead by their checks.`)];
}

/** A route whose clients get its fallbacks. */
function fallingBack({ route, active_for: seconds, service, cached, static: fixed, none }) {
  if (seconds === null) return [];
  return [problem(`fallbacks ${route}`, "warn", "fallback", route, "Its requests fail, and its clients get what its fallbacks give", `For ${timeLeft(seconds)} now. Since the start: ${count(service)} from another service, ${count(cached)} stored responses, ${count(fixed)} static ones, ${count(none)} without a fallback.`)];
}

/** The events of the gateway's services, routes and of itself, of which `events` (newest first) has those of all parts. */
export function gatewayEvents(events, { instances = [], routes = [] }) {
  const subjects = new Set(["gateway", ...instances.map(({ service }) => service), ...routes.map(({ prefix }) => prefix)]);
  return events.filter(({ subject }) => subjects.has(subject));
}

/** Whether an instance is not as it should be: such rows come first where there are many. */
export const isTroubled = (row) => trouble(row) !== null || !["healthy", "unknown"].includes(row.state);

/** `rows` with those that `isFirst` is true for before the others, each group in its order. */
export function firstOf(rows, isFirst) {
  return [...rows.filter(isFirst), ...rows.filter((row) => !isFirst(row))];
}


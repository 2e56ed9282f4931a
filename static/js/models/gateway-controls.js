/** What an operator may do with instances and breakers of the gateway, in words. Pure. */

import { count, counted, duration, percent } from "./number-format.js";
import { breakerText, listed } from "./overview.js";
import { word } from "./state-tones.js";

const CAUSES = {
  back_end: "failed several times in a row",
  connect: "could not be reached several times in a row",
  success_rate: "failed more often than the other instances",
  connect_rate: "could not be reached more often than the other instances",
  operator: "by an operator",
};
const FLOWS = { captions: "captions", requests: "clients' requests" };

/** The flows of an instance that are ejected: [{flow, left (seconds), cause (text)}]. */
export function ejections({ lanes = [] }) {
  return lanes
    .filter((lane) => lane.ejected_for !== null && lane.ejected_for !== undefined)
    .map((lane) => ({ flow: lane.flow, left: lane.ejected_for, cause: CAUSES[lane.ejection_cause] ?? "for an unknown reason" }));
}

/** "drained by an operator", "ejected for 12 s: …": why an instance gets no requests; null if it may get some. */
export function outOfUse({ is_drained: isDrained, lanes = [] }) {
  if (isDrained) return "drained by an operator";
  const out = ejections({ lanes });
  if (out.length === 0) return null;
  const texts = out.map(({ flow, left, cause }) => `${out.length === lanes.length ? "" : `${FLOWS[flow]}: `}ejected for ${duration(Math.max(1, Math.round(left)))}, ${cause}`);
  return [...new Set(texts)].join("; ");
}

/** For how long an instance has asked for no requests at all (429 or 503 with Retry-After); null if it has not. */
function restText(lanes = []) {
  const resting = lanes.filter(({ rests_for: left = null }) => left !== null);
  if (resting.length === 0) return null;
  const left = Math.max(...resting.map(({ rests_for: seconds }) => seconds));
  const whose = resting.length === lanes.length ? "" : `${FLOWS[resting[0].flow]}: `;
  return `${whose}rests for ${duration(Math.max(1, Math.round(left)))}, as it asked for`;
}

/**
 * What an instance gets: {text, isOut, share}. `share`: the part of its weight that it has in its slow start, null
 * where that is over or it gets none.
 */
export function useText(row) {
  const out = outOfUse(row);
  if (out !== null) return { text: out, isOut: true, share: null };
  if (!row.usable) return { text: OUT[row.state] ?? "gets none until its breaker admits a trial", isOut: true, share: null };
  const resting = restText(row.lanes);
  if (resting !== null) return { text: resting, isOut: true, share: null };
  const { slow_start_left: left = null, weight, weight_now: now } = row;
  if (left === null || now === null || now >= weight) return { text: "gets requests", isOut: false, share: null };
  return { text: `slow start: ${percent(now / weight)} of its share, all in ${duration(left >= 1 ? Math.round(left) : left)}`, isOut: false, share: now / weight };
}

/** "2 of 4 taken, found": how many requests at a time an instance gets; null where the gateway does not know it. */
export function placesText({ places_taken: taken, places_limit: limit, places_from: from }) {
  if (taken === null) return null;
  return limit === null ? `${count(taken)} taken, without a limit` : `${count(taken)} of ${count(limit)} taken, ${from === "found" ? "a limit that was found" : "as declared"}`;
}

const OUT = {
  unhealthy: "out of rotation: it is down",
  recovering: "out of rotation until it responds",
  unknown: "out of rotation until it responds",
  busy: "no new requests while it is busy",
};

/** One sentence on instances that are out of rotation, or back and slowly loaded, while others work; null if none is. */
export function rotation(rows) {
  const helped = rows.filter((row) => rows.some((other) => other.service === row.service && other.key !== row.key && other.usable && !useText(other).isOut));
  const out = helped.filter((row) => useText(row).isOut);
  if (out.length > 0) {
    const [row] = out;
    const rest = rows.filter((other) => other.service === row.service && other.usable && !useText(other).isOut).map(({ name }) => name);
    const subject = out.length === 1 ? row.name : `${count(out.length)} instances`;
    const text = `${subject} ${out.length === 1 ? "is" : "are"} out of rotation`;
    return out.length === 1 ? `${text} (${reason(row)}). Its requests go to ${listed(rest)}.` : `${text}. Their requests go to the others.`;
  }
  const back = helped.filter((row) => useText(row).share !== null).map(({ name }) => name);
  if (back.length === 0) return null;
  return `${listed(back)} ${back.length === 1 ? "is back and gets" : "are back and get"} slowly more requests.`;
}

/** Why it is out of rotation, without times: the sentence is read out whenever it changes. */
function reason(row) {
  const { is_drained: isDrained, lanes = [] } = row;
  if (isDrained) return "drained by an operator";
  const out = ejections(row);
  if (out.length > 0) return `${out.length === lanes.length ? "" : `for ${FLOWS[out[0].flow]}: `}ejected, ${out[0].cause}`;
  return row.state in OUT ? word(row.state) : useText(row).text;
}

/** How many other instances of its service get requests. */
function others(row, rows) {
  return rows.filter((other) => other.service === row.service && other.key !== row.key && (other.is_last_resort || (other.usable && !useText(other).isOut))).length;
}

/**
 * The actions for an instance, each with its confirmation. `rows`: all instances, to say what the others can take.
 * `isDangerous`: no other instance would get requests.
 */
export function actionsOf(row, rows) {
  const isLast = others(row, rows) === 0;
  const warning = isLast ? ` No other instance of ${row.service} gets requests, so clients get 503 and captions stop.` : "";
  const running = row.in_flight > 0 ? `${counted(row.in_flight, "request")} in flight ${row.in_flight === 1 ? "goes" : "go"} on.` : "No request is in flight.";
  const of = (action, verb, text, isDangerous = false) => ({ action, verb: `${verb} ${row.name}`, title: `${verb} ${row.name}?`, text, isDangerous });
  const found = [];
  if (row.is_drained || outOfUse(row) !== null) found.push(of("return", "Return", "It may get requests again at once, slowly more of them. This applies to all workers."));
  if (!row.is_drained) found.push(of("drain", "Drain", `It gets no new requests on any worker until you return it, also after a restart. ${running}${warning}`, isLast));
  const kept = isLast ? ` No other instance of ${row.service} gets requests, so it gets them all the same until one does.` : "";
  if (outOfUse(row) === null) found.push(of("eject", "Eject", `It gets no requests for a while (30 s the first time, unless the settings say otherwise) and then returns by itself. ${running}${kept}`, isLast));
  if (row.breaker !== "open") found.push(of("trip", "Open the breaker of", `It gets no requests until the breaker's cooldown is over; then a few try it. ${running}${warning}`, isLast));
  if (row.breaker !== "closed") found.push(of("reset", "Close the breaker of", "It gets requests again at once, and its failures are counted from zero."));
  return found;
}

/** The confirmation of a weight; `weight` null: that of the settings. */
export function weighing(row, weight) {
  const to = weight === null ? `the weight of the settings, ${count(row.configured_weight)}` : `the weight ${count(weight)}`;
  return { title: `Give ${row.name} ${to}?`, text: `Its share of the requests changes at once, on all workers. ${weight === null ? "Later changes in the settings apply again." : "It stays so, also after a restart, until it is changed here."}`, verb: "Change the weight" };
}

/** What a command did on each worker, in one sentence. */
export function controlled({ workers }, done) {
  if (!Array.isArray(workers)) return "The response does not say what was done. It is not known whether anything was changed; this page shows what holds now.";
  const missing = workers.filter((each) => each.outcome !== "done");
  if (missing.length === 0) return done;
  const names = missing.map((each) => `${each.worker} (${each.outcome === "unknown" ? "does not have this instance" : "did not reply"})`);
  return `${done} Not on ${names.join(", ")}.`;
}

/** A row for each service: its breaker, ejections and retries of each flow. */
export function services(gateway) {
  return (gateway.services ?? []).map(({ service, balancer, flows }) => ({
    key: service,
    service,
    balancer: balancer.replaceAll("_", " "),
    breaker: ofFlows(flows, (flow) => (flow.breaker === null ? "each instance has its own" : breakerText(flow.breaker, flow.breaker_retry_in))),
    isOpen: flows.some((flow) => flow.breaker === "open" || flow.breaker === "half_open"),
    hasBreaker: flows.some((flow) => flow.breaker !== null),
    ejected: ofFlows(flows, (flow) => `${count(flow.ejected)} of at most ${count(flow.most_ejected)}`),
    retries: ofFlows(flows, (flow) => `${count(flow.retries_left)} in ${count(flow.retry_window)} s`),
    refused: flows.reduce((sum, flow) => sum + flow.retries_refused, 0),
  }));
}

/** One text where the flows agree, else each with its name. */
function ofFlows(flows, text) {
  const texts = flows.map(text);
  if (new Set(texts).size <= 1) return texts[0] ?? "–";
  return flows.map((flow, index) => `${FLOWS[flow.flow]}: ${texts[index]}`).join(", ");
}

/** The confirmation for the breaker of a whole service. */
export function serviceBreaker({ service, isOpen }) {
  return isOpen
    ? { action: "reset", label: "Close breaker", title: `Close the breaker of ${service}?`, text: "Requests are sent to its instances again at once.", verb: `Close the breaker of ${service}`, isDangerous: false }
    : { action: "trip", label: "Open breaker", title: `Open the breaker of ${service}?`, text: "No instance of it gets requests until the breaker's cooldown is over: clients get 503 and captions stop.", verb: `Open the breaker of ${service}`, isDangerous: true };
}

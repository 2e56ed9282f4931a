/** The text of the Overview: its sentence, problems, and table rows. Pure: states in, text out. */

import { isolated } from "./bidi.js";
import { inMaintenance, maintenanceBanners } from "./maintenance.js";
import { count, counted, duration, percent } from "./number-format.js";
import { instanceState, word } from "./state-tones.js";
import { clockTime } from "./time-format.js";

/** What a back end's state means for users: while it works in part, rejects requests, or is unavailable. */
const MEANING = {
  "audio-service": {
    works: "Speech is still being transcribed.",
    refuses: "Speech is not transcribed until that is fixed.",
    away: "Speech is stored for a while and transcribed when it is back.",
  },
  "translation-service": {
    works: "Speech is still being translated.",
    refuses: "Captions have no translations until that is fixed.",
    away: "Captions have no translations until it is back.",
  },
};

/** Captions are late once an utterance has waited this many seconds; a success counts for this many. */
export const LATE = 10;
const FRESH = 60;

/** The sentence that captions are late, or null. Their tile shows by how much. */
function behind(speech) {
  return (speech?.waiting_longest ?? 0) >= LATE ? "Captions are late." : null;
}

/** What still works of a failing back end, by what it was seen to do. */
function works(service, speech) {
  const meaning = MEANING[service.name];
  if (service.refusal) return meaning?.refuses ?? "Its requests are rejected.";
  if (service.name === "audio-service" && behind(speech)) return behind(speech);
  const asked = speech?.back_ends?.find((each) => each.service === service.name);
  if (asked && (asked.answered_ago === null || asked.answered_ago > FRESH)) return "Requests are still sent to it.";
  return meaning?.works ?? "Requests are still answered.";
}

const FINE = new Set(["healthy", "unknown"]);

const isUsable = (service) => service.instances.some((instance) => instance.usable);

/** Names as a list: "a", "a and b", "a, b and c". */
export function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** The sentence about a failing store. */
function storing(store) {
  const why = store.brief ? `: ${isolated(store.brief)}` : "";
  return `Sessions cannot be stored right now${why}. Messages are queued, then rejected.`;
}

/**
 * One sentence on the service's state. A screen reader reads it whenever it changes, so it has no live figure.
 * `services`, `store`, `tree`, `speech`: the topics' states, null until known; `workers`: how many there are;
 * `alerts`: the topic's state, null until known; `insight`: the one that is shown, or null.
 */
export function sentence({ services, store = null, tree, speech, workers = 1, alerts = null, insight = null }) {
  if (tree?.state === "stopping") return "The service is stopping. Clients are asked to reconnect later.";
  if (!services) return "";
  const [shortage] = services.shortages ?? [];
  if (shortage) return shortage.text;
  const all = services.services;
  if (all.length === 0) return "No back end is configured.";
  const broken = tree?.branches.filter((branch) => ["failed", "backing_off"].includes(branch.state)) ?? [];
  if (broken.length > 0) return `${listed(broken.map((branch) => branch.name))} failed and will be restarted.`;
  if (store !== null && store.state !== "healthy") return storing(store);
  const away = all.filter((service) => !FINE.has(service.state) && !isUsable(service));
  if (away.length > 0) {
    const meaning = away.length === 1 ? MEANING[away[0].name]?.away : null;
    const alone = away.length === 1 ? absence(away[0]) : null;
    const verb = away.length === 1 ? "is" : "are";
    const how = alone === null || alone === "being started again" ? `${verb} ${alone ?? "not answering"}` : alone;
    return `${listed(away.map((service) => service.name))} ${how}. ${meaning ?? "Requests to it have to wait."}`;
  }
  const worse = all.filter((service) => !FINE.has(service.state));
  if (worse.length > 0) {
    const words = worse.length === 1 ? `${worse[0].name} is ${word(worse[0].state)}` : `${count(worse.length)} services have problems`;
    return `${words}. ${works(worse[0], speech)}`;
  }
  const starting = all.filter((service) => service.state === "unknown" && absence(service) !== null);
  if (starting.length > 0) return `${listed(starting.map((service) => service.name))} ${starting.length === 1 ? "is" : "are"} starting.`;
  const planned = new Set(inMaintenance(services).map(({ name }) => name));
  if (all.some((service) => service.state === "unknown" && !planned.has(service.name))) return "Waiting for the first checks of the back ends.";
  const late = behind(speech);
  if (late) return `${late} The audio-service is slow to answer.`;
  const critical = alerts?.firing.critical ?? 0;
  if (critical > 0) return `All back ends work, but ${critical === 1 ? "a critical alert fires" : `${count(critical)} critical alerts fire`}.`;
  if (planned.size > 0) return `${listed([...planned])} ${planned.size === 1 ? "is" : "are"} in maintenance.${planned.size < all.length ? " Everything else works." : ""}`;
  if (insight !== null) return "All back ends work, but something is unusual.";
  // Of several workers only this one's streams are known.
  const where = workers > 1 ? " on this worker" : "";
  if (speech?.streams > 0) return `Everything works. Speech is being transcribed${where}.`;
  return `Everything works. No speech is being transcribed${where} right now.`;
}

/**
 * The problems, worst first: [{key, tone, word, subject, text, more, since, action}].
 * `action` is {kind: "restart", service} or {kind: "link", href, label}, or null.
 */
export function problems({ services, store = null, tree, config, speech = null, alerts = null }) {
  const found = [];
  for (const branch of tree?.branches ?? []) {
    if (branch.state !== "failed" && branch.state !== "backing_off") continue;
    const error = branch.last_error;
    found.push({
      key: `branch ${branch.name}`,
      tone: "bad",
      word: word(branch.state),
      subject: branch.name,
      text: error ? `${error.type}${error.message ? `, ${isolated(error.message)}` : ""}` : "",
      more: `${counted(branch.restarts, "restart")} so far; more than ${branch.restart_limit} in ${duration(branch.restart_window)} stop the service.`,
      since: branch.since,
      action: { kind: "link", href: `/tree?branch=${encodeURIComponent(branch.name)}`, label: "Open the tree" },
    });
  }
  found.push(...shortageProblems(services));
  const isStoreFailing = found.some(({ key }) => key === "branch stores");
  if (store !== null && store.state !== "healthy" && !isStoreFailing) {
    found.push({
      key: "store",
      tone: "warn",
      word: word(store.state),
      subject: "The session store",
      text: store.reason,
      more: "Session messages are queued, then rejected; acknowledged messages are safe. Connections, the gateway and the back ends are not affected.",
      since: store.since,
      action: { kind: "link", href: "/tree?branch=stores", label: "Open the tree" },
    });
  }
  for (const service of services?.services ?? []) {
    if (FINE.has(service.state)) continue;
    found.push({
      key: `service ${service.name}`,
      tone: service.state === "unhealthy" ? "bad" : "warn",
      word: serviceWord(service),
      subject: service.name,
      text: service.reason,
      more: recovery(service, speech),
      since: service.since,
      action: service.restartable ? { kind: "restart", service: service.name } : null,
    });
  }
  if (config && config.file.faults.length > 0) {
    const [first] = config.file.faults;
    found.push({
      key: "file",
      tone: "warn",
      word: "not applied",
      subject: "The settings file",
      text: `${isolated(first.path)}: ${isolated(first.expected)}`,
      more: "The file was changed but is not valid; the service keeps the settings it had.",
      since: config.file.read_at,
      action: { kind: "link", href: "/settings", label: "Open settings" },
    });
  }
  found.push(...maintenanceBanners(services, alerts));
  const rank = { bad: 0, warn: 1, quiet: 2 };
  return found.sort((a, b) => rank[a.tone] - rank[b.tone]);
}

/** What the service itself is short of. */
export function shortageProblems(services) {
  return (services?.shortages ?? []).map((shortage) => ({
    key: `shortage ${shortage.kind}`,
    tone: "bad",
    word: "shortage",
    subject: "The service itself",
    text: shortage.text,
    more: `${isolated(shortage.last)} It happened ${shortage.times === 1 ? "once" : `${count(shortage.times)} times`}. It does not count against the back ends.`,
    since: shortage.since,
    action: null,
  }));
}

/** The state of a service as a word; of a single instance that has not come up, how its start goes. */
function serviceWord(service) {
  const [only, ...others] = service.instances;
  return only && others.length === 0 ? instanceState({ state: service.state, start: only.start }).text : word(service.state);
}

/** What the service does about a back end, or what the operator can do. */
function recovery(service, speech) {
  const meaning = isUsable(service) ? works(service, speech) : MEANING[service.name]?.away;
  const done = service.recovery?.text ?? (service.restartable ? "" : "The service did not start it; restart it where it runs.");
  return [isolated(done), meaning].filter(Boolean).join(" ");
}

/** One row an instance: the health checks' and the gateway's figures of the same URL. */
export function instances(services, gateway) {
  const seen = new Map((gateway?.instances ?? []).map((instance) => [`${instance.service} ${instance.url}`, instance]));
  return (services?.services ?? []).flatMap((service) =>
    service.instances.map((instance, index) => {
      const routed = seen.get(`${service.name} ${instance.url}`);
      return {
        key: `${service.name} ${instance.url}`,
        name: service.instances.length > 1 ? `${service.name}-${index + 1}` : service.name,
        service: service.name,
        restartable: service.restartable,
        recovery: instance.is_alone ? null : service.recovery,
        ...instance,
        breaker: routed?.breaker ?? null,
        breaker_retry_in: routed?.breaker_retry_in ?? null,
        lanes: routed?.lanes ?? [],
        weight: routed?.weight ?? instance.weight,
        configured_weight: routed?.configured_weight ?? instance.weight,
        weight_now: routed?.weight_now ?? null,
        slow_start_left: routed?.slow_start_left ?? null,
        is_last_resort: routed?.is_last_resort ?? false,
        warm_up: routed?.warm_up ?? "off",
        places_taken: routed?.places_taken ?? null,
        places_limit: routed?.places_limit ?? null,
        places_from: routed?.places_from ?? "unlimited",
        first_byte_ms: routed?.first_byte_ms ?? null,
        in_flight: routed?.in_flight ?? 0,
        sockets: routed?.sockets ?? 0,
        is_drained: routed?.is_drained ?? false,
        usable: routed?.usable ?? false,
        share: routed?.share ?? null,
        requests: routed?.requests ?? 0,
        errors: routed?.errors ?? 0,
        requests_last_minute: routed?.requests_last_minute ?? 0,
        errors_last_minute: routed?.errors_last_minute ?? 0,
      };
    }),
  );
}

/** The checks as text, for screen readers. */
export function checksText(checks) {
  if (checks.length === 0) return "No checks yet";
  const wrong = checks.filter((check) => check.state === "unhealthy").length;
  const slow = checks.filter((check) => ["degraded", "busy", "recovering"].includes(check.state)).length;
  const parts = [counted(checks.length, "check")];
  if (wrong > 0) parts.push(`${count(wrong)} failed`);
  if (slow > 0) parts.push(`${count(slow)} with problems`);
  if (wrong + slow === 0) parts.push(checks.length === 1 ? "good" : "all good");
  return parts.join(", ");
}

/** The window of the share of answered checks: "100 % of the last 45 checks, since 14:02:11"; "" before the first. */
export function answeredText({ answered, checks }) {
  if (answered === null || checks.length === 0) return "";
  return `${percent(answered)} of the last ${counted(checks.length, "check")}, since ${clockTime(checks[0].at)}`;
}

/** How the start of an instance goes: "failed 3 times in a row; may take 60 s"; null without one. */
export function startText({ start, recovery }) {
  if (!start) return null;
  const failed = start.failures > 0 ? `failed ${start.failures === 1 ? "once" : `${count(start.failures)} times in a row`}` : "";
  const next = start.phase === "failed" && (recovery?.next_in ?? null) !== null ? `started again in ${duration(Math.max(1, Math.round(recovery.next_in)))}` : "";
  const since = start.is_first ? "has not come up since the service began to check it" : "";
  return [failed, next, since, `may take ${duration(start.limit)}`].filter(Boolean).join("; ");
}

/** How a service that no request can be sent to does not work: what its instances show of their starts. */
function absence(service) {
  const phases = new Set(service.instances.map((instance) => instance.start?.phase ?? ""));
  if (phases.size !== 1) return null;
  return { failed: "failed to start", late: "did not come up in time", starting: "being started again" }[[...phases][0]] ?? null;
}

/** The p95 of one flow's requests to an instance in the last minute, in milliseconds; null without any. */
export function flowP95({ lanes }, flow) {
  return lanes.find((lane) => lane.flow === flow)?.p95_ms ?? null;
}

/** "closed", "open, tries again in 8 s", "half-open": the state of a breaker as text. */
export function breakerText(breaker, retryIn) {
  if (breaker === null) return "–";
  if (breaker === "open") return retryIn === null ? "open" : `open, one try in ${duration(Math.max(1, Math.round(retryIn)))}`;
  return breaker === "half_open" ? "half\u2011open" : breaker;
}

const FLOWS = { captions: "captions", requests: "clients' requests" };

/** The breakers of an instance: one text where both flows agree, else those that are not closed. */
export function breakersText({ breaker, breaker_retry_in, lanes = [] }) {
  const shut = lanes.filter((lane) => lane.breaker !== "closed");
  if (shut.length === 0 || shut.length === lanes.length) return breakerText(breaker, breaker_retry_in);
  return shut.map((lane) => `${FLOWS[lane.flow]}: ${breakerText(lane.breaker, lane.breaker_retry_in)}`).join(", ");
}

/** "3 of 64 connections busy, 2 waiting, breaker closed": one flow's share of an instance, and its use. */
export function laneText(lanes, flow) {
  const lane = lanes.find((each) => each.flow === flow);
  if (lane === undefined) return null;
  const waiting = lane.waiting > 0 ? `, ${count(lane.waiting)} of ${count(lane.waiting_limit)} places in the queue used` : "";
  const failed = lane.consecutive_failures > 0 ? `, ${counted(lane.consecutive_failures, "failure")} in a row` : "";
  const resting = (lane.resting_callers ?? 0) > 0 ? `; asked ${counted(lane.resting_callers, "client")} to wait` : "";
  const silent = (lane.overtaken_in_a_row ?? 0) > 1 ? `; ${count(lane.overtaken_in_a_row)} requests in a row were overtaken` : "";
  return `${count(lane.busy)} of ${counted(lane.connections, "connection")} busy${waiting}; breaker ${breakerText(lane.breaker, lane.breaker_retry_in)}${failed}${resting}${silent}`;
}

import assert from "node:assert/strict";
import { test } from "node:test";

import { freshness, waiting } from "../../static/js/models/connection-text.js";
import { Rates } from "../../static/js/models/rates.js";
import { activityCounts, activityPill, agentText, announcementResult, closeConfirmation, countText, limitProblems, limitText, loweredLimitProblems, matchingConnections, moreSessions, remoteQuery, sentence as connectionsSentence, sessionActivity } from "../../static/js/models/connections.js";
import { sentence as gatewaySentence } from "../../static/js/models/gateway.js";
import { breakerText, breakersText, checksText, instances, laneText, listed, problems, sentence, startText } from "../../static/js/models/overview.js";
import { filtered, held, sorted } from "../../static/js/models/table-rows.js";
import { extent, latest, runs, sparkline, usual, withGaps } from "../../static/js/models/series.js";
import { instanceState } from "../../static/js/models/state-tones.js";
import { faultProblems, grouped, isEditable, matching, otherWorkersText, parsed, sentence as settingsSentence, shown } from "../../static/js/models/settings.js";
import { absolute, relative } from "../../static/js/models/time-format.js";
import { fullness, sentence as treeSentence, stateText } from "../../static/js/models/tree.js";
import { workerStateText, silentWorkerProblems, workerLabel } from "../../static/js/models/workers.js";

const service = (name, state, { usable = state === "healthy" || state === "degraded", ...more } = {}) => ({
  name,
  state,
  reason: "connection refused",
  since: 100,
  restartable: true,
  recovery: null,
  instances: [{ url: `http://${name}`, state, reasons: [], usable, checks: [] }],
  ...more,
});
const branch = (name, state, more = {}) => ({
  name,
  state,
  since: 90,
  uptime: 10,
  restarts: 0,
  restart_limit: 5,
  restart_window: 60,
  backoff_until: null,
  last_error: null,
  ...more,
});
const running = { state: "running", branches: [branch("stores", "running")] };

test("the Overview's sentence gives the state and what it means for users", () => {
  const say = (...services) => sentence({ services: { services }, tree: running, speech: { streams: 0 } });
  assert.equal(say(service("audio-service", "healthy")), "Everything works. No speech is being transcribed right now.");
  assert.equal(say(service("audio-service", "unknown")), "Waiting for the first checks of the back ends.");
  assert.equal(say(service("translation-service", "degraded")), "translation-service is degraded. Speech is still being translated.");
  assert.equal(
    say(service("audio-service", "unhealthy")),
    "audio-service is not answering. Speech is stored for a while and transcribed when it is back.",
  );
  assert.match(say(service("audio-service", "unhealthy"), service("x", "unhealthy")), /^audio-service and x are not answering\./);
  assert.equal(say(), "No back end is configured.");
});

test("a back end that does not come up is told apart from one that is down", () => {
  const start = { phase: "failed", since: 90, is_first: true, failures: 1, limit: 60, why: "process ended with code 3", code: 3, output: ["no model"] };
  const of = (state, changes, recovery = null) => {
    const one = service("audio-service", state);
    return { ...one, recovery, instances: [{ ...one.instances[0], recovery, start: { ...start, ...changes } }] };
  };
  const say = (one) => sentence({ services: { services: [one] }, tree: running, speech: null });
  const named = (one) => problems({ services: { services: [one] }, tree: running, config: null }).map((each) => each.word);
  const first = of("unknown", { phase: "starting", failures: 0 });
  assert.equal(say(first), "audio-service is starting.");
  assert.deepEqual(named(first), []);
  const failed = of("unhealthy", {}, { attempt: 1, limit: 5, next_in: 4, text: "Restarts in 4 s." });
  assert.match(say(failed), /^audio-service failed to start\. Speech is stored/);
  assert.deepEqual(named(failed), ["failed to start"]);
  assert.deepEqual(instanceState(failed.instances[0]), { text: "failed to start", tone: "bad" });
  assert.equal(startText(failed.instances[0]).replaceAll("\u00a0", " "), "failed once; started again in 4 s; has not come up since the service began to check it; may take 1 min");
  const again = of("recovering", { phase: "starting", failures: 2 });
  assert.match(say(again), /^audio-service is being started again\./);
  assert.deepEqual(named(again), ["starting again"]);
  const late = of("recovering", { phase: "late", failures: 0 });
  assert.match(say(late), /^audio-service did not come up in time\./);
  assert.deepEqual(named(late), ["late to start"]);
  assert.equal(startText({ start: undefined }), null);
  assert.deepEqual(instanceState({ state: "degraded", start }), { text: "degraded", tone: "warn" });
});

test("a back end is said to work only where it was seen to work", () => {
  const say = (one, speech) => sentence({ services: { services: [one] }, tree: running, speech });
  const asked = (answered_ago) => ({ streams: 1, waiting_seconds: 0, back_ends: [{ service: "audio-service", answered_ago }] });
  const degraded = service("audio-service", "degraded");
  assert.match(say(degraded, asked(2)), /Speech is still being transcribed/);
  assert.doesNotMatch(say(degraded, asked(300)), /still being transcribed/);
  assert.doesNotMatch(say(degraded, asked(null)), /still being transcribed/);
  assert.match(say({ ...degraded, refusal: "refuses requests with 401" }, asked(2)), /not transcribed until that is fixed/);
  assert.match(say(degraded, { ...asked(2), waiting_longest: 12.3 }), /Captions are late\.$/);
  const healthy = service("audio-service", "healthy");
  assert.equal(say(healthy, { ...asked(2), waiting_longest: 12.3 }), say(healthy, { ...asked(2), waiting_longest: 15.1 }), "what is read out has no figure that ticks");
  assert.match(say(healthy, { ...asked(2), waiting_longest: 12.3 }), /^Captions are late\./);
  assert.match(say(healthy, { ...asked(2), waiting_seconds: 40, waiting_longest: 2 }), /^Everything works/, "ten who speak at once are not late");
  const refused = { ...degraded, reason: "refuses requests with 401: bad key", refusal: "x" };
  const [banner] = problems({ services: { services: [refused] }, tree: running, config: null, speech: asked(2) });
  assert.match(banner.text, /401: bad key/);
  assert.match(banner.more, /not transcribed until/);
});

test("problems of the tree come before those of the back ends", () => {
  const tree = { state: "running", branches: [branch("websocket", "backing_off")] };
  const services = { services: [service("audio-service", "unhealthy")] };
  assert.equal(sentence({ services, tree, speech: null }), "websocket failed and will be restarted.");
  assert.match(sentence({ services, tree: { state: "stopping", branches: [] }, speech: null }), /is stopping/);
  assert.equal(sentence({ services: null, tree: running, speech: null }), "");
});

test("a failing store is in the sentence and in a banner, with what to do", () => {
  const store = { engine: "redis", state: "degraded", reason: "Redis at redis://r: it is full.", since: 70, cautions: [] };
  const services = { services: [service("a", "healthy")] };
  assert.match(sentence({ services, store, tree: running, speech: null }), /cannot be stored right now/);
  const [found, ...more] = problems({ services, store, tree: running, config: null });
  assert.deepEqual(more, []);
  assert.deepEqual([found.key, found.tone, found.word, found.text, found.since], ["store", "warn", "degraded", store.reason, 70]);
  assert.equal(found.action.href, "/tree?branch=stores");
  const failing = { state: "running", branches: [branch("stores", "backing_off")] };
  assert.deepEqual(problems({ services, store, tree: failing, config: null }).map(({ key }) => key), ["branch stores"]);
  const well = { ...store, state: "healthy", reason: "", cautions: ["appendonly is off"] };
  assert.deepEqual(problems({ services, store: well, tree: running, config: null }), []);
});

test("speaking participants are counted", () => {
  const services = { services: [service("audio-service", "healthy")] };
  assert.match(sentence({ services, tree: running, speech: { streams: 1 } }), /Speech is being transcribed\./);
  assert.match(sentence({ services, tree: running, speech: { streams: 0 }, workers: 2 }), /No speech is being transcribed on this worker right now\.$/);
  assert.match(sentence({ services, tree: running, speech: { streams: 3 } }), /Speech is being transcribed\./);
});

test("a lowered connection limit is shown as a problem", () => {
  assert.deepEqual(loweredLimitProblems({ limit_reason: "" }), []);
  assert.deepEqual(loweredLimitProblems({}), []);
  const [found] = loweredLimitProblems({ limit_reason: "10,000 connections were asked for; 512 fit." });
  assert.equal(found.text, "10,000 connections were asked for; 512 fit.");
});

test("a usage is shown beside its limit, and as a banner near it", () => {
  const sum = (name, taken, limit) => ({ name, taken, limit, setting: `x.${name}`, is_shared: true });
  assert.deepEqual(limitText(sum("stored_bytes", 2 ** 20, 2 ** 30)), { word: "Stored of all sessions", taken: "1\u00a0MB", limit: "1.1\u00a0GB", state: "has room", tone: "ok" });
  assert.equal(limitText(sum("waiting_speech_seconds", 12.4, 1800)).taken, "12 s");
  assert.equal(limitText(sum("something_new", 1, 2)).word, "something_new");
  const pool = { sums: [sum("sessions", 89, 100), sum("streams", 90, 100), sum("stored_bytes", 5, 4)] };
  const said = limitProblems(pool);
  assert.deepEqual(said.map(({ key, tone, word }) => [key, tone, word]), [
    ["sum-streams", "warn", "nearly full"],
    ["sum-stored_bytes", "bad", "full"],
  ]);
  assert.match(said[1].more, /Captions go on/);
  assert.match(said[0].text, /90 of 100 are in use \(x.streams\)/);
});

test("a shortage of the service itself comes first, and no back end is blamed", () => {
  const text = "The orchestration service is out of file descriptors. Raise the limit of open files.";
  const shortages = [{ kind: "descriptors", text, last: "http://a:1 cannot be checked.", since: 5, times: 3 }];
  const services = { services: [service("a", "healthy")], shortages };
  assert.equal(sentence({ services, tree: running, speech: null }), text);
  const [found, ...more] = problems({ services, tree: running, config: null });
  assert.deepEqual(more, []);
  assert.equal(found.subject, "The service itself");
  assert.equal(found.text, text);
  assert.match(found.more, /cannot be checked\. It happened 3 times\./);
});

test("problems are sorted worst first, each with what is done and what can be done", () => {
  const found = problems({
    services: {
      services: [
        service("a", "healthy"),
        service("b", "recovering", { recovery: { text: "Starting it again." }, usable: false }),
        service("c", "unhealthy", { restartable: false }),
      ],
    },
    tree: { branches: [branch("gateway", "backing_off", { last_error: { type: "OSError", message: "no" }, restarts: 1 })] },
    config: { file: { faults: [{ path: "x", expected: "a number" }], read_at: 5 } },
  });
  assert.deepEqual(found.map(({ tone }) => tone), ["bad", "bad", "warn", "warn"]);
  assert.deepEqual(found.map(({ key }) => key), ["branch gateway", "service c", "service b", "file"]);
  assert.deepEqual(found[2].action, { kind: "restart", service: "b" });
  assert.match(found[2].more, /Starting it again\./);
  assert.equal(found[1].action, null);
  assert.match(found[1].more, /start it where it runs/);
  assert.equal(found[0].text, "OSError, no");
});

test("without problems, or before they are known, there is no banner", () => {
  assert.deepEqual(problems({ services: { services: [service("a", "healthy"), service("b", "unknown")] }, tree: running, config: null }), []);
  assert.deepEqual(problems({ services: null, tree: null, config: null }), []);
});

test("an instance's row joins what health and the gateway know of one address", () => {
  const two = service("a", "healthy");
  two.instances.push({ ...two.instances[0], url: "http://a2" });
  const rows = instances({ services: [two, service("b", "healthy")] }, { instances: [{ service: "a", url: "http://a2", breaker: "open", breaker_retry_in: 3, share: 0.5, p95_ms: 9, requests: 2, errors: 1 }] });
  assert.deepEqual(rows.map(({ name, breaker }) => [name, breaker]), [["a-1", null], ["a-2", "open"], ["b", null]]);
  assert.deepEqual(instances(null, null), []);
});

test("each flow's share of an instance is text", () => {
  const lane = (flow, more = {}) => ({ flow, breaker: "closed", breaker_retry_in: null, busy: 3, connections: 64, waiting: 0, waiting_limit: 256, consecutive_failures: 0, ...more });
  const both = [lane("captions"), lane("requests", { breaker: "open", breaker_retry_in: 8, waiting: 2, consecutive_failures: 5 })];
  assert.equal(laneText(both, "captions").replaceAll("\u00a0", " "), "3 of 64 connections busy; breaker closed");
  assert.match(laneText(both, "requests").replaceAll("\u00a0", " "), /3 of 64 connections busy, 2 of 256 places in the queue used; breaker open, one try in 8 s, 5 failures in a row/);
  assert.equal(laneText([], "captions"), null);
  const row = { breaker: "open", breaker_retry_in: 8, lanes: both };
  assert.equal(breakersText(row).replaceAll("\u00a0", " "), "clients' requests: open, one try in 8 s");
  assert.equal(breakersText({ ...row, lanes: [] }).replaceAll("\u00a0", " "), "open, one try in 8 s");
  assert.equal(breakersText({ breaker: "closed", breaker_retry_in: null, lanes: [lane("captions"), lane("requests")] }), "closed");
});

test("checks and breakers are text", () => {
  assert.equal(checksText([]), "No checks yet");
  assert.equal(checksText([{ state: "healthy" }]), "1 check, good");
  assert.equal(checksText([{ state: "healthy" }, { state: "unhealthy" }, { state: "recovering" }]), "3 checks, 1 failed, 1 with problems");
  assert.equal(breakerText(null, null), "–");
  assert.equal(breakerText("open", 0.2).replaceAll("\u00a0", " "), "open, one try in 1 s");
  assert.equal(breakerText("closed", null), "closed");
  assert.equal(listed(["a", "b", "c"]), "a, b and c");
});

test("a gap is a gap in lines, tables and summaries", () => {
  assert.deepEqual(runs([1, null, 2, 3]).map(({ from, values }) => [from, values]), [[0, [1]], [2, [2, 3]]]);
  assert.equal((sparkline([1, 2, null, 3], { width: 30, height: 10 }).line.match(/M/g) ?? []).length, 2);
  assert.equal(sparkline([], { width: 30, height: 10 }).line, "");
  assert.equal(sparkline([null, null], { width: 30, height: 10 }).area, "");
  assert.equal(latest([1, null]), 1);
  assert.deepEqual(extent([null, 2, 8, null]), { low: 2, high: 8, last: 8, known: 2 });
  assert.deepEqual(extent([null]), { low: null, high: null, last: null, known: 0 });
});

test("missing samples are a gap too", () => {
  assert.deepEqual(withGaps([0, 5, 60, 65], [[1, 2, 3, 4]], 5), [[0, 5, 10, 60, 65], [1, 2, null, 3, 4]]);
});

test("a sparkline stands on zero", () => {
  assert.match(sparkline([0, 10], { width: 10, height: 10, top: 0 }).line, /^M0 10L10 0$/);
  assert.match(sparkline([5, 5], { width: 10, height: 10, top: 0, limit: 10 }).line, /^M0 5L10 5$/);
});

test("a usual value needs enough known ones", () => {
  assert.equal(usual([1, 2, 3]), null);
  assert.equal(usual(Array.from({ length: 13 }, (_, index) => index)), 6);
});

test("rows are found by every word, in any order", () => {
  const rows = [{ name: "Ana", at: "10.0.0.1" }, { name: "Omar", at: "10.0.0.2" }];
  const words = (row) => [row.name, row.at];
  assert.deepEqual(filtered(rows, " 10.0 ANA ", words), [rows[0]]);
  assert.deepEqual(filtered(rows, "", words), rows);
  assert.deepEqual(filtered(rows, "ana omar", words), []);
});

test("sorting keeps equals in their order and the unknown at the end", () => {
  const rows = [{ k: 2 }, { k: null }, { k: 1, n: "a" }, { k: 1, n: "b" }];
  assert.deepEqual(sorted(rows, (row) => row.k).map(({ k, n }) => [k, n]), [[1, "a"], [1, "b"], [2, undefined], [null, undefined]]);
  assert.deepEqual(sorted(rows, (row) => row.k, "descending").map(({ k }) => k), [2, 1, 1, null]);
  assert.deepEqual(sorted([{ k: "b10" }, { k: "b9" }], (row) => row.k).map(({ k }) => k), ["b9", "b10"]);
});

test("held rows keep their order, new ones are last", () => {
  assert.deepEqual(held([{ id: "c" }, { id: "a" }, { id: "b" }], ["b", "a"], (row) => row.id).map(({ id }) => id), ["b", "a", "c"]);
});

test("times are relative below an hour and absolute from there on", () => {
  const now = new Date(2025, 10, 24, 14, 30, 0).getTime() / 1000;
  assert.equal(relative(now - 1, now), "now");
  assert.equal(relative(now - 12, now), "12 s ago");
  assert.equal(relative(now - 300, now), "5 min ago");
  assert.equal(relative(now + 30, now), "in 30 s");
  assert.equal(relative(now - 2 * 3600, now), "12:30");
  assert.equal(relative(now - 86_400, now), "23 Nov, 14:30");
  assert.equal(relative(now - 366 * 86_400, now), "23 Nov 2024, 14:30");
  assert.equal(relative(null, now), "–");
  assert.equal(absolute(now), "24 Nov 2025, 14:30:00");
});

test("the connection bar counts down, and tells a lost connection from one that never was", () => {
  assert.equal(waiting({ state: "live", retryIn: null, wasLive: true }), null);
  assert.equal(waiting({ state: "connecting", retryIn: null, wasLive: false }), null);
  assert.equal(waiting({ state: "stopped", retryIn: null, wasLive: false }), null);
  assert.deepEqual(waiting({ state: "waiting", retryIn: 2.2, reason: "lost", wasLive: true }), {
    text: "The connection to the service is lost. The figures shown are the last ones received.",
    next: "Trying again in 3 s",
  });
  assert.equal(waiting({ state: "waiting", retryIn: 0, wasLive: false }).next, "Trying now");
  const asOf = new Date(2026, 10, 28, 14, 2, 11).getTime() / 1000;
  const seen = { state: "waiting", retryIn: 2.2, wasLive: true, asOf };
  assert.equal(waiting(seen).text, "The connection to the service is lost. The figures shown are as of 14:02:11.");
  assert.equal(waiting({ ...seen, cause: "A proxy did it." }).text, "The connection to the service is lost. A proxy did it. The figures shown are as of 14:02:11.");
  assert.equal(waiting({ ...seen, wasLive: false }).text, "The service cannot be reached.");
  assert.equal(waiting({ ...seen, wasLive: false, cause: "A proxy did it." }).text, "A proxy did it.");
  assert.equal(waiting({ state: "stopped", retryIn: null, reason: "Too many.", wasLive: true }).text, "Too many. The figures shown are the last ones received.");
});

test("figures are old after two beats, and only where there is a beat", () => {
  assert.deepEqual(freshness({ state: "live", age: 12.7, limit: 6 }), { state: "stale", text: "12 s old" });
  assert.deepEqual(freshness({ state: "live", age: 12.7, limit: null }), { state: "live", text: "live" }, "silence means that nothing has changed");
  assert.equal(freshness({ state: "live", age: 0.4, limit: 6 }).text, "live · updated now");
  assert.equal(freshness({ state: "live", age: 4.2, limit: 6 }).text, "live · updated 4 s ago");
  assert.deepEqual(freshness({ state: "waiting", age: 1, limit: 6 }), { state: "waiting", text: "not connected" });
  assert.deepEqual(freshness({ state: "connecting", age: null, limit: 6 }), { state: "connecting", text: "connecting" });
});

test("a session has speakers while they speak, not while the rest is transcribed", () => {
  assert.equal(sessionActivity({ speaking: 2, streams: 3 }), "2 speaking");
  assert.equal(sessionActivity({ speaking: 0, streams: 1 }), "1 stream being transcribed");
  assert.equal(sessionActivity({ speaking: 0, streams: 0 }), "");
});

test("connections are counted and filtered by activity", () => {
  const connection = { doing: "listening", worker: "a" };
  const all = [connection, { ...connection, doing: "speaking" }, { ...connection, doing: "behind" }, { doing: "idle", worker: "b" }, { ...connection, doing: "closing" }];
  assert.deepEqual(all.map((each) => activityPill(each).word), ["listening", "speaking", "behind", "in no session", "closing"]);
  const doings = { listening: 9000, speaking: 3, behind: 1, idle: 5 };
  assert.deepEqual(activityCounts({ active: 9009, doings }).map(({ count }) => count), [9009, 3, 9000, 1, 5, 0]);
  assert.equal(matchingConnections(all, { doing: "behind", worker: "" }).length, 1);
  assert.equal(matchingConnections(all, { doing: "", worker: "" }).length, 5);
  assert.equal(matchingConnections(all, { doing: "", worker: "b" }).length, 1);
  assert.equal(countText({ matching: 2, listed: 2, active: 14 }), "2 of 14 match");
  assert.equal(countText({ matching: 2310, listed: 500, active: 12000 }), "2,310 of 12,000 match; 500 of them are listed");
  assert.equal(countText({ matching: 1458, listed: 500, active: 1458 }), "the newest 500 of 1,458");
  assert.equal(countText({ matching: 1458, listed: 500, active: 1458, isSorted: true }), "the first 500 of 1,458");
  assert.equal(countText({ matching: 14, listed: 14, active: 14 }), "14 connections");
  assert.match(connectionsSentence({ active: 10, limit: 10, doings, workers: [] }), /limit has been reached/);
  assert.match(connectionsSentence({ active: 1, limit: 10, doings, workers: [] }), /One connection is behind/);
  assert.equal(connectionsSentence({ active: 0, limit: 10, doings: {}, workers: [] }), "Nobody is connected.");
  assert.match(connectionsSentence({ active: 3, limit: 10, doings, workers: [] }, { state: "degraded", brief: "the disk is full" }), /cannot be stored right now: the disk is full\.$/);
  assert.match(connectionsSentence({ active: 0, limit: 10, doings: {}, workers: [{ answered: false }] }), /^One worker does not reply; its connections are not counted\.$/);
  assert.equal(moreSessions({ sessions: ["a"], session_count: 1 }), "");
  assert.equal(moreSessions({ sessions: ["a"], session_count: 57 }), " and 56 more");
});

test("the service is queried only for connections that the topic does not list", () => {
  const nothing = { find: " ", doing: "", worker: "", sort: null };
  const some = { active: 9000, connections: [{}] };
  assert.equal(remoteQuery({ active: 1, connections: [{}] }, { ...nothing, find: "ana" }), null);
  assert.equal(remoteQuery(some, nothing), null);
  assert.equal(remoteQuery(some, { ...nothing, sort: { label: "In /s", direction: "descending" } }), null);
  assert.equal(remoteQuery(some, { ...nothing, find: "ana b", doing: "behind" }), "find=ana+b&doing=behind");
  assert.equal(remoteQuery(some, { ...nothing, worker: "w", sort: { label: "Waiting", direction: "descending" } }), "worker=w&sort=queued_bytes&order=descending");
});

test("workers that did not apply a change are named, with the reason", () => {
  assert.equal(otherWorkersText([{ worker: "Worker 1", outcome: "applied", faults: [] }]), "");
  assert.equal(otherWorkersText([{ worker: "Worker 1", outcome: "no_answer", faults: [] }]), "Worker 1 did not reply; it applies the change once it can.");
  const refused = { worker: "Worker 2", outcome: "refused", faults: [{ path: "a.b", expected: "expected a URL" }] };
  assert.equal(otherWorkersText([refused]), "Worker 2 rejected it and keeps the value it had: a.b: expected a URL.");
});

test("workers are labelled by place, and by machine where there are several", () => {
  const [a, b, c] = [{ name: "a", place: 0, host: "x", pid: 1 }, { name: "b", place: 1, host: "x", pid: 2 }, { name: "c", place: 0, host: "y", pid: 3 }];
  assert.equal(workerLabel(a, [a, b]), "worker\u00a00");
  assert.equal(workerLabel(c, [a, b, c]), "worker\u00a00 at y");
  assert.equal(workerLabel({ name: "d", place: null, host: "z", pid: 4 }, [a]), "process 4 at z");
  assert.equal(workerLabel({ name: "e", place: null, host: null, pid: null }, [a]), "a worker at an unknown place");
});

test("a worker that does not reply is named, with the data that is missing", () => {
  const worker = (place, answered) => ({ worker: { name: `w${place}`, place, host: "x", pid: place }, answered });
  assert.deepEqual(silentWorkerProblems([worker(0, true), worker(1, true)], "connections", 5), []);
  const [one] = silentWorkerProblems([worker(0, true), worker(1, false)], "connections", 5);
  assert.equal(`${one.subject}: ${one.text}`, "Worker\u00a01: its connections are not shown.");
  assert.match(one.more, /^Process 1 at x may be busy/);
  const [two] = silentWorkerProblems([worker(0, false), worker(1, false)], "connections", 5);
  assert.equal(`${two.subject}: ${two.text}`, "Worker\u00a00 and worker\u00a01: their connections are not shown.");
  assert.equal(workerStateText({ answered: true, brief: { state: "running", amiss: [] } }), "all running");
  assert.equal(workerStateText({ answered: true, brief: { state: "running", amiss: ["gateway", "front"] } }), "gateway and front not running");
  assert.equal(workerStateText({ answered: false, brief: { state: "running", amiss: [] } }), "no reply");
});

test("the confirmation names the connection, and warns about the page's own", () => {
  assert.equal(closeConfirmation({ name: "Ana", address: "192.0.2.1:5" }, false).title, "Close the connection of Ana at 192.0.2.1:5?");
  assert.equal(closeConfirmation({ name: null, address: "192.0.2.1:5" }, false).title, "Close the connection of 192.0.2.1:5?");
  assert.match(closeConfirmation({ name: null, address: "a" }, true).text, /the page's own/);
});

test("the result of an announcement is one sentence", () => {
  assert.equal(announcementResult({ taken: 1458, evicted: 0, seconds: 0.031 }), "Sent to 1,458 connections in 31\u00a0ms.");
  assert.equal(announcementResult({ taken: 1, evicted: 1, seconds: 1.2 }), "Sent to 1 connection in 1.2\u00a0s; 1 was too slow and had to reconnect.");
  assert.match(announcementResult({ taken: 0, evicted: 12, seconds: 0 }), /12 were too slow/);
  assert.match(
    announcementResult({ taken: 3, evicted: 0, seconds: 2, missing: ["Worker 1 at x (process 7)"] }),
    /^Sent to 3 connections .*\. Worker 1 at x \(process 7\) did not reply: clients connected there may not have received it\.$/,
  );
});

test("rates are over the last seconds, and unknown before there are two values", () => {
  const rates = new Rates();
  const at = (now, sent, key = "a") => rates.add(now, [{ key, values: { sent } }]);
  at(0, 10);
  assert.equal(rates.of("a", "sent"), null);
  at(2, 30);
  assert.equal(rates.of("a", "sent"), 10);
  at(4, 30);
  assert.equal(rates.of("a", "sent"), 5);
  at(12, 30);
  assert.equal(rates.of("a", "sent"), null);
  at(13, 29);
  assert.equal(rates.of("a", "sent"), 0);
  at(14, 1, "b");
  assert.equal(rates.of("a", "sent"), null);
  assert.equal(rates.of("b", "sent"), null);
});

test("programs have short names", () => {
  assert.equal(agentText("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36"), "Chrome on Linux");
  assert.equal(agentText("python-websockets/13"), "python-websockets");
  assert.equal(agentText(null), "unknown program");
});

test("the Gateway's sentence names the services without a response", () => {
  const at = (name, usable, breaker = "closed") => ({ service: name, usable, breaker });
  const say = (list, more = {}) => gatewaySentence({ instances: list, error_rate: 0, requests_per_second: 1, ...more });
  assert.equal(say([at("a", true)]), "Requests are going through.");
  assert.match(say([at("a", false, "open"), at("b", true)]), /Requests to a get 503/);
  assert.match(say([at("a", false)]), /No instance accepts requests/);
  assert.match(say([at("a", true), at("a", true, "half_open")]), /One breaker is not closed/);
  assert.match(say([at("a", true, "half_open"), at("b", true)]), /A few requests try a again/);
  const shut = (flow) => ({ ...at("a", true, "open"), lanes: ["captions", "requests"].map((each) => ({ flow: each, is_admitting: each !== flow })) });
  assert.match(say([shut("captions")]), /Captions are not sent to a/);
  assert.match(say([shut("requests")]), /Clients' requests to a get 503 for now; captions go on/);
  assert.match(say([shut("captions"), shut("requests")]), /2 breakers are not closed/);
  assert.match(say([at("a", true)], { error_rate: 0.2 }), /More than 5\u00a0% of requests failed/);
  assert.match(say([]), /every request is refused/);
});

test("the Tree's sentence names the branches that are not running", () => {
  const say = (...branches) => treeSentence({ state: "running", uptime: 60, branches }).replaceAll("\u00a0", " ");
  assert.equal(say(branch("a", "running"), branch("b", "running")), "All 2 branches are running.");
  const ofWorker = { state: "running", uptime: 60, worker: 0, branches: [branch("a", "starting")] };
  assert.equal(treeSentence(ofWorker), "Worker 0: a is starting.");
  assert.equal(say(branch("a", "starting")), "a is starting.");
  assert.match(say(branch("a", "backing_off"), branch("b", "running")), /a failed; it is restarted soon/);
  assert.equal(stateText(branch("a", "backing_off", { backoff_until: 104.2 }), 100).replaceAll("\u00a0", " "), "next attempt in 5 s");
  assert.deepEqual(fullness({ fill: 9, limit: 10 }), { share: 0.9, tone: "warn" });
  assert.deepEqual(fullness({ fill: 0, limit: 0 }), { share: 0, tone: "" });
});

const config = {
  values: { "a.b.c": 3, "a.b.d": "", "a.key": "x", "a.b.on": true, "a.b.list": ["x"], "a.b.table": [{ p: 1 }] },
  sources: { "a.b.c": "file", "a.b.d": "default", "a.key": "runtime", "a.b.on": "runtime" },
  pending: [],
  refused: [],
  runtime: ["a.b.on"],
  file: { path: "f", read_at: 1, faults: [] },
};

test("settings are grouped, each value with its source", () => {
  const groups = grouped(config);
  assert.deepEqual(groups.map(({ group }) => group), ["a.b", "a"]);
  const by = Object.fromEntries(groups.flatMap(({ rows }) => rows).map((row) => [row.path, row]));
  assert.equal(by["a.b.c"].source, "file");
  assert.equal(by["a.b.on"].source, "runtime");
  assert.equal(by["a.key"].source, "command_line");
  assert.equal(by["a.b.list"].source, "default");
  assert.equal(matching(groups, "a.b 3", "").flatMap(({ rows }) => rows).length, 1);
  assert.equal(matching(groups, "", "file").length, 1);
  assert.deepEqual(matching(groups, "zzz", ""), []);
});

test("values are shown as they are, and empty ones are marked", () => {
  assert.deepEqual(["", null, "x", 3, ["a"], [{ p: 1 }, { p: 2 }]].map(shown), ["(empty)", "(none)", "x", "3", '["a"]', '{"p":1}\n{"p":2}']);
});

test("typed text becomes the old value's type, or is rejected with a sentence", () => {
  assert.deepEqual(parsed("20", 3), { value: 20 });
  assert.match(parsed("soon", 3).error, /number/);
  assert.match(parsed("", 3).error, /number/);
  assert.deepEqual(parsed("false", true), { value: false });
  assert.match(parsed("yes", true).error, /true or false/);
  assert.deepEqual(parsed("20", "x"), { value: "20" });
  assert.deepEqual(parsed('["a"]', []), { value: ["a"] });
  assert.match(parsed("[", []).error, /JSON/);
});

test("secrets and tables of tables are not edited on the page", () => {
  const row = (path, value) => ({ path, value });
  assert.equal(isEditable(row("orchestration.control_token", "(set)")), false);
  assert.equal(isEditable(row("services.x.api_key", "(set)")), false);
  assert.equal(isEditable(row("a.routes", [{}])), false);
  assert.equal(isEditable({ ...row("services.x.url", "http://x"), fixed: "is an address" }), false);
  assert.equal(isEditable(row("a.command", ["x"])), true);
  assert.equal(isEditable(row("a.timeout", 3)), true);
});

test("the Settings' sentence names the worst problem", () => {
  assert.match(settingsSentence({ ...config, file: { faults: [{}] } }), /is not valid: 1 fault\./);
  assert.match(settingsSentence({ ...config, pending: [{}] }), /One change waits for a restart/);
  assert.match(settingsSentence({ ...config, refused: [{}] }), /changed on another worker is not valid on this one/);
  assert.equal(settingsSentence({ ...config, sources: {}, runtime: [] }), "Every value is the default.");
  assert.equal(
    settingsSentence(config),
    "Everything is in force: 1 from the file, 1 from the command line, 1 changed here and 3 left at the default.",
  );
});

test("a file that is refused, and one that keeps changing, are problems on the Settings page", () => {
  const file = { path: "orchestration.yaml", read_at: 5, changing: false, faults: [{ path: "a.b", expected: "expected a number" }] };
  assert.deepEqual(
    faultProblems({ file, refused: [] }, null).map(({ subject, text, since }) => [subject, text, since]),
    [["a.b", "expected a number", 5]],
  );
  const [changing, ...rest] = faultProblems({ file: { ...file, faults: [], changing: true }, refused: [] }, null);
  assert.deepEqual([changing.tone, changing.subject, rest], ["warn", "orchestration.yaml", []]);
});

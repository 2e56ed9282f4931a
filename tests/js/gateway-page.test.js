/** What the Gateway page says: what is wrong, worst first; queues, limits, discovery; the course of a route. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { placesText, useText } from "../../static/js/models/gateway-controls.js";
import { firstOf, gatewayEvents, gatewayProblems, isTroubled } from "../../static/js/models/gateway-problems.js";
import { discoveryRows, drainingRows, leaseRows, limitRows, limitsNote, overloadNote, queueRows, routeExtras, socketsNote, usageRows } from "../../static/js/models/gateway-tables.js";
import { historyPath, readHistory } from "../../static/js/models/route-history.js";

const plain = (text) => text.replaceAll(/[\u00a0\u202f]/g, " ").replaceAll(/[\u2066-\u2069]/g, "");
const lane = (flow, more = {}) => ({ flow, breaker: "closed", breaker_retry_in: null, ejected_for: null, ejection_cause: null, ...more });
const row = (name, more = {}) => ({ key: `s ${name}`, name, service: "s", state: "healthy", reasons: [], usable: true, is_drained: false, breaker: "closed", breaker_retry_in: null, lanes: [lane("captions"), lane("requests")], ...more });
const queue = (more = {}) => ({ service: "s", priority: "live", waiting: 0, waiting_limit: 256, deadline: 2, is_overloaded: false, queued: 0, shed_deadline: 0, shed_queue_full: 0, ...more });
const gateway = (more = {}) => ({ places: 3, places_limit: 1024, queues: [queue()], services: [], discovery: [], ...more });
const found = (more, rows = [row("s-1"), row("s-2")], services = null) => gatewayProblems({ services, gateway: gateway(more), rows });
const texts = (problems) => problems.map(({ tone, word, subject, text }) => `${tone} ${word} ${subject}: ${plain(text)}`);

test("nothing wrong is no banner", () => {
  assert.deepEqual(found({}), []);
  // Of an older worker, which does not have these fields.
  assert.deepEqual(gatewayProblems({ services: {}, gateway: { places: 0, places_limit: 1 }, rows: [] }), []);
});

test("instances out of use are one problem for each service, with reasons, and bad where none is left", () => {
  const out = { lanes: ["captions", "requests"].map((flow) => lane(flow, { ejected_for: 24.6, ejection_cause: "back_end" })), usable: false };
  const [one] = found({}, [row("s-1"), row("s-2", out)]);
  assert.deepEqual(texts([one]), ["warn out of use s: s-2: ejected, failed several times in a row"]);
  assert.equal(plain(one.more), "s-2 returns in 25 s. 1 other instance of 2 gets its requests.");
  const open = { breaker: "open", breaker_retry_in: 7.2, usable: false, lanes: [] };
  assert.deepEqual(texts(found({}, [row("s", open)])), ["bad no instance s: breaker open"]);
  assert.match(plain(found({}, [row("s", open)])[0].more), /^It is tried in 7 s\. Until one works again/);
  assert.deepEqual(texts(found({}, [row("s-1", { state: "unhealthy", usable: false, reasons: ["connection refused"] }), row("s-2", out)])), ["bad no instance s: s-1: connection refused; s-2: ejected, failed several times in a row"]);
});

test("of many instances three are named and the others counted", () => {
  const rows = Array.from({ length: 50 }, (_, index) => row(`s-${index}`, index < 9 ? { breaker: "half_open", lanes: [] } : {}));
  const [one] = found({}, rows);
  assert.match(one.text, /^s-0: .*; s-1: .*; s-2: .*; 6 more$/);
  assert.equal(one.more, "A few requests try them, the rest go to 41 other instances.");
});

test("what an operator has drained is no problem while others work", () => {
  const drained = row("s-2", { is_drained: true, usable: false });
  assert.deepEqual(found({}, [row("s-1"), drained]), []);
  assert.deepEqual(texts(found({}, [drained])), ["bad no instance s: s-2: drained by an operator"]);
});

test("full places, queues, retry budgets and failing discovery are said with what follows from them", () => {
  const more = {
    places: 1024,
    queues: [queue({ waiting: 256 }), queue({ priority: "batch", waiting: 3, waiting_limit: 64, is_overloaded: true }), queue({ priority: "interactive" })],
    services: [{ service: "s", flows: [{ retries_left: 0, retries_refused: 7, retry_window: 10 }, { retries_left: 3, retries_refused: 0, retry_window: 10 }] }],
    discovery: [{ service: "s", source: "dns", name: "s.example", failures: 2, problem: "no such name", age: 912, instances: ["a"] }],
  };
  assert.deepEqual(texts(found(more)), [
    "bad full This process: All 1,024 places for clients' requests are used; further ones get 503",
    "warn queue full s: Too many requests wait for a place: live (full) and batch",
    "warn no retries left s: The retry budget of the last 10 s is used up, so requests are repeated only if their instance was lost",
    "warn not found s: DNS fails for s.example: no such name",
  ]);
  assert.match(plain(found(more)[1].more), /^Now: 256 of at most 256 live and 3 of at most 64 batch\./);
  const never = found({ discovery: [{ service: "s", source: "registry", name: "", failures: 1, problem: "away", age: null, instances: [] }] })[0];
  assert.match(plain(never.more), /^There was no answer yet/);
});

test("what changes by itself is not in the texts that screen readers read", () => {
  const at = (seconds) => {
    const out = row("s-2", { usable: false, lanes: ["captions", "requests"].map((flow) => lane(flow, { ejected_for: seconds, ejection_cause: "connect" })) });
    const open = row("s-3", { usable: false, breaker: "open", breaker_retry_in: seconds });
    const more = {
      queues: [queue({ waiting: 200 + seconds, is_overloaded: true })],
      fallbacks: [{ route: "/a", service: seconds, cached: 0, static: 0, none: 0, active_for: seconds }],
      discovery: [{ service: "s", source: "dns", name: "s.example", failures: seconds, problem: "no such name", age: seconds, instances: ["a"] }],
    };
    return found(more, [row("s-1"), out, open]);
  };
  assert.equal(at(9).length, 4);
  assert.deepEqual(texts(at(9)), texts(at(5)));
  assert.notDeepEqual(at(9), at(5));
});

test("a shortage of the service's own comes first, and at most six problems are listed", () => {
  const shortages = { shortages: [{ kind: "memory", text: "96 % of memory.", last: "Last.", since: 5, times: 1 }] };
  const problems = found({ queues: Array.from({ length: 9 }, (_, index) => queue({ service: `s${index}`, waiting: 256 })) }, [], shortages);
  assert.equal(problems.length, 6);
  assert.equal(problems[0].key, "shortage memory");
  assert.equal(problems[5].subject, "5 further problems");
});

test("the events of back ends and routes are listed, not those of other parts", () => {
  const events = ["b", "service", "gateway", "/api/x", "store"].map((subject) => ({ subject }));
  const gateway = { instances: [row("b")], routes: [{ prefix: "/api/x" }] };
  assert.deepEqual(gatewayEvents(events, gateway).map(({ subject }) => subject), ["gateway", "/api/x"]);
  assert.deepEqual(gatewayEvents([{ subject: row("b").service }], gateway).length, 1);
});

test("an instance that a few requests try again is not out of use", () => {
  const trial = row("s-2", { breaker: "half_open" });
  const [one] = found({}, [row("s-1"), trial]);
  assert.deepEqual([one.word, plain(one.text), one.more], ["on trial", "s-2: breaker half\u2011open", "A few requests try it, the rest goes to the other instance."]);
  const ejected = { ...trial, lanes: [lane("captions"), lane("requests", { ejected_for: 9, ejection_cause: "back_end" })] };
  assert.equal(found({}, [row("s-1"), ejected])[0].word, "out of use");
  assert.equal(found({}, [row("s-1"), trial, row("s-3", { usable: false, state: "unhealthy" })])[0].word, "out of use");
});

test("where ejected instances are asked for want of a better one, nobody is told of 503", () => {
  const out = { usable: false, is_last_resort: true, lanes: ["captions", "requests"].map((flow) => lane(flow, { ejected_for: 9, ejection_cause: "operator" })) };
  const [problem] = found({}, [row("s-1", out), row("s-2", { usable: false, is_drained: true })]);
  assert.match(plain(problem.more), /Until one is back, requests are sent to s-1 all the same/);
  assert.doesNotMatch(problem.more, /503/);
});

test("what is done about an instance that is out stands with it", () => {
  const recovery = { text: "a-2: restarts in 2 s, attempt 1 of 5." };
  const rows = [row("a"), row("b", { usable: false, state: "unhealthy", reasons: ["process ended by signal 9"], recovery })];
  const [problem] = gatewayProblems({ services: null, gateway: gateway(), rows });
  assert.match(plain(problem.more), /restarts in 2 s, attempt 1 of 5\..* 1 other instance of 2 gets its requests\./);
});

test("rows with problems come first, each group in its order", () => {
  const rows = [row("a"), row("b", { state: "degraded" }), row("c"), row("d", { usable: false })];
  assert.deepEqual(firstOf(rows, isTroubled).map(({ name }) => name), ["b", "d", "a", "c"]);
});

test("a slow start is shown with its share and the time left", () => {
  const started = useText(row("a", { weight: 4, weight_now: 1, slow_start_left: 7.4 }));
  assert.deepEqual([plain(started.text), started.share, started.isOut], ["slow start: 25 % of its share, all in 7 s", 0.25, false]);
  assert.equal(useText(row("a", { weight: 4, weight_now: 4, slow_start_left: null })).text, "gets requests");
  assert.deepEqual([useText(row("a", { usable: false })).isOut, useText(row("a", { is_drained: true })).text], [true, "drained by an operator"]);
});

test("places that are not known, unlimited or limited are three texts", () => {
  assert.equal(placesText({ places_taken: null }), null);
  assert.equal(placesText({ places_taken: 2, places_limit: null, places_from: "unlimited" }), "2 taken, without a limit");
  assert.equal(placesText({ places_taken: 2, places_limit: 4, places_from: "found" }), "2 of 4 taken, a limit that was found");
});

test("a queue says how full it is, and how long one waits", () => {
  const [calm, full] = queueRows({ queues: [queue(), queue({ priority: "batch", waiting: 256, is_overloaded: true, deadline: 120, shed_deadline: 41, shed_queue_full: 12 })] });
  assert.deepEqual([calm.waitingText, plain(calm.deadlineText), calm.isFull, calm.tone], ["0 of 256", "2 s", false, ""]);
  assert.deepEqual([full.isFull, full.share, full.tone], [true, 1, "warn"]);
  assert.equal(plain(full.deadlineText), "12 s, overloaded");
  assert.deepEqual(queueRows({}), []);
});

test("a limit that nothing came under has no share, and unchecked requests are named", () => {
  const limit = { name: "a", per: "key", requests: 100, window: 60, route: "", allowed: 0, refused: 0 };
  const [none, some] = limitRows({ rate_limits: [limit, { ...limit, name: "b", allowed: 3, refused: 1, route: "/x" }] });
  assert.deepEqual([none.share, plain(none.limitText), none.perText, none.routeText], [null, "100 requests in 1 min", "each key", "all routes"]);
  assert.deepEqual([some.share, some.routeText], [0.25, "/x"]);
  assert.equal(limitsNote({ rate_limits: [] }), "");
  assert.equal(limitsNote({ rate_limits: [limit], rate_buckets: 1 }), "1 bucket not full");
  assert.match(limitsNote({ rate_limits: [limit], rate_buckets: 0, rates_unchecked: 31 }), /31 requests let through unchecked/);
});

test("discovery: the age of the last good answer, and that there was none is not 0", () => {
  const source = { service: "s", source: "dns", name: "s.example", instances: ["a"], age: 12.2, next_in: 0.6, failures: 0, problem: "", left_out: 0 };
  const [good, failing, none] = discoveryRows({ discovery: [source, { ...source, failures: 2, problem: "no answer", left_out: 3 }, { ...source, source: "registry", age: null, next_in: null, instances: [] }] });
  assert.deepEqual([good.stateWord, plain(good.ageText), plain(good.nextText), plain(good.sourceText)], ["answers", "12 s ago", "within 1 s", "DNS, s.example"]);
  assert.deepEqual([failing.stateWord, failing.tone, failing.foundText, failing.stateText], ["failing", "warn", "1, 3 left out", "2 failures in a row: no answer"]);
  assert.deepEqual([none.stateWord, none.ageText, none.nextText], ["waiting", "none yet", "–"]);
});

test("leases: the one that ends first at the top; draining: what is left", () => {
  const leases = [
    { instance: "a", url: "http://a", seconds_left: 22 },
    { instance: "b", url: "http://b", seconds_left: 0 },
  ];
  const rows = leaseRows({ discovery: [{ service: "s", leases }, { service: "t" }] });
  assert.deepEqual(rows.map(({ instance, leftText }) => `${instance} ${plain(leftText)}`), ["b has ended", "a 22 s"]);
  assert.equal(plain(drainingRows({ draining: [{ service: "s", url: "u", in_flight: 2, seconds_left: 20.6 }] })[0].leftText), "21 s");
});

test("this process: uses with limits, and memory without one is said to have none", () => {
  const state = { places: 512, places_limit: 1024, spooled_bytes: 0, spool_limit: 1000 };
  const overload = { uses: [{ resource: "memory", used: 96, limit: 100, step: 2 }], no_keep_alive: 0.92, refuse: 0.95, refused: 1 };
  const rows = usageRows(state, overload);
  assert.deepEqual(rows.map(({ name, share, tone }) => [name, share, tone]), [["Places for clients' requests", 0.5, ""], ["Uploads on the disk", 0, ""], ["Memory", 0.96, "warn"]]);
  assert.match(rows[2].text, /new work is refused$/);
  assert.match(plain(overloadNote(overload)), /from 95 % new work is refused; 1 request was since the start/);
  const unlimited = usageRows(state, { ...overload, uses: [] }).at(-1);
  assert.deepEqual([unlimited.name, unlimited.share], ["Memory", null]);
  assert.equal(usageRows(state, null).length, 2, "not known: nothing is said");
  assert.equal(overloadNote(null), "");
});

test("fallbacks and hedging of a route are facts of its panel, and one in use is a problem", () => {
  const fallback = { route: "/a", service: 4, cached: 31, static: 0, none: 2, active_for: 12, stored: 57, stored_bytes: 81_000 };
  const hedge = { prefix: "/a", extra: 1, delay_ms: 210, samples: 900, samples_needed: 20, budget: 0.05, budget_left: 3, sent: 61, won: 40, declined: { budget: 5, no_instance: 0, newer: 1 } };
  const facts = Object.fromEntries(routeExtras({ fallbacks: [fallback], hedging: [hedge] }, "/a").map(([name, value]) => [name, plain(value)]));
  assert.equal(facts.Fallbacks, "in use for 12 s");
  assert.equal(facts["Given since the start"], "4 by another service, 31 stored, 0 static; 2 without one");
  assert.equal(facts["Extra requests"], "up to 1, after 210 ms without a response");
  assert.equal(facts["Their budget"], "5 % of the requests, 3 left now");
  assert.equal(facts["Declined since the start"], "5 as the budget was used up, 1 newer");
  assert.deepEqual(routeExtras({ fallbacks: [fallback], hedging: [hedge] }, "/b"), []);
  const [quiet] = routeExtras({ fallbacks: [{ ...fallback, active_for: null }] }, "/a");
  assert.equal(quiet[1], "not in use: its requests do not fail");
  const [early, own] = routeExtras({ hedging: [{ ...hedge, delay_ms: null, samples: 3, budget: 0, budget_left: null }] }, "/a");
  assert.match(early[1], /^none yet: 3 of 20/);
  assert.equal(own[1], "the retry budget of the service");
  assert.match(plain(texts(found({ fallbacks: [fallback] }))[0]), /^warn fallback \/a: Its requests fail, and its clients get what its fallbacks give$/);
  assert.deepEqual(found({ fallbacks: [{ ...fallback, active_for: null }] }), []);
});

test("WebSockets: how many are open, and how those before ended", () => {
  const sockets = { open: 12, limit: 256, opened: 40, refused: 2, endings: { closed_client: 26, lost_back_end: 2, new: 1 } };
  assert.equal(socketsNote({ sockets }), "WebSockets since the start: 40 opened, 2 refused; ended: 26 closed (client), 2 lost (back end), 1 new.");
  assert.equal(socketsNote({}), "");
  assert.equal(socketsNote({ sockets: { opened: 0, refused: 0 } }), "");
  const rows = usageRows({ places: 0, places_limit: 1, spooled_bytes: 0, spool_limit: 1, sockets, fallback_cache: { bytes: 5, max_bytes: 10 } }, null);
  assert.deepEqual(rows.slice(2).map(({ name, share }) => [name, share]), [["WebSockets to back ends", 12 / 256], ["Stored responses for fallbacks", 0.5]]);
});

test("a route's course is asked for by its prefix, its own requests by flow, of the page's worker", () => {
  assert.equal(historyPath({ prefix: "/api/a b/", service: "s" }), "/api/gateway/history?route=%2Fapi%2Fa+b%2F");
  assert.equal(historyPath({ flow: "captions", service: "s" }, "w-1"), "/api/gateway/history?flow=captions&service=s&worker=w-1");
  assert.equal(historyPath({ key: "gone" }), null);
});

test("a course that is not one is not drawn", () => {
  const columns = { requests_per_second: [1], errors_per_second: [0], p50_ms: [null], p95_ms: [2], p99_ms: [3] };
  const good = { at: [5], interval: 5, window: 60, ...columns };
  assert.deepEqual(readHistory(good), { at: [5], interval: 5, window: 60, rates: [[1], [0]], latencies: [[null], [2], [3]] });
  for (const bad of [null, {}, { ...good, at: "5" }, { ...good, p99_ms: undefined }, { ...good, p50_ms: [1, 2] }, { ...good, interval: null }]) assert.equal(readHistory(bad), null);
});

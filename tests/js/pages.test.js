/** Every page starts and stops: a stopped page holds no listener, topic, timer, observer or socket. */

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { fakeBrowser } from "../fakes/js/dom.js";
import { FakeStorage, fakeWebSockets } from "../fakes/js/websocket.js";

// Components look up what a template holds when they are imported or made.
const importing = fakeBrowser();
const { LiveSocket } = await import("../../static/js/live-socket.js");
const PAGES = {
  analytics: (await import("../../static/js/pages/analytics/page.js")).AnalyticsPage,
  "audio-diagnostic": (await import("../../static/js/pages/audio-diagnostic/page.js")).AudioDiagnosticPage,
  bot: (await import("../../static/js/pages/bot/page.js")).BotPage,
  bots: (await import("../../static/js/pages/bots/page.js")).BotsPage,
  captions: (await import("../../static/js/pages/captions/page.js")).CaptionsPage,
  connections: (await import("../../static/js/pages/connections/page.js")).ConnectionsPage,
  gateway: (await import("../../static/js/pages/gateway/page.js")).GatewayPage,
  overview: (await import("../../static/js/pages/overview/page.js")).OverviewPage,
  settings: (await import("../../static/js/pages/settings/page.js")).SettingsPage,
  "test-audio": (await import("../../static/js/pages/test-audio/page.js")).TestAudioPage,
  translation: (await import("../../static/js/pages/translation/page.js")).TranslationPage,
  tree: (await import("../../static/js/pages/tree/page.js")).TreePage,
};
const { TEXTS } = await import("../fakes/js/texts.js");
const texts = TEXTS.en;
importing.restore();

const NOTHING = { observers: 0, timers: 0 };

/** A page of that name in a browser of its own, with a socket whose server the test plays. */
function open(t, name, options = {}) {
  const browser = fakeBrowser(options);
  t.after(browser.restore);
  const { WebSocketClass, made, newest } = fakeWebSockets();
  const signals = browser.window;
  const socket = new LiveSocket({ url: "ws://x", WebSocketClass, timers: browser.clock.timers, now: browser.clock.now, storage: new FakeStorage(), signals });
  const page = new PAGES[name](socket, { texts });
  const idle = browser.left();
  return { ...browser, socket, page, made, newest, idle };
}

for (const name of Object.keys(PAGES)) {
  test(`${name}: start and stop are idempotent, and nothing is left behind`, async (t) => {
    const { page, socket, made, newest, left, idle, clock } = open(t, name);
    assert.deepEqual({ observers: idle.observers, timers: idle.timers }, NOTHING, "a page that was not started does nothing");
    page.start();
    page.start();
    newest().greet();
    await clock.advance(1);
    const running = left();
    assert.equal(made.length, 1);
    assert.ok(running.listeners > idle.listeners && running.timers > 0);
    // The caption view shows messages of its session alone.
    assert.equal(socket.statistics().topics.length > 0, name !== "captions");
    page.stop();
    page.stop();
    await clock.advance(0);
    assert.deepEqual(left(), idle);
    assert.deepEqual(socket.statistics().topics, []);
    assert.equal(newest().closedBy.by, "client");
    assert.equal(socket.state.state, "stopped");
  });

  test(`${name}: a page that is started again holds what it held the first time`, async (t) => {
    const { page, newest, made, left, clock } = open(t, name);
    page.start();
    newest().greet();
    await clock.advance(1);
    const first = left();
    page.stop();
    page.start();
    newest().greet();
    await clock.advance(1);
    assert.equal(made.length, 2);
    assert.equal(left().listeners, first.listeners);
    page.stop();
  });
}

/** A response as fetch resolves to, which needs no turn of Node's own loop to be read. */
const respond = (data) => ({ ok: true, status: 200, text: async () => JSON.stringify(data) });

const byId = (document, id) => document.getElementById(id);

/** The lines of the transcript, once there are `count`: a busy machine draws them in several turns of Node's loop. */
async function drawnLines(document, count, paint) {
  const lines = () => byId(document, "lines").querySelectorAll(".line");
  for (; lines().length < count; paint()) await new Promise((resolve) => setImmediate(resolve));
  return lines();
}

/** Open the Translation page in a new session that has been begun. */
async function openTranslation(t, { language = "en" } = {}) {
  const opened = open(t, "translation", { href: "http://localhost/translation" });
  opened.document.body.dataset.local = "";
  opened.page = new PAGES.translation(opened.socket, { texts: TEXTS[language] });
  opened.page.start();
  opened.newest().greet();
  await opened.clock.advance(1);
  return opened;
}

test("translation: a copied link begins the session, and its transcript is drawn", async (t) => {
  const { page, document, newest, clock, copied, paint } = await openTranslation(t);
  assert.match(byId(document, "page-status").textContent, /^Ready\./);
  byId(document, "copy-link").click();
  await clock.advance(1);
  const { id, session_id } = newest().last("create_session");
  const participants = [{ participant_id: "p", name: "Ann", role: "owner", languages: [], speaking: false }];
  newest().say({ type: "session_created", id, session_id, participant_id: "p", recovery_token: "t", epoch: "e", offset: 0, config: {}, keys: { speak: "S", read: "R" }, role: "owner", participants });
  await clock.advance(1);
  assert.deepEqual(copied, [`http://localhost/translation#session=${session_id}&key=S`]);
  assert.equal(byId(document, "you-are").textContent, "You are Ann.");
  const transcript = { type: "transcript", session_id, offset: 1, segment_id: "s-0", revision: 1, final: true, text: "Good morning.", language: "en", confidence: 0.9, start: 0, end: 1, stream_started: 1000, speaker: "Ann", participant_id: "p" };
  newest().say(transcript);
  await clock.advance(1);
  const [line, ...others] = await drawnLines(document, 1, paint);
  assert.equal(others.length, 0);
  assert.match(line.textContent, /Good morning\./);
  assert.equal(byId(document, "empty").hidden, true);
  assert.match(byId(document, "take-note").textContent, /^1 line/);
  page.stop();
});

test("translation: what the page adds to the transcript is in the page's language, and marked as such", async (t) => {
  const { page, document, newest, clock, paint } = await openTranslation(t, { language: "de" });
  byId(document, "copy-link").dispatchEvent(new Event("click"));
  await clock.advance(1);
  const { id, session_id } = newest().last("create_session");
  newest().say({ type: "session_created", id, session_id, participant_id: "p", recovery_token: "t", epoch: "e", offset: 0, config: {}, keys: { speak: "S", read: "R" }, participants: [] });
  await clock.advance(1);
  const line = { type: "transcript", session_id, revision: 1, final: true, language: "en", confidence: 0.9, stream_started: 1000, speaker: "Ann", participant_id: "q", error: null, words: [] };
  newest().say({ ...line, offset: 1, segment_id: "s-0", start: 0, end: 1, text: "Good morning.", speaker_label: "2-ab", edited: "corrected" });
  newest().say({ ...line, offset: 2, segment_id: "s-1", start: 2, end: 3, text: "", edited: "deleted" });
  await clock.advance(1);
  paint();
  const [corrected, deleted] = await drawnLines(document, 2, paint);
  assert.match(corrected.textContent, /^Person 2.* · en · von der Sitzungsleitung korrigiert/);
  assert.equal(corrected.querySelector(".line-said").getAttribute("lang"), "en");
  const words = deleted.querySelector(".deleted");
  assert.deepEqual([words.textContent, words.getAttribute("lang")], ["Von der Sitzungsleitung gelöscht", "de"]);
  page.stop();
});

test("translation: an operator's page is shown once the back ends are known, whether or not they change it", async (t) => {
  const { document, socket, newest, clock } = open(t, "translation");
  document.documentElement.dataset.loading = "";
  document.body.dataset.operator = "";
  const page = new PAGES.translation(socket, { texts });
  page.start();
  newest().greet();
  await clock.advance(1);
  assert.ok("loading" in document.documentElement.dataset);
  newest().say({ type: "update", topic: "services", data: { services: [] } });
  assert.ok(!("loading" in document.documentElement.dataset));
  page.stop();
});

test("translation: a session that is gone is explained, with a button for a new one", async (t) => {
  const { page, document, newest, clock } = await openTranslation(t);
  byId(document, "copy-link").click();
  await clock.advance(1);
  const { id, session_id } = newest().last("create_session");
  newest().say({ type: "session_created", id, session_id, participant_id: "p", recovery_token: "t", epoch: "e", offset: 0, config: {}, keys: { speak: "S" }, role: "owner", participants: [] });
  newest().say({ type: "session_left", session_id, reason: "ended" });
  await clock.advance(1);
  assert.match(byId(document, "notices").textContent, /The session was ended\./);
  const button = byId(document, "notices").querySelectorAll("button").find(({ textContent }) => textContent === "Start a new session");
  button.click();
  await clock.advance(1);
  assert.notEqual(byId(document, "session-name").textContent, session_id);
  assert.doesNotMatch(byId(document, "notices").textContent, /The session was ended/);
  page.stop();
});

test("connections: filters query the service where it has more connections than the topic lists", async (t) => {
  const row = (id, doing) => ({ connection_id: id, address: "192.0.2.1", name: id, agent: null, worker: "w", doing, sessions: [], session_count: 0, since: 0, received: 0, sent: 0, queued_bytes: 0 });
  const requests = [];
  const fetch = async (path) => {
    requests.push(path);
    return respond({ connections: [row("far", "behind")], matching: 1 });
  };
  const { page, document, newest, clock, left } = open(t, "connections", { fetch });
  page.start();
  newest().greet();
  const state = {
    active: 2, limit: 10, total: 2, sessions: 0, session_list: [], sums: [], evicted: 0, queued_bytes: 0, outbox_limit: 1, messages_in_per_second: 0, messages_out_per_second: 0,
    doings: { speaking: 0, listening: 1, behind: 1 }, workers: [{ worker: { name: "w", place: 0, host: "x", pid: 1 }, answered: true }], connections: [row("near", "listening")],
  };
  newest().say({ type: "update", topic: "connections", data: state });
  const rows = () => byId(document, "connections-placeholder").querySelectorAll("tr").filter(({ dataset }) => dataset.key !== undefined).map(({ dataset }) => dataset.key);
  assert.deepEqual([rows(), requests], [["near"], []]);
  byId(document, "choices").querySelectorAll("button").find(({ textContent }) => textContent.startsWith("behind")).click();
  await clock.advance(1);
  assert.deepEqual([rows(), requests], [["far"], ["/api/connections?doing=behind"]]);
  assert.equal(byId(document, "connections-count").textContent, "1 of 2 match");
  page.stop();
  assert.equal(left().timers, 0);
});

test("tree: another worker's tree is polled while it is chosen, and not after the page has stopped", async (t) => {
  const requests = [];
  const tree = (worker) => ({ state: "running", worker, branches: [] });
  const fetch = async (path) => {
    requests.push(path);
    return respond(tree(1));
  };
  const { page, document, newest, clock } = open(t, "tree", { fetch });
  page.start();
  newest().greet();
  newest().say({ type: "update", topic: "tree", data: tree(0) });
  const worker = (place, here) => ({ worker: { name: `w${place}`, place, host: "x", pid: place }, here, answered: true, brief: { state: "running", amiss: [] } });
  newest().say({ type: "update", topic: "workers", data: { workers: [worker(0, true), worker(1, false)] } });
  byId(document, "worker-choices").querySelectorAll("button")[1].click();
  await clock.advance(2_500);
  assert.deepEqual(requests, ["/api/tree?worker=w1", "/api/tree?worker=w1"]);
  assert.match(byId(document, "page-status").textContent, /^Worker 1:/);
  page.stop();
  await clock.advance(10_000);
  assert.equal(requests.length, 2);
});

after(importing.restore);

/** Open the caption view at `address`, connected. */
async function openCaptions(t, address) {
  const opened = open(t, "captions", { href: `http://localhost${address}` });
  opened.page = new PAGES.captions(opened.socket, { texts });
  opened.page.start();
  opened.newest().greet();
  await opened.clock.advance(1);
  return opened;
}

/** The service's response to the newest join request, with the right to read. */
function admit(newest) {
  const { id, session_id } = newest().last("join_session");
  newest().say({ type: "session_joined", id, session_id, participant_id: "p", recovery_token: "t", epoch: "e", offset: 0, config: {}, keys: { read: "R" }, role: "observer", participants: [] });
}

test("captions: the view joins with its key to read, and shows the last lines in the chosen languages", async (t) => {
  const { document, newest, clock, paint } = await openCaptions(t, "/captions/room?lines=1&languages=original,es#key=R");
  const { session_id, key, role, languages } = newest().last("join_session");
  assert.deepEqual({ session_id, key, role, languages }, { session_id: "room", key: "R", role: "observer", languages: ["es"] });
  admit(newest);
  await clock.advance(1);
  assert.match(byId(document, "page-status").textContent, /^Ready\. Captions appear here when someone speaks in room/);
  const line = { type: "transcript", session_id, revision: 1, final: true, language: "en", confidence: 0.9, start: 0, end: 1, stream_started: 1000, speaker: "Ann", participant_id: "q" };
  newest().say({ ...line, offset: 1, segment_id: "s-0", text: "Good morning." });
  newest().say({ ...line, offset: 2, segment_id: "s-1", start: 2, end: 3, text: "Thank you." });
  newest().say({ type: "translation", session_id, offset: 3, segment_id: "s-1", revision: 1, target_language: "es", text: "Gracias.", confidence: 0.8 });
  await clock.advance(1);
  paint();
  const shown = byId(document, "captions").children;
  assert.deepEqual(shown.map(({ textContent }) => textContent), ["Ann: Thank you.Gracias."]);
  assert.equal(byId(document, "message").hidden, true);
});

test("captions: what is wrong with the address is said for a while", async (t) => {
  const { document, clock } = await openCaptions(t, "/captions/room?lines=99#key=R");
  assert.match(byId(document, "fault-list").textContent, /“lines” is “99”\. Expected is a whole number from 1 to 20/);
  await clock.advance(30_001);
  assert.equal(byId(document, "faults").hidden, true);
});

test("captions: a lost connection is said once it lasts, and nothing is said where messages are off", async (t) => {
  for (const [query, words] of [["", /Not connected to the service/], ["?messages=0", /^$/]]) {
    const { page, document, newest, clock } = await openCaptions(t, `/captions/room${query}#key=R`);
    admit(newest);
    await clock.advance(1);
    newest().drop();
    await clock.advance(3_500);
    assert.match(byId(document, "page-status").textContent, words);
    page.stop();
  }
});

test("gateway: a worker of an older version, which sends less, is shown as far as it goes", async (t) => {
  const { page, document, newest, clock } = open(t, "gateway", { fetch: async () => respond({}) });
  page.start();
  newest().greet();
  await clock.advance(1);
  const lane = { flow: "requests", breaker: "closed", breaker_retry_in: null, consecutive_failures: 0, busy: 0, connections: 64, waiting: 0, waiting_limit: 256, p95_ms: null, is_admitting: true };
  const figures = { requests: 0, errors: 0, requests_last_minute: 0, errors_last_minute: 0 };
  const gateway = { ...figures, unasked_last_minute: 0, error_rate: 0, requests_per_second: 0, in_flight: 0, places: 0, places_limit: 8, spooled_bytes: 0, spool_limit: 1, own: [], routes: [{ ...figures, prefix: "/a", service: "s", path: "/", p95_ms: null }] };
  const instances = [{ ...figures, service: "s", url: "http://a", breaker: "closed", breaker_retry_in: null, in_flight: 0, share: null, p95_ms: null, usable: true, lanes: [lane] }];
  newest().say({ type: "update", topic: "services", data: { services: [{ name: "s", state: "healthy", restartable: false, recovery: null, instances: [{ url: "http://a", state: "healthy", reasons: [], weight: 1, checks: [], answered: null, latency_ms: null, p95_ms: null, restarts: 0, pid: null, engine: null, since: 1 }] }] } });
  newest().say({ type: "update", topic: "gateway", data: { ...gateway, instances } });
  const series = Object.fromEntries(["at", "requests_per_second", "errors_per_second", "gateway_p50_ms", "gateway_p95_ms"].map((name) => [name, []]));
  newest().say({ type: "update", topic: "metrics", data: { series, interval: 5, gateway: { ...gateway, retries: 0, clients: { ...figures, timed: 0, p50_ms: null, p95_ms: null } } } });
  await clock.advance(1);
  assert.match(byId(document, "instances-placeholder").textContent, /gets requests/);
  assert.match(byId(document, "routes-placeholder").textContent, /\/a/);
  assert.match(byId(document, "queues-placeholder").textContent, /No instance has a limit/);
  assert.match(byId(document, "limits-placeholder").textContent, /no rate limit/);
  assert.match(byId(document, "usage-placeholder").textContent, /0 of 8/);
  page.stop();
});

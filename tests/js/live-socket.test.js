import assert from "node:assert/strict";
import { test } from "node:test";

import { LiveSocket, LiveSocketError } from "../../static/js/live-socket.js";
import { Backoff } from "../../static/js/models/backoff.js";
import { FakeClock, settle } from "../fakes/js/clock.js";
import { FakeStorage, fakeWebSockets } from "../fakes/js/websocket.js";

function setUp({ storage = new FakeStorage(), random = () => 1 } = {}) {
  const clock = new FakeClock();
  const { WebSocketClass, made, newest } = fakeWebSockets();
  const signals = new EventTarget();
  const backoff = new Backoff({ base: 1000, cap: 30_000, floor: 100, random });
  const socket = new LiveSocket({
    url: "ws://service/ws", WebSocketClass, backoff, timers: clock.timers, now: clock.now, storage, signals,
  });
  const heard = [];
  const states = [];
  const others = [];
  socket.addEventListener("message", ({ detail }) => heard.push(detail));
  socket.addEventListener("state", ({ detail }) => states.push(detail));
  for (const name of ["lost", "recovered", "complaint"]) socket.addEventListener(name, ({ detail }) => others.push({ name, ...detail }));
  const offsets = () => heard.filter(({ offset, type }) => offset && type === "transcript").map(({ offset }) => offset);
  return { clock, made, newest, signals, socket, heard, states, others, offsets, storage };
}

const line = (offset, session_id = "s") => ({ type: "transcript", session_id, segment_id: `a-${offset}`, offset });
const joinAnswer = (id, more = {}) => ({
  type: "session_joined", id, session_id: "s", participant_id: "p", recovery_token: "t", epoch: "e", offset: 0, config: {},
  participants: [], participant_count: 1, ...more,
});

/** Connected and in session "s" at `offset`. */
async function inSession(parts, more = {}) {
  parts.socket.start();
  parts.newest().greet();
  const joined = parts.socket.request({ type: "join_session", session_id: "s" });
  parts.newest().say(joinAnswer(parts.newest().last("join_session").id, more));
  return joined;
}

test("start and stop may be called twice and do their work once", () => {
  const { socket, made, states } = setUp();
  socket.start();
  socket.start();
  assert.equal(made.length, 1);
  made[0].greet();
  socket.stop();
  socket.stop();
  assert.deepEqual(states.map(({ state }) => state), ["connecting", "live", "stopped"]);
  assert.equal(made[0].closedBy.code, 1000);
});

test("the socket is live only after the service's connected message", () => {
  const { socket, newest } = setUp();
  socket.start();
  assert.equal(socket.isLive, false);
  newest().greet();
  assert.equal(socket.isLive, true);
  assert.equal(socket.connection.connection_id, "c1");
});

test("a connection without the connected message is dropped", async () => {
  const { socket, made, clock, states } = setUp();
  socket.start();
  await clock.advance(10_000);
  assert.equal(made[0].closedBy.by, "client");
  assert.equal(states.at(-1).state, "waiting");
  await clock.advance(1000);
  assert.equal(made.length, 2);
});

test("waits double up to the cap and are reported in milliseconds", async () => {
  const { socket, newest, clock, states } = setUp();
  socket.start();
  const waits = [];
  for (let attempt = 0; attempt < 7; attempt += 1) {
    newest().drop();
    waits.push(states.at(-1).retryIn);
    await clock.advance(states.at(-1).retryIn);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.equal(states.at(-1).attempt, 7);
});

test("the jitter is full: the wait is anywhere between the floor and the ceiling", () => {
  const low = new Backoff({ base: 1000, floor: 100, random: () => 0 });
  const half = new Backoff({ base: 1000, floor: 100, random: () => 0.5 });
  assert.deepEqual([low.next(), low.next(), half.next()], [100, 100, 550]);
});

test("a stable connection resets the backoff, a flapping one does not", async () => {
  const { socket, newest, clock, states } = setUp();
  socket.start();
  newest().greet();
  newest().drop();
  await clock.advance(1000);
  newest().greet();
  newest().drop();
  assert.equal(states.at(-1).retryIn, 2000, "flapped");
  await clock.advance(2000);
  newest().greet();
  await clock.advance(5000);
  newest().drop();
  assert.equal(states.at(-1).retryIn, 1000, "lasted");
});

test("stop codes stop the socket, with the service's reason", async () => {
  for (const code of [1008, 4000, 4099]) {
    const { socket, newest, clock, states, made } = setUp();
    socket.start();
    newest().greet();
    newest().drop(code, "Not you.");
    assert.equal(states.at(-1).state, "stopped");
    assert.equal(states.at(-1).reason, "Not you.");
    await clock.advance(3_600_000);
    assert.equal(made.length, 1);
    socket.start();
    assert.equal(made.length, 2, "a person may try again");
  }
});

test("a code for an immediate reconnect is followed once, then backs off", async () => {
  const { socket, newest, clock, states, made } = setUp();
  socket.start();
  newest().greet();
  newest().drop(4200);
  assert.equal(states.at(-1).retryIn, 0);
  await clock.advance(0);
  assert.equal(made.length, 2);
  newest().drop(4200);
  assert.equal(states.at(-1).retryIn, 2000);
});

test("closing.reconnect_after is observed, even when the network returns meanwhile", async () => {
  const { socket, newest, clock, states, made, signals } = setUp({ random: () => 0 });
  socket.start();
  newest().greet();
  newest().say({ type: "closing", reason: "Restarting.", reconnect_after: 4 });
  newest().drop(1012);
  assert.equal(states.at(-1).reason, "Restarting.");
  assert.equal(states.at(-1).retryIn, 4100);
  signals.dispatchEvent(new Event("online"));
  await clock.advance(4000);
  assert.equal(made.length, 1);
  await clock.advance(100);
  assert.equal(made.length, 2);
});

test("the socket reconnects at once when the network or the page returns", async () => {
  for (const name of ["online", "visibilitychange"]) {
    const { socket, newest, made, signals } = setUp();
    socket.start();
    newest().drop();
    signals.dispatchEvent(new Event(name));
    assert.equal(made.length, 2, name);
    signals.dispatchEvent(new Event(name));
    assert.equal(made.length, 2, "one that is connecting is left alone");
  }
});

test("after stop the signals no longer connect", () => {
  const { socket, newest, made, signals } = setUp();
  socket.start();
  newest().drop();
  socket.stop();
  signals.dispatchEvent(new Event("online"));
  assert.equal(made.length, 1);
});

test("a quiet connection is pinged, and dropped without a response", async () => {
  const { socket, newest, clock, made, states } = setUp();
  socket.start();
  newest().greet({ ping_interval: 20 });
  await clock.advance(19_999);
  assert.equal(newest().count("ping"), 0);
  await clock.advance(1);
  assert.equal(newest().count("ping"), 1);
  await clock.advance(10_000);
  assert.equal(made[0].closedBy.by, "client");
  assert.equal(states.at(-1).state, "waiting");
  assert.equal(states.at(-1).reason, "The service stopped responding.");
});

test("any message of the service counts as a response", async () => {
  const { socket, newest, clock } = setUp();
  socket.start();
  newest().greet({ ping_interval: 20 });
  for (let minute = 0; minute < 60; minute += 1) {
    await clock.advance(15_000);
    newest().say({ type: "update", topic: "tree", data: {} });
  }
  assert.equal(newest().count("ping"), 0);
  await clock.advance(20_000);
  assert.equal(newest().count("ping"), 1);
  newest().say({ type: "pong" });
  await clock.advance(19_000);
  assert.equal(socket.isLive, true);
});

test("after a sleep the connection is pinged before it is dropped", async () => {
  const { socket, newest, clock } = setUp();
  socket.start();
  newest().greet({ ping_interval: 20 });
  await clock.advance(20_000);
  await clock.sleep(3_600_000);
  assert.equal(socket.isLive, true);
  assert.equal(newest().count("ping"), 2);
  await clock.advance(10_000);
  assert.equal(socket.isLive, false);
});

test("a request gets the response with its id", async () => {
  const { socket, newest } = setUp();
  socket.start();
  newest().greet();
  const first = socket.request({ type: "test_message", a: 1 });
  const second = socket.request({ type: "test_message", a: 2 });
  const [one, two] = newest().sent;
  newest().say({ ...two });
  newest().say({ ...one });
  assert.equal((await first).a, 1);
  assert.equal((await second).a, 2);
});

test("an error response rejects with its code, its sentence and itself", async () => {
  const { socket, newest } = setUp();
  socket.start();
  newest().greet();
  const request = socket.request({ type: "audio_end" });
  newest().say({ type: "error", id: newest().last("audio_end").id, code: "audio_not_started", detail: "Send audio_start first." });
  await assert.rejects(request, (error) => {
    assert.ok(error instanceof LiveSocketError);
    assert.equal(error.code, "audio_not_started");
    assert.equal(error.message, "Send audio_start first.");
    assert.equal(error.answer.type, "error");
    return true;
  });
});

test("an error without a request is a complaint, an error response is not", async () => {
  const { socket, newest, others } = setUp();
  socket.start();
  newest().greet();
  const refused = assert.rejects(socket.request({ type: "audio_end" }), { code: "audio_not_started" });
  newest().say({ type: "error", id: newest().last("audio_end").id, code: "audio_not_started", detail: "x" });
  await refused;
  newest().say({ type: "error", code: "speech_lost", detail: "Broken off." });
  newest().say({ type: "error", id: 99, code: "read_only", detail: "Observers read." });
  assert.deepEqual(others.map(({ name, code }) => [name, code]), [["complaint", "speech_lost"], ["complaint", "read_only"]]);
});

test("a request waits for a connection, and is rejected without one in time", async () => {
  const { socket, newest, clock } = setUp();
  socket.start();
  const waited = socket.request({ type: "test_message", a: 1 });
  const late = assert.rejects(socket.request({ type: "test_message", a: 2 }, { timeout: 500 }), { code: "timeout" });
  await clock.advance(500);
  await late;
  newest().greet();
  assert.equal(newest().count("test_message"), 1);
  newest().say(newest().last("test_message"));
  assert.equal((await waited).a, 1);
});

test("a request in flight when the connection is lost is not sent again, and its outcome is unknown", async () => {
  const { socket, newest, clock } = setUp();
  socket.start();
  newest().greet();
  const request = assert.rejects(socket.request({ type: "broadcast", session_id: "s", data: 1 }), { code: "connection_lost" });
  newest().drop();
  await request;
  await clock.advance(1000);
  newest().greet();
  assert.equal(newest().count("broadcast"), 0);
});

test("waiting requests are bounded, and stop rejects them", async () => {
  const { socket } = setUp();
  socket.start();
  const waiting = Array.from({ length: 64 }, () => socket.request({ type: "ping" }).catch(({ code }) => code));
  await assert.rejects(socket.request({ type: "ping" }), { code: "too_many_requests" });
  socket.stop();
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(["stopped"]));
  await assert.rejects(socket.request({ type: "ping" }), { code: "stopped" });
});

test("send without a connection sends nothing and returns null", () => {
  const { socket, newest } = setUp();
  assert.equal(socket.send({ type: "ping" }), null);
  socket.start();
  newest().greet();
  assert.equal(typeof socket.send({ type: "ping" }), "number");
});

test("topics are subscribed again after a reconnect, and unsubscribed after the last listener", async () => {
  const { socket, newest, clock } = setUp();
  socket.start();
  const seen = [];
  const end = socket.onTopic("services", (data, at) => seen.push([data.n, at]));
  const endOther = socket.onTopic("services", () => {});
  newest().greet();
  assert.equal(newest().count("subscribe"), 1);
  newest().say({ type: "update", topic: "services", data: { n: 1 } });
  await clock.advance(5000);
  newest().drop();
  await clock.advance(1000);
  newest().greet();
  assert.equal(newest().count("subscribe"), 1);
  newest().say({ type: "update", topic: "services", data: { n: 2 } });
  end();
  end();
  assert.equal(newest().count("unsubscribe"), 0);
  endOther();
  assert.equal(newest().count("unsubscribe"), 1);
  newest().say({ type: "update", topic: "services", data: { n: 3 } });
  assert.deepEqual(seen, [[1, 0], [2, 6000]]);
});

test("a later listener gets the last state", () => {
  const { socket, newest } = setUp();
  socket.start();
  newest().greet();
  socket.onTopic("tree", () => {});
  newest().say({ type: "update", topic: "tree", data: { n: 1 } });
  const seen = [];
  socket.onTopic("tree", ({ n }) => seen.push(n));
  assert.deepEqual(seen, [1]);
});

test("audio is refused, not dropped, without a connection or with too much buffered", () => {
  const { socket, newest } = setUp();
  const block = new ArrayBuffer(1280);
  assert.equal(socket.sendAudio(block), false);
  socket.start();
  newest().greet();
  assert.equal(socket.sendAudio(block), true);
  newest().bufferedAmount = 319_000;
  assert.equal(socket.bufferedAmount, 319_000);
  assert.equal(socket.sendAudio(block), false);
  assert.equal(newest().blocks.length, 1);
});

test("duplicate messages are delivered once, in order", async () => {
  const parts = setUp();
  await inSession(parts);
  for (const offset of [1, 2, 2, 1, 3]) parts.newest().say(line(offset));
  assert.deepEqual(parts.offsets(), [1, 2, 3]);
});

test("messages before the response to the join are held", async () => {
  const parts = setUp();
  parts.socket.start();
  parts.newest().greet();
  const joined = parts.socket.request({ type: "join_session", session_id: "s", history: true });
  parts.newest().say(line(8));
  parts.newest().say(line(9));
  assert.deepEqual(parts.offsets(), []);
  const { id } = parts.newest().last("join_session");
  parts.newest().say(joinAnswer(id, { offset: 8, messages: [line(6), line(7), line(8)], complete: true }));
  await joined;
  assert.deepEqual(parts.offsets(), [6, 7, 8, 9]);
});

test("after a lost connection missed messages are requested and delivered once", async () => {
  const parts = setUp();
  await inSession(parts, { offset: 4 });
  parts.newest().say(line(5));
  parts.newest().drop();
  await parts.clock.advance(1000);
  parts.newest().greet();
  const { id, type, ...asked } = parts.newest().last("recover_session");
  assert.deepEqual(asked, { session_id: "s", recovery_token: "t", epoch: "e", offset: 5, broadcasts_optional: true });
  parts.newest().say(line(8));
  assert.deepEqual(parts.offsets(), [5], "held until what lies between is there");
  parts.newest().say({
    type: "session_recovered", id, session_id: "s", recovered: true, epoch: "e", offset: 7, messages: [line(6), line(7)],
  });
  assert.deepEqual(parts.offsets(), [5, 6, 7, 8]);
  assert.deepEqual(parts.others, [{ name: "recovered", session_id: "s", missed: 3 }]);
});

test("a hole in the offsets is recovered before anything after it is delivered", async () => {
  const parts = setUp();
  await inSession(parts);
  parts.newest().say(line(1));
  parts.newest().say(line(4));
  parts.newest().say(line(5));
  assert.deepEqual(parts.offsets(), [1]);
  assert.equal(parts.newest().count("recover_session"), 1, "asked once");
  const { id, offset } = parts.newest().last("recover_session");
  assert.equal(offset, 1);
  parts.newest().say({
    type: "session_recovered", id, session_id: "s", recovered: true, epoch: "e", offset: 5,
    messages: [2, 3, 4, 5].map((n) => line(n)),
  });
  parts.newest().say(line(6));
  assert.deepEqual(parts.offsets(), [1, 2, 3, 4, 5, 6]);
});

test("a recovery that leaves the hole is tried three times, then the session is lost", async () => {
  const parts = setUp();
  await inSession(parts);
  parts.newest().say(line(3));
  for (let turn = 0; turn < 5; turn += 1) {
    const { id } = parts.newest().last("recover_session");
    parts.newest().say({ type: "session_recovered", id, session_id: "s", recovered: true, epoch: "e", offset: 0, messages: [] });
    await settle();
  }
  assert.equal(parts.newest().count("recover_session"), 3);
  assert.deepEqual(parts.others, [{ name: "lost", session_id: "s", reason: "gap" }]);
});

test("recovered:false emits lost, and the session is forgotten", async () => {
  const parts = setUp();
  await inSession(parts, { offset: 4 });
  parts.newest().drop();
  await parts.clock.advance(1000);
  parts.newest().greet();
  const { id } = parts.newest().last("recover_session");
  parts.newest().say({ type: "session_recovered", id, session_id: "s", recovered: false, reason: "history_expired" });
  assert.deepEqual(parts.others, [{ name: "lost", session_id: "s", reason: "history_expired" }]);
  assert.deepEqual(parts.socket.statistics().sessions, []);
  const again = parts.socket.request({ type: "join_session", session_id: "s", history: true });
  parts.newest().say(joinAnswer(parts.newest().last("join_session").id, { epoch: "e2", offset: 2, messages: [line(1), line(2)] }));
  await again;
  assert.deepEqual(parts.offsets(), [1, 2], "a new epoch counts anew");
});

test("a connection lost during the recovery is recovered on the next one", async () => {
  const parts = setUp();
  await inSession(parts, { offset: 4 });
  parts.newest().drop();
  await parts.clock.advance(1000);
  parts.newest().greet();
  parts.newest().drop();
  await parts.clock.advance(2000);
  parts.newest().greet();
  assert.equal(parts.newest().last("recover_session").offset, 4);
  assert.deepEqual(parts.others, []);
});

test("a second join moves nothing: messages in between are recovered", async () => {
  const parts = setUp();
  await inSession(parts, { offset: 4 });
  parts.socket.request({ type: "join_session", session_id: "s", name: "Ann" });
  parts.newest().say(joinAnswer(parts.newest().last("join_session").id, { offset: 6 }));
  const { id, offset } = parts.newest().last("recover_session");
  assert.equal(offset, 4);
  parts.newest().say({ type: "session_recovered", id, session_id: "s", recovered: true, epoch: "e", offset: 6, messages: [line(5), line(6)] });
  assert.deepEqual(parts.offsets(), [5, 6]);
});

test("a reload resumes as the same participant, with everything from the start", async () => {
  const parts = setUp();
  await inSession(parts, { offset: 4 });
  parts.newest().say(line(5));
  assert.equal(parts.socket.canResume("s"), false, "while this page has it");
  parts.signals.dispatchEvent(new Event("pagehide"));

  const reloaded = setUp({ storage: parts.storage });
  assert.equal(reloaded.socket.canResume("s"), true);
  reloaded.socket.start();
  const resumed = reloaded.socket.resume("s", { offset: 0 });
  reloaded.newest().greet();
  assert.equal(reloaded.newest().count("recover_session"), 1);
  const { id, type, ...asked } = reloaded.newest().last("recover_session");
  assert.deepEqual(asked, { session_id: "s", recovery_token: "t", epoch: "e", offset: 0, broadcasts_optional: true });
  reloaded.newest().say({
    type: "session_recovered", id, session_id: "s", recovered: true, participant_id: "p", epoch: "e", offset: 5,
    messages: [1, 2, 3, 4, 5].map((n) => line(n)),
  });
  assert.equal(await resumed, true);
  assert.deepEqual(reloaded.offsets(), [1, 2, 3, 4, 5]);
  assert.equal(reloaded.socket.participantIn("s"), "p");
});

test("a rejected resume resolves to false", async () => {
  const parts = setUp();
  await inSession(parts);
  parts.signals.dispatchEvent(new Event("pagehide"));
  const reloaded = setUp({ storage: parts.storage });
  reloaded.socket.start();
  reloaded.newest().greet();
  const resumed = reloaded.socket.resume("s");
  const { id } = reloaded.newest().last("recover_session");
  reloaded.newest().say({ type: "session_recovered", id, session_id: "s", recovered: false, reason: "unknown_session" });
  assert.equal(await resumed, false);
  assert.equal(reloaded.socket.canResume("s"), false);
});

test("a duplicated tab does not take the first tab's place", async () => {
  const parts = setUp();
  await inSession(parts);
  const twin = setUp({ storage: parts.storage.copy() });
  assert.equal(twin.socket.canResume("s"), false);
});

test("another page of the tab leaves remembered sessions alone", async () => {
  const parts = setUp();
  await inSession(parts);
  parts.socket.stop();
  const overview = setUp({ storage: parts.storage });
  overview.socket.start();
  overview.newest().greet();
  overview.socket.stop();
  assert.equal(setUp({ storage: parts.storage }).socket.canResume("s"), true);
});

test("a session that was left or has ended is not recovered", async () => {
  const parts = setUp();
  await inSession(parts);
  parts.newest().say({ type: "session_left", session_id: "s", reason: "ended" });
  parts.newest().drop();
  await parts.clock.advance(1000);
  parts.newest().greet();
  assert.equal(parts.newest().count("recover_session"), 0);
});

test("a rejected join leaves no session behind", async () => {
  const parts = setUp();
  parts.socket.start();
  parts.newest().greet();
  const refused = assert.rejects(parts.socket.request({ type: "join_session", session_id: "s" }), { code: "unknown_session" });
  parts.newest().say({ type: "error", id: parts.newest().last("join_session").id, code: "unknown_session", detail: "Gone." });
  await refused;
  assert.deepEqual(parts.socket.statistics().sessions, []);
});

test("a URL that the browser refuses stops the socket with the reason", () => {
  class Refusing {
    constructor() {
      throw new Error("insecure");
    }
  }
  const clock = new FakeClock();
  const socket = new LiveSocket({ url: "ws://x", WebSocketClass: Refusing, timers: clock.timers, now: clock.now, storage: null, signals: null });
  socket.start();
  assert.equal(socket.state.state, "stopped");
  assert.match(socket.state.reason, /insecure/);
});

// --- the service's clock, and the network ----------------------------------------------------------------------

test("serverNow is the service's time, however wrong this machine's clock is", async () => {
  const clock = new FakeClock();
  const { WebSocketClass, newest } = fakeWebSockets();
  const socket = new LiveSocket({ url: "ws://x", WebSocketClass, timers: clock.timers, now: clock.now, storage: null, signals: null });
  assert.ok(Math.abs(socket.serverNow - Date.now()) < 1000, "before it is known");
  socket.start();
  await clock.advance(500);
  newest().greet({ server_time: 1_700_000_000_000 });
  await clock.advance(2_000);
  assert.equal(socket.serverNow, 1_700_000_002_000);
  newest().say({ type: "pong", timestamp: 1_700_000_001_500 });
  assert.equal(socket.serverNow, 1_700_000_002_000, "an answer that took long says less");
  newest().say({ type: "pong", timestamp: 1_700_000_002_100 });
  assert.equal(socket.serverNow, 1_700_000_002_100);
  newest().say({ type: "pong", timestamp: 1_700_003_600_000 });
  assert.equal(socket.serverNow, 1_700_003_600_000, "this machine slept");
});

test("the browser's online and offline events are checked at once", async () => {
  for (const signal of ["offline", "online"]) {
    const clock = new FakeClock();
    const { WebSocketClass, newest, made } = fakeWebSockets();
    const signals = new EventTarget();
    const socket = new LiveSocket({ url: "ws://x", WebSocketClass, timers: clock.timers, now: clock.now, storage: null, signals });
    socket.start();
    newest().greet();
    signals.dispatchEvent(new Event(signal));
    assert.equal(newest().count("ping"), 1);
    newest().say({ type: "pong" });
    await clock.advance(5_000);
    assert.equal(socket.isLive, true, "localhost is there without a network");
    signals.dispatchEvent(new Event(signal));
    await clock.advance(600);
    assert.equal(socket.isUnresponsive, true);
    await clock.advance(2_500);
    assert.equal(socket.isLive, false);
    assert.equal(made.length, 1);
    socket.stop();
  }
});

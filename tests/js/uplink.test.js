import assert from "node:assert/strict";
import { test } from "node:test";

import { Uplink } from "../../static/js/audio/uplink.js";
import { LiveSocket } from "../../static/js/live-socket.js";
import { Backoff } from "../../static/js/models/backoff.js";
import { FakeClock, settle } from "../fakes/js/clock.js";
import { fakeWebSockets } from "../fakes/js/websocket.js";

const OPTIONS = { session_id: "s", sample_rate: 16_000, source_language: "auto", target_languages: ["es"] };

function setUp() {
  const clock = new FakeClock();
  const { WebSocketClass, newest } = fakeWebSockets();
  const socket = new LiveSocket({
    url: "ws://x", WebSocketClass, backoff: new Backoff({ random: () => 1 }), timers: clock.timers, now: clock.now, storage: null, signals: null,
  });
  const uplink = new Uplink(socket, { timers: clock.timers });
  const events = [];
  for (const name of ["failed", "overflow", "ended"]) uplink.addEventListener(name, ({ detail }) => events.push([name, detail]));
  socket.start();
  newest().greet();
  const accept = async (stream_id = "m1") => {
    newest().say({ type: "audio_started", id: newest().last("audio_start").id, session_id: "s", stream_id });
    await settle();
  };
  return { clock, newest, socket, uplink, events, accept };
}

/** 40 ms, told apart by its first sample. */
function block(number) {
  const samples = new Int16Array(640);
  samples[0] = number;
  return samples.buffer;
}
const numbers = (blocks) => blocks.map((buffer) => new Int16Array(buffer)[0]);

test("what is said before the service listens waits for it, in order", async () => {
  const { uplink, newest, accept } = setUp();
  uplink.start(OPTIONS);
  uplink.start(OPTIONS);
  assert.equal(newest().count("audio_start"), 1);
  uplink.push(block(1));
  uplink.push(block(2));
  assert.equal(newest().blocks.length, 0);
  await accept();
  uplink.push(block(3));
  assert.deepEqual(numbers(newest().blocks), [1, 2, 3]);
  assert.equal(uplink.state, "streaming");
  assert.equal(uplink.owns("m1-0"), true);
  assert.equal(uplink.owns("x-0"), false);
});

test("stop sends what waits, then audio_end, and the stream's end is told", async () => {
  const { uplink, newest, accept, events } = setUp();
  uplink.start(OPTIONS);
  uplink.push(block(1));
  uplink.stop();
  assert.equal(newest().count("audio_end"), 0);
  await accept();
  assert.deepEqual(numbers(newest().blocks), [1]);
  assert.equal(newest().count("audio_end"), 1);
  assert.equal(uplink.state, "idle");
  newest().say({ type: "audio_ended", session_id: "s", stream_id: "m1", seconds: 0.04, lost_seconds: 0 });
  assert.equal(events[0][0], "ended");
});

test("a slow network keeps the rest, and it is sent before the end", async () => {
  const { uplink, newest, accept, clock } = setUp();
  uplink.start(OPTIONS);
  await accept();
  newest().bufferedAmount = 320_000;
  uplink.push(block(1));
  uplink.stop();
  assert.equal(newest().count("audio_end"), 0);
  await clock.advance(1000);
  newest().bufferedAmount = 0;
  await clock.advance(100);
  assert.deepEqual(numbers(newest().blocks), [1]);
  assert.equal(newest().count("audio_end"), 1);
});

test("over a lost connection speech waits here and goes on as a new stream once the session is back", async () => {
  const { uplink, newest, accept, clock } = setUp();
  uplink.start(OPTIONS);
  await accept();
  uplink.push(block(1));
  newest().drop();
  assert.equal(uplink.state, "waiting");
  uplink.push(block(2));
  assert.equal(uplink.waiting, 0.04);
  await clock.advance(1000);
  newest().greet();
  assert.equal(newest().count("audio_start"), 0, "not before the session is recovered");
  uplink.ready();
  await accept("m2");
  uplink.push(block(3));
  assert.deepEqual(numbers(newest().blocks), [2, 3]);
  assert.equal(uplink.owns("m1-4"), true);
  assert.equal(uplink.owns("m2-0"), true);
});

test("stopped while the connection is lost, what waits is sent when it returns", async () => {
  const { uplink, newest, accept, clock } = setUp();
  uplink.start(OPTIONS);
  await accept();
  newest().drop();
  uplink.push(block(2));
  uplink.stop();
  assert.equal(uplink.state, "ending");
  await clock.advance(1000);
  newest().greet();
  uplink.ready();
  await accept("m2");
  assert.deepEqual(numbers(newest().blocks), [2]);
  assert.equal(newest().count("audio_end"), 1);
});

test("stopped with nothing waiting, a lost connection ends it", async () => {
  const { uplink, newest } = setUp();
  uplink.start(OPTIONS);
  uplink.stop();
  newest().drop();
  await settle();
  assert.equal(uplink.state, "idle");
});

test("past a minute the oldest speech is let go and counted", async () => {
  const { uplink, newest, accept, events } = setUp();
  uplink.start(OPTIONS);
  for (let number = 0; number < 1502; number += 1) uplink.push(block(number));
  assert.deepEqual(events, [["overflow", { seconds: 0.04 }], ["overflow", { seconds: 0.08 }]]);
  assert.equal(uplink.waiting, 60);
  await accept();
  assert.equal(new Int16Array(newest().blocks[0])[0], 2);
});

test("a service that will not listen is said, and the next start asks anew", async () => {
  const { uplink, newest, accept, events } = setUp();
  uplink.start(OPTIONS);
  newest().say({ type: "error", id: newest().last("audio_start").id, code: "unsupported_language", detail: "No back end offers xx." });
  await settle();
  assert.deepEqual(events, [["failed", { code: "unsupported_language", detail: "No back end offers xx." }]]);
  assert.equal(uplink.state, "idle");
  uplink.push(block(1));
  uplink.start(OPTIONS);
  await accept();
  assert.equal(uplink.state, "streaming");
  assert.equal(newest().blocks.length, 0, "nothing of the first");
});

test("another language in mid-speech ends the stream and begins the next, and no block is lost or doubled", async () => {
  const { uplink, newest, accept } = setUp();
  uplink.start(OPTIONS);
  await accept();
  uplink.push(block(1));
  uplink.change({ source_language: "es" });
  uplink.push(block(2));
  assert.deepEqual(newest().sent.map(({ type }) => type), ["audio_start", "audio_end", "audio_start"]);
  assert.equal(newest().last("audio_start").source_language, "es");
  await accept("m2");
  newest().say({ type: "audio_ended", session_id: "s", stream_id: "m1", seconds: 0.04, lost_seconds: 0 });
  uplink.push(block(3));
  assert.deepEqual(numbers(newest().blocks), [1, 2, 3]);
  assert.equal(uplink.state, "streaming");
});

test("a change while the service has not yet said that it listens is made once it has", async () => {
  const { uplink, newest, accept } = setUp();
  uplink.start(OPTIONS);
  uplink.change({ source_language: "es" });
  uplink.push(block(1));
  await accept();
  assert.equal(newest().blocks.length, 0);
  await accept("m2");
  assert.equal(newest().last("audio_start").source_language, "es");
  assert.deepEqual(numbers(newest().blocks), [1]);
});

test("abort gives up what waits and ends the stream", async () => {
  const { uplink, newest, accept } = setUp();
  uplink.start(OPTIONS);
  await accept();
  uplink.abort();
  uplink.abort();
  assert.equal(newest().count("audio_end"), 1);
  assert.equal(uplink.state, "idle");
});

test("a stream that the service broke off is begun again, and what is said meanwhile waits", async () => {
  const { uplink, newest, accept, clock } = setUp();
  uplink.start(OPTIONS);
  await accept();
  newest().say({ type: "audio_ended", session_id: "s", stream_id: "m1", seconds: 1, lost_seconds: 0 });
  uplink.push(block(5));
  assert.equal(newest().blocks.length, 0);
  await clock.advance(1000);
  await accept("m2");
  assert.deepEqual(numbers(newest().blocks), [5]);
  assert.equal(newest().count("audio_start"), 2);
});

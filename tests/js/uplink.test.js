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
  const uplink = new Uplink(socket, { timers: clock.timers, now: clock.now });
  const events = [];
  for (const name of ["failed", "overflow", "ended", "complaint"]) uplink.addEventListener(name, ({ detail }) => events.push([name, detail]));
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

test("speech before the stream has started waits, in order", async () => {
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

test("an error about a stream of this page is its uplink's, one about another is not", async () => {
  const { uplink, newest, accept, events } = setUp();
  uplink.start(OPTIONS);
  await accept();
  newest().say({ type: "error", code: "internal_error", detail: "A recording.", session_id: "s", stream_id: "r1" });
  newest().say({ type: "error", code: "read_only", detail: "No stream." });
  newest().say({ type: "error", code: "odd_byte_count", detail: "Half a sample.", session_id: "s", stream_id: "m1" });
  assert.deepEqual(events.map(([name, { code, stream_id }]) => [name, code, stream_id]), [["complaint", "odd_byte_count", "m1"]]);
});

test("stop sends the stored blocks, then audio_end, and the stream's end is dispatched", async () => {
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

test("over a lost connection speech is stored and continues as a new stream once the session is back", async () => {
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

test("stopped while the connection is lost, stored speech is sent when it returns", async () => {
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

test("past a minute the oldest speech is dropped and counted", async () => {
  const { uplink, newest, accept, events } = setUp();
  uplink.start(OPTIONS);
  for (let number = 0; number < 1502; number += 1) uplink.push(block(number));
  assert.deepEqual(events, [["overflow", { seconds: 0.04 }], ["overflow", { seconds: 0.08 }]]);
  assert.equal(uplink.waiting, 60);
  await accept();
  assert.equal(new Int16Array(newest().blocks[0])[0], 2);
});

test("a rejected stream fails, and the next start tries again", async () => {
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

test("a change while the stream is being started is made once it has started", async () => {
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

test("abort drops stored speech and ends the stream", async () => {
  const { uplink, newest, accept } = setUp();
  uplink.start(OPTIONS);
  await accept();
  uplink.abort();
  uplink.abort();
  assert.equal(newest().count("audio_end"), 1);
  assert.equal(uplink.state, "idle");
});

test("a stream that the service broke off is begun again, and speech waits meanwhile", async () => {
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

// --- a service that acknowledges -------------------------------------------------------------------------------

/** As `setUp`, with the service's side played: what it has of which stream. */
function acknowledging() {
  const all = setUp();
  const begin = async ({ stream_id = "m1", ...more } = {}) => {
    const { id } = all.newest().last("audio_start");
    all.newest().say({ type: "audio_started", id, session_id: "s", stream_id, continued: false, position: 0, received_seconds: 0, ...more });
    await settle();
  };
  const status = (received_seconds, settled_seconds = 0, stream_id = "m1") =>
    all.newest().say({ type: "audio_status", session_id: "s", stream_id, received_seconds, settled_seconds, waiting_seconds: 0, revisions_dropped: 0, speaking: true, waiting_for: null });
  const say = async (from, to) => {
    for (let number = from; number <= to; number += 1) {
      await all.clock.advance(40);
      all.uplink.push(block(number));
    }
  };
  const back = async () => {
    await all.clock.advance(2000);
    all.newest().greet();
    all.uplink.ready();
    await settle();
  };
  return { ...all, begin, status, say, back };
}

test("unacknowledged speech is sent again, from the service's position", async () => {
  const { uplink, newest, begin, status, say, back } = acknowledging();
  uplink.start(OPTIONS);
  assert.equal(newest().last("audio_start").age, 0);
  await begin();
  await say(1, 50);
  status(0.8, 0.4);
  assert.ok(Math.abs(uplink.waiting - 1.2) < 1e-9);
  const first = newest();
  first.drop();
  await say(51, 60);
  await back();
  const asked = newest().last("audio_start");
  assert.deepEqual([asked.stream_id, asked.position], ["m1", 0.4]);
  assert.ok(Math.abs(asked.age - (2 + 2.4 - 0.4)) < 0.01, `${asked.age}`);
  // More had arrived than was acknowledged: 1.02 s, in the middle of a block.
  await begin({ continued: true, position: 1.02, received_seconds: 1.02 });
  const blocks = newest().blocks;
  assert.equal(blocks[0].byteLength, 640);
  assert.deepEqual(numbers(blocks.slice(1)), Array.from({ length: 34 }, (_, index) => index + 27));
  status(2.4, 2.4);
  assert.equal(uplink.waiting, 0);
  assert.equal(uplink.state, "streaming");
});

test("another worker's stream begins at the former one's position, and counts from there", async () => {
  const { uplink, newest, begin, status, say, back } = acknowledging();
  uplink.start(OPTIONS);
  await begin();
  await say(1, 50);
  status(1.6, 0.4);
  newest().drop();
  await back();
  await begin({ stream_id: "m2", position: 0.8, received_seconds: 0 });
  assert.deepEqual(numbers(newest().blocks), Array.from({ length: 30 }, (_, index) => index + 21));
  status(1.2, 1.2, "m2");
  assert.equal(uplink.waiting, 0);
  newest().drop();
  await say(51, 51);
  await back();
  assert.deepEqual([newest().last("audio_start").stream_id, newest().last("audio_start").position], ["m2", 1.2]);
});

test("speech that a missed final settles is not sent to another worker", async () => {
  const { uplink, newest, begin, status, say, clock } = acknowledging();
  uplink.start(OPTIONS);
  await begin();
  await say(1, 50);
  status(2, 0.4);
  newest().drop();
  await clock.advance(2000);
  newest().greet();
  newest().say({ type: "transcript", session_id: "s", segment_id: "m1-1", revision: 2, final: true, text: "Yes.", start: 0.4, end: 1.6, stream_started: 0 });
  uplink.ready();
  assert.equal(newest().last("audio_start").position, 1.6);
});

test("dropped speech that was not received is reported as a gap, once", async () => {
  const { uplink, newest, begin, status, say, back, events } = acknowledging();
  uplink.start(OPTIONS);
  await begin();
  await say(1, 25);
  status(1, 1);
  newest().drop();
  await say(26, 1625);
  assert.ok(Math.abs(events.at(-1)[1].seconds - 4) < 1e-9);
  await back();
  const asked = newest().last("audio_start");
  assert.deepEqual([asked.position, asked.lost_seconds], [5, 4]);
  await begin({ continued: true, position: 5, received_seconds: 5 });
  assert.equal(numbers(newest().blocks)[0], 126);
});

test("a microphone opened without a connection sends the age of its first sample", async () => {
  const { uplink, newest, begin, say, back } = acknowledging();
  newest().drop();
  uplink.start(OPTIONS);
  assert.equal(uplink.state, "waiting");
  await say(1, 50);
  await back();
  const asked = newest().last("audio_start");
  assert.equal(asked.stream_id, undefined);
  assert.ok(Math.abs(asked.age - 4) < 0.01, `${asked.age}`);
  await begin();
  assert.equal(newest().blocks.length, 50);
});

test("after stop it is idle once everything is received, across a lost connection", async () => {
  const { uplink, newest, begin, status, say, back } = acknowledging();
  uplink.start(OPTIONS);
  await begin();
  await say(1, 50);
  uplink.stop();
  assert.equal(newest().count("audio_end"), 1);
  assert.equal(uplink.state, "ending");
  newest().drop();
  await back();
  await begin({ continued: true, position: 1.6, received_seconds: 1.6 });
  assert.equal(newest().blocks.length, 10);
  assert.equal(newest().count("audio_end"), 1);
  assert.equal(uplink.state, "ending");
  status(2);
  assert.equal(uplink.state, "idle");
});

test("three seconds without an acknowledgement while sending: the service is unresponsive", async () => {
  const { uplink, begin, status, say, newest } = acknowledging();
  uplink.start(OPTIONS);
  await begin();
  await say(1, 60);
  assert.equal(uplink.isUnresponsive, false);
  await say(61, 80);
  assert.equal(uplink.isUnresponsive, true);
  status(3.2);
  assert.equal(uplink.isUnresponsive, false);
  newest().drop();
  assert.equal(uplink.isUnresponsive, true);
});

test("an interrupted microphone leaves silence, so that later speech has its own time", async () => {
  const { uplink, newest, begin, say, status, clock } = acknowledging();
  uplink.start(OPTIONS);
  await begin();
  await say(1, 25);
  status(1);
  await clock.advance(10_000);
  uplink.interrupted();
  await say(26, 26);
  const samples = newest().blocks.reduce((sum, { byteLength }) => sum + byteLength / 2, 0);
  assert.equal(samples, 16_000 * 11.04);
  for (let minute = 0; minute < 5; minute += 1) {
    status(11.04, 11.04);
    await clock.advance(18_000);
  }
  uplink.interrupted();
  await say(27, 27);
  assert.equal(newest().count("audio_end"), 1);
  assert.ok(newest().last("audio_start").age < 1);
});

test("a stream that cannot begin is tried again, and nothing is lost", async () => {
  const { uplink, newest, begin, say, clock, events } = acknowledging();
  uplink.start(OPTIONS);
  await say(1, 5);
  newest().say({ type: "error", id: newest().last("audio_start").id, code: "store_unavailable", detail: "Soon." });
  await settle();
  await clock.advance(1000);
  await begin();
  assert.deepEqual(numbers(newest().blocks), [1, 2, 3, 4, 5]);
  assert.deepEqual(events, []);
});

test("a page that is left ends the stream at once", async () => {
  const { uplink, newest, begin, say } = acknowledging();
  uplink.start(OPTIONS);
  await begin();
  await say(1, 5);
  uplink.leave();
  assert.equal(newest().count("audio_end"), 1);
  assert.equal(uplink.state, "idle");
});

test("while speech is sent, a quiet connection is pinged after 3 s, dropped 3 s later, and soon replaced", async () => {
  const { uplink, newest, begin, say, socket, clock } = acknowledging();
  uplink.start(OPTIONS);
  await begin();
  await say(1, 74);
  assert.equal(newest().count("ping"), 0);
  await say(75, 76);
  assert.equal(newest().count("ping"), 1);
  await say(77, 152);
  assert.equal(socket.isLive, false);
  for (let tries = 0; tries < 8; tries += 1) {
    assert.ok(socket.state.state === "connecting" || socket.state.retryIn <= 2000, JSON.stringify(socket.state));
    await clock.advance(2000);
    if (socket.state.state === "connecting") newest().drop();
  }
});

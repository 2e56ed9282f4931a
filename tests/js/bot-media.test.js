import assert from "node:assert/strict";
import { test } from "node:test";

import { CaptureClock } from "../../orch/bots/page/capture_clock.js";
import { BLOCK, SoundKernel } from "../../orch/bots/page/sound_kernel.js";
import { SpeechKernel } from "../../orch/bots/page/speech_kernel.js";
import { Uplink } from "../../orch/bots/page/uplink.js";
import { decodeMessage, encodeFrames } from "../../orch/bots/page/wire.js";

const RATE = 16_000;
const QUANTUM = 128;
const hex = (buffer) => Buffer.from(buffer).toString("hex");

// The same bytes are in tests/bots/media/test_frames.py.
const MESSAGE =
  "0700000001000300020000000000000000408f4000000000000059400100ff7f" +
  "0200ffff80020000000000000000704200000000004a9340";
const PICTURE = "01000005d00202000900000001000200010001000500060002000100" + "6162636465666768696a6b6c";
const SPEECH = "02000000050000000100ff7f";
const unhex = (text) => new Uint8Array(Buffer.from(text, "hex")).buffer;

test("frames are encoded as the service decodes them", () => {
  const frames = [
    { track: 3, first: 1000, count: 2, captured: 100, samples: Int16Array.of(1, 32_767) },
    { track: 65_535, first: 2 ** 40, count: 640, captured: 1234.5, samples: null },
  ];
  assert.equal(hex(encodeFrames(7, frames)), MESSAGE);
});

test("pictures and speech are decoded as the service encodes them", () => {
  const { patches, ...picture } = decodeMessage(unhex(PICTURE));
  assert.deepEqual(picture, { kind: "picture", number: 9, width: 1280, height: 720 });
  const places = patches.map(({ x, y, width, height, pixels }) => [x, y, width, height, Buffer.from(pixels).toString()]);
  assert.deepEqual(places, [[1, 2, 1, 1, "abcd"], [5, 6, 2, 1, "efghijkl"]]);
  assert.deepEqual(decodeMessage(unhex(SPEECH)), { kind: "speech", number: 5, samples: Int16Array.of(1, 32_767) });
  assert.equal(decodeMessage(unhex("09000000")), null);
});

/** Runs a kernel over calls of a quantum; `late` gives the clock's lateness in milliseconds at a frame. */
function run(kernel, { from = 0, quanta, samples = () => undefined, late = () => 0, take = true }) {
  const blocks = [];
  for (let index = 0; index < quanta; index += 1) {
    const frame = from + index * QUANTUM;
    const block = kernel.process(frame, QUANTUM, samples(frame), (frame * 1000) / RATE + late(frame));
    if (block) blocks.push(block);
    if (block && take) kernel.taken();
  }
  return blocks;
}

const counting = (frame) => Float32Array.from({ length: QUANTUM }, (_, index) => (((frame + index) % 65_536) - 32_768) / 32_768);

test("samples are numbered from the track's begin, and none is changed", () => {
  const blocks = run(new SoundKernel(), { from: QUANTUM * 7, quanta: 503, samples: counting });
  let next = 0;
  for (const { first, count, samples } of blocks) {
    assert.equal(first, next);
    assert.equal(samples.length, count);
    samples.forEach((sample, index) => assert.equal(sample, ((first + index + QUANTUM * 7) % 65_536) - 32_768));
    next += count;
  }
  assert.equal(next, Math.floor((503 + 7) / 5) * BLOCK - 7 * QUANTUM);
});

test("blocks of all tracks end at the same time", () => {
  for (let start = 0; start < 5; start += 1) {
    const kernel = new SoundKernel();
    const ends = [];
    for (let index = start; index < 25; index += 1) if (kernel.process(index * QUANTUM, QUANTUM, undefined, 0)) ends.push((index + 1) * QUANTUM);
    assert.deepEqual(ends, [1, 2, 3, 4, 5].map((each) => each * BLOCK));
  }
});

test("silence has no samples, and a click in it has", () => {
  const click = (frame) => (frame === 10 * QUANTUM ? Float32Array.from({ length: QUANTUM }, (_, index) => (index === 5 ? -2 : 0)) : undefined);
  const blocks = run(new SoundKernel(), { quanta: 20, samples: click });
  assert.deepEqual(blocks.map(({ samples }) => samples !== null), [false, false, true, false]);
  assert.equal(Math.min(...blocks[2].samples), -32_768);
  assert.deepEqual(run(new SoundKernel(), { quanta: 5, samples: () => new Float32Array(QUANTUM).fill(2) })[0].samples[3], 32_767);
});

test("a page that takes nothing costs no more, and what it misses is a jump", () => {
  const kernel = new SoundKernel();
  const blocks = run(kernel, { quanta: 5 * 700, samples: counting, take: false });
  assert.equal(blocks.length, 500);
  for (let taken = 0; taken < 500; taken += 1) kernel.taken();
  const [next] = run(kernel, { from: 5 * 700 * QUANTUM, quanta: 5, samples: counting });
  assert.equal(next.first, 700 * BLOCK);
});

test("an audio thread that did not run shows as a jump", () => {
  const late = (frame) => (frame >= 10 * RATE ? 700 : 0) + (frame % 1000 === 0 ? 30 : 0);
  const blocks = run(new SoundKernel(), { quanta: 125 * 20, samples: counting, late });
  const jumps = blocks.slice(1).map(({ first }, index) => first - blocks[index].first - BLOCK).filter(Boolean);
  assert.equal(jumps.length, 1);
  assert.ok(Math.abs(jumps[0] - 0.7 * RATE) <= 0.03 * RATE, String(jumps));
});

test("small losses add up, and are marked when they are 30 ms", () => {
  const late = (frame) => 10 * Math.floor(frame / (7 * RATE)) + 20 * Math.abs(Math.sin(frame));
  const blocks = run(new SoundKernel(), { quanta: 125 * 200, late });
  const lost = blocks.at(-1).first - (blocks.length - 1) * BLOCK;
  const wanted = 10 * Math.floor(200 / 7) * (RATE / 1000);
  assert.ok(lost <= wanted + 0.01 * RATE && lost > wanted - 0.04 * RATE, `${lost} of ${wanted}`);
});

test("lateness, a slow device and a clock that is set are no jumps", () => {
  const slow = (frame) => (frame / RATE) * 0.3 + 25 * Math.abs(Math.sin(frame));
  const set = (frame) => (frame >= 10 * RATE ? 3_600_000 : 0);
  const back = (frame) => (frame >= 10 * RATE ? -3_600_000 : 0);
  for (const late of [slow, set, back]) {
    const blocks = run(new SoundKernel(), { quanta: 125 * 300, late });
    assert.equal(blocks.at(-1).first, (blocks.length - 1) * BLOCK);
  }
});

test("speech is played in order, once, and its end is reported", () => {
  const kernel = new SpeechKernel();
  const output = new Float32Array(QUANTUM);
  assert.equal(kernel.fill(output), null);
  kernel.add(4, Int16Array.from({ length: 100 }, (_, index) => index * 256));
  kernel.add(4, Int16Array.of(-32_768));
  assert.deepEqual(kernel.fill(output), { number: 4, samples: 101, isEmpty: true });
  assert.equal(output[99], (99 * 256) / 32_768);
  assert.equal(output[100], -1);
  assert.equal(kernel.fill(output), null);
  kernel.add(4, new Int16Array(200));
  assert.deepEqual(kernel.fill(output), { number: 4, samples: 229, isEmpty: false });
  kernel.hush(3);
  assert.equal(kernel.fill(output).samples, 301);
  kernel.add(4, new Int16Array(200));
  kernel.hush(4);
  assert.equal(kernel.fill(output), null);
});

test("speech is bounded, and another one begins with its own", () => {
  const kernel = new SpeechKernel();
  for (let part = 0; part < 100; part += 1) kernel.add(1, new Int16Array(1600));
  kernel.add(2, new Int16Array(10));
  assert.deepEqual(kernel.fill(new Float32Array(QUANTUM)), { number: 2, samples: 10, isEmpty: true });
});

test("a capture time is the earliest that fits, and follows a slow device", () => {
  const clock = new CaptureClock();
  const drift = 0.0002;
  let worst = 0;
  for (let block = 1; block < 20_000; block += 1) {
    const end = block * BLOCK;
    const real = ((end * 1000) / RATE) * (1 + drift);
    const late = 3 + 40 * Math.abs(Math.sin(block * 1.7)) ** 4;
    const found = clock.at(end, real + late);
    if (block > 100) worst = Math.max(worst, Math.abs(found - real - 3));
  }
  assert.ok(worst < 5, String(worst));
});

/** A WebSocket and timers that the test moves. */
function connection() {
  const sockets = [];
  const timers = [];
  const received = [];
  const uplink = new Uplink({
    open: () => {
      const socket = { sent: [], bufferedAmount: 0, send: (data) => socket.sent.push(data) };
      sockets.push(socket);
      return socket;
    },
    hello: () => ({ page: "1" }),
    receive: (data) => received.push(data),
    timers: { set: (callback, wait) => timers.push({ callback, wait }) },
  });
  const tick = () => timers.splice(0).forEach(({ callback }) => callback());
  return { uplink, sockets, timers, received, tick };
}

const frame = (first, size = BLOCK) => ({ track: 1, first, count: size, captured: 0, samples: new Int16Array(size) });
const firsts = (message) => {
  const view = new DataView(message);
  const found = [];
  for (let at = 4; at < message.byteLength; at += 24 + 2 * view.getUint32(at + 4, true)) found.push(view.getFloat64(at + 8, true));
  return found;
};

test("what was captured before the connection is sent after the hello, together", () => {
  const { uplink, sockets, tick } = connection();
  uplink.sendSound(frame(0));
  uplink.sendSound(frame(BLOCK));
  tick();
  assert.deepEqual(sockets[0].sent, []);
  sockets[0].onopen();
  assert.equal(sockets[0].sent[0], '{"type":"hello","page":"1"}');
  assert.deepEqual(firsts(sockets[0].sent[1]), [0, BLOCK]);
  uplink.sendSound(frame(2 * BLOCK));
  uplink.send({ type: "ended", number: 1 });
  assert.deepEqual(firsts(sockets[0].sent[2]), [2 * BLOCK]);
  assert.equal(sockets[0].sent[3], '{"type":"ended","number":1}');
});

test("a connection that does not drain loses the oldest, within a bound", () => {
  const { uplink, sockets, tick } = connection();
  uplink.start();
  sockets[0].onopen();
  sockets[0].bufferedAmount = 2 ** 30;
  for (let block = 0; block < 5_000; block += 1) uplink.sendSound(frame(block * BLOCK));
  tick();
  assert.equal(sockets[0].sent.length, 1);
  sockets[0].bufferedAmount = 0;
  uplink.sendSound(frame(5_000 * BLOCK));
  tick();
  const found = sockets[0].sent.slice(1).flatMap(firsts);
  assert.ok(found.length < 410 && found.length > 300, String(found.length));
  assert.equal(found.at(-1), 5_000 * BLOCK);
  found.slice(1).forEach((first, index) => assert.equal(first, found[index] + BLOCK));
  for (const message of sockets[0].sent.slice(1)) assert.ok(message.byteLength < 128 * 1024);
});

test("a lost connection is opened again, and its messages are counted from 0", () => {
  const { uplink, sockets, timers, tick } = connection();
  uplink.start();
  sockets[0].onopen();
  uplink.sendSound(frame(0));
  tick();
  sockets[0].onclose({ code: 1006 });
  uplink.send({ type: "ended", number: 1 });
  sockets[1].onopen();
  uplink.sendSound(frame(BLOCK));
  tick();
  assert.equal(new DataView(sockets[1].sent[1]).getUint32(0, true), 0);
  assert.equal(timers.length, 0);
  assert.equal(sockets.length, 2);
});

test("waits grow, and end at four seconds", () => {
  const { uplink, sockets, timers } = connection();
  uplink.start();
  const waits = [];
  for (let attempt = 0; attempt < 8; attempt += 1) {
    sockets.at(-1).onclose({ code: 1006 });
    const [{ callback, wait }] = timers.splice(0);
    waits.push(wait);
    callback();
  }
  assert.deepEqual(waits, [100, 250, 500, 1000, 2000, 4000, 4000, 4000]);
});

test("a page that was displaced, or whose bot is no more, does not connect again", () => {
  for (const code of [4001, 4002]) {
    const { uplink, sockets, timers, tick } = connection();
    uplink.start();
    sockets[0].onopen();
    sockets[0].onclose({ code });
    uplink.sendSound(frame(0));
    uplink.send({ type: "opened" });
    tick();
    assert.equal(sockets.length, 1);
    assert.equal(timers.length, 0);
  }
});

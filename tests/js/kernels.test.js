import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { CaptureKernel, mix, toInt16 } from "../../static/js/audio/kernels/capture.js";
import { RATE } from "../../static/js/audio/kernels/rate.js";
import { Resampler } from "../../static/js/audio/kernels/resampler.js";

const sine = (hertz, rate, seconds, amplitude = 0.5) =>
  Float32Array.from({ length: Math.round(rate * seconds) }, (_, index) => amplitude * Math.sin((2 * Math.PI * hertz * index) / rate));

function noise(length, seed = 1) {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (state * 16_807) % 2_147_483_647;
    return (state / 2_147_483_647) * 1.6 - 0.8;
  });
}

function resample(samples, from, to, sizes = [samples.length]) {
  const resampler = new Resampler(from, to);
  const out = [];
  for (let taken = 0, turn = 0; taken < samples.length; turn += 1) {
    const size = sizes[turn % sizes.length];
    out.push(...resampler.process(samples.subarray(taken, taken + size)));
    taken += size;
  }
  return Float32Array.from([...out, ...resampler.flush()]);
}

function capture(channels, { inputRate, blockMs = 40, sizes = [128] }) {
  const kernel = new CaptureKernel({ inputRate, blockMs });
  const blocks = [];
  for (let taken = 0, turn = 0; taken < channels[0].length; turn += 1) {
    const size = sizes[turn % sizes.length];
    blocks.push(...kernel.process(channels.map((channel) => channel.subarray(taken, taken + size))));
    taken += size;
  }
  const full = blocks.length;
  blocks.push(...kernel.flush());
  return { blocks, full, samples: blocks.flatMap((block) => [...block]) };
}

/** The level of the part away from the edges, in dB re the amplitude. */
function gain(samples, amplitude) {
  const middle = samples.subarray(Math.floor(samples.length * 0.1), Math.floor(samples.length * 0.9));
  const rms = Math.sqrt(middle.reduce((sum, value) => sum + value * value, 0) / middle.length);
  return 20 * Math.log10((rms * Math.SQRT2) / amplitude);
}

const RATES = [8000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

test("N samples in are ceil(N·L/M) out, at every rate: none lost, none doubled", () => {
  for (const rate of RATES) {
    for (const length of [1, 127, 128, 4801]) {
      assert.equal(resample(noise(length), rate, RATE).length, Math.ceil((length * RATE) / rate), `${length} at ${rate}`);
    }
  }
});

test("the block size changes no sample, at every rate", () => {
  for (const rate of RATES) {
    const input = noise(5000, rate);
    const whole = resample(input, rate, RATE);
    for (const sizes of [[128], [1], [7, 300, 1, 64], [4096]]) assert.deepEqual(resample(input, rate, RATE, sizes), whole, `${sizes} at ${rate}`);
  }
});

test("frequencies that would alias are attenuated by at least 75 dB", () => {
  for (const rate of [22_050, 44_100, 48_000, 96_000]) {
    for (const hertz of [8050, 9000, 10_500, rate / 2 - 200]) {
      const level = gain(resample(sine(hertz, rate, 0.3), rate, RATE), 0.5);
      assert.ok(level < -75, `${hertz} Hz at ${rate}: ${level.toFixed(1)} dB`);
    }
  }
});

test("speech passes unchanged: within 0.05 dB up to 7.1 kHz, and in time", () => {
  for (const rate of [44_100, 48_000]) {
    for (const hertz of [100, 1000, 3400, 7100]) {
      const out = resample(sine(hertz, rate, 0.3), rate, RATE);
      assert.ok(Math.abs(gain(out, 0.5)) < 0.05, `${hertz} Hz at ${rate}`);
      const wanted = sine(hertz, RATE, 0.3);
      const worst = Math.max(...out.slice(800, -800).map((value, index) => Math.abs(value - wanted[index + 800])));
      assert.ok(worst < 0.004, `${hertz} Hz at ${rate}: ${worst}`);
    }
  }
});

test("a constant stays the constant", () => {
  const out = resample(new Float32Array(9600).fill(0.25), 48_000, RATE);
  assert.ok(out.slice(200, -200).every((value) => Math.abs(value - 0.25) < 1e-4));
});

test("after a flush a new stream begins", () => {
  const resampler = new Resampler(48_000, RATE);
  const first = [...resampler.process(noise(1000)), ...resampler.flush()];
  assert.deepEqual([...resampler.process(noise(1000)), ...resampler.flush()], first);
});

test("at 16 kHz a recording comes through bit for bit", () => {
  const pcm = readFileSync(new URL("../data/speech/austen-0920.wav", import.meta.url)).subarray(44);
  const samples = new Int16Array(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.length - (pcm.length % 2)));
  const out = capture([Float32Array.from(samples, (value) => value / 32_768)], { inputRate: RATE });
  assert.deepEqual(out.samples, [...samples]);
});

test("blocks have the given length, and the last one holds the rest", () => {
  for (const blockMs of [20, 40, 100]) {
    const { blocks, full, samples } = capture([noise(48_000)], { inputRate: 48_000, blockMs });
    assert.ok(blocks.slice(0, full).every((block) => block.length === blockMs * 16));
    assert.equal(samples.length, RATE);
  }
  assert.throws(() => new CaptureKernel({ inputRate: 48_000, blockMs: 10 }), RangeError);
  assert.throws(() => new CaptureKernel({ inputRate: 48_000, blockMs: 101 }), RangeError);
});

test("the size of the input changes no captured sample", () => {
  const input = [noise(9000, 3), noise(9000, 4)];
  const whole = capture(input, { inputRate: 44_100, sizes: [9000] }).samples;
  for (const sizes of [[128], [1, 977], [64]]) assert.deepEqual(capture(input, { inputRate: 44_100, sizes }).samples, whole);
});

test("channels are averaged and the input is left as it was", () => {
  const left = Float32Array.from([0.5, 1]);
  const right = Float32Array.from([-0.5, 0.5]);
  assert.deepEqual([...mix([left, right])], [0, 0.75]);
  assert.deepEqual([...mix([left])], [0.5, 1]);
  assert.deepEqual([...left], [0.5, 1]);
});

test("too loud samples are clipped, never wrapped, and NaN is silence", () => {
  assert.deepEqual([...toInt16(Float32Array.from([1, -1, 2, -2, NaN, 0.5]))], [32_767, -32_768, 32_767, -32_768, 0, 16_384]);
});

test("a microphone without channels gives nothing", () => {
  const kernel = new CaptureKernel({ inputRate: 48_000 });
  assert.deepEqual(kernel.process([]), []);
  assert.deepEqual(kernel.flush(), []);
});

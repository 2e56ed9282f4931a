import assert from "node:assert/strict";
import { test } from "node:test";

import { RealFft } from "../../static/js/audio/kernels/fft.js";
import { Stft } from "../../static/js/audio/kernels/stft.js";

function noise(length, seed = 1) {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (state * 16_807) % 2_147_483_647;
    return (state / 2_147_483_647) * 1.6 - 0.8;
  });
}

const near = (actual, expected, bound) =>
  actual.forEach((value, index) => assert.ok(Math.abs(value - expected[index]) < bound, `at ${index}: ${value}, not ${expected[index]}`));

for (const size of [4, 8, 64, 256]) {
  test(`The transform of ${size} samples is the sum that defines it, and its inverse returns them`, () => {
    const signal = Float64Array.from(noise(size));
    const fft = new RealFft(size);
    const re = new Float64Array(fft.bins);
    const im = new Float64Array(fft.bins);
    fft.forward(signal, re, im);
    for (let bin = 0; bin < fft.bins; bin += 1) {
      let [sumRe, sumIm] = [0, 0];
      signal.forEach((value, index) => {
        sumRe += value * Math.cos((2 * Math.PI * bin * index) / size);
        sumIm -= value * Math.sin((2 * Math.PI * bin * index) / size);
      });
      assert.ok(Math.abs(re[bin] - sumRe) < 1e-11 && Math.abs(im[bin] - sumIm) < 1e-11, `bin ${bin}`);
    }
    const back = new Float64Array(size);
    fft.inverse(re, im, back);
    near(back, signal, 1e-14);
  });
}

test("Lengths that are no power of two are refused", () => {
  for (const size of [0, 2, 6, 100]) assert.throws(() => new RealFft(size), RangeError);
});

for (const [frame, hop] of [[512, 256], [512, 128], [1536, 384], [1412, 706]]) {
  test(`Frames of ${frame} samples, one every ${hop}: unchanged spectra return the signal, whatever the blocks`, () => {
    const signal = noise(6_000);
    const padded = Float32Array.from([...signal, ...new Float32Array(frame)]);
    for (const sizes of [[padded.length], [128], [1, 0, 37, 2000]]) {
      const stft = new Stft(frame, hop);
      const out = [];
      for (let taken = 0, turn = 0; taken < padded.length; turn += 1) {
        const block = padded.subarray(taken, taken + sizes[turn % sizes.length]);
        taken += block.length;
        out.push(...stft.process(block, () => {}));
      }
      assert.ok(out.slice(0, stft.latency).every((value) => Math.abs(value) < 1e-12));
      near(out.slice(stft.latency), signal, 1e-6);
    }
  });
}

test("Spectra can be changed: a gain of a half halves the signal", () => {
  const stft = Stft.ofRate(16_000);
  const signal = noise(4_096);
  const out = stft.process(signal, (re, im) => {
    for (let bin = 0; bin < re.length; bin += 1) {
      re[bin] /= 2;
      im[bin] /= 2;
    }
  });
  near(out.slice(stft.latency), signal.map((value) => value / 2), 1e-6);
});

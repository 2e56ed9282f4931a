import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { FundamentalFinder } from "../../static/js/audio/kernels/fundamental.js";

const cases = JSON.parse(readFileSync(new URL("../data/audio/fundamentals.json", import.meta.url), "utf8"));

/** Sines and the noise of a linear congruential generator: the same anywhere. */
function mixture(count, rate, partials, loudness) {
  let state = 1;
  return Float64Array.from({ length: count }, (_, index) => {
    state = (state * 16_807) % 2_147_483_647;
    const tones = partials.reduce((sum, [frequency, amplitude, phase]) => sum + amplitude * Math.sin((2 * Math.PI * frequency * index) / rate + phase), 0);
    return tones + loudness * ((state / 2_147_483_647) * 2 - 1);
  });
}

for (const { rate, lowest, highest, partials, noise, frequency, harmonicity } of cases) {
  test(`At ${rate} Hz, ${partials.length} partials and noise of ${noise} have the fundamental that the server measures`, () => {
    const finder = new FundamentalFinder(rate, { lowest, highest });
    const samples = mixture(finder.frame, rate, partials, noise);
    finder.measure(samples);
    assert.ok(Math.abs(finder.frequency - frequency) < 1e-6 * (1 + frequency), `${finder.frequency} Hz, not ${frequency}`);
    assert.ok(Math.abs(finder.harmonicity - harmonicity) < 1e-8, `${finder.harmonicity}, not ${harmonicity}`);
  });
}

test("A frame is measured where it begins, and a finder remembers nothing of the one before", () => {
  const finder = new FundamentalFinder(16_000, { lowest: 75, highest: 500 });
  const samples = mixture(1_000, 16_000, [[150, 0.3, 0]], 0.01);
  finder.measure(samples.subarray(137));
  const { frequency, harmonicity } = finder;
  finder.measure(samples);
  finder.measure(samples, 137);
  assert.equal(finder.frequency, frequency);
  assert.equal(finder.harmonicity, harmonicity);
  assert.ok(Math.abs(frequency - 150) < 1);
});

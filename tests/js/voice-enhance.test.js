/** The kernel of voiceEnhance where its parameters change; what it returns otherwise: golden-vectors.test.js. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { VoiceEnhanceKernel } from "../../static/js/audio/kernels/voice-enhance.js";

const parameters = (targetPeak, limiter = true) => ({
  gain: 1,
  normalize: false,
  targetLevel: -18,
  targetPeak,
  compressor: { enabled: false, threshold: -20, ratio: 3, attack: 0.005, release: 0.3, knee: 2, makeupGain: 1.2 },
  clarity: { enabled: false, amount: 0.3, focusFreq: 2500, bandwidth: 1000 },
  deEsser: { enabled: false, threshold: -20, frequency: 6000, bandwidth: 2000, ratio: 3 },
  limiter: { enabled: limiter },
});

function noise(length) {
  let state = 7;
  return Float32Array.from({ length }, () => {
    state = (state * 16_807) % 2_147_483_647;
    return (state / 2_147_483_647) * 3 - 1.5;
  });
}

for (const [name, before] of [
  ["a higher target", parameters(0.9)],
  ["no limiter", parameters(0.9, false)],
]) {
  test(`after ${name}, a lower target peak holds from the first sample, also for what waited`, () => {
    const sound = noise(8000);
    const old = new VoiceEnhanceKernel(before, 16_000);
    old.process(sound.subarray(0, 4011));
    const kernel = new VoiceEnhanceKernel(parameters(0.2), 16_000);
    kernel.adopt(old);
    // The step that has left the limiter, but not the kernel, was under the old target.
    const found = kernel.process(sound.subarray(4011)).subarray(16);
    assert.ok(found.every((sample) => Math.abs(sample) <= 0.2));
    assert.ok(kernel.reduction < -6);
  });
}

test("a kernel that adopts another one's state continues as that one does", () => {
  const sound = noise(8000);
  const old = new VoiceEnhanceKernel(parameters(0.5), 16_000);
  old.process(sound.subarray(0, 4011));
  const kernel = new VoiceEnhanceKernel(parameters(0.5), 16_000);
  kernel.adopt(old);
  assert.equal(kernel.reduction, old.reduction);
  const [first, second] = [kernel, old].map((each) => each.process(sound.subarray(4011)));
  assert.ok(first.every((sample, index) => Math.abs(sample - second[index]) < 0.1));
  assert.deepEqual(first.subarray(1000), second.subarray(1000));
});

/** Loudness and true peak in the browser: the reference signals of BS.1770 and EBU Tech 3341 and 3342. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { LoudnessMeter } from "../../static/js/audio/kernels/loudness.js";

const sine = (level, seconds, rate = 16_000, frequency = 1000, phase = 0) =>
  Float64Array.from({ length: Math.round(seconds * rate) }, (_, index) => 10 ** (level / 20) * Math.sin((2 * Math.PI * frequency * index) / rate + phase));

function measured(parts, rate = 16_000, channels = 1) {
  const meter = new LoudnessMeter(rate, channels);
  for (const part of parts) {
    for (let begin = 0; begin < part.length; begin += 1024) meter.add(Array(channels).fill(part.subarray(begin, begin + 1024)));
  }
  return meter.result();
}

const near = (value, expected, within) => assert.ok(Math.abs(value - expected) <= within, `${value}, not ${expected}`);

for (const rate of [16_000, 48_000]) {
  test(`reference tones at ${rate} Hz`, () => {
    near(measured([sine(0, 5, rate, 997)], rate).integrated, -3.01, 0.1);
    near(measured([sine(-23, 5, rate)], rate, 2).integrated, -23, 0.1);
  });
}

test("quiet parts do not count", () => {
  near(measured([sine(-36, 10), sine(-20, 60), sine(-36, 10)]).integrated, -23, 0.1);
});

test("momentary and short-term loudness, and the range", () => {
  const { momentary, shortTerm, range } = measured([sine(-20, 20), sine(-30, 20)]);
  near(momentary, -33, 0.1);
  near(shortTerm, -33, 0.1);
  near(range, 10, 1);
});

test("true peaks lie between the samples", () => {
  for (const phase of [0, 45, 60, 67.5]) {
    const tone = sine(-6.0206, 1, 48_000, 12_000, (phase * Math.PI) / 180);
    for (let index = 0; index < 4800; index += 1) {
      tone[index] *= index / 4800;
      tone[tone.length - 1 - index] *= index / 4800;
    }
    const peak = 20 * Math.log10(measured([tone], 48_000).truePeak);
    assert.ok(peak >= -6.4 && peak <= -5.8, `${peak}`);
  }
});

test("silence has no loudness", () => {
  const { integrated, momentary, range, truePeak } = measured([new Float64Array(64_000)]);
  assert.deepEqual({ integrated, momentary, range, truePeak }, { integrated: null, momentary: null, range: null, truePeak: 0 });
});

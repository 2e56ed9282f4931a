/** The ratio of speech to noise in the browser is what the service finds, within 1e-4. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { NoiseRatioMeter } from "../../static/js/audio/kernels/noise-ratio.js";
import { CASES, made } from "./noise-ratio-cases.js";

const WITHIN = 1e-4;
/** Not longer than those of Python: what is unknown around the moment from which the activity is known depends on it. */
const SIZES = [128, 1, 500, 37, 334];

for (const { case: each, found } of CASES) {
  test(each.name, () => {
    const { rate, samples, activity, begins } = made(each);
    const meter = new NoiseRatioMeter(rate);
    for (let at = 0, index = 0; at < samples.length; index += 1) {
      // A block does not contain the moment from which the activity is known.
      const end = Math.min(at + SIZES[index % SIZES.length], at < begins ? begins : Infinity, samples.length);
      const known = at < begins ? null : { confidence: activity.confidence.subarray(at, end), speech: activity.speech.subarray(at, end) };
      meter.add(samples.subarray(at, end), known);
      at = end;
    }
    const { snrDb, floorDb, confidence, reason } = meter.value;
    assert.equal(reason, found.reason ?? "");
    for (const [value, expected] of [[snrDb, found.snr_db], [floorDb, found.noise_floor_db], [confidence, found.confidence]]) {
      if (expected === null) assert.equal(value, null);
      else assert.ok(Math.abs(value - expected) <= WITHIN, `${value}, not ${expected}`);
    }
  });
}

/** The sounds of tests/audio/noise_ratio_cases.py, and what the service finds of them. */

import { readFileSync } from "node:fs";

export const CASES = JSON.parse(readFileSync(new URL("../data/audio/noise-ratio.json", import.meta.url), "utf8"));

/** The sound and the activity of a case, as Python makes them; `begins`: the sample from which the activity is known. */
export function made({ sample_rate: rate = 16_000, seconds = 5, noise = 0.02, swell = 0, speech = [[1, 2.2], [3, 4.1]], loud = 0.1, depth = 0.5, decay = 0.02, hang = 0, activity_from: from = null }) {
  const count = Math.round(seconds * rate);
  const samples = new Float64Array(count);
  const activity = { confidence: new Float32Array(count), speech: new Uint8Array(count) };
  let state = 1;
  for (let index = 0; index < count; index += 1) {
    const time = index / rate;
    state = (Math.imul(1_664_525, state) + 1_013_904_223) >>> 0;
    let value = noise * (state / 2 ** 31 - 1);
    if (swell) value *= (0.5 - 0.5 * Math.cos(2 * Math.PI * swell * time)) ** 2 + 0.01;
    let envelope = 0;
    for (const [begin, end] of speech) {
      if (time >= begin && time < end) {
        envelope = 1 - depth - depth * Math.cos(2 * Math.PI * 4 * time);
      } else if (time >= end) envelope = Math.max(envelope, 0.7 * Math.exp(-(time - end) / decay));
      if (time >= begin && time < end + hang) activity.speech[index] = 1;
    }
    let voice = 0;
    for (let n = 1; n <= 12; n += 1) voice += Math.sin(2 * Math.PI * 140 * n * time) / n;
    samples[index] = value + loud * envelope * voice;
    activity.confidence[index] = activity.speech[index] ? 0.9 : 0.1;
  }
  return { rate, samples, activity, begins: from === null ? Infinity : Math.round(from * rate) };
}

/** Measures the level of what leaves each stage, between two readings. */

import { STAGE_IDS } from "./stages.js";

export class Meters {
  #sums = new Float64Array(STAGE_IDS.length);
  #counts = new Float64Array(STAGE_IDS.length);
  #peaks = new Float64Array(STAGE_IDS.length);

  /** `left`: {stage: samples}. */
  add(left) {
    for (let stage = 0; stage < STAGE_IDS.length; stage += 1) {
      const samples = left[STAGE_IDS[stage]];
      let sum = 0;
      let peak = this.#peaks[stage];
      for (let index = 0; index < samples.length; index += 1) {
        const sample = samples[index];
        sum += sample * sample;
        if (sample > peak) peak = sample;
        else if (-sample > peak) peak = -sample;
      }
      this.#sums[stage] += sum;
      this.#counts[stage] += samples.length;
      this.#peaks[stage] = peak;
    }
  }

  /** {stage: {rms, peak, count}}, full scale 1, since the last reading; `count` samples, 0 where nothing has left. */
  take() {
    const levels = {};
    STAGE_IDS.forEach((stage, index) => {
      const power = this.#counts[index] === 0 ? 0 : this.#sums[index] / this.#counts[index];
      // A sum that a broken sample has spoilt is of no use.
      levels[stage] = { rms: Number.isFinite(power) ? Math.sqrt(power) : 0, peak: Math.min(this.#peaks[index], 1e3), count: this.#counts[index] };
    });
    this.#sums.fill(0);
    this.#counts.fill(0);
    this.#peaks.fill(0);
    return levels;
  }
}

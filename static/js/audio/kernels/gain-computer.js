/** The gain of a compressor, step by step; the twin of orch/audio/stages/gain_computer.py. */

import { HOLD, compression, decibels, factor, smoothed } from "./envelope.js";

export class GainComputer {
  #curve;
  #falling;
  #rising;
  #peaks = new Float64Array(HOLD + 1);
  /** Of the last step, dB. */
  gain = 0;
  /** Of the step before it and of the last step, as factors. */
  before = 1;
  factor = 1;

  /** `curve`: {threshold, ratio, knee} in dB; `falling`, `rising`: the c of each direction. */
  constructor(curve, falling, rising) {
    this.#curve = curve;
    this.#falling = falling;
    this.#rising = rising;
  }

  adopt(other) {
    this.#peaks.set(other.#peaks);
    this.gain = other.gain;
    this.factor = other.factor;
  }

  /** As if there had been nothing before. */
  reset() {
    this.#peaks.fill(0);
    this.gain = 0;
    this.before = 1;
    this.factor = 1;
  }

  /** Set `before` and `factor` for the next step, from its peak. */
  follow(peak) {
    this.#peaks.copyWithin(0, 1);
    this.#peaks[HOLD] = peak;
    let highest = 0;
    for (let index = 0; index <= HOLD; index += 1) if (this.#peaks[index] > highest) highest = this.#peaks[index];
    this.gain = smoothed(compression(decibels(highest), this.#curve), this.gain, this.#falling, this.#rising);
    this.before = this.factor;
    this.factor = factor(this.gain);
  }
}

/** The gain of a compressor, a de-esser or an expander, step by step; the twin of orch/audio/stages/gain_computer.py. */

import { Levels, factor, powerDecibels, smoothed } from "./envelope.js";

export class GainComputer {
  #curve;
  #falling;
  #rising;
  #levels;
  #power = -1;
  #wanted = 0;
  /** Of the last step, dB. */
  gain = 0;
  /** Of the step before it and of the last step, as factors. */
  before = 1;
  factor = 1;

  /** `curve(level)`: dB to dB; `falling`, `rising`: the c of each direction; `size`: samples of a step. */
  constructor(curve, { falling, rising, size }) {
    this.#curve = curve;
    this.#falling = falling;
    this.#rising = rising;
    this.#levels = new Levels(size);
  }

  adopt(other) {
    this.#levels.adopt(other.#levels);
    this.gain = other.gain;
    this.factor = other.factor;
  }

  /** As if there had been nothing before. */
  reset() {
    this.#levels.reset();
    this.gain = 0;
    this.before = 1;
    this.factor = 1;
  }

  /** Set `before` and `factor` for a step, from its level. */
  follow(step) {
    const power = this.#levels.add(step);
    // A level is held, so most steps have that of the one before.
    if (power !== this.#power) {
      this.#power = power;
      this.#wanted = this.#curve(powerDecibels(power));
    }
    this.before = this.factor;
    if (this.#wanted === this.gain) return;
    this.gain = smoothed(this.#wanted, this.gain, this.#falling, this.#rising);
    this.factor = factor(this.gain);
  }
}

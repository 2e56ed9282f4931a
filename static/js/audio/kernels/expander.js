/** A downward expander: makes what is below a threshold quieter; the twin of orch/audio/stages/expander.py. */

import { EXPANDER_RANGE } from "./bounds.js";
import { Steps, coefficient, decibels, expansion, factor, peakOf, smoothed, stepSize } from "./envelope.js";

export class Expander {
  #unit;
  #size;
  #steps;
  #transform = (step) => this.#step(step);
  /** Of the last step, dB. */
  gain = 0;

  constructor(unit, sampleRate) {
    this.#unit = unit;
    this.#size = stepSize(sampleRate);
    this.#steps = new Steps(this.#size);
  }

  get latency() {
    return this.#size;
  }

  adopt(other) {
    this.#steps.adopt(other.#steps);
    this.gain = other.gain;
  }

  process(block) {
    return this.#steps.process(block, 1, this.#transform);
  }

  #step(step) {
    const { enabled, threshold, ratio, attack, release } = this.#unit;
    if (!enabled) {
      this.gain = 0;
      return step;
    }
    const wanted = expansion(decibels(peakOf(step, 0, this.#size)), { threshold, ratio, range: EXPANDER_RANGE });
    if (this.gain === 0 && wanted === 0) return step;
    const before = factor(this.gain);
    this.gain = smoothed(wanted, this.gain, coefficient(release), coefficient(attack));
    const slope = factor(this.gain) - before;
    for (let index = 0; index < this.#size; index += 1) step[index] *= before + (slope * (index + 1)) / this.#size;
    if (this.gain >= -1e-9) this.gain = 0;
    return step;
  }
}
